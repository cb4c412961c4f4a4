/**
 * Clients with one address, the forward port of a server that does not lead, over kills of the leader: real
 * servers, and the libraries and programs that people have.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Redis as IoRedis } from "ioredis";
import { createClient } from "redis";
import { TestCa } from "../../bench/test_ca.ts";
import { ask } from "../../client/mod.ts";
import { BuildBefore, needsBuildBefore } from "./build_before.ts";
import { libraryTest } from "./clients/register.ts";
import { type Cluster, clusterTest, type Server } from "./harness.ts";
import { needsTls } from "./needs_tls.ts";
import { eventually, Patience, sleep } from "./patience.ts";
import { RedisSocket } from "./redis_socket.ts";
import { missing } from "./redis_tools.ts";
import { needsProgram, unmet } from "./requirements.ts";

const KILLS = 3;
/** Increments that have to be acknowledged between two kills. */
const ROUNDS = 25;
const ROUND_DEADLINE_MS = 30_000;

interface Tally {
  sent: number;
  acknowledged: number;
}

/** A server that does not lead: the only address that a client of these tests is given. */
async function entryOf(cluster: Cluster): Promise<Server> {
  const leader = await cluster.waitForLeader();
  return cluster.others(leader)[0]!;
}

/** Kills whoever leads, which the entry does not, and starts it again. */
async function killLeader(cluster: Cluster, entry: Server): Promise<void> {
  let leader = await cluster.waitForLeader();
  if (leader === entry) {
    using socket = await RedisSocket.connect(entry.clientPort);
    const other = cluster.others(entry)[0]!;
    await eventually("the leadership to move", async () => {
      await socket.ask("RAFTKV.LEADER", "MOVE", "TO", `${other.id}`);
      leader = await cluster.waitForLeader();
      return leader !== entry;
    });
  }
  await leader.kill();
  await cluster.waitForLeader(cluster.others(leader));
  leader.start();
}

/** Increments a counter over the kills; `increment` fails where its client gives up. */
async function countOverKills(
  cluster: Cluster,
  entry: Server,
  increment: () => Promise<unknown>,
): Promise<void> {
  const tally: Tally = { sent: 0, acknowledged: 0 };
  for (let kill = 0; kill <= KILLS; kill++) {
    using patience = new Patience(ROUND_DEADLINE_MS);
    const killing = kill === 0 ? Promise.resolve() : killLeader(cluster, entry);
    const goal = tally.acknowledged + ROUNDS;
    while (tally.acknowledged < goal) {
      tally.sent++;
      const done = await increment().then(() => true, () => false);
      if (done) tally.acknowledged++;
      else await sleep(20);
      assert(!patience.isSpent, `after kill ${kill} the client does not go on`);
    }
    await killing;
    await cluster.waitForLeader();
  }
  const leader = await cluster.waitForLeader();
  using socket = await RedisSocket.connect(leader.clientPort);
  const value = Number(await socket.ask("GET", "counter"));
  assert(
    value >= tally.acknowledged && value <= tally.sent,
    `the counter is ${value}: ${tally.acknowledged} were acknowledged, ${tally.sent} sent`,
  );
}

libraryTest(
  "forward: ioredis with one address, over three kills",
  { forwards: true },
  async (cluster) => {
    await cluster.startAll();
    const entry = await entryOf(cluster);
    const client = new IoRedis({ host: "127.0.0.1", port: entry.forwardPort });
    client.on("error", () => {});
    try {
      await countOverKills(cluster, entry, () => client.incr("counter"));
    } finally {
      client.disconnect();
    }
  },
);

libraryTest(
  "forward: node-redis with one address, over three kills",
  { forwards: true },
  async (cluster) => {
    await cluster.startAll();
    const entry = await entryOf(cluster);
    const client = createClient({ url: `redis://127.0.0.1:${entry.forwardPort}`, RESP: 3 });
    client.on("error", () => {});
    try {
      await client.connect();
      await countOverKills(cluster, entry, () => client.incr("counter"));
      // With what a cluster's client would have to know the key's server for.
      const [first, second] = await client.multi().set("a", "1").incr("a").exec();
      assertEquals([first, second], ["OK", 2]);
    } finally {
      client.destroy();
    }
  },
);

clusterTest(
  "forward: redis-cli with one address, over three kills",
  { forwards: true, notRun: missing("redis-cli") },
  async (cluster) => {
    await cluster.startAll();
    const entry = await entryOf(cluster);
    await countOverKills(cluster, entry, async () => {
      const { stdout } = await new Deno.Command("redis-cli", {
        args: ["-p", `${entry.forwardPort}`, "INCR", "counter"],
        stderr: "null",
      }).output();
      assertMatch(new TextDecoder().decode(stdout), /^\d+\n$/);
    });
  },
);

