/**
 * A follower that has been down since the cluster was empty comes back to one with a million keys and
 * clients that go on writing: how long until it is level again, and what the clients feel meanwhile.
 *
 * Level is told by use: while no snapshot is on its way, the third server is stopped for moments, until a
 * set is acknowledged in one: then the follower holds everything.
 */
import { Cluster } from "./cluster.ts";
import { findLeader, pauseMs } from "./find_leader.ts";
import { COMMON_OPTIONS, parseOptions } from "./flags.ts";
import type { LatencySummary } from "../lib/util/histogram.ts";
import { type Address, LineClient } from "./line_client.ts";
import { closedLoopRate } from "./closed_loop.ts";
import { fillCluster } from "./memory_subjects.ts";
import { OpenLoop } from "./open_loop.ts";
import { formatCount, formatLatencies, formatTable, writeJson } from "./table.ts";
import { loadOnce } from "./writes.ts";

const HELP = `deno task bench:catch-up [flags]

  --keys K             (1000000)
  --value-bytes N      (256)
  --connections C      (16)
  --rate R             sets a second; half of what a closed loop reaches, unless given
  --without S          seconds of load before the follower returns (15)
  --within S           how long it may take, then (300)
  --log-memory-bytes N storage.logMemoryBytes of the servers (the default)
  --executable FILE    run this instead of main.ts
  --directory DIR      where the cluster keeps its data (the system's temporary directory)
  --json FILE          writes the results there, too
  --quick              30,000 keys
`;

const CONNECT_TIMEOUT_MS = 10_000;
const LOOK_MS = 50;
const LOG_TAIL_BYTES = 3_000;
/** Shorter than the election timeout of 300 ms. */
const STOP_MS = 200;
const STOP_PAUSE_MS = 500;
const ONE_BYTE = new Uint8Array(1);
const RECEIVED = "Snapshot received from the leader";
const SENDING = "Sending a snapshot";

interface CatchUpOptions {
  readonly keys: number;
  readonly valueBytes: number;
  readonly connections: number;
  readonly perSecond: number | null;
  readonly withoutSeconds: number;
  readonly withinMs: number;
  readonly logMemoryBytes: number | null;
  readonly executable: string | undefined;
  readonly directory: string | undefined;
  readonly json: string | undefined;
  readonly isQuick: boolean;
}

interface CatchUpResult {
  readonly perSecond: number;
  /** From the start of its process; milliseconds. Null: no snapshot was needed. */
  readonly sendingMs: number | null;
  readonly receivedMs: number | null;
  /** Null: not in the time given. */
  readonly levelMs: number | null;
  readonly snapshotsSent: number;
  readonly without: LatencySummary;
  readonly meanwhile: LatencySummary;
  readonly leaderPeakBytes: number;
}

/** What the servers' logs tell of a snapshot, looked at now and then. */
class SnapshotWatch {
  readonly #cluster: Cluster;
  readonly #leader: { readonly id: number; readonly from: number };
  readonly #follower: { readonly id: number; readonly from: number };
  /** Null: not seen. */
  sendingMs: number | null = null;
  receivedMs: number | null = null;

  constructor(cluster: Cluster, leaderId: number, followerId: number) {
    this.#cluster = cluster;
    this.#leader = { id: leaderId, from: cluster.log(leaderId).length };
    this.#follower = { id: followerId, from: cluster.log(followerId).length };
  }

  #said({ id, from }: { readonly id: number; readonly from: number }, text: string): number {
    return this.#cluster.log(id).slice(from).split(text).length - 1;
  }

  get sent(): number {
    return this.#said(this.#leader, SENDING);
  }

  /** True while a snapshot is on its way: nobody is level then. */
  isUnderWay(): boolean {
    const nowMs = performance.now();
    if (this.sendingMs === null && this.sent > 0) this.sendingMs = nowMs;
    if (this.receivedMs === null && this.#said(this.#follower, RECEIVED) > 0) {
      this.receivedMs = nowMs;
    }
    return this.sendingMs !== null && this.receivedMs === null;
  }
}

/**
 * Stops the third server for moments that are too short for an election: what is acknowledged in such
 * a moment, the follower has acknowledged. False: not by the deadline.
 */
async function untilLevel(
  leader: Address,
  watch: SnapshotWatch,
  deadlineMs: number,
  signalOther: (signal: "SIGSTOP" | "SIGCONT") => void,
  check: () => void,
): Promise<boolean> {
  for (let tryMs = performance.now() + STOP_PAUSE_MS; performance.now() < deadlineMs;) {
    check();
    await pauseMs(LOOK_MS);
    if (watch.isUnderWay() || performance.now() < tryMs) continue;
    const client = await LineClient.connect(leader, CONNECT_TIMEOUT_MS);
    signalOther("SIGSTOP");
    try {
      // Entries that the third server has answered already may commit without the follower; the
      // first set may be acknowledged by such an answer, still on its way. The second one is not.
      for (let i = 0; i < 2; i++) await client.set("bench-level", ONE_BYTE, STOP_MS / 2);
      return true;
    } catch {
      // Not yet.
    } finally {
      signalOther("SIGCONT");
      client.close();
    }
    tryMs = performance.now() + STOP_PAUSE_MS;
  }
  return false;
}

