/**
 * Channels as redis-server has them: what subscribers are told of each change of a key, in its order, and what is
 * answered, byte by byte.
 */
import { assert, assertEquals } from "@std/assert";
import { withCluster } from "./harness.ts";
import { eventually } from "./patience.ts";
import { encodeRequest, RedisSocket } from "./redis_socket.ts";
import { RedisServer, redisTest } from "./redis_tools.ts";

/** Every command that changes keys, and those that do so only sometimes. */
const CHANGES = [
  "SET a 1",
  "SET a 1 EX 100",
  "SET a 2 KEEPTTL",
  "SET a 3 GET",
  "SET a 3 NX",
  "SET none 3 XX",
  "SET a 4 XX PX 100000",
  "GETSET a 5",
  "SETNX a 6",
  "SETNX b 6",
  "SETEX b 100 7",
  "PSETEX b 100000 8",
  "APPEND a x",
  "APPEND made x",
  "SETRANGE a 0 q",
  "SETRANGE a 9 q",
  "SET n 5",
  "INCR n",
  "DECR n",
  "INCRBY n 0",
  "INCRBY n 7",
  "DECRBY n 2",
  "INCRBYFLOAT n 1.5",
  "INCR a",
  "EXPIRE n 100",
  "EXPIRE n 50 GT",
  "PEXPIRE n 90000",
  "EXPIREAT n 99999999999",
  "PEXPIREAT n 99999999999000",
  "PERSIST n",
  "PERSIST n",
  "EXPIRE n -1",
  "EXPIRE none 10",
  "GETEX a EX 100",
  "GETEX a PERSIST",
  "GETEX a PERSIST",
  "GETEX a",
  "GETEX a PXAT 1",
  "MSET a 1 b 2 a 3",
  "MSETNX a 1 new 2",
  "MSETNX new 1 newer 2",
  "GETDEL new",
  "GETDEL new",
  "DEL newer none b a",
  "UNLINK made",
  "SET t 1 PX 1",
  "MULTI",
  "SET x 1",
  "INCR x",
  "GET x",
  "EXPIRE x 100",
  "DEL x",
  "EXEC",
  "SET last 1",
  "FLUSHALL",
];

const END = "that was all";

/** What who subscribes to `subscriptions` is told while all that is done; what is told of `t` comes when it does. */
async function toldBy(port: number, subscriptions: readonly string[][]): Promise<string[]> {
  using subscriber = await RedisSocket.connect(port);
  for (const words of subscriptions) {
    await subscriber.ask(...words);
    // Each name has a reply.
    for (let i = 2; words[0] !== "HELLO" && i < words.length; i++) await subscriber.readRaw();
  }
  using writer = await RedisSocket.connect(port);
  for (const line of CHANGES) {
    await writer.ask(...line.split(" "));
    // It expires before the next one is sent, by either clock.
    while (line.startsWith("SET t") && await writer.ask("EXISTS", "t") === 1);
  }
  const told: string[] = [];
  for (let isSwept = false; !isSwept;) isSwept = await writer.ask("DBSIZE") === 0;
  await writer.ask("PUBLISH", END, "x");
  while (!told.at(-1)?.includes(END)) told.push(await subscriber.readRaw());
  return told;
}

const SUBSCRIPTIONS: readonly string[][][] = [
  [["PSUBSCRIBE", "*"]],
  [["PSUBSCRIBE", "__key*__:*", END]],
  [["PSUBSCRIBE", "__keyspace@0__:[an]", "__keyevent@0__:e*"], ["SUBSCRIBE", END]],
  [["SUBSCRIBE", "__keyspace@0__:a", "__keyevent@0__:del", "__keyevent@0__:expired", END]],
  [["HELLO", "3"], ["SUBSCRIBE", "__keyspace@0__:n", END], ["PSUBSCRIBE", "__key*@0__:??", END]],
];

redisTest("subscribers are told what redis-server tells them", ["redis-server"], async (t) => {
  const redis = await RedisServer.start(["--notify-keyspace-events", "KEA"]);
  try {
    await withCluster({ size: 1 }, async (cluster) => {
      await cluster.startAll();
      const [{ clientPort }] = [await cluster.waitForLeader()];
      for (const subscriptions of SUBSCRIPTIONS) {
        await t.step(subscriptions.flat().join(" "), async () => {
          const theirs = await toldBy(redis.port, subscriptions);
          assert(theirs.length > 1);
          assertEquals(await toldBy(clientPort, subscriptions), theirs);
        });
      }
    });
  } finally {
    await redis.stop();
  }
});