/** A command that is tried again until it is done: nothing of what is refused was. */
async function untilDone(socket: RedisSocket, ...args: string[]): Promise<unknown> {
  let reply: unknown;
  await eventually(`${args[0]} to be done`, async () => {
    reply = await socket.ask(...args).catch((error: Error) => error);
    return !(reply instanceof Error) || !/CLUSTERDOWN|TRYAGAIN/.test(reply.message);
  }, ROUND_DEADLINE_MS);
  return reply;
}

clusterTest(
  "forward: transactions, a script, client sessions and watches go on over a kill",
  { forwards: true },
  async (cluster) => {
    await cluster.startAll();
    const entry = await entryOf(cluster);
    using socket = await RedisSocket.connect(entry.forwardPort);
    using other = await RedisSocket.connect(entry.forwardPort);
    await eventually("the cluster version to be raised", async () => {
      const reply = await socket.ask("RAFTKV.SESSION", "OPEN", "3000").catch((error: Error) =>
        error
      );
      return !(reply instanceof Error);
    });
    const session = `${await socket.ask("RAFTKV.SESSION", "OPEN", "600000")}`;
    const write = ["RAFTKV.SESSION", "RUN", session, "1", "1", "INCR", "once"];
    assertEquals(await socket.ask(...write), 1);
    assertEquals(await socket.ask("SET", "k", "1"), "OK");
    assertEquals(await socket.ask("WATCH", "k"), "OK");

    await killLeader(cluster, entry);
    // The version that was watched came from one leader, and the next one decides by it.
    await untilDone(other, "SET", "k", "2");
    assertEquals(await socket.ask("MULTI"), "OK");
    assertEquals(await socket.ask("INCR", "k"), "QUEUED");
    assertEquals(await socket.ask("EXEC"), null);
    assertEquals(await untilDone(socket, "WATCH", "k"), "OK");
    assertEquals(await socket.ask("MULTI"), "OK");
    assertEquals(await socket.ask("INCR", "k"), "QUEUED");
    assertEquals(await socket.ask("GET", "k"), "QUEUED");
    assertEquals(await socket.ask("EXEC"), [3, "3"]);
    // Sent again to another leader: the reply of then, and nothing is done twice.
    assertEquals(await untilDone(socket, ...write), 1);
    assertEquals(await socket.ask("GET", "once"), "1");
    const script = "return {redis.call('INCR', KEYS[1]), redis.call('GET', KEYS[1]), ARGV[1]}";
    assertEquals(await untilDone(socket, "EVAL", script, "1", "k", "x"), [4, "4", "x"]);
    const page = await socket.ask("RAFTKV.RANGE", "k", "l") as unknown[][];
    assertStringIncludes(JSON.stringify(page), '"k"');

    // A watch is served by the entry itself, and tells what came through other servers.
    using watching = await RedisSocket.connect(entry.forwardPort);
    const [revision] = await watching.ask("RAFTKV.WATCH", "k") as [number, string];
    assert(revision > 0);
    await untilDone(socket, "SET", "k", "told");
    assertStringIncludes(await watching.readRaw(), "told");
  },
);

clusterTest(
  "forward: lines are forwarded as well, and to the client port nothing is new",
  { forwards: true },
  async (cluster) => {
    await cluster.startAll();
    const entry = await entryOf(cluster);
    const { RawSocket } = await import("./socket.ts");
    using forward = await RawSocket.connect(entry.forwardPort);
    assertEquals(await forward.ask("set a 0 1\r\nx\r\n"), "OK 1");
    assertEquals(await forward.ask("get none\r\n"), "ERR_NOT_FOUND");
    using plain = await entry.connect();
    assertMatch(await plain.ask("get a\r\n"), /^ERR_REDIRECT /);
    using redis = await RedisSocket.connect(entry.clientPort);
    const moved = await redis.ask("GET", "a").catch((error: Error) => error);
    assertMatch(`${moved}`, /MOVED/);
  },
);

