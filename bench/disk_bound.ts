/**
 * Minutes of overwrites with a short log limit: does each data directory stay under its bound?
 *
 * The bound of one directory, in bytes that its files take (holes take none):
 *
 *   3 S + S/8 + 2 max(L, W) + W + 2 G + 2 R
 *
 * S: the largest snapshot; two are kept and a third is on its way. L: the log between two snapshots,
 * max(snapshotLogBytesMin, S). W: the log that is written while one snapshot is taken. The log is
 * kept from the older snapshot on: two stretches between snapshots, each at least as long as the
 * snapshot in it takes, and what comes in while the third is written. G: a segment, at either end.
 * R: the reserve; S/8 and another R are what the next snapshot's is longer. A follower that is being
 * sent a snapshot has S more.
 */
import { Cluster } from "./cluster.ts";
import { bytesUnder } from "./directory_bytes.ts";
import { COMMON_OPTIONS, parseOptions } from "./flags.ts";
import type { LoadCounters } from "./load_connection.ts";
import { runLoad } from "./load_run.ts";
import { type SeenSnapshot, SnapshotWatch } from "./snapshot_watch.ts";
import { formatCount, formatTable, writeJson } from "./table.ts";

const HELP = `deno task bench:disk [flags]

  --minutes M          (3)
  --keys K             (50000)
  --value-bytes N      (256)
  --connections C      (50)
  --pipeline P         requests in flight on each connection (16)
  --log-bytes N        snapshotLogBytesMin (4194304)
  --segment-bytes N    segmentBytesMax (1048576)
  --reserve-bytes N    reserveBytes (1048576)
  --servers N          (3)
  --executable FILE    run this instead of main.ts
  --directory DIR      where the cluster keeps its data (the system's temporary directory)
  --json FILE          writes the results there, too
  --quick              ten seconds

Exit code 1 where a directory went over its bound.
`;

const MIB = 1_048_576;
const SAMPLE_MS = 100;
const QUICK_SECONDS = 10;

interface DiskOptions {
  readonly seconds: number;
  readonly keys: number;
  readonly valueBytes: number;
  readonly connections: number;
  readonly pipeline: number;
  readonly logBytes: number;
  readonly segmentBytes: number;
  readonly reserveBytes: number;
  readonly servers: number;
  readonly executable: string | undefined;
  readonly directory: string | undefined;
  readonly json: string | undefined;
}

/** What one directory was seen to take. */
interface Seen {
  readonly server: number;
  snapshots: number;
  mostBytes: number;
  mostSegments: number;
  /** S. */
  snapshotBytes: number;
  /** W. */
  logBytesDuringSnapshot: number;
  writtenBytes: number;
}

/** The number of the newest segment: how many were begun so far. */
function newestSegment(dataDirectory: string): { newest: number; count: number } {
  let newest = 0;
  let count = 0;
  for (const entry of Deno.readDirSync(`${dataDirectory}/wal`)) {
    const sequence = /^(\d+)\.log$/.exec(entry.name)?.[1];
    if (sequence === undefined) continue;
    newest = Math.max(newest, Number(sequence));
    count++;
  }
  return { newest, count };
}

class DiskSampler {
  readonly seen: Seen[];
  readonly #cluster: Cluster;
  readonly #segmentBytes: number;
  readonly #watch: SnapshotWatch;
  readonly #timer: ReturnType<typeof setInterval>;
  /** By server: when a sample was taken, and the newest segment then. */
  readonly #history = new Map<number, { atMs: number; newest: number }[]>();

  constructor(cluster: Cluster, segmentBytes: number) {
    this.#cluster = cluster;
    this.#segmentBytes = segmentBytes;
    this.#watch = new SnapshotWatch(cluster);
    this.seen = cluster.servers.map(({ id }) => ({
      server: id,
      snapshots: 0,
      mostBytes: 0,
      mostSegments: 0,
      snapshotBytes: 0,
      logBytesDuringSnapshot: 0,
      writtenBytes: 0,
    }));
    this.#timer = setInterval(() => this.#sample(), SAMPLE_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#watch.stop();
    this.#sample();
    for (const snapshot of this.#watch.seen) this.#noteSnapshot(snapshot);
  }

  #sample(): void {
    for (const seen of this.seen) {
      const directory = this.#cluster.dataDirectory(seen.server);
      const { newest, count } = newestSegment(directory);
      seen.mostSegments = Math.max(seen.mostSegments, count);
      seen.mostBytes = Math.max(seen.mostBytes, bytesUnder(directory).allocated);
      const { largest } = bytesUnder(`${directory}/snapshot`);
      seen.snapshotBytes = Math.max(seen.snapshotBytes, largest);
      seen.writtenBytes = newest * this.#segmentBytes;
      const history = this.#history.get(seen.server) ?? [];
      history.push({ atMs: performance.now(), newest });
      this.#history.set(seen.server, history);
    }
  }

