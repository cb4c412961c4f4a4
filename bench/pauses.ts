/** What clients feel of a snapshot: sets at half load, while one is taken and while none is. */
import { Cluster } from "./cluster.ts";
import { findLeader, pauseMs } from "./find_leader.ts";
import { COMMON_OPTIONS, parseOptions } from "./flags.ts";
import type { LatencySummary } from "../lib/util/histogram.ts";
import { closedLoopRate } from "./closed_loop.ts";
import { fillCluster } from "./memory_subjects.ts";
import { type Interval, isWithin, OpenLoop } from "./open_loop.ts";
import { isTakingSnapshot, SnapshotWatch } from "./snapshot_watch.ts";
import { formatCount, formatMs, formatTable, writeJson } from "./table.ts";
import { loadOnce } from "./writes.ts";

const HELP = `deno task bench:pauses [flags]

  --keys K             (1000000)
  --value-bytes N      (256)
  --connections C      (16)
  --rate R             sets a second; half of what a closed loop reaches, unless given
  --snapshots S        ends once each server has taken so many (1)
  --log-bytes N        snapshotLogBytesMin (67108864); a snapshot also waits for half the last one
  --minutes M          gives up after this (10)
  --servers N          (3)
  --executable FILE    run this instead of main.ts
  --directory DIR      where the cluster keeps its data (the system's temporary directory)
  --json FILE          writes the results there, too
  --quick              30,000 keys, 2 MB of log
`;

const CONNECT_TIMEOUT_MS = 10_000;
const LOOK_MS = 100;
const TAKEN = '"message":"Snapshot taken"';
/** Requests due a little before or after a snapshot count to neither side. */
const MARGIN_MS = 200;
/** Without a snapshot, for at least so long. */
const WITHOUT_MS_MIN = 10_000;

interface PausesOptions {
  readonly keys: number;
  readonly valueBytes: number;
  readonly connections: number;
  readonly perSecond: number | null;
  readonly snapshots: number;
  readonly logBytes: number;
  readonly minutes: number;
  readonly servers: number;
  readonly executable: string | undefined;
  readonly directory: string | undefined;
  readonly json: string | undefined;
  readonly isQuick: boolean;
}

async function untilNoSnapshot(cluster: Cluster): Promise<void> {
  for (let calm = 0; calm < 10;) {
    await pauseMs(LOOK_MS);
    const isTaking = cluster.servers.some(({ id }) => isTakingSnapshot(cluster.dataDirectory(id)));
    calm = isTaking ? 0 : calm + 1;
  }
}

/** Half of what a closed loop of the same shape reaches. */
async function halfLoad(cluster: Cluster, options: PausesOptions): Promise<number> {
  const perSecond = await closedLoopRate(cluster.addresses, options);
  console.error(`Closed loop: ${formatCount(perSecond)} sets/s`);
  return Math.floor(perSecond / 2);
}

function wider({ startMs, endMs }: Interval): Interval {
  return { startMs: startMs - MARGIN_MS, endMs: endMs + MARGIN_MS };
}

async function run(options: PausesOptions): Promise<void> {
  const { keys, valueBytes, connections, servers, executable, directory } = options;
  const cluster = await Cluster.start({
    servers,
    executable,
    parent: directory,
    storage: { snapshotLogBytesMin: options.logBytes },
  });
  try {
    await fillCluster(cluster.addresses, loadOnce(keys, valueBytes), valueBytes);
    const perSecond = options.perSecond ?? await halfLoad(cluster, options);
    await untilNoSnapshot(cluster);
    const leader = await findLeader(cluster.addresses, CONNECT_TIMEOUT_MS);
    console.error(`Open loop: ${formatCount(perSecond)} sets/s`);
    const watch = new SnapshotWatch(cluster);
    const startMs = performance.now();
    const loop = await OpenLoop.start({ leader, connections, perSecond, keys, valueBytes });
    const isDone = () => {
      const done = cluster.servers.every(({ id }) =>
        watch.seen.filter(({ server }) => server === id).length >= options.snapshots
      );
      const duringMs = watch.seen.reduce((sum, one) => sum + one.endMs - one.startMs, 0) / servers;
      const withoutMs = performance.now() - startMs - duringMs;
      return done && watch.underWay === 0 &&
        withoutMs >= (options.isQuick ? 0 : Math.max(WITHOUT_MS_MIN, duringMs));
    };
    const deadlineMs = startMs + options.minutes * 60_000;
    while (!isDone() && performance.now() < deadlineMs) {
      await pauseMs(LOOK_MS);
      loop.check();
    }
    watch.stop();
    await loop.stop();
    if (watch.seen.length === 0) {
      throw new Error(`No snapshot was taken within ${options.minutes} minutes`);
    }
    report(options, perSecond, loop, watch, startMs, slicesOf(cluster));
  } finally {
    await cluster.stop();
  }
}

