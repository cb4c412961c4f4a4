/**
 * Contenders for one lock, on three servers whose leader is killed in the middle: one holder at a time, and it is
 * given to somebody again.
 */
import { assert, assertEquals } from "@std/assert";
import { Cluster as IoRedisCluster } from "ioredis";
import type { Cluster } from "../harness.ts";
import { sleep } from "../patience.ts";
import { heal } from "./over_kill.ts";

/** Contenders for one lock, and how often it is taken in all, before the kill and after it. */
const CONTENDERS = 3;
export const TAKEN_BEFORE = 10;
export const TAKEN_AFTER = 10;
/** Far longer than anybody holds it, so that a lock that ends by itself has no holder any more. */
export const LOCK_MS = 3_000;
const HELD_MS = 5;
export const DEADLINE_MS = 60_000;

/** One contender: takes the lock, or rejects; `free` gives it back. */
export interface Locker {
  take(): Promise<() => Promise<unknown>>;
}

export function connect(cluster: Cluster): IoRedisCluster {
  const nodes = cluster.servers.map(({ clientPort: port }) => ({ host: "127.0.0.1", port }));
  const client = new IoRedisCluster(nodes, { clusterRetryStrategy: () => 50 });
  client.on("error", () => {});
  return client;
}

export async function allowScripts(cluster: Cluster): Promise<void> {
  for (const { process } of cluster.servers) await process.logged("The cluster version is raised:");
}

/** Contenders take turns, and the leader is killed once they have. */
export async function contend(cluster: Cluster, lockerOf: (client: IoRedisCluster) => Locker) {
  await heal(cluster);
  await allowScripts(cluster);
  const clients = Array.from({ length: CONTENDERS }, () => connect(cluster));
  let [holders, most, taken, wanted] = [0, 0, 0, TAKEN_BEFORE];
  let isOver = false;
  const contender = async ({ take }: Locker): Promise<void> => {
    while (!isOver) {
      const free = await take().catch(() => null);
      if (free === null) {
        await sleep(20);
        continue;
      }
      most = Math.max(most, ++holders);
      await sleep(HELD_MS);
      holders--;
      taken++;
      await free().catch(() => {});
    }
  };
  const untilTaken = async (): Promise<void> => {
    const startMs = performance.now();
    while (taken < wanted) {
      assert(performance.now() - startMs < DEADLINE_MS, `taken ${taken} times of ${wanted}`);
      await sleep(10);
    }
  };
  const running = clients.map((client) => contender(lockerOf(client)));
  try {
    await untilTaken();
    await (await cluster.waitForLeader()).kill();
    wanted = taken + TAKEN_AFTER;
    await untilTaken();
  } finally {
    isOver = true;
    await Promise.all(running);
    for (const client of clients) client.disconnect();
  }
  assertEquals(most, 1, "holders at one time");
}