/** Lines of commands on one connection, each line with how many replies it gets. */
const CONVERSATIONS: readonly (readonly [replies: number, line: string][])[] = [
  [
    [1, "SUBSCRIBE a"],
    [1, "SUBSCRIBE a"],
    [2, "PSUBSCRIBE a* b*"],
    [1, "GET k"],
    [1, "SET k v"],
    [1, "PING"],
    [1, "PING hello"],
    [1, "PUBLISH a x"],
    [1, "UNSUBSCRIBE a"],
    [1, "UNSUBSCRIBE"],
    [1, "UNSUBSCRIBE none"],
    [2, "PUNSUBSCRIBE"],
    [1, "PUNSUBSCRIBE"],
    [1, "PING"],
    [1, "GET k"],
  ],
  [
    [1, "HELLO 3"],
    [2, "SUBSCRIBE a b"],
    [2, "PUBLISH a x"],
    [1, "PSUBSCRIBE [ab]"],
    [3, "PUBLISH b y"],
    [1, "PING"],
    [1, "PING hello"],
    [1, "SET k v"],
    [1, "GET k"],
    [1, "PUBSUB CHANNELS x*"],
    [1, "PUBSUB NUMSUB a b c"],
    [1, "PUBSUB NUMSUB"],
    [1, "PUBSUB NUMPAT"],
    [1, "UNSUBSCRIBE b"],
    [1, "UNSUBSCRIBE"],
    [1, "UNSUBSCRIBE"],
    [1, "PUNSUBSCRIBE none"],
    [1, "RESET"],
    [1, "PUBSUB NUMPAT"],
    [1, "GET k"],
  ],
  [
    [1, "SUBSCRIBE"],
    [1, "PSUBSCRIBE"],
    [1, "PUBLISH a"],
    [1, "PUBLISH a b c"],
    [1, "PUBLISH nobody x"],
    [1, "PUBSUB"],
    [1, "PUBSUB CHANNELS a b"],
    [1, "PUBSUB none"],
    [1, "PUBSUB CHANNELS"],
    [1, "PUBSUB NUMPAT x"],
    [1, "SUBSCRIBE x"],
    [1, "RESET"],
    [1, "PING"],
    [1, "SUBSCRIBE x"],
    [1, "QUIT"],
  ],
  [
    [1, "HELLO 3"],
    [1, "FLUSHALL"],
    [1, "CLIENT TRACKINGINFO"],
    [1, "CLIENT GETREDIR"],
    [1, "CLIENT CACHING YES"],
    [1, "CLIENT TRACKING"],
    [1, "CLIENT TRACKING MAYBE"],
    [1, "CLIENT TRACKING ON NONSENSE"],
    [1, "CLIENT TRACKING ON PREFIX a"],
    [1, "CLIENT TRACKING ON REDIRECT 99999"],
    [1, "CLIENT TRACKING ON REDIRECT x"],
    [1, "CLIENT TRACKING OFF"],
    [1, "CLIENT TRACKING ON"],
    [1, "CLIENT TRACKING ON"],
    [1, "CLIENT CACHING NO"],
    [1, "CLIENT CACHING x"],
    [1, "CLIENT TRACKINGINFO"],
    [1, "CLIENT GETREDIR"],
    [1, "GET k"],
    [2, "SET k 1"],
    [1, "SET k 2"],
    [1, "MGET k l"],
    [2, "INCR k"],
    [2, "INCR l"],
    [1, "EXISTS k"],
    [1, "TTL l"],
    [2, "DEL k"],
    [2, "EXPIRE l 100"],
    [1, "MULTI"],
    [1, "GET m"],
    [1, "EXEC"],
    [2, "SET m 1"],
    [2, "FLUSHALL"],
    [1, "CLIENT TRACKING ON BCAST"],
    [1, "CLIENT TRACKING ON NOLOOP"],
    [1, "GET k"],
    [1, "SET k 1"],
    [1, "CLIENT TRACKINGINFO"],
    [1, "CLIENT TRACKING OFF"],
    [1, "CLIENT TRACKING ON BCAST PREFIX fo PREFIX foo"],
    [1, "CLIENT TRACKING ON BCAST PREFIX b PREFIX a"],
    [1, "CLIENT TRACKING ON BCAST PREFIX ab"],
    [1, "CLIENT TRACKING ON BCAST PREFIX c"],
    [1, "CLIENT TRACKING ON"],
    [1, "CLIENT TRACKINGINFO"],
    [2, "SET a1 x"],
    [1, "SET k x"],
    [2, "DEL a1"],
    [1, "CLIENT TRACKING ON BCAST NOLOOP"],
    [1, "SET a1 x"],
    [1, "RESET"],
    [1, "CLIENT TRACKINGINFO"],
    [1, "CLIENT TRACKING ON"],
    [1, "GET a1"],
    [1, "SET a1 y"],
    [1, "PING"],
  ],
  // What is to be noted, and what is not, is said command by command.
  [
    [1, "HELLO 3"],
    [1, "FLUSHALL"],
    [1, "CLIENT TRACKING ON BCAST OPTIN"],
    [1, "CLIENT TRACKING ON OPTIN OPTOUT"],
    [1, "CLIENT TRACKING ON BCAST OPTIN OPTOUT"],
    [1, "CLIENT TRACKING ON OPTIN PREFIX a"],
    [1, "CLIENT TRACKING OFF OPTIN OPTOUT"],
    [1, "CLIENT CACHING x"],
    [1, "CLIENT TRACKING ON OPTIN"],
    [1, "CLIENT TRACKING ON OPTOUT"],
    [1, "CLIENT TRACKING ON BCAST"],
    [1, "CLIENT TRACKING ON BCAST OPTIN"],
    [1, "CLIENT TRACKING ON OPTIN OPTOUT"],
    [1, "CLIENT CACHING NO"],
    [1, "CLIENT CACHING x"],
    [1, "CLIENT TRACKINGINFO"],
    [1, "GET k"],
    [1, "SET k 1"],
    [1, "CLIENT CACHING YES"],
    [1, "CLIENT TRACKINGINFO"],
    [1, "GET k"],
    [1, "CLIENT TRACKINGINFO"],
    [1, "GET l"],
    [2, "SET k 2"],
    [1, "SET l 2"],
    [1, "CLIENT CACHING yes"],
    [1, "PING"],
    [1, "GET k"],
    [1, "SET k 3"],
    [1, "CLIENT CACHING YES"],
    [1, "NONSENSE"],
    [1, "GET k"],
    [1, "SET k 4"],
    [1, "CLIENT CACHING YES"],
    [1, "CLIENT NONSENSE"],
    [1, "CLIENT TRACKINGINFO"],
    [1, "CLIENT CACHING YES"],
    [1, "CLIENT SETNAME"],
    [1, "CLIENT TRACKINGINFO"],
    [1, "CLIENT CACHING YES"],
    [1, "GET"],
    [1, "GET k"],
    [1, "SET k 5"],
    [1, "CLIENT CACHING YES"],
    [1, "CLIENT GETNAME"],
    [1, "CLIENT CACHING NO"],
    [1, "GET k"],
    [2, "SET k 6"],
    [1, "CLIENT CACHING YES"],
    [1, "MULTI"],
    [1, "GET k"],
    [1, "GET l"],
    [1, "EXEC"],
    [1, "CLIENT TRACKINGINFO"],
    [1, "GET m"],
    [2, "SET k 7"],
    [2, "SET l 7"],
    [1, "SET m 7"],
    [1, "CLIENT CACHING YES"],
    [1, "MULTI"],
    [1, "DISCARD"],
    [1, "GET k"],
    [1, "SET k 8"],
    [1, "CLIENT CACHING YES"],
    [1, "MULTI"],
    [1, "NONSENSE"],
    [1, "EXEC"],
    [1, "GET k"],
    [1, "SET k 9"],
    [1, "CLIENT TRACKING OFF"],
    [1, "CLIENT TRACKING ON OPTOUT NOLOOP"],
    [1, "CLIENT TRACKINGINFO"],
    [1, "CLIENT TRACKING ON OPTOUT"],
    [1, "CLIENT TRACKING ON OPTIN"],
    [1, "CLIENT CACHING YES"],
    [1, "GET k"],
    [2, "SET k 1"],
    [1, "CLIENT CACHING NO"],
    [1, "CLIENT TRACKINGINFO"],
    [1, "MGET k l"],
    [1, "SET k 2"],
    [1, "MGET k l"],
    [2, "SET k 3"],
    [1, "CLIENT CACHING NO"],
    [1, "MULTI"],
    [1, "GET l"],
    [1, "GET m"],
    [1, "EXEC"],
    [1, "SET m 2"],
    [1, "CLIENT CACHING NO"],
    [1, "CLIENT TRACKING OFF"],
    [1, "CLIENT TRACKING ON OPTIN"],
    [1, "CLIENT TRACKINGINFO"],
    [1, "GET k"],
    [1, "SET k 4"],
    [1, "CLIENT CACHING YES"],
    [1, "CLIENT TRACKING ON OPTIN"],
    [1, "CLIENT TRACKINGINFO"],
    [1, "CLIENT TRACKING ON"],
    [1, "CLIENT TRACKINGINFO"],
    [1, "RESET"],
    [1, "CLIENT TRACKINGINFO"],
    [1, "CLIENT CACHING YES"],
  ],
];

