/** Channels over several servers, with real ones: who hears what is published, and what becomes of keys. */
import { assert, assertEquals } from "@std/assert";
import { BuildBefore, needsBuildBefore } from "./build_before.ts";
import { clusterTest, type Server } from "./harness.ts";
import { untilLoaded } from "./loaded.ts";
import { eventually } from "./patience.ts";
import { encodeRequest, RedisSocket } from "./redis_socket.ts";
import { needsProgram, unmet } from "./requirements.ts";

async function subscribed(server: Server, ...words: string[]): Promise<RedisSocket> {
  const socket = await RedisSocket.connect(server.clientPort);
  const reply = await socket.ask(...words);
  assert(!(reply instanceof Error), `${words.join(" ")}: ${reply}`);
  return socket;
}

/** Publishes on `server` until `subscriber` hears it: the links to it may only come up. */
async function untilHeard(server: Server, subscriber: RedisSocket, channel: string): Promise<void> {
  using publisher = await RedisSocket.connect(server.clientPort);
  const heard = subscriber.readRaw();
  let isHeard = false;
  heard.then(() => isHeard = true);
  await eventually("a message to be heard", async () => {
    if (!isHeard) await publisher.ask("PUBLISH", channel, "probe");
    return isHeard;
  });
}

clusterTest(
  "process: what is published on any server is heard on all of them, in its order",
  {},
  async (cluster) => {
    await cluster.startAll();
    await untilLoaded(cluster.servers);
    const subscribers: RedisSocket[] = [];
    try {
      for (const server of cluster.servers) {
        subscribers.push(await subscribed(server, "SUBSCRIBE", "news"));
      }
      for (const from of cluster.servers) {
        for (const one of subscribers) {
          using probe = await subscribed(from, "PING");
          assert(await probe.ask("PUBLISH", "none", "x") === 0);
          await untilHeard(from, one, "news");
        }
      }
      const [first, second] = cluster.servers;
      using publisher = await RedisSocket.connect(first!.clientPort);
      using other = await RedisSocket.connect(second!.clientPort);
      for (let i = 0; i < 200; i++) {
        // Its own subscriber alone is counted.
        assertEquals(await publisher.ask("PUBLISH", "news", `a${i}`), 1);
        assertEquals(await other.ask("PUBLISH", "news", `b${i}`), 1);
      }
      for (const one of subscribers) {
        const heard = { a: 0, b: 0 };
        while (heard.a < 200 || heard.b < 200) {
          const raw = await one.readRaw();
          const [, letter, number] = /\r\n([ab])(\d+)\r\n$/.exec(raw) ?? [];
          if (letter === undefined) continue; // a probe
          assertEquals(Number(number), heard[letter as "a" | "b"]++, raw);
        }
      }
    } finally {
      for (const one of subscribers) one.close();
    }
  },
);

clusterTest(
  "process: followers tell of changes of keys as well, over a kill of the leader, each once and in order",
  {},
  async (cluster) => {
    await cluster.startAll();
    const leader = await cluster.waitForLeader();
    const followers = cluster.others(leader);
    await untilLoaded(followers);
    using one = await subscribed(followers[0]!, "PSUBSCRIBE", "__keyspace@0__:seq:*");
    using two = await subscribed(followers[1]!, "SUBSCRIBE", "__keyevent@0__:set");
    using client = cluster.client();
    const count = 200;
    const acknowledged: number[] = [];
    for (let i = 0; i < count; i++) {
      // One whose outcome is unknown may be told or not.
      if ((await client.set(`seq:${i}`, `${i}`)).startsWith("OK")) acknowledged.push(i);
      if (i === 100) await leader.kill();
    }
    while (!(await client.set(`seq:${count}`, "last")).startsWith("OK"));
    const numbersIn = async (socket: RedisSocket): Promise<number[]> => {
      const seen: number[] = [];
      while (seen.at(-1) !== count) {
        seen.push(Number(/seq:(\d+)/.exec(await socket.readRaw())![1]));
      }
      return seen;
    };
    for (const socket of [one, two]) {
      const seen = await numbersIn(socket);
      const isInOrder = seen.every((number, i) => i === 0 || number > seen[i - 1]!);
      assert(isInOrder, `${seen}`);
      const missing = acknowledged.filter((number) => !seen.includes(number));
      assertEquals(missing, []);
      assert(acknowledged.length > count / 2, `${acknowledged.length} were acknowledged`);
    }
  },
);

