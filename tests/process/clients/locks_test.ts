/**
 * More that locks and counts, unchanged, on three servers whose leader is killed: redis-semaphore's RedlockMutex,
 * Django's cache, PHP's sessions. What needs hashes or sorted sets is told so, in Redis's words for scripts.
 */
import { assertEquals, assertMatch } from "@std/assert";
import { Redis } from "ioredis";
import {
  MultiSemaphore,
  RedlockMultiSemaphore,
  RedlockMutex,
  RedlockSemaphore,
  Semaphore,
} from "redis-semaphore";
import type { Cluster } from "../harness.ts";
import { RedisSocket } from "../redis_socket.ts";
import { needsProgram } from "../requirements.ts";
import { allowScripts, contend, LOCK_MS } from "./contend.ts";
import { countTogether } from "./counting.ts";
import { heal } from "./over_kill.ts";
import { libraryTest } from "./register.ts";
import { PROJECT } from "../server_process.ts";

libraryTest(
  "redis-semaphore's RedlockMutex keeps one holder at a time over a kill",
  {},
  (cluster) => {
    return contend(cluster, (client) => ({
      async take() {
        const options = { lockTimeout: LOCK_MS, acquireTimeout: 5_000, retryInterval: 20 };
        const mutex = new RedlockMutex([client], "lock", options);
        await mutex.acquire();
        return () => mutex.release();
      },
    }));
  },
);

/** What a library that can't work here is told. */
const UNKNOWN_COMMAND = /ERR Unknown Redis command called from script script: [0-9a-f]{40}/;

/** bottleneck, as a program of its own: it asks what nobody waits for, and so would fail any other. */
async function bottleneckSays(port: number): Promise<string> {
  const lock = ["--lock=tests/deno.lock", "--frozen", "--no-check"];
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-all", ...lock, scriptPath("bottleneck.ts"), `${port}`],
    cwd: PROJECT,
    stderr: "null",
  }).output();
  return new TextDecoder().decode(stdout);
}

libraryTest("what needs sorted sets or hashes is told that there are none", {}, async (cluster) => {
  await heal(cluster);
  await allowScripts(cluster);
  const { clientPort: port } = await cluster.waitForLeader();
  const client = new Redis({ port });
  const options = { lockTimeout: LOCK_MS, acquireTimeout: 500, retryInterval: 50 };
  const saidBy = (work: Promise<unknown>) => work.then(() => "it worked", String);
  try {
    const semaphore = new Semaphore(client, "s", 2, options);
    assertMatch(await saidBy(semaphore.acquire()), UNKNOWN_COMMAND);
    const several = new MultiSemaphore(client, "m", 3, 1, options);
    assertMatch(await saidBy(several.acquire()), UNKNOWN_COMMAND);
    // These keep to themselves what each server says.
    for (
      const one of [
        new RedlockSemaphore([client], "rs", 2, options),
        new RedlockMultiSemaphore([client], "rm", 3, 1, options),
      ]
    ) {
      assertMatch(
        await saidBy(one.acquire()),
        /^Error: Acquire redlock-(multi-)?semaphore .* timeout$/,
      );
    }
    assertMatch(await bottleneckSays(port), UNKNOWN_COMMAND);
  } finally {
    client.disconnect();
  }
});

async function ask(cluster: Cluster, ...words: string[]): Promise<unknown> {
  const leader = await cluster.waitForLeader();
  using socket = await RedisSocket.connect(leader.clientPort);
  return await socket.ask(...words);
}

const scriptPath = (name: string) => new URL(name, import.meta.url).pathname;

libraryTest("django-redis's incr: four processes of 100 each, over a kill of the leader", {
  notRun: needsProgram("/usr/bin/python3", "-c", "import django_redis"),
}, async (cluster) => {
  await countTogether(cluster, ["/usr/bin/python3", scriptPath("django_incr.py")], async () => {
    return Number(await ask(cluster, "GET", ":1:counter") ?? 0);
  });
});

libraryTest("phpredis's sessions with locking: four processes of 100 each, over a kill", {
  notRun: needsProgram("php", "-r", "exit(extension_loaded('redis') ? 0 : 1);"),
}, async (cluster) => {
  await countTogether(cluster, ["php", scriptPath("php_session.php")], async () => {
    const text = String(await ask(cluster, "GET", "PHPREDIS_SESSION:shared") ?? "");
    return Number(/^n\|i:(\d+);$/.exec(text)?.[1] ?? 0);
  });
  assertEquals(await ask(cluster, "EXISTS", "PHPREDIS_SESSION:shared_LOCK"), 0);
});