async function converse(
  port: number,
  lines: readonly (readonly [number, string])[],
): Promise<string[]> {
  using socket = await RedisSocket.connect(port);
  const heard: string[] = [];
  for (const [replies, line] of lines) {
    await socket.write(encodeRequest(line.split(" ")));
    for (let i = 0; i < replies; i++) heard.push(`${line}: ${await socket.readRaw()}`);
  }
  return heard.filter((one) => !one.startsWith("HELLO"));
}

redisTest(
  "what is answered about channels is what redis-server answers",
  ["redis-server"],
  async (t) => {
    const redis = await RedisServer.start();
    try {
      await withCluster({ size: 1 }, async (cluster) => {
        await cluster.startAll();
        const { clientPort } = await cluster.waitForLeader();
        for (const [i, lines] of CONVERSATIONS.entries()) {
          await t.step(`conversation ${i}`, async () => {
            assertEquals(await converse(clientPort, lines), await converse(redis.port, lines));
          });
        }
      });
    } finally {
      await redis.stop();
    }
  },
);

/** What users with these rules may do with channels. */
const RULES = [
  "&*",
  "resetchannels",
  "&a*",
  "&a* &b",
  "resetchannels &[ab]1",
  "-subscribe &*",
  "-@pubsub &*",
];
const OF_USERS = [
  "SUBSCRIBE a",
  "SUBSCRIBE a1 b",
  "SUBSCRIBE b",
  "PSUBSCRIBE a*",
  "PSUBSCRIBE a1",
  "PSUBSCRIBE *",
  "PSUBSCRIBE [ab]1",
  "PUBLISH a x",
  "PUBLISH b1 x",
  "PUBSUB CHANNELS",
  "UNSUBSCRIBE zz",
];

