/**
 * What the user of a library is told when the leader is killed, while its client is idle and while a
 * command is in flight: by counts, and with nothing lost or done twice. As docs/clients.md says it.
 */
import { assertEquals, assertMatch } from "@std/assert";
import { assert } from "../../../lib/util/assert.ts";
import { clusterTest, type Server } from "../harness.ts";
import { sleep } from "../patience.ts";
import { RedisSocket, type Reply } from "../redis_socket.ts";
import {
  ioredisCluster,
  type Library,
  nodeRedisCluster,
  phpredis,
  redisPy,
  redisRb,
} from "./client.ts";
import { connectTo, heal, overKill, Tally } from "./over_kill.ts";

/** What may reach the user of commands sent after the kill. */
interface Expected {
  /** How many errors at most. */
  readonly most: number;
  /** Of which kind; the library's own words. */
  readonly kind: RegExp;
  /** Whether the command in flight is answered after all. */
  readonly cutIsAnswered: boolean;
}

/** Errors that say that there was no leader: with `leaderWaitMs` nobody is to see one. */
const NO_LEADER = /CLUSTERDOWN|could not fetch cluster information|map cluster keyspace/;
/** Longer than any election on a busy machine takes: the tests count errors and measure no time. */
const LEADER_WAIT_MS = 10_000;

/** The port of the master in a reply to CLUSTER SLOTS. */
function masterOf(reply: Reply): number {
  assert(Array.isArray(reply), `CLUSTER SLOTS: ${reply}`);
  const [[, , [, port]]] = reply as [[unknown, unknown, [string, number]]];
  return port;
}

clusterTest("CLUSTER SLOTS, asked while there is no leader, names the next one", {
  timing: { leaderWaitMs: LEADER_WAIT_MS },
}, async (cluster) => {
  await heal(cluster);
  const leader = await cluster.waitForLeader();
  const [asked, other] = cluster.others(leader) as [Server, Server];
  using socket = await RedisSocket.connect(asked.clientPort);
  // One of three can't elect anybody.
  other.freeze();
  await leader.kill();
  let reply = socket.ask("CLUSTER", "SLOTS");
  for (let tries = 0;; tries++) {
    // Answered at once until the server has noticed: then it names the one that died.
    const early = await Promise.race([reply, sleep(1_000).then(() => null)]);
    if (early === null) break;
    assertEquals(masterOf(early), leader.clientPort);
    assert(tries < 200, "It does not notice that its leader is dead");
    await sleep(20);
    reply = socket.ask("CLUSTER", "SLOTS");
  }
  other.thaw();
  const master = masterOf(await reply);
  assert(
    master === asked.clientPort || master === other.clientPort,
    `It names ${master}, the dead leader had ${leader.clientPort}`,
  );
});

function killTest(library: Library, { most, kind, cutIsAnswered }: Expected): void {
  const name = `${library.name} {${library.options}}: over a kill of the leader ` +
    (most === 0 ? "no error" : `at most ${most} errors of its own`);
  const options = { timing: { leaderWaitMs: LEADER_WAIT_MS }, notRun: library.notRun };
  clusterTest(name, options, async (cluster) => {
    const tally = new Tally();
    for (const inFlight of [false, true]) {
      await heal(cluster);
      const client = await connectTo(cluster, library);
      try {
        const { cut, errors, found } = await overKill(cluster, client, "n", tally, inFlight);
        assert(found, `It does not find the new leader: ${errors.slice(0, 5).join("; ")}`);
        if (cut !== null) assertEquals("value" in cut, cutIsAnswered, JSON.stringify(cut));
        for (const error of errors) {
          assert(!NO_LEADER.test(error), `Its user learns of a moment without a leader: ${error}`);
          assertMatch(error, kind);
        }
        assert(errors.length <= most, `${errors.length} errors: ${errors.join("; ")}`);
      } finally {
        await client.close();
      }
    }
    await tally.check(cluster, "n");
  });
}

killTest(ioredisCluster(), { most: 0, kind: /^$/, cutIsAnswered: true });
killTest(ioredisCluster({ retryDelayOnFailover: 0 }), {
  most: 3,
  kind: /Connection is closed/,
  cutIsAnswered: false,
});
killTest(nodeRedisCluster(), {
  most: 3,
  kind:
    /^Error: ($|Disconnects client|read ECONNRESET|write EPIPE|connect ECONNREFUSED|Socket closed)/,
  cutIsAnswered: false,
});
killTest(nodeRedisCluster({ topologyRefreshOnReconnectionAttemptStrategy: 200 }), {
  most: 3,
  kind:
    /^Error: ($|Disconnects client|read ECONNRESET|write EPIPE|connect ECONNREFUSED|Socket closed)/,
  cutIsAnswered: false,
});
killTest(redisPy(true, {}, true), {
  most: 1,
  kind: /cannot pickle '_thread.lock' object/,
  cutIsAnswered: false,
});
killTest(phpredis(true, [], true), {
  most: 1,
  kind: /Can't communicate with any node in the cluster/,
  cutIsAnswered: false,
});
killTest(redisRb(true), {
  most: 1,
  kind: /^Redis::CannotConnectError: /,
  cutIsAnswered: false,
});
killTest(redisRb(true, { reconnect_attempts: 0 }), {
  most: 2,
  kind: /^Redis::(CannotConnectError|ConnectionError): /,
  cutIsAnswered: false,
});
