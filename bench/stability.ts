/**
 * Does the leader stay under full load? Minutes of sets on many connections with the default timings, then:
 * elections from the servers' logs, throughput over time, memory and disk of each server.
 */
import { Cluster } from "./cluster.ts";
import { parseFlags } from "./flags.ts";
import type { LoadCounters } from "./load_connection.ts";
import { type LoadOptions, type LoadResult, runLoad } from "./load_run.ts";
import { median } from "./median.ts";
import { formatCount, formatMs, formatTable, writeJson } from "./table.ts";

const HELP = `deno task bench:stability [flags]

  --minutes M          (10)
  --connections C      (50)
  --pipeline P         requests in flight on each connection (16)
  --value-bytes N      (256)
  --keys K             (100000)
  --servers N          (3)
  --disk-gib G         ends early where the servers' files grow beyond this, together (20)
  --memory-gib G       ends early where the servers' memory grows beyond this, together (12)
  --executable FILE    run this instead of main.ts
  --directory DIR      where the cluster keeps its data (the system's temporary directory)
  --json FILE          writes the results there, too
  --quick              five seconds
`;

const MIB = 1_048_576;
const GIB = 1_024 * MIB;
const SAMPLES = 60;
const SAMPLE_MS_MIN = 500;
const QUICK_SECONDS = 5;

export interface Election {
  readonly term: number;
  readonly server: number;
  readonly time: string;
}

/** A run that fills the machine would measure nothing, and hurt whoever shares it. */
interface Bounds {
  readonly diskBytesMax: number;
  readonly memoryBytesMax: number;
}

interface Sample {
  readonly atSeconds: number;
  readonly repliesPerSecond: number;
  readonly residentMib: readonly number[];
  readonly diskMib: number;
}

/** Who became leader, when and in which term, from one server's log of JSON lines. */
export function electionsIn(log: string, server: number): Election[] {
  const elections: Election[] = [];
  for (const line of log.split("\n")) {
    if (!line.includes('"Now leader')) continue;
    const { term, time } = JSON.parse(line) as { term: number; time: string };
    elections.push({ term, server, time });
  }
  return elections;
}

function allElections(cluster: Cluster): Election[] {
  const all = cluster.servers.flatMap(({ id }) => electionsIn(cluster.log(id), id));
  return all.sort((a, b) => a.term - b.term);
}

function bytesBelow(directory: string): number {
  let bytes = 0;
  for (const entry of Deno.readDirSync(directory)) {
    const path = `${directory}/${entry.name}`;
    try {
      bytes += entry.isDirectory ? bytesBelow(path) : Deno.statSync(path).size;
    } catch {
      // Removed since the directory was read.
    }
  }
  return bytes;
}

/** Takes a sample now and then until stopped, prints it, and ends the run where the disk fills up. */
function startSampling(
  cluster: Cluster,
  counters: LoadCounters,
  options: Bounds & { readonly everyMs: number; readonly end: () => void },
): { readonly samples: Sample[]; stop(): void } {
  const samples: Sample[] = [];
  const startMs = performance.now();
  let lastMs = startMs;
  let lastAnswered = 0;
  const timer = setInterval(() => {
    const nowMs = performance.now();
    const diskBytes = bytesBelow(cluster.directory);
    const sample: Sample = {
      atSeconds: (nowMs - startMs) / 1_000,
      repliesPerSecond: (counters.answered - lastAnswered) / ((nowMs - lastMs) / 1_000),
      residentMib: cluster.servers.map(({ id }) => cluster.residentBytes(id) / MIB),
      diskMib: diskBytes / MIB,
    };
    lastMs = nowMs;
    lastAnswered = counters.answered;
    samples.push(sample);
    const resident = sample.residentMib.map((mib) => mib.toFixed(0)).join(" ");
    console.error(
      `${sample.atSeconds.toFixed(1).padStart(7)} s  ` +
        `${formatCount(sample.repliesPerSecond).padStart(9)} replies/s  ` +
        `RSS ${resident} MiB  disk ${sample.diskMib.toFixed(0)} MiB`,
    );
    const memoryMib = sample.residentMib.reduce((sum, mib) => sum + mib, 0);
    const reached = diskBytes > options.diskBytesMax
      ? "files have reached --disk-gib"
      : memoryMib * MIB > options.memoryBytesMax
      ? "memory has reached --memory-gib"
      : null;
    if (reached !== null) {
      console.error(`Ending early: the servers' ${reached}`);
      options.end();
    }
  }, options.everyMs);
  return { samples, stop: () => clearInterval(timer) };
}