redisTest(
  "users may use the channels that redis-server lets them use",
  ["redis-server"],
  async () => {
    const redis = await RedisServer.start();
    try {
      await withCluster({ size: 1 }, async (cluster) => {
        await cluster.startAll();
        const { clientPort } = await cluster.waitForLeader();
        const outcomes = async (port: number, isOurs: boolean) => {
          using root = await RedisSocket.connect(port);
          if (isOurs) {
            await eventually("the cluster to know users", async () => {
              const made = ["on", ">root", "+@all", "~*", "&*"];
              return await root.ask("ACL", "SETUSER", "root", ...made) === "OK";
            });
            assertEquals(await root.ask("AUTH", "root", "root"), "OK");
          }
          const heard: string[] = [];
          for (const [i, rules] of RULES.entries()) {
            const more = ["on", ">pass", "~*", "+@all", ...rules.split(" ")];
            assertEquals(await root.ask("ACL", "SETUSER", `u${i}`, ...more), "OK");
            for (const line of OF_USERS) {
              using socket = await RedisSocket.connect(port);
              assertEquals(await socket.ask("AUTH", `u${i}`, "pass"), "OK");
              await socket.write(encodeRequest(line.split(" ")));
              heard.push(`${rules}: ${line}: ${await socket.readRaw()}`);
            }
          }
          return heard;
        };
        assertEquals(await outcomes(clientPort, true), await outcomes(redis.port, false));
        const isClosedBy = async (port: number, isOurs: boolean, rules: string) => {
          using root = await RedisSocket.connect(port);
          if (isOurs) assertEquals(await root.ask("AUTH", "root", "root"), "OK");
          const made = ["on", ">pass", "~*", "+@all", "resetchannels", "&a*"];
          assertEquals(await root.ask("ACL", "SETUSER", "open", ...made), "OK");
          using socket = await RedisSocket.connect(port);
          assertEquals(await socket.ask("AUTH", "open", "pass"), "OK");
          assertEquals(await socket.ask("SUBSCRIBE", "a1"), ["subscribe", "a1", 1]);
          assertEquals(await root.ask("ACL", "SETUSER", "open", ...rules.split(" ")), "OK");
          assertEquals(typeof await root.ask("PUBLISH", "a1", "x"), "number");
          return await socket.readRaw() === "";
        };
        for (
          const rules of ["resetchannels", "resetchannels &a1", "&b", "resetchannels &b", "-get"]
        ) {
          const theirs = await isClosedBy(redis.port, false, rules);
          assertEquals(await isClosedBy(clientPort, true, rules), theirs, rules);
        }
      });
    } finally {
      await redis.stop();
    }
  },
);
