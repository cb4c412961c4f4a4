/**
 * Libraries that lock and limit by scripts, unchanged, on three servers whose leader is killed in the middle:
 * a lock has one holder at a time, and is given to somebody again; a limit is not exceeded.
 */
import { assert, assertEquals } from "@std/assert";
import { Cluster as IoRedisCluster } from "ioredis";
import { RateLimiterRedis, RedisStore } from "rate-limiters";
import { type Redlock, RedlockOf4, RedlockOf5 } from "redlock";
import { Mutex } from "redis-semaphore";
import type { Cluster } from "../harness.ts";
import { sleep } from "../patience.ts";
import { needsProgram } from "../requirements.ts";
import {
  allowScripts,
  connect,
  contend,
  DEADLINE_MS,
  LOCK_MS,
  TAKEN_AFTER,
  TAKEN_BEFORE,
} from "./contend.ts";
import { heal } from "./over_kill.ts";
import { libraryTest } from "./register.ts";

const LIMIT = 40;
const WINDOW_S = 600;

const RETRY = { retryCount: 30, retryDelay: 30, retryJitter: 20 };

function quiet(redlock: Redlock): Redlock {
  redlock.on("clientError", () => {});
  redlock.on("error", () => {});
  return redlock;
}

libraryTest("redlock 4.2.0 keeps one holder at a time over a kill of the leader", {}, (cluster) => {
  return contend(cluster, (client) => {
    const redlock = quiet(new RedlockOf4([client], RETRY));
    return {
      async take() {
        const lock = await redlock.lock("lock", LOCK_MS);
        return () => redlock.unlock(lock);
      },
    };
  });
});

libraryTest(
  "redlock 5 beta keeps one holder at a time over a kill of the leader",
  {},
  (cluster) => {
    return contend(cluster, (client) => {
      const redlock = quiet(new RedlockOf5([client], RETRY));
      return {
        async take() {
          const lock = await redlock.acquire(["lock"], LOCK_MS);
          return () => redlock.release(lock);
        },
      };
    });
  },
);

libraryTest("redis-semaphore's Mutex keeps one holder at a time over a kill", {}, (cluster) => {
  return contend(cluster, (client) => ({
    async take() {
      const options = { lockTimeout: LOCK_MS, acquireTimeout: 5_000, retryInterval: 20 };
      const mutex = new Mutex(client, "lock", options);
      await mutex.acquire();
      return () => mutex.release();
    },
  }));
});

/** Asks until the limit is reached, with a kill in the middle; what was allowed is within it. */
async function limit(
  cluster: Cluster,
  limiterOf: (client: IoRedisCluster) => Promise<() => Promise<boolean>>,
): Promise<void> {
  await heal(cluster);
  await allowScripts(cluster);
  const client = connect(cluster);
  try {
    const isAllowed = await limiterOf(client);
    let [allowed, refused] = [0, 0];
    const startMs = performance.now();
    for (let asked = 0; refused < 5; asked++) {
      assert(performance.now() - startMs < DEADLINE_MS, `allowed ${allowed}, refused ${refused}`);
      if (asked === LIMIT / 2) await (await cluster.waitForLeader()).kill();
      const answer = await isAllowed().catch(() => null);
      if (answer === true) allowed++;
      else if (answer === false) refused++;
      else await sleep(20);
    }
    // A request whose answer was lost may count: never more are allowed than that.
    assert(allowed <= LIMIT && allowed > LIMIT / 2, `${allowed} were allowed of ${LIMIT}`);
  } finally {
    client.disconnect();
  }
}

libraryTest("rate-limiter-flexible allows what it may over a kill of the leader", {}, (cluster) => {
  return limit(cluster, (storeClient) => {
    const limiter = new RateLimiterRedis({ storeClient, points: LIMIT, duration: WINDOW_S });
    return Promise.resolve(async () => {
      try {
        await limiter.consume("user");
        return true;
      } catch (error) {
        // What is no error says how long to wait.
        if (error instanceof Error) throw error;
        return false;
      }
    });
  });
});

libraryTest("rate-limit-redis allows what it may over a kill of the leader", {}, (cluster) => {
  return limit(cluster, (client) => {
    const store = new RedisStore({
      sendCommand: (name: string, ...args: string[]) => client.call(name, ...args),
    });
    store.init({ windowMs: WINDOW_S * 1_000 });
    return Promise.resolve(async () => (await store.increment("user")).totalHits <= LIMIT);
  });
});

/** One client for one server, as Lock's users have it; another one where that does not lead, or is gone. */
const PYTHON_LOCK = `
import sys, time
import redis
ports = [int(port) for port in sys.argv[1:]]
end = time.time() + ${DEADLINE_MS / 1000}
at = 0
def takes(count):
    global at
    taken = 0
    while taken < count and time.time() < end:
        client = redis.Redis(port=ports[at % len(ports)], socket_timeout=2)
        try:
            held = client.lock("lock", timeout=${LOCK_MS / 1000}, blocking_timeout=5)
            if not held.acquire():
                continue
            other = client.lock("lock", timeout=${LOCK_MS / 1000})
            if other.acquire(blocking=False):
                print("TWO HOLDERS", flush=True)
            held.extend(1)
            held.release()
            taken += 1
        except redis.RedisError:
            at += 1
            time.sleep(0.05)
    return taken
print("taken", takes(${TAKEN_BEFORE}), flush=True)
sys.stdin.readline()
print("taken", takes(${TAKEN_AFTER}), flush=True)
`;

libraryTest(
  "redis-py's Lock keeps one holder at a time over a kill of the leader",
  { notRun: needsProgram("/usr/bin/python3", "-c", "import redis") },
  async (cluster) => {
    await heal(cluster);
    await allowScripts(cluster);
    const ports = cluster.servers.map(({ clientPort }) => String(clientPort));
    const child = new Deno.Command("/usr/bin/python3", {
      args: ["-c", PYTHON_LOCK, ...ports],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const lines: string[] = [];
    const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const readUntil = async (count: number): Promise<void> => {
      while (lines.join("").split("\n").length <= count) {
        const { value, done } = await reader.read();
        if (done) break;
        lines.push(value);
      }
    };
    await readUntil(1);
    await (await cluster.waitForLeader()).kill();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode("continue\n"));
    await writer.close();
    await readUntil(2);
    await child.status;
    await reader.cancel();
    assertEquals(lines.join(""), `taken ${TAKEN_BEFORE}\ntaken ${TAKEN_AFTER}\n`);
  },
);
