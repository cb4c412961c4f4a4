/**
 * Servers of the build before beside servers of this one: clusters are upgraded a server at a time, and
 * sometimes back, while they serve.
 */
import { assert, assertEquals } from "@std/assert";
import { seen } from "./admin_client.ts";
import { BuildBefore, needsBuildBefore, SMALL_STORAGE } from "./build_before.ts";
import { type Cluster, clusterTest, type Server } from "./harness.ts";
import { assertHolds, Load } from "./load.ts";
import { eventually, sleep } from "./patience.ts";
import { RedisSocket } from "./redis_socket.ts";
import { needsProgram, unmet } from "./requirements.ts";
import { type LogLine, OF_THE_MACHINE } from "./server_process.ts";

const WRITES = 200;
const LEADER_TRIES = 30;
/** How often a server may say the same of the same peer in one life: each restart is worth one. */
const COMPLAINTS_MAX = 3;

const notRun = unmet(needsBuildBefore(), needsProgram("tar", "--version"));
const options = { storage: SMALL_STORAGE, notRun, deadlineMs: 900_000 };

/** What all servers complained of, over all their lives. */
class Complaints {
  readonly #counts = new Map<string, number>();
  readonly #lives = new Set<readonly LogLine[]>();

  /** Takes in the life of a server that is about to end. */
  take(server: Server): void {
    if (!server.hasStarted) return;
    const { log } = server.process;
    this.#lives.add(log);
    const counts = new Map<string, number>();
    for (const { level, message, peer, reason } of log) {
      if (level !== "warning" && level !== "error") continue;
      if (OF_THE_MACHINE.test(message)) continue;
      const build = server.checkout === undefined ? "this build" : "the build before";
      const what = `${build} says: ${message} (peer ${peer}: ${reason})`;
      counts.set(what, (counts.get(what) ?? 0) + 1);
    }
    for (const [what, count] of counts) {
      this.#counts.set(what, Math.max(count, this.#counts.get(what) ?? 0));
    }
  }