clusterTest(
  "forward: users are who they are on the leader as well, behind the cluster's secret",
  { forwards: true },
  async (cluster) => {
    const secretFile = `${cluster.directory}/secret`;
    Deno.writeTextFileSync(secretFile, "a-secret-that-all-of-these-servers-know\n", {
      mode: 0o600,
    });
    cluster.writeConfig({ forwards: true, file: { secretFile } });
    await cluster.startAll();
    // Once there are users, a server does not tell just anybody whether it leads.
    const leader = await cluster.waitForLeader();
    const entry = cluster.others(leader)[0]!;
    using admin = await RedisSocket.connect(entry.forwardPort);
    await eventually("the first user to be made", async () => {
      const made = await admin.ask("ACL", "SETUSER", "root", "on", ">pw", "allkeys", "+@all")
        .catch((error: Error) => error);
      return made === "OK";
    });
    await eventually("the entry to know the user", async () => {
      return await admin.ask("AUTH", "root", "pw").catch(() => null) === "OK";
    });
    assertEquals(
      await admin.ask("ACL", "SETUSER", "one", "on", ">pw1", "~one:*", "+@all", "-incr"),
      "OK",
    );
    const names = await admin.ask("ACL", "LIST") as string[];
    assertEquals(names.length, 2);
    using one = await RedisSocket.connect(entry.forwardPort);
    const said = (...words: string[]) => one.ask(...words).catch((error: Error) => error.message);
    assertMatch(`${await said("SET", "one:a", "1")}`, /NOAUTH/);
    assertEquals(await said("AUTH", "one", "pw1"), "OK");
    assertEquals(await said("SET", "one:a", "1"), "OK");
    assertMatch(`${await said("GET", "two:a")}`, /NOPERM.*keys/);
    assertMatch(`${await said("INCR", "one:a")}`, /NOPERM.*incr/);
    const script = "return redis.call('GET', KEYS[1])";
    assertEquals(await said("EVAL", script, "1", "one:a"), "1");
    assertMatch(`${await said("EVAL", script, "1", "two:a")}`, /NOPERM/);
    await leader.kill();
    await eventually("the user to be served again", async () => {
      return await said("GET", "one:a") === "1";
    }, ROUND_DEADLINE_MS);
    assertMatch(`${await said("GET", "two:a")}`, /NOPERM/);
  },
);

clusterTest(
  "forward: the port has the client port's TLS, and servers show each other their certificates",
  {
    forwards: true,
    tls: { cert: "server-{id}.pem", key: "server-{id}.key", ca: "ca.pem" },
    notRun: unmet(needsTls(), needsProgram("openssl", "version")),
  },
  async (cluster) => {
    const ca = new TestCa(cluster.directory);
    for (const { id } of cluster.servers) {
      ca.issue(`server-${id}`, { dns: ["localhost", `raftkv-server-${id}`] });
    }
    for (const server of cluster.servers) server.start();
    const tls = { ca: Deno.readTextFileSync(ca.ca) };
    const say = (server: Server, ...words: string[]) =>
      ask(`127.0.0.1:${server.forwardPort}`, words, { tls });
    for (const [i, server] of cluster.servers.entries()) {
      await eventually("the command to be done", async () => {
        return await say(server, "SET", `k${i}`, "1").then(() => true, () => false);
      }, ROUND_DEADLINE_MS);
    }
    for (const server of cluster.servers) {
      assertEquals(await say(server, "EXISTS", "k0", "k1", "k2"), 3);
    }
  },
);

clusterTest(
  "forward: to a leader of the build before nothing is sent, and the client reads why",
  { forwards: true, notRun: unmet(needsBuildBefore(), needsProgram("tar", "--version")) },
  async (cluster) => {
    using before = new BuildBefore();
    const older = `${cluster.directory}/older.json`;
    cluster.writeConfigTo(older, {});
    const [first, second, third] = cluster.servers;
    for (const server of [first!, second!]) {
      server.checkout = before.checkout;
      server.configFile = older;
    }
    await cluster.startAll();
    let leader = await cluster.waitForLeader();
    for (let tries = 0; leader === third && tries < 20; tries++) {
      await third!.restart();
      leader = await cluster.waitForLeader(cluster.others(third!));
      await third!.connectEventually().then((socket) => socket[Symbol.dispose]());
    }
    using socket = await RedisSocket.connect(third!.forwardPort);
    await eventually("the entry to know who leads", async () => {
      const reply = await socket.ask("SET", "a", "1").catch((error: Error) => error);
      return /takes no forwarded commands/.test(`${reply}`);
    }, ROUND_DEADLINE_MS);
    // Once that leads by itself, or all are of this build, it serves.
    for (const server of [first!, second!]) {
      assertEquals((await server.terminate()).code, 0);
      server.checkout = undefined;
      server.configFile = undefined;
      server.start();
      await cluster.waitForLeader();
    }
    assertEquals(await untilDone(socket, "SET", "a", "1"), "OK");
  },
);
