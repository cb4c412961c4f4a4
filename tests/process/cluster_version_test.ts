/**
 * The cluster version between the build before and this one: rolled to and fro while it is held back,
 * raised once all can, and no way back then. Under load; every acknowledged write is read back.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { CLUSTER_VERSION_MAX } from "../../lib/kv/cluster_version.ts";
import { answers, seen } from "./admin_client.ts";
import { BuildBefore, needsBuildBefore, SMALL_STORAGE } from "./build_before.ts";
import { type Cluster, clusterTest, type Server } from "./harness.ts";
import { assertHolds, Load } from "./load.ts";
import { eventually } from "./patience.ts";
import { RedisSocket } from "./redis_socket.ts";
import { needsProgram, unmet } from "./requirements.ts";

const HOLD = "--hold-cluster-version";
const WRITES = 200;
const notRun = unmet(needsBuildBefore(), needsProgram("cp", "--version"));
const options = { storage: SMALL_STORAGE, notRun, deadlineMs: 600_000 };

/** Stops a server in order, and starts it as it is to be from now on. */
async function exchange(server: Server, checkout: string | undefined, flags: readonly string[]) {
  assertEquals((await server.terminate()).code, 0, server.process.error);
  server.checkout = checkout;
  server.flags = flags;
  await begin(server);
}

/** Its admin port is the last that a server opens; the build before has none. */
async function begin(server: Server): Promise<void> {
  server.start();
  using _socket = await server.connectEventually();
  if (server.checkout === undefined) await answers(server, "/livez", 200);
}

/** All hold what was acknowledged so far. */
async function assertWell(cluster: Cluster, load: Load): Promise<void> {
  await load.more(WRITES);
  const known = new Map(load.acknowledged);
  await eventually("the leader to hold all that was acknowledged", async () => {
    try {
      await assertHolds(await cluster.waitForLeader(), known);
      return true;
    } catch (error) {
      // The leadership may move while it is read; what is missing stays missing.
      if (!/ERR_|closed|reset/i.test(`${error}`)) throw error;
      return false;
    }
  }, 60_000);
}

async function askLeader(cluster: Cluster, ...words: string[]): Promise<unknown> {
  const leader = await cluster.waitForLeader();
  using socket = await RedisSocket.connect(leader.clientPort);
  return await socket.ask(...words);
}

/** The cluster version that each server has applied. */
async function versions(cluster: Cluster): Promise<(number | null)[]> {
  return await Promise.all(cluster.servers.map(async (server) => {
    return (await seen(server, server.id)).facts?.clusterVersion ?? null;
  }));
}

/** The leader of this build says whom it waits for. */
async function untilWaits(cluster: Cluster, whom: RegExp): Promise<void> {
  await eventually(`the leader to say ${whom}`, async () => {
    const leader = await cluster.waitForLeader();
    return whom.test((await seen(leader, leader.id)).facts?.clusterVersionWaits ?? "");
  }, 30_000);
}

async function untilRaised(cluster: Cluster): Promise<void> {
  await eventually("every server to have the latest cluster version", async () => {
    return (await versions(cluster)).every((version) => version === CLUSTER_VERSION_MAX);
  }, 30_000);
}

clusterTest(
  "process: the cluster version is held back, raised once all servers can, and never without one",
  options,
  async (cluster) => {
    using before = new BuildBefore();
    for (const server of cluster.servers) server.checkout = before.checkout;
    await cluster.startAll();
    const load = new Load(cluster, "load");
    for (const server of cluster.servers) await exchange(server, undefined, [HOLD]);
    await assertWell(cluster, load);
    assertEquals(await askLeader(cluster, "SET", "lock", "mine"), "OK");
    const refused = await askLeader(cluster, "DELIFEQ", "lock", "mine").catch(String);
    assertMatch(`${refused}`, /not before the cluster version is raised/);
    const unopened = await askLeader(cluster, "RAFTKV.SESSION", "OPEN").catch(String);
    assertMatch(`${unopened}`, /not before the cluster version is raised/);
    const earlyWords = [
      ["SET", "lock", "x", "IFEQ", "mine"],
      ["MSETEX", "1", "lock", "x"],
      ["SCRIPT", "LOAD", "return 1"],
    ];
    for (const words of earlyWords) {
      const early = await askLeader(cluster, ...words).catch(String);
      assertMatch(`${early}`, /not before the cluster version is raised/);
    }
    assertEquals(await askLeader(cluster, "GET", "lock"), "mine");
    assertEquals(await versions(cluster), [1, 1, 1]);
    // Two may go on; while the third holds it back it stays.
    for (const server of cluster.servers.slice(0, 2)) await exchange(server, undefined, []);
    await untilWaits(cluster, /^server 3 holds it back/);
    await assertWell(cluster, load);
    assertEquals(await versions(cluster), [1, 1, 1]);
    // And back to the build before, one by one; the others say whom they wait for.
    for (const server of cluster.servers) await exchange(server, before.checkout, []);
    await assertWell(cluster, load);
    for (const server of cluster.servers.slice(0, 2)) await exchange(server, undefined, []);
    await assertWell(cluster, load);
    const early = cluster.server(3);
    if (await cluster.waitForLeader() !== early) {
      await untilWaits(cluster, /^server 3 runs a build that can read 1 at most$/);
    }
    await exchange(early, undefined, []);
    await untilRaised(cluster);
    assertEquals(await askLeader(cluster, "DELIFEQ", "lock", "other"), 0);
    assertEquals(await askLeader(cluster, "DELIFEQ", "lock", "mine"), 1);
    const session = `${await askLeader(cluster, "RAFTKV.SESSION", "OPEN")}`;
    const once = ["RAFTKV.SESSION", "RUN", session, "1", "1", "INCR", "once"];
    assertEquals([await askLeader(cluster, ...once), await askLeader(cluster, ...once)], [1, 1]);
    assertEquals(await askLeader(cluster, "MSETEX", "1", "lock", "mine", "NX", "EX", "60"), 1);
    const digest = `${await askLeader(cluster, "DIGEST", "lock")}`;
    assertEquals(await askLeader(cluster, "SET", "lock", "x", "IFDNE", digest), null);
    assertEquals(await askLeader(cluster, "DELEX", "lock", "IFDEQ", digest), 1);
    const hash = `${await askLeader(cluster, "SCRIPT", "LOAD", "return 1")}`;
    assertEquals(await askLeader(cluster, "SCRIPT", "EXISTS", hash), [1]);
    await assertWell(cluster, load);
    await load.end();
    await assertHolds(await cluster.waitForLeader(), load.acknowledged);
    assert(load.acknowledged.size > 4 * WRITES, `${load.acknowledged.size} writes`);
  },
);

