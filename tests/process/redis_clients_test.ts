/** The client libraries that people have: each against a real cluster, over a kill of the leader. */
import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { Cluster as IoRedisCluster, Redis as IoRedis } from "ioredis";
import { createClient, createCluster } from "redis";
import type { Cluster } from "./harness.ts";
import { libraryTest } from "./clients/register.ts";
import { RedisSocket } from "./redis_socket.ts";
import { eventually, Patience, sleep } from "./patience.ts";

/** Increments before the leader is killed, and after. */
const ROUNDS = 60;
const ROUND_DEADLINE_MS = 20_000;

/** How a counter was used: what was sent at most, what was acknowledged at least. */
interface Tally {
  sent: number;
  acknowledged: number;
}

/**
 * Increments a counter, kills the leader half way, and goes on until as many more are acknowledged.
 * `increment` fails where the client gives up.
 */
async function countOverKill(
  cluster: Cluster,
  increment: () => Promise<unknown>,
): Promise<Tally> {
  const tally = { sent: 0, acknowledged: 0 };
  const one = async () => {
    tally.sent++;
    try {
      await increment();
      tally.acknowledged++;
    } catch {
      await sleep(50);
    }
  };
  while (tally.acknowledged < ROUNDS) await one();
  const leader = await cluster.waitForLeader();
  const killing = leader.kill();
  using patience = new Patience(ROUND_DEADLINE_MS);
  while (tally.acknowledged < 2 * ROUNDS) {
    await one();
    assert(!patience.isSpent, "The client does not find the new leader");
  }
  await killing;
  return tally;
}

/** What the counter holds: at least what was acknowledged, at most what was sent. */
async function checkCounter(cluster: Cluster, key: string, tally: Tally): Promise<void> {
  const leader = await cluster.waitForLeader();
  using socket = await RedisSocket.connect(leader.clientPort);
  const value = Number(await socket.ask("GET", key));
  assert(
    value >= tally.acknowledged && value <= tally.sent,
    `${key} is ${value}: ${tally.acknowledged} were acknowledged, ${tally.sent} sent`,
  );
}

/** What is left, in seconds, of a time to live that was set since `startMs`: a slow machine takes its time. */
function assertLeft(seconds: number, set: number, startMs: number): void {
  const passed = (performance.now() - startMs) / 1000;
  assert(
    seconds <= set && seconds >= Math.floor(set - passed),
    `${seconds} s are left of ${set}, ${passed.toFixed(3)} s after they were set`,
  );
}

async function leaderPort(cluster: Cluster): Promise<number> {
  return (await cluster.waitForLeader()).clientPort;
}

libraryTest("ioredis: one server, all kinds of commands", {}, async (cluster) => {
  await cluster.startAll();
  const client = new IoRedis({ host: "127.0.0.1", port: await leaderPort(cluster) });
  try {
    const startMs = performance.now();
    assertEquals(await client.set("a key", "väl ue", "EX", 100), "OK");
    assertEquals(await client.get("a key"), "väl ue");
    assertLeft(await client.ttl("a key"), 100, startMs);
    assertEquals(await client.incr("n"), 1);
    assertEquals(await client.mget("n", "none"), ["1", null]);
    assertEquals(await client.multi().incr("n").get("n").exec(), [[null, 2], [null, "2"]]);
    assertEquals(await client.pipeline().set("p", "1").incr("p").get("p").exec(), [
      [null, "OK"],
      [null, 2],
      [null, "2"],
    ]);
    await client.watch("n");
    await client.incr("n");
    assertEquals(await client.multi().set("n", "lost").exec(), null);
    const bytes = new Uint8Array([0, 255, 13, 10, 0]);
    await client.set("bytes", Buffer.from(bytes));
    assertEquals(new Uint8Array((await client.getBuffer("bytes"))!), bytes);
    const keys: string[] = [];
    for await (const some of client.scanStream({ count: 2 })) keys.push(...some);
    assertEquals(keys.sort(), ["a key", "bytes", "n", "p"]);
  } finally {
    client.disconnect();
  }
});

