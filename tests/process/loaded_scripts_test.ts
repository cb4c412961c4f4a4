/**
 * SCRIPT LOAD over real processes: the leader is killed, one that was away comes to lead, and all are killed
 * and start from their snapshots; nobody is told NOSCRIPT.
 */
import { assert, assertEquals } from "@std/assert";
import { CLUSTER_VERSION_MAX } from "../../lib/kv/cluster_version.ts";
import { answers, seen } from "./admin_client.ts";
import { SMALL_STORAGE } from "./build_before.ts";
import { type Cluster, clusterTest } from "./harness.ts";
import { Load } from "./load.ts";
import { eventually } from "./patience.ts";
import { RedisSocket } from "./redis_socket.ts";

const SOURCE = "return redis.call('incr', KEYS[1])";

async function untilRaised(cluster: Cluster): Promise<void> {
  for (const server of cluster.servers) await answers(server, "/livez", 200);
  await eventually("every server to have the latest cluster version", async () => {
    const all = await Promise.all(cluster.servers.map((server) => seen(server, server.id)));
    return all.every(({ facts }) => facts?.clusterVersion === CLUSTER_VERSION_MAX);
  }, 30_000);
}

/** Of whoever leads: asked again only where nothing was done, since nobody led. */
async function askLeader(cluster: Cluster, ...words: string[]): Promise<unknown> {
  let reply: unknown;
  await eventually(`an answer to ${words[0]}`, async () => {
    const leader = await cluster.waitForLeader();
    using socket = await RedisSocket.connect(leader.clientPort);
    reply = await socket.ask(...words).catch(String);
    return !/MOVED|CLUSTERDOWN/.test(`${reply}`);
  }, 30_000);
  return reply;
}

clusterTest(
  "process: what SCRIPT LOAD has acknowledged, every later leader knows",
  { storage: { ...SMALL_STORAGE, snapshotLogBytesMin: 20_000 }, deadlineMs: 240_000 },
  async (cluster) => {
    await cluster.startAll();
    await untilRaised(cluster);
    const hash = `${await askLeader(cluster, "SCRIPT", "LOAD", SOURCE)}`;
    assertEquals(hash.length, 40, hash);
    let count = 0;
    const run = async () => {
      assertEquals(await askLeader(cluster, "EVALSHA", hash, "1", "count"), ++count);
    };
    const killed = await cluster.waitForLeader();
    await killed.kill();
    await run();
    assertEquals(await askLeader(cluster, "SCRIPT", "EXISTS", hash), [1]);

    // What the log has is in snapshots by now, and no longer in it.
    const load = new Load(cluster, "load");
    killed.start();
    await untilRaised(cluster);
    await eventually("all to have taken a snapshot", async () => {
      await load.more(200);
      const all = await Promise.all(cluster.servers.map((server) => seen(server, server.id)));
      return all.every(({ facts }) => (facts?.snapshotIndex ?? 0) > 0);
    }, 60_000);
    await load.end();
    await eventually("the one that was away to lead", async () => {
      const leader = await cluster.waitForLeader();
      if (leader === killed) return true;
      await askLeader(cluster, "RAFTKV.LEADER", "MOVE", "TO", `${killed.id}`);
      return false;
    }, 60_000);
    await run();

    await Promise.all(cluster.servers.map((server) => server.kill()));
    for (const server of cluster.servers) server.start();
    await run();
    assertEquals(await askLeader(cluster, "SCRIPT", "FLUSH"), "OK");
    assert(/NOSCRIPT/.test(`${await askLeader(cluster, "EVALSHA", hash, "1", "count")}`));
  },
);