  assertFew(): void {
    const many = [...this.#counts].filter(([, count]) => count > COMPLAINTS_MAX);
    assertEquals(many, []);
    const errors = [...this.#lives].flat().filter(({ level }) => level === "error");
    assertEquals(errors, []);
  }
}

/** Moves the leadership to `wanted`, as often as that takes. */
async function makeLeader(cluster: Cluster, wanted: readonly Server[], complaints: Complaints) {
  for (let tries = 0; tries < LEADER_TRIES; tries++) {
    const leader = await cluster.waitForLeader();
    if (wanted.includes(leader)) return;
    complaints.take(leader);
    assertEquals((await leader.terminate()).code, 0, leader.process.error);
    await cluster.waitForLeader(cluster.others(leader));
    leader.start();
    await untilFollowing(cluster, leader);
  }
  throw new Error(`None of ${wanted.map(({ id }) => id)} would lead`);
}

async function untilFollowing(cluster: Cluster, server: Server): Promise<void> {
  await eventually(`server ${server.id} to lead or follow`, async () => {
    if (!server.isRunning) throw new Error(`It ended: ${server.process.error}`);
    try {
      using socket = await server.connect();
      return !/^ERR_NO/.test(await socket.ask("get probe\r\n"));
    } catch {
      return false;
    }
  }, 30_000);
  await cluster.waitForLeader();
}

/** Everybody takes part: writes are taken, and what was acknowledged is in each server's store. */
async function assertWell(cluster: Cluster, load: Load, marker: string): Promise<void> {
  await load.more(WRITES);
  const known = new Map(load.acknowledged);
  for (let tries = 0;; tries++) {
    try {
      await assertHolds(await cluster.waitForLeader(), known);
      break;
    } catch (error) {
      // The leadership may move while it is read; what is missing stays missing.
      if (tries === 5 || !/ERR_/.test(`${error}`)) throw error;
    }
  }
  using client = cluster.client();
  assertEquals(await client.set(marker, "there"), "OK 1");
  for (const server of cluster.servers) {
    await eventually(`server ${server.id} to hold ${marker}`, async () => {
      using socket = await RedisSocket.connect(server.clientPort);
      assertEquals(await socket.ask("READONLY"), "OK");
      return await socket.ask("GET", marker) === "there";
    }, 30_000);
  }
}

/** Stops a server in order and starts another build on its data. */
async function exchange(
  cluster: Cluster,
  server: Server,
  checkout: string | undefined,
  complaints: Complaints,
): Promise<void> {
  assertEquals((await server.terminate()).code, 0, server.process.error);
  complaints.take(server);
  // So long that it needs a snapshot, mostly.
  await sleep(1_000);
  server.checkout = checkout;
  // The way back stays open.
  server.flags = checkout === undefined ? ["--hold-cluster-version"] : [];
  server.start();
  await untilFollowing(cluster, server);
}

clusterTest(
  "process: a cluster under load is upgraded from the build before a server at a time, and back",
  options,
  async (cluster) => {
    using before = new BuildBefore();
    const complaints = new Complaints();
    for (const server of cluster.servers) server.checkout = before.checkout;
    await cluster.startAll();
    const load = new Load(cluster, "load");
    const isOld = (server: Server) => server.checkout !== undefined;
    for (const checkout of [undefined, before.checkout]) {
      for (const server of cluster.servers) {
        await exchange(cluster, server, checkout, complaints);
        const count = cluster.servers.filter(isOld).length;
        // All of one build is no mixture: once is enough.
        for (const leads of count % 3 === 0 ? [checkout !== undefined] : [true, false]) {
          const those = cluster.servers.filter((one) => isOld(one) === leads);
          await makeLeader(cluster, those, complaints);
          const way = checkout === undefined ? "up" : "back";
          await assertWell(cluster, load, `${way}-${server.id}-${leads}`);
        }
      }
    }
    await load.end();
    await assertHolds(await cluster.waitForLeader(), load.acknowledged);
    for (const server of cluster.servers) complaints.take(server);
    complaints.assertFew();
    assert(load.acknowledged.size > 10 * WRITES, `${load.acknowledged.size} writes`);
  },
);

for (const oldIds of [[1], [2, 3]]) {
  clusterTest(
    `process: a cluster forms of servers of both builds, ${oldIds.length} of the build before`,
    options,
    async (cluster) => {
      using before = new BuildBefore();
      const complaints = new Complaints();
      for (const id of oldIds) cluster.server(id).checkout = before.checkout;
      await cluster.startAll();
      const load = new Load(cluster, "load");
      await assertWell(cluster, load, "formed");
      // The leader dies, whichever build it is of.
      const leader = await cluster.waitForLeader();
      complaints.take(leader);
      await leader.kill();
      await load.more(WRITES);
      leader.start();
      await untilFollowing(cluster, leader);
      await assertWell(cluster, load, "again");
      await load.end();
      for (const server of cluster.servers) {
        complaints.take(server);
        if (server.checkout !== undefined) continue;
        // Once for each peer of the build before, and no more in this life.
        const refused = server.process.log.filter(({ message }) => {
          return `${message}`.startsWith("A peer is of an earlier build");
        });
        assertEquals(refused.map(({ peer }) => peer).sort(), oldIds);
      }
      complaints.assertFew();
    },
  );
}

clusterTest("build before: it is heard and told about, and what it does not tell is not guessed", {
  notRun,
}, async (cluster) => {
  using before = new BuildBefore();
  const [older, newer] = cluster.servers as [Server, Server, Server];
  older.checkout = before.checkout;
  await cluster.startAll();
  await eventually("the new servers to hear of each other", async () => {
    return (await seen(newer, 3)).facts !== null;
  });
  const about = await seen(newer, older.id);
  assertEquals([about.reach, about.facts], ["heard", null]);
  assertEquals(about.unknownBecause, "It is of an earlier build, which tells nothing of itself");
  const upset = older.process.log.filter(({ level }) => level === "warning" || level === "error");
  assertEquals(upset.filter(({ message }) => !OF_THE_MACHINE.test(message)), []);
});