libraryTest("ioredis: one server that comes back after a kill", {}, async (cluster) => {
  await cluster.startAll();
  const leader = await cluster.waitForLeader();
  const client = new IoRedis({
    host: "127.0.0.1",
    port: leader.clientPort,
    maxRetriesPerRequest: 0,
    retryStrategy: () => 50,
  });
  client.on("error", () => {});
  try {
    assertEquals(await client.incr("n"), 1);
    await leader.restart();
    await cluster.waitForLeader();
    // It says where the leader is now; a client without cluster mode leaves that to its user.
    await eventually("the value, or where the leader is", async () => {
      const answer = await client.get("n").catch((error: Error) => error.message);
      return answer === "1" || /^MOVED \d+ 127\.0\.0\.1:\d+$/.test(answer ?? "");
    });
  } finally {
    client.disconnect();
  }
});

libraryTest("ioredis: a cluster's client follows the leader over a kill", {}, async (cluster) => {
  await cluster.startAll();
  const client = new IoRedisCluster(
    cluster.servers.map(({ clientPort: port }) => ({ host: "127.0.0.1", port })),
    {
      clusterRetryStrategy: () => 50,
      // Else it sends what was in flight again when a connection breaks, and counts some twice.
      retryDelayOnFailover: 0,
    },
  );
  client.on("error", () => {});
  try {
    const tally = await countOverKill(cluster, () => client.incr("io"));
    await checkCounter(cluster, "io", tally);
    assertEquals(await client.multi().set("x", "1").incr("x").exec(), [[null, "OK"], [null, 2]]);
  } finally {
    client.disconnect();
  }
});

libraryTest("node-redis: one server, all kinds of commands", {}, async (cluster) => {
  await cluster.startAll();
  for (const RESP of [2, 3] as const) {
    const url = `redis://127.0.0.1:${await leaderPort(cluster)}`;
    const client = createClient({ url, RESP });
    await client.connect();
    try {
      await client.flushAll();
      const startMs = performance.now();
      assertEquals(await client.set("a key", "väl ue", { EX: 100 }), "OK");
      assertEquals(await client.get("a key"), "väl ue");
      assertLeft(await client.ttl("a key"), 100, startMs);
      assertEquals(await client.incr("n"), 1);
      assertEquals(await client.mGet(["n", "none"]), ["1", null]);
      assertEquals(await client.multi().incr("n").get("n").exec(), [2, "2"]);
      assertEquals(await client.getDel("n"), "2");
      assertEquals(await client.exists(["a key", "n"]), 1);
      const many = Array.from({ length: 100 }, (_, i) => client.incrBy("sum", i));
      assertEquals((await Promise.all(many)).at(-1), 4950);
    } finally {
      client.destroy();
    }
  }
});

libraryTest(
  "node-redis: a cluster's client follows the leader over a kill",
  {},
  async (cluster) => {
    await cluster.startAll();
    const client = createCluster({
      rootNodes: cluster.servers.map(({ clientPort }) => ({
        url: `redis://127.0.0.1:${clientPort}`,
      })),
      defaults: { socket: { reconnectStrategy: 50 } },
    });
    client.on("error", () => {});
    client.on("node-error", () => {});
    await client.connect();
    try {
      const tally = await countOverKill(cluster, () => client.incr("node"));
      await checkCounter(cluster, "node", tally);
    } finally {
      client.destroy();
    }
  },
);

libraryTest(
  "node-redis: a client of one server goes to the new leader after a kill, and counts on",
  {},
  async (cluster) => {
    await cluster.startAll();
    const connect = async () => {
      const client = createClient({
        url: `redis://127.0.0.1:${await leaderPort(cluster)}`,
        socket: { reconnectStrategy: false },
        disableOfflineQueue: true,
      });
      client.on("error", () => {});
      await client.connect();
      return client;
    };
    let client = await connect();
    try {
      // Without cluster mode it is the user who looks for the leader, and sends nothing twice.
      const tally = await countOverKill(cluster, async () => {
        if (!client.isReady) {
          client.destroy();
          client = await connect();
        }
        return await client.incr("single");
      });
      await checkCounter(cluster, "single", tally);
    } finally {
      if (client.isOpen) client.destroy();
    }
  },
);
