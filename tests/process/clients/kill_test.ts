/**
 * What the user of a library is told when the leader is killed, while its client is idle and while a
 * command is in flight: by counts, and with nothing lost or done twice. As docs/clients.md says it.
 */
import { assertEquals, assertMatch } from "@std/assert";
import { assert } from "../../../lib/util/assert.ts";
import type { ClusterOptions, Server } from "../harness.ts";
import { eventually, sleep } from "../patience.ts";
import { RedisSocket, type Reply } from "../redis_socket.ts";
import {
  ioredisCluster,
  type Library,
  nodeRedisCluster,
  phpredis,
  redisPy,
  redisRb,
} from "./client.ts";
import { libraryTest } from "./register.ts";
import { connectTo, heal, overKill, portsOf, Tally } from "./over_kill.ts";

/**
 * What is asserted of every library: no error speaks of a missing leader, the new leader is found, and
 * the counter is what was acknowledged. How many errors of its own words a library shows depends on how
 * busy the machine is: `deno task clients` counts those, docs/clients.md has them.
 */
interface Expected {
  /** Whether its user sees no error at all. */
  readonly isSilent?: boolean;
}

/** Errors that say that there was no leader: with `leaderWaitMs` nobody is to see one. */
const NO_LEADER = /CLUSTERDOWN|could not fetch cluster information|map cluster keyspace/;
/** Longer than any election on a busy machine takes: the tests count errors and measure no time. */
const LEADER_WAIT_MS = 10_000;

/** The port of the master in a reply to CLUSTER SLOTS. */
function masterOf(reply: Reply): number {
  const [port] = portsOf(reply);
  assert(port !== undefined, `CLUSTER SLOTS: ${reply}`);
  return port;
}

libraryTest("CLUSTER SLOTS, asked while there is no leader, names the next one", {
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
  // Answered at once until the server has noticed: then it names the one that died.
  await eventually("the server to notice that its leader is dead", async () => {
    const early = await Promise.race([reply, sleep(1_000).then(() => null)]);
    if (early === null) return true;
    assertEquals(masterOf(early), leader.clientPort);
    reply = socket.ask("CLUSTER", "SLOTS");
    return false;
  });
  other.thaw();
  const master = masterOf(await reply);
  assert(
    master === asked.clientPort || master === other.clientPort,
    `It names ${master}, the dead leader had ${leader.clientPort}`,
  );
});

function killTest(library: Library, { isSilent = false }: Expected = {}): void {
  const name = `${library.name} {${library.options}}: over a kill of the leader no error` +
    (isSilent ? "" : " that speaks of a missing leader");
  const options: ClusterOptions = {
    timing: { leaderWaitMs: LEADER_WAIT_MS },
    notRun: library.notRun,
  };
  libraryTest(name, options, async (cluster) => {
    const tally = new Tally();
    for (const inFlight of [false, true]) {
      await heal(cluster);
      const client = await connectTo(cluster, library);
      try {
        const { cut, errors, found } = await overKill(cluster, client, "n", tally, inFlight);
        assert(found, `It does not find the new leader: ${errors.slice(0, 5).join("; ")}`);
        if (isSilent && cut !== null) assert("value" in cut, JSON.stringify(cut));
        for (const error of errors) {
          assert(!NO_LEADER.test(error), `Its user learns of a moment without a leader: ${error}`);
        }
        if (isSilent) assertEquals(errors, []);
      } finally {
        await client.close();
      }
    }
    await tally.check(cluster, "n");
  });
}

/** Commands that each have to fail, once another server leads. */
const LOST_COMMANDS = 5;

/** What docs/clients.md calls "every command": kept as it was made, the client never asks a living server. */
function lostTest(library: Library, error: RegExp): void {
  const name =
    `${library.name} {${library.options}}: kept after a kill, it fails while another leads`;
  libraryTest(name, { notRun: library.notRun }, async (cluster) => {
    await heal(cluster);
    const client = await connectTo(cluster, library);
    const tally = new Tally();
    try {
      const answer = await tally.incr(client, "n");
      assert("value" in answer, JSON.stringify(answer));
      const leader = await cluster.waitForLeader();
      await leader.kill();
      await cluster.waitForLeader(cluster.others(leader));
      for (let i = 0; i < LOST_COMMANDS; i++) {
        const lost = await tally.incr(client, "n");
        assert("error" in lost, `It was answered: ${JSON.stringify(lost)}`);
        // The first one finds that the connection broke, in words of its own.
        if (i > 0) assertMatch(lost.error, error);
      }
    } finally {
      await client.close();
    }
    await tally.check(cluster, "n");
  });
}

lostTest(redisPy(true), /^RedisClusterException: .*cannot pickle/);
lostTest(phpredis(true), /^RedisClusterException: /);
killTest(ioredisCluster(), { isSilent: true });
killTest(ioredisCluster({ retryDelayOnFailover: 0 }));
killTest(redisPy(true, {}, true));
killTest(phpredis(true, [], true));
killTest(redisRb(true));
killTest(redisRb(true, { reconnect_attempts: 0 }));
killTest(nodeRedisCluster());
killTest(nodeRedisCluster({ topologyRefreshOnReconnectionAttemptStrategy: 200 }));