async function rateOf(cluster: Cluster, options: CatchUpOptions): Promise<number> {
  if (options.perSecond !== null) return options.perSecond;
  const perSecond = await closedLoopRate(cluster.addresses, options);
  return Math.floor(perSecond / 2);
}

async function run(options: CatchUpOptions): Promise<CatchUpResult> {
  const { keys, valueBytes, connections, executable, directory } = options;
  // So few keys would be caught up from the log in memory, without a snapshot.
  const logMemoryBytes = options.logMemoryBytes ?? (options.isQuick ? 1_048_576 : null);
  const storage: Record<string, number> = logMemoryBytes === null ? {} : { logMemoryBytes };
  const cluster = await Cluster.start({ servers: 3, executable, parent: directory, storage });
  try {
    const leaderId = await cluster.leader();
    const [downId, otherId] = cluster.servers.map(({ id }) => id).filter((id) => id !== leaderId);
    await cluster.kill(downId!);
    await fillCluster(cluster.addresses, loadOnce(keys, valueBytes), valueBytes);
    const perSecond = await rateOf(cluster, options);
    const leader = await findLeader(cluster.addresses, CONNECT_TIMEOUT_MS);
    if (leader.port !== cluster.server(leaderId).client.port) {
      throw new Error("The leader changed while the keys were loaded");
    }
    console.error(`Open loop: ${formatCount(perSecond)} sets/s`);
    const loop = await OpenLoop.start({ leader, connections, perSecond, keys, valueBytes });
    const startMs = performance.now();
    await pauseMs(options.withoutSeconds * 1_000);
    loop.check();

    const returnMs = performance.now();
    const watch = new SnapshotWatch(cluster, leaderId, downId!);
    cluster.startServer(downId!);
    const isLevel = await untilLevel(
      leader,
      watch,
      returnMs + options.withinMs,
      (signal) => cluster.signal(otherId!, signal),
      () => loop.check(),
    );
    const level = performance.now();
    const leaderPeakBytes = cluster.residentBytes(leaderId);
    const since = (ms: number | null) => ms === null ? null : ms - returnMs;
    await loop.stop();
    const isWithout = (dueMs: number) => dueMs > startMs + 1_000 && dueMs < returnMs;
    const isMeanwhile = (dueMs: number) => dueMs >= returnMs && dueMs < level;
    return {
      perSecond,
      sendingMs: since(watch.sendingMs),
      receivedMs: since(watch.receivedMs),
      levelMs: isLevel ? level - returnMs : null,
      snapshotsSent: watch.sent,
      without: loop.samples.summary(isWithout),
      meanwhile: loop.samples.summary(isMeanwhile),
      leaderPeakBytes,
    };
  } catch (error) {
    for (const { id } of cluster.servers) {
      console.error(`--- server ${id}\n${cluster.log(id).slice(-LOG_TAIL_BYTES)}`);
    }
    throw error;
  } finally {
    await cluster.stop();
  }
}

function report(options: CatchUpOptions, result: CatchUpResult): void {
  const { keys, valueBytes } = options;
  const { perSecond, sendingMs, receivedMs, levelMs, snapshotsSent } = result;
  const s = (milliseconds: number | null, otherwise: string) =>
    milliseconds === null ? otherwise : (milliseconds / 1_000).toFixed(1);
  console.log(
    `${formatCount(keys)} keys, values of ${valueBytes} bytes, ${formatCount(perSecond)} sets/s\n`,
  );
  console.log(formatTable(["from the start of its process", "s"], [
    ["the leader begins to send a snapshot", s(sendingMs, "-")],
    ["received and taken over", s(receivedMs, "-")],
    ["level: acknowledges with the leader alone", s(levelMs, "never")],
  ]));
  console.log(`\n${snapshotsSent} snapshots were sent. Latency of the clients in ms:\n`);
  console.log(formatLatencies([
    ["before it returns", result.without],
    ["until it was level", result.meanwhile],
  ]));
}

async function main(): Promise<number> {
  const flags = parseOptions(HELP, {
    keys: { type: "string" },
    "value-bytes": { type: "string", default: "256" },
    connections: { type: "string", default: "16" },
    rate: { type: "string" },
    without: { type: "string" },
    within: { type: "string", default: "300" },
    "log-memory-bytes": { type: "string" },
    ...COMMON_OPTIONS,
  });
  const options: CatchUpOptions = {
    keys: Number(flags.keys ?? (flags.quick ? 30_000 : 1_000_000)),
    valueBytes: Number(flags["value-bytes"]),
    connections: Number(flags.connections),
    perSecond: flags.rate === undefined ? null : Number(flags.rate),
    withoutSeconds: Number(flags.without ?? (flags.quick ? 4 : 15)),
    withinMs: 1_000 * Number(flags.within),
    logMemoryBytes: flags["log-memory-bytes"] === undefined
      ? null
      : Number(flags["log-memory-bytes"]),
    executable: flags.executable,
    directory: flags.directory,
    json: flags.json,
    isQuick: flags.quick,
  };
  const result = await run(options);
  report(options, result);
  writeJson(options.json, "catch-up", { options, result });
  return 0;
}

if (import.meta.main) Deno.exit(await main());
