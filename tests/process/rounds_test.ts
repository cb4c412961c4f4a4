/**
 * Rounds of load, kill -9 and restart, with a log so short that snapshots, compaction and transfers of
 * snapshots happen all the time. RAFTKV_ROUNDS and RAFTKV_SEED in the environment set how many rounds
 * (8) and which (1).
 */
import { assert } from "../../lib/util/assert.ts";
import { Random } from "../../lib/util/random.ts";
import { type Cluster, clusterTest, type Server } from "./harness.ts";
import { NotLeadingError, Owner } from "./owned_keys.ts";
import { eventually, sleep } from "./patience.ts";

const ROUNDS = Number(Deno.env.get("RAFTKV_ROUNDS") || 8);
const SEED = Number(Deno.env.get("RAFTKV_SEED") || 1);
/** Some seconds are usual. */
const ROUND_DEADLINE_MS = 120_000;
const OWNERS = 6;
const VERIFY_TRIES = 20;
/**
 * So many writes, and so long after them, until the others have dropped what a server misses, from memory
 * and from their files, so that it needs a snapshot: whoever was heard a moment ago may come back, and is
 * waited for.
 */
const LONG_WRITES = 1_500;
const LONG_MS = 2_000;
const TAIL_CUT = "Log recovered with its tail cut off";
const SUSPECT = "counts only with all others' until it has caught up";
const CAUGHT_UP = "Caught up";

const SEGMENT_BYTES = 65_536;
const STORAGE = {
  segmentBytesMax: SEGMENT_BYTES,
  reserveBytes: 65_536,
  snapshotLogBytesMin: 49_152,
  snapshotSliceBytes: 8_192,
  snapshotChunkBytes: 16_384,
  logMemoryBytes: 16_384,
  catchUpBytes: 262_144,
};
/** More than a server can have in its log at a time, many times less than what is written. */
const SEGMENTS_MAX = 40;

/** What the servers' logs say, over all their lives. */
class Told {
  readonly counts = new Map<string, number>();

  /** Takes in what a server has said in the life that just ended. */
  take(server: Server): void {
    for (const { message } of server.process.log) {
      this.counts.set(message, (this.counts.get(message) ?? 0) + 1);
    }
  }

  count(message: string): number {
    return this.counts.get(message) ?? 0;
  }
}

/** Runs all owners until `isOver()`. */
class Load {
  readonly #running: Promise<void>[];
  #isOver = false;
  #failure: Error | null = null;

  constructor(cluster: Cluster, owners: readonly Owner[]) {
    this.#running = owners.map(async (owner) => {
      using client = cluster.client();
      try {
        while (!this.#isOver && this.#failure === null) await owner.write(client);
      } catch (error) {
        this.#failure ??= error as Error;
      }
    });
  }

  async more(owners: readonly Owner[], count: number): Promise<void> {
    const total = () => owners.reduce((sum, owner) => sum + owner.acknowledged, 0);
    const goal = total() + count;
    await eventually(`${count} more writes`, () => {
      if (this.#failure !== null) throw this.#failure;
      return total() >= goal;
    }, 60_000);
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#running);
    if (this.#failure !== null) throw this.#failure;
  }
}

async function verify(cluster: Cluster, owners: readonly Owner[]): Promise<void> {
  for (let tries = 0;; tries++) {
    try {
      using socket = await (await cluster.waitForLeader()).connect();
      for (const owner of owners) await owner.verify(socket);
      return;
    } catch (error) {
      if (!(error instanceof NotLeadingError) || tries === VERIFY_TRIES) throw error;
    }
  }
}

/** Whether a server has said so in this life. */
function hasSaid(server: Server, start: string): boolean {
  return server.process.log.some(({ message }) => message.startsWith(start));
}

/**
 * False where a kill tore another server's last write, which may happen: such a server has a say only
 * together with all others, so the one that was just killed has to come back before anything goes on.
 */
async function canBeMissed(cluster: Cluster, server: Server): Promise<boolean> {
  const others = cluster.others(server);
  await eventually("the others to be started", () => others.every((it) => hasSaid(it, "Serving")));
  return others.every((other) => !hasSaid(other, SUSPECT) || hasSaid(other, CAUGHT_UP));
}

function segments(server: Server): string[] {
  return [...Deno.readDirSync(`${server.dataDirectory}/wal`)].map((entry) => entry.name).sort();
}

clusterTest(
  `process: ${ROUNDS} rounds of load, kill -9 and restart keep every acknowledged write`,
  {
    timing: { heartbeatIntervalMs: 50, electionTimeoutMs: 400 },
    storage: STORAGE,
    deadlineMs: ROUNDS * ROUND_DEADLINE_MS,
  },
  async (cluster) => {
    const random = new Random(SEED);
    const told = new Told();
    const owners = Array.from({ length: OWNERS }, (_, i) => new Owner(`o${i}`, random.fork()));
    const kill = async (servers: readonly Server[]) => {
      await Promise.all(servers.map((server) => server.kill()));
      for (const server of servers) told.take(server);
    };
    await cluster.startAll();
    for (let round = 1; round <= ROUNDS; round++) {
      const load = new Load(cluster, owners);
      await load.more(owners, random.between(1, 200));
      // A moment at random, within a write, a slice of a snapshot, a transfer.
      await sleep(random.between(0, 30));
      const isLong = round % 4 === 1;
      if (!isLong && random.chance(0.4)) {
        await kill(cluster.servers);
        for (const server of cluster.servers) server.start();
      } else {
        const server = random.pick(cluster.servers);
        await kill([server]);
        if (await canBeMissed(cluster, server)) {
          await load.more(owners, isLong ? LONG_WRITES : random.between(1, 200));
          if (isLong) await sleep(LONG_MS);
        }
        server.start();
        // Down again while it catches up: a transfer that breaks off.
        if (random.chance(0.3)) {
          await sleep(random.between(300, 900));
          await kill([server]);
          server.start();
        }
      }
      await load.more(owners, 20);
      await load.end();
      for (const server of cluster.servers) {
        assert(server.isRunning, `Round ${round}: server ${server.id} ended by itself`);
      }
      await verify(cluster, owners);
    }
    // What the last leader served, the others have to serve as well.
    const leader = await cluster.waitForLeader();
    await kill([leader]);
    if (!await canBeMissed(cluster, leader)) leader.start();
    await verify(cluster, owners);
    for (const server of cluster.servers) {
      const names = segments(server);
      assert(
        names.length <= SEGMENTS_MAX,
        `Server ${server.id} has ${names.length} segments of ${SEGMENT_BYTES} bytes: ${names}`,
      );
    }
    await kill(cluster.servers.filter((server) => server.isRunning));
    const taken = told.count("Snapshot taken");
    const sent = told.count("Sending a snapshot");
    const received = told.count("Snapshot received from the leader");
    const torn = [...told.counts].filter(([message]) => message.startsWith(TAIL_CUT));
    console.log(
      `${ROUNDS} rounds, seed ${SEED}: ${taken} snapshots taken, ${sent} sent, ${received} received, ` +
        `${torn.reduce((sum, [, count]) => sum + count, 0)} torn writes`,
    );
    assert(taken > ROUNDS, `Only ${taken} snapshots in ${ROUNDS} rounds`);
    assert(received > 0, "No server received a snapshot");
    const first = cluster.servers.flatMap((server) => segments(server).slice(0, 1));
    assert(
      first.every((name) => Number.parseInt(name, 10) > 1),
      `The log was never compacted: it begins with ${first}`,
    );
  },
);