clusterTest(
  "process: a subscriber that never reads is disconnected, and holds up neither writes nor others",
  { limits: { subscriberBytesMax: 1_048_576 } },
  async (cluster) => {
    await cluster.startAll();
    const leader = await cluster.waitForLeader();
    using slow = await subscribed(leader, "PSUBSCRIBE", "*");
    using quick = await subscribed(leader, "SUBSCRIBE", "end");
    using publisher = await RedisSocket.connect(leader.clientPort);
    const message = "m".repeat(100_000);
    let receivers = 1;
    // More than the buffers of both systems take, and all that may wait.
    for (let i = 0; i < 300 && receivers > 0; i++) {
      receivers = Number(await publisher.ask("PUBLISH", "large", message));
      if (receivers === 0) break;
      assertEquals(await publisher.ask("SET", "k", `${i}`), "OK");
    }
    assertEquals(receivers, 0, "it is disconnected");
    assertEquals(await publisher.ask("PUBLISH", "end", "x"), 1);
    assert((await quick.readRaw()).includes("end"));
    assert((await slow.readToEnd()).length < 60_000_000);
  },
);

clusterTest(
  "process: a build before in the cluster is sent nothing that is published, and stays",
  { notRun: unmet(needsBuildBefore(), needsProgram("tar", "--version")) },
  async (cluster) => {
    using before = new BuildBefore();
    const [first, second, old] = cluster.servers;
    old!.checkout = before.checkout;
    first!.flags = second!.flags = ["--hold-cluster-version"];
    await cluster.startAll();
    await untilLoaded([second!]);
    using one = await subscribed(second!, "SUBSCRIBE", "news");
    await untilHeard(first!, one, "news");
    using publisher = await RedisSocket.connect(first!.clientPort);
    for (let i = 0; i < 100; i++) await publisher.ask("PUBLISH", "news", `${i}`);
    using client = cluster.client();
    assertEquals(await client.set("k", "v"), "OK 1");
    await eventually("the old one to have what was written", async () => {
      using socket = await RedisSocket.connect(old!.clientPort);
      await socket.ask("READONLY");
      return await socket.ask("GET", "k") === "v";
    });
    for (const server of cluster.servers) {
      const refused = server.process.log.filter(({ message, reason }) =>
        /makes no sense|refuses this server|malformed/.test(`${message} ${reason}`)
      );
      assertEquals(refused, []);
    }
  },
);

clusterTest(
  "process: who keeps what it has read is told of changes, and to forget all when the leader is lost",
  {},
  async (cluster) => {
    await cluster.startAll();
    const leader = await cluster.waitForLeader();
    const follower = cluster.others(leader)[0]!;
    using client = cluster.client();
    assert((await client.set("k", "old")).startsWith("OK"));
    using reader = await subscribed(follower, "HELLO", "3");
    assertEquals(await reader.ask("READONLY"), "OK");
    await eventually("the follower to have it", async () => await reader.ask("GET", "k") === "old");
    assertEquals(await reader.ask("CLIENT", "TRACKING", "ON"), "OK");
    assertEquals(await reader.ask("GET", "k"), "old");
    assert((await client.set("k", "new")).startsWith("OK"));
    const forget = (key: string) => `>2\r\n$10\r\ninvalidate\r\n${key}`;
    assertEquals(await reader.readRaw(), forget("*1\r\n$1\r\nk\r\n"));
    assertEquals(await reader.ask("GET", "k"), "new");
    await leader.kill();
    assertEquals(await reader.readRaw(), forget("_\r\n"));
    await cluster.waitForLeader(cluster.others(leader));
    // What is read from now on is told as well. That the next leader is known may come first.
    using later = cluster.client();
    while (!(await later.set("k", "newest")).startsWith("OK"));
    using other = await subscribed(follower, "READONLY");
    await eventually("the newest", async () => await other.ask("GET", "k") === "newest");
    await reader.write(encodeRequest(["GET", "k"]));
    let heard = "";
    while (!heard.includes("newest")) heard = await reader.readRaw();
    while (!(await later.set("k", "last")).startsWith("OK"));
    while (!heard.includes("invalidate")) heard = await reader.readRaw();
    // Or all, where the leadership has moved on once more.
    assert([forget("*1\r\n$1\r\nk\r\n"), forget("_\r\n")].includes(heard), heard);
  },
);