function printReport(
  load: LoadResult,
  samples: readonly Sample[],
  elections: readonly Election[],
): void {
  const { latency } = load;
  const rates = samples.map((sample) => sample.repliesPerSecond);
  const rows = [
    ["elections under load", String(elections.length)],
    ["replies", formatCount(load.answered)],
    ["replies/s, mean", formatCount(load.perSecond)],
    ["replies/s, lowest sample", formatCount(rates.length === 0 ? 0 : Math.min(...rates))],
    ["replies/s, median sample", formatCount(rates.length === 0 ? 0 : median(rates))],
    ["replies/s, highest sample", formatCount(rates.length === 0 ? 0 : Math.max(...rates))],
    ["latency p50 ms", formatMs(latency.p50Ms)],
    ["latency p99 ms", formatMs(latency.p99Ms)],
    ["latency p99.9 ms", formatMs(latency.p999Ms)],
    ["latency max ms", formatMs(latency.maxMs)],
  ];
  const first = samples[0];
  const last = samples.at(-1);
  for (const [at, mib] of (last?.residentMib ?? []).entries()) {
    const most = Math.max(...samples.map((sample) => sample.residentMib[at]!));
    const start = first!.residentMib[at]!.toFixed(0);
    rows.push([
      `server ${at + 1}: RSS MiB first, last, most`,
      `${start}, ${mib.toFixed(0)}, ${most.toFixed(0)}`,
    ]);
  }
  rows.push(["files of all servers MiB", last?.diskMib.toFixed(0) ?? "0"]);
  for (const [kind, count] of Object.entries(load.errors)) rows.push([kind, formatCount(count)]);
  console.log(formatTable(["", "under full load"], rows));
  for (const { term, server, time } of elections) {
    console.log(`${time}: server ${server} became leader of term ${term}`);
  }
}

interface StabilityOptions {
  readonly load: LoadOptions;
  readonly servers: number;
  readonly bounds: Bounds;
  readonly executable: string | undefined;
  readonly directory: string | undefined;
  readonly json: string | undefined;
}

/** Returns the number of elections under load. */
async function run(options: StabilityOptions): Promise<number> {
  const { load, bounds } = options;
  const cluster = await Cluster.start({
    servers: options.servers,
    executable: options.executable,
    parent: options.directory,
  });
  try {
    const before = allElections(cluster).at(-1)?.term ?? 0;
    const end = new AbortController();
    const everyMs = Math.max(SAMPLE_MS_MIN, load.seconds * 1_000 / SAMPLES);
    let sampling: ReturnType<typeof startSampling> | null = null;
    const result = await runLoad(cluster.addresses, load, {
      signal: end.signal,
      onStart: (counters) => {
        sampling = startSampling(cluster, counters, {
          ...bounds,
          everyMs,
          end: () => end.abort(),
        });
      },
    });
    const { samples, stop } = sampling! as ReturnType<typeof startSampling>;
    stop();
    const elections = allElections(cluster).filter((election) => election.term > before);
    printReport(result, samples, elections);
    writeJson(options.json, "stability", { result, samples, elections });
    return elections.length;
  } finally {
    await cluster.stop();
  }
}

async function main(): Promise<number> {
  const flags = parseFlags(HELP, {
    minutes: 10,
    connections: 50,
    pipeline: 16,
    valueBytes: 256,
    keys: 100_000,
    servers: 3,
    diskGib: 20,
    memoryGib: 12,
    executable: "",
    directory: "",
    json: "",
    quick: false,
  });
  const elections = await run({
    load: {
      connections: flags.connections,
      pipeline: flags.pipeline,
      valueBytes: flags.valueBytes,
      keys: flags.keys,
      setShare: 1,
      seconds: flags.quick ? QUICK_SECONDS : flags.minutes * 60,
      requests: Number.MAX_SAFE_INTEGER,
      seed: 1,
    },
    servers: flags.servers,
    bounds: {
      diskBytesMax: flags.diskGib * GIB,
      memoryBytesMax: flags.memoryGib * GIB,
    },
    executable: flags.executable || undefined,
    directory: flags.directory || undefined,
    json: flags.json || undefined,
  });
  return elections === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());
