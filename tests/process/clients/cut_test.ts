/**
 * A connection breaks after an INCR was done and before its reply has arrived: which library sends it
 * again, which one tells its user, and which option changes that. As docs/clients.md says it.
 */
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { assert } from "../../../lib/util/assert.ts";
import type { Cluster } from "../harness.ts";
import { eventually } from "../patience.ts";
import { RedisSocket } from "../redis_socket.ts";
import {
  ioredis,
  ioredisCluster,
  type Library,
  nodeRedis,
  nodeRedisCluster,
  phpredis,
  redisPy,
  redisRb,
} from "./client.ts";
import type { Answer, LibraryClient } from "./library_client.ts";
import { libraryTest } from "./register.ts";
import { CuttingProxy } from "./cutting_proxy.ts";

/** A client of one server, behind a proxy that cuts its first INCR. */
async function withCut(
  cluster: Cluster,
  library: Library,
  run: (client: LibraryClient, proxy: CuttingProxy) => Promise<void>,
): Promise<void> {
  await cluster.startAll();
  const proxy = new CuttingProxy(cluster.servers[0]!.clientPort);
  try {
    const client = await library.connect([proxy.port]);
    try {
      await run(client, proxy);
    } finally {
      await client.close();
    }
  } finally {
    await proxy.close();
  }
}

async function stored(cluster: Cluster): Promise<number> {
  using socket = await RedisSocket.connect(cluster.servers[0]!.clientPort);
  return Number(await socket.ask("GET", "n"));
}

/** It is executed once, and the user gets an error of this kind; the next command works. */
function cutIsTold(library: Library, error: RegExp): void {
  const name = `${library.name} {${library.options}}: a cut INCR is done once, its user is told`;
  libraryTest(name, { size: 1, notRun: library.notRun }, async (cluster) => {
    await withCut(cluster, library, async (client, proxy) => {
      const answer = await client.incr("n");
      assert("error" in answer, `It was answered: ${JSON.stringify(answer)}`);
      assertMatch(answer.error, error);
      assertEquals(proxy.cuts, 1);
      assertEquals(await stored(cluster), 1);
      assertEquals(await client.incr("n"), { value: "2" });
    });
  });
}

/** It is executed twice, and the user, who asked once, gets 2. */
function cutIsSentAgain(library: Library): void {
  const name = `${library.name} {${library.options}}: a cut INCR is done twice, its user gets 2`;
  libraryTest(name, { size: 1, notRun: library.notRun }, async (cluster) => {
    await withCut(cluster, library, async (client, proxy) => {
      assertEquals(await client.incr("n"), { value: "2" });
      assertEquals(proxy.cuts, 1);
      assertEquals(await stored(cluster), 2);
    });
  });
}

cutIsSentAgain(ioredis());
cutIsTold(ioredis({ maxRetriesPerRequest: 0 }), /^MaxRetriesPerRequestError: /);
cutIsSentAgain(ioredisCluster());
cutIsTold(ioredisCluster({ retryDelayOnFailover: 0 }), /^Error: Connection is closed/);
cutIsSentAgain(ioredisCluster({ redisOptions: { autoResendUnfulfilledCommands: false } }));
cutIsSentAgain(ioredisCluster({ redisOptions: { maxRetriesPerRequest: 0 } }));

cutIsTold(nodeRedis(), /^Error: (Socket closed unexpectedly|read ECONNRESET)/);
cutIsTold(nodeRedisCluster(), /^Error: (Socket closed unexpectedly|read ECONNRESET)/);

cutIsTold(redisPy(false), /^ConnectionError: /);
cutIsSentAgain(redisPy(false, { retry: 3 }));
cutIsSentAgain(redisPy(true));

cutIsTold(phpredis(false), /^RedisException: read error on connection/);
cutIsTold(phpredis(true), /^RedisClusterException: Error processing response/);

cutIsSentAgain(redisRb(false));
cutIsTold(redisRb(false, { reconnect_attempts: 0 }), /^Redis::ConnectionError: /);
cutIsSentAgain(redisRb(true));
cutIsTold(redisRb(true, { reconnect_attempts: 0 }), /^Redis::ConnectionError: /);

const untried = redisPy(true, { cluster_error_retry_attempts: 0 });
libraryTest(
  `${untried.name} {${untried.options}}: no client can be made, with nothing wrong`,
  { size: 1, notRun: untried.notRun },
  async (cluster) => {
    await cluster.startAll();
    const made = untried.connect([cluster.servers[0]!.clientPort]);
    // It asks for the commands as it is made, and that is tried zero times, too.
    await assertRejects(() => made, Error, "TypeError: exceptions must derive from BaseException");
    const tryingOnce = redisPy(true, { cluster_error_retry_attempts: 1 });
    const client = await tryingOnce.connect([cluster.servers[0]!.clientPort]);
    assertEquals(await client.incr("n"), { value: "1" });
    await client.close();
  },
);

const unsettled = ioredis({ autoResendUnfulfilledCommands: false });
libraryTest(
  `ioredis {${unsettled.options}}: a cut INCR is done once and never settles, later ones do`,
  { size: 1 },
  async (cluster) => {
    await withCut(cluster, unsettled, async (client, proxy) => {
      const settled: Answer[] = [];
      client.incr("n").then((answer) => settled.push(answer));
      await eventually("the connection to be cut", () => proxy.cuts === 1);
      for (let next = 2; next < 20; next++) {
        assertEquals(await client.incr("n"), { value: `${next}` });
      }
      assertEquals(settled, []);
      assertEquals(await stored(cluster), 19);
    });
  },
);