  #noteSnapshot({ server, startMs, endMs }: SeenSnapshot): void {
    const seen = this.seen.find((one) => one.server === server)!;
    seen.snapshots++;
    const history = this.#history.get(server) ?? [];
    const before = history.findLast(({ atMs }) => atMs <= startMs)?.newest;
    const behind = history.find(({ atMs }) => atMs >= endMs)?.newest;
    if (before === undefined || behind === undefined) return;
    const bytes = (behind - before + 1) * this.#segmentBytes;
    seen.logBytesDuringSnapshot = Math.max(seen.logBytesDuringSnapshot, bytes);
  }
}

/** The bound at the head of this file. */
export function directoryBound(
  seen: Pick<Seen, "snapshotBytes" | "logBytesDuringSnapshot">,
  limits: Pick<DiskOptions, "logBytes" | "segmentBytes" | "reserveBytes">,
): number {
  const s = seen.snapshotBytes;
  const w = seen.logBytesDuringSnapshot;
  const l = Math.max(limits.logBytes, s);
  return 3 * s + 2 * Math.max(l, w) + w + 2 * limits.segmentBytes + limits.reserveBytes;
}

async function run(options: DiskOptions): Promise<boolean> {
  const { segmentBytes, servers, executable, directory } = options;
  const cluster = await Cluster.start({
    servers,
    executable,
    parent: directory,
    storage: {
      snapshotLogBytesMin: options.logBytes,
      segmentBytesMax: segmentBytes,
      reserveBytes: options.reserveBytes,
    },
  });
  try {
    const { connections, pipeline, valueBytes, keys, seconds } = options;
    let sampler: DiskSampler | null = null;
    const load = await runLoad(cluster.addresses, {
      connections,
      pipeline,
      valueBytes,
      keys,
      setShare: 1,
      seconds,
      requests: Number.MAX_SAFE_INTEGER,
      seed: 1,
    }, { onStart: (_: LoadCounters) => sampler = new DiskSampler(cluster, segmentBytes) });
    const { seen, stop } = finish(sampler);
    stop();
    const bounds = seen.map((one) => directoryBound(one, options));
    report(seen, bounds, load.perSecond, load.seconds);
    writeJson(options.json, "disk", { options, perSecond: load.perSecond, seen, bounds });
    return seen.every((one, i) => one.mostBytes <= bounds[i]!);
  } finally {
    await cluster.stop();
  }
}

function finish(sampler: DiskSampler | null): { seen: readonly Seen[]; stop: () => void } {
  if (sampler === null) throw new Error("The load never started");
  return { seen: sampler.seen, stop: () => sampler.stop() };
}

function report(
  seen: readonly Seen[],
  bounds: readonly number[],
  perSecond: number,
  seconds: number,
): void {
  const mib = (bytes: number) => (bytes / MIB).toFixed(1);
  console.log(
    `${formatCount(perSecond)} overwrites/s for ${seconds.toFixed(0)} s. Bytes in MiB.\n`,
  );
  const head = ["server", "log written", "snapshots", "S", "W", "most segments", "most", "bound"];
  console.log(formatTable(
    head,
    seen.map((one, i) => [
      `${one.server}`,
      mib(one.writtenBytes),
      formatCount(one.snapshots),
      mib(one.snapshotBytes),
      mib(one.logBytesDuringSnapshot),
      `${one.mostSegments}`,
      mib(one.mostBytes),
      mib(bounds[i]!),
    ]),
  ));
}

async function main(): Promise<number> {
  const flags = parseOptions(HELP, {
    minutes: { type: "string", default: "3" },
    keys: { type: "string", default: "50000" },
    "value-bytes": { type: "string", default: "256" },
    connections: { type: "string", default: "50" },
    pipeline: { type: "string", default: "16" },
    "log-bytes": { type: "string", default: "4194304" },
    "segment-bytes": { type: "string", default: "1048576" },
    "reserve-bytes": { type: "string", default: "1048576" },
    servers: { type: "string", default: "3" },
    ...COMMON_OPTIONS,
  });
  const isBounded = await run({
    seconds: flags.quick ? QUICK_SECONDS : Number(flags.minutes) * 60,
    keys: Number(flags.keys),
    valueBytes: Number(flags["value-bytes"]),
    connections: Number(flags.connections),
    pipeline: Number(flags.pipeline),
    logBytes: Number(flags["log-bytes"]),
    segmentBytes: Number(flags["segment-bytes"]),
    reserveBytes: Number(flags["reserve-bytes"]),
    servers: Number(flags.servers),
    executable: flags.executable,
    directory: flags.directory,
    json: flags.json,
  });
  return isBounded ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());