/** Starts the build before on a server's data, which it has to refuse, in words. */
async function assertRefuses(server: Server, checkout: string, reason: RegExp): Promise<void> {
  server.checkout = checkout;
  server.start();
  const { code, error } = await server.process.ended(30_000);
  assert(code !== 0, "it ended well");
  assertMatch(error, reason);
  server.checkout = undefined;
}

clusterTest(
  "process: once the cluster version is raised, the build before is refused in words and breaks nothing",
  { ...options, storage: { ...SMALL_STORAGE, snapshotLogBytesMin: 1_048_576 } },
  async (cluster) => {
    using before = new BuildBefore();
    for (const server of cluster.servers) server.flags = [HOLD];
    await cluster.startAll();
    const load = new Load(cluster, "load");
    await assertWell(cluster, load);
    // What server 3 holds before the raise: as if it were stopped before it has that entry.
    const third = cluster.server(3);
    assertEquals((await third.terminate()).code, 0);
    const kept = `${third.dataDirectory}.kept`;
    const copy = async (from: string, to: string) => {
      const { success } = await new Deno.Command("cp", { args: ["-a", from, to] }).output();
      assert(success, `cp ${from} ${to}`);
    };
    await copy(third.dataDirectory, kept);
    for (const server of cluster.servers) {
      server.flags = [];
      if (server.isRunning) await exchange(server, undefined, []);
    }
    await begin(third);
    await untilRaised(cluster);
    await assertWell(cluster, load);

    // On its own data, where the entry is in the log.
    assertEquals((await third.terminate()).code, 0);
    await assertRefuses(third, before.checkout, /entry kind 4 is unknown to this version/);
    // On data from before the raise: it starts, and nobody talks to it.
    Deno.renameSync(third.dataDirectory, `${third.dataDirectory}.real`);
    await copy(kept, third.dataDirectory);
    third.checkout = before.checkout;
    third.start();
    await eventually("the build before to say why it is refused", () => {
      return third.process.log.some(({ reason }) =>
        /can read cluster version 1 at most, and this cluster has \d/.test(`${reason}`)
      );
    }, 30_000);
    const leader = await cluster.waitForLeader(cluster.others(third));
    await eventually("the leader to say whom it refuses", () => {
      return leader.process.log.some(({ message, reason }) =>
        message === "A server's build is too early" && /server 3 runs a build/.test(`${reason}`)
      );
    }, 30_000);
    await load.more(WRITES);
    await third.kill();
    Deno.removeSync(third.dataDirectory, { recursive: true });
    Deno.renameSync(`${third.dataDirectory}.real`, third.dataDirectory);

    // With this build again all is well, and its snapshot, too, is refused by the build before.
    third.checkout = undefined;
    await begin(third);
    await untilRaised(cluster);
    await assertWell(cluster, load);
    await eventually("server 3 to have taken a snapshot", async () => {
      await load.more(2 * WRITES);
      return ((await seen(third, 3)).facts?.snapshotIndex ?? 0) > 0;
    }, 120_000);
    assertEquals((await third.terminate()).code, 0);
    await assertRefuses(
      third,
      before.checkout,
      /format version \d, and this build knows version 1/,
    );
    await begin(third);
    await untilRaised(cluster);
    await load.end();
    await assertHolds(await cluster.waitForLeader(), load.acknowledged);
  },
);