/** What a server says of its last snapshot: for how long each slice of it kept commands waiting. */
interface Slices {
  readonly server: number;
  readonly slices: number;
  readonly longestSliceMs: number;
}

function slicesOf(cluster: Cluster): Slices[] {
  return cluster.servers.flatMap(({ id: server }) => {
    const line = cluster.log(server).split("\n").findLast((one) => one.includes(TAKEN));
    if (line === undefined) return [];
    const { slices, longestSliceMs } = JSON.parse(line);
    // An older executable does not say.
    return slices === undefined ? [] : [{ server, slices, longestSliceMs }];
  });
}

function report(
  options: PausesOptions,
  perSecond: number,
  loop: OpenLoop,
  { seen }: SnapshotWatch,
  startMs: number,
  slices: readonly Slices[],
): void {
  const { samples, lateIntervals } = loop;
  const near = seen.map(wider);
  // The first second warms both ends up.
  const isCounted = (dueMs: number) => dueMs > startMs + 1_000;
  const isLate = (dueMs: number) => isWithin(lateIntervals, dueMs);
  const during = samples.summary((dueMs) => isCounted(dueMs) && isWithin(seen, dueMs));
  const without = samples.summary((dueMs) => isCounted(dueMs) && !isWithin(near, dueMs));
  const onTime = (intervals: readonly Interval[], wanted: boolean) =>
    samples.summary((dueMs) =>
      isCounted(dueMs) && isWithin(intervals, dueMs) === wanted && !isLate(dueMs)
    );
  const rows: [string, LatencySummary][] = [
    ["no snapshot", without],
    ["while one is taken", during],
    ["no snapshot, generator on time", onTime(near, false)],
    ["while one is taken, generator on time", onTime(seen, true)],
  ];
  const { keys, valueBytes, servers, connections } = options;
  console.log(
    `${formatCount(perSecond)} sets/s over ${connections} connections, ${servers} servers, ` +
      `${formatCount(keys)} keys, values of ${valueBytes} bytes. Latency in ms.\n`,
  );
  console.log(formatTable(
    ["", "sets", "p50", "p99", "p99.9", "max"],
    rows.map(([name, { count, p50Ms, p99Ms, p999Ms, maxMs }]) => [
      name,
      formatCount(count),
      ...[p50Ms, p99Ms, p999Ms, maxMs].map(formatMs),
    ]),
  ));
  const snapshots = seen.map(({ server, startMs, endMs }) => ({ server, ms: endMs - startMs }));
  for (const { server, ms } of snapshots) {
    console.log(`Server ${server} took a snapshot in ${(ms / 1_000).toFixed(1)} s`);
  }
  for (const { server, slices: count, longestSliceMs } of slices) {
    console.log(`Server ${server}: ${formatCount(count)} slices, the longest ${longestSliceMs} ms`);
  }
  console.log(
    `p99.9 ${(during.p999Ms / without.p999Ms).toFixed(2)} times that without; the generator was ` +
      `late ${lateIntervals.length} times`,
  );
  const results = Object.fromEntries(rows);
  writeJson(options.json, "pauses", { options, perSecond, results, snapshots, slices });
}

async function main(): Promise<number> {
  const flags = parseOptions(HELP, {
    keys: { type: "string" },
    "value-bytes": { type: "string", default: "256" },
    connections: { type: "string", default: "16" },
    rate: { type: "string" },
    snapshots: { type: "string", default: "1" },
    "log-bytes": { type: "string" },
    minutes: { type: "string", default: "10" },
    servers: { type: "string", default: "3" },
    ...COMMON_OPTIONS,
  });
  await run({
    keys: Number(flags.keys ?? (flags.quick ? 30_000 : 1_000_000)),
    valueBytes: Number(flags["value-bytes"]),
    connections: Number(flags.connections),
    perSecond: flags.rate === undefined ? null : Number(flags.rate),
    snapshots: Number(flags.snapshots),
    logBytes: Number(flags["log-bytes"] ?? (flags.quick ? 2_000_000 : 67_108_864)),
    minutes: Number(flags.minutes),
    servers: Number(flags.servers),
    executable: flags.executable,
    directory: flags.directory,
    json: flags.json,
    isQuick: flags.quick,
  });
  return 0;
}

if (import.meta.main) Deno.exit(await main());
