/**
 * Resident memory of a server that holds a million keys, beside Redis and etcd: when it has just been
 * loaded, and when all of it has been overwritten with other sizes.
 */
import { pauseMs } from "./find_leader.ts";
import { COMMON_OPTIONS, parseOptions } from "./flags.ts";
import { EtcdMemory, type MemorySubject, RaftkvMemory, RedisMemory } from "./memory_subjects.ts";
import { median } from "./median.ts";
import { formatCount, formatTable, writeJson } from "./table.ts";
import { churn, KEY_BYTES, loadOnce } from "./writes.ts";

const HELP = `deno task bench:memory [flags]

  --keys K             (1000000)
  --value-bytes N      (256); keys have ${KEY_BYTES} bytes
  --subjects LIST      (raftkv,redis,etcd)
  --rounds R           how often each key is overwritten (5); 0 leaves it at the loaded state
  --etcd-rounds R      the same for etcd (0: its history makes it slow)
  --settle S           seconds of rest in front of each measurement (10)
  --servers N          of raftkv; the leader is measured (1)
  --log-memory-bytes N of raftkv, instead of its default
  --v8-flags FLAGS     for raftkv from source, such as --max-semi-space-size=2
  --executable FILE    run this instead of main.ts
  --directory DIR      where the servers keep their data (the system's temporary directory)
  --json FILE          writes the results there, too
  --quick              20,000 keys, short rests
`;

const MIB = 1_048_576;
const SAMPLE_MS = 250;
const QUICK_KEYS = 20_000;

interface Measurement {
  /** The median over the rest; bytes. */
  readonly residentBytes: number;
  readonly anonymousBytes: number;
  /** The most so far, as the system counted it. */
  readonly peakBytes: number;
}

interface SubjectResult {
  readonly name: string;
  readonly empty: Measurement;
  readonly loaded: Measurement;
  readonly churned: Measurement | null;
  readonly loadSeconds: number;
  readonly churnSeconds: number | null;
}

interface MemoryOptions {
  readonly keys: number;
  readonly valueBytes: number;
  readonly settleSeconds: number;
}

async function measure(subject: MemorySubject, settleSeconds: number): Promise<Measurement> {
  const resident: number[] = [];
  const anonymous: number[] = [];
  const endMs = performance.now() + settleSeconds * 1_000;
  // The first half is for what a server does when it has a rest: collect, close, flush.
  const countFromMs = endMs - settleSeconds * 500;
  while (performance.now() < endMs || resident.length === 0) {
    await pauseMs(SAMPLE_MS);
    if (performance.now() < countFromMs) continue;
    const { residentBytes, anonymousBytes } = subject.memory();
    resident.push(residentBytes);
    anonymous.push(anonymousBytes);
  }
  return {
    residentBytes: median(resident),
    anonymousBytes: median(anonymous),
    peakBytes: subject.memory().peakBytes,
  };
}

async function seconds(work: Promise<void>): Promise<number> {
  const startMs = performance.now();
  await work;
  return (performance.now() - startMs) / 1_000;
}

async function run(
  subject: MemorySubject,
  rounds: number,
  options: MemoryOptions,
): Promise<SubjectResult> {
  const { keys, valueBytes, settleSeconds } = options;
  try {
    const empty = await measure(subject, settleSeconds / 2);
    const loadSeconds = await seconds(subject.fill(loadOnce(keys, valueBytes), valueBytes));
    const loaded = await measure(subject, settleSeconds);
    console.error(`${subject.name}: loaded, ${mib(loaded.residentBytes)} MiB`);
    let churnSeconds: number | null = null;
    let churned: Measurement | null = null;
    if (rounds > 0) {
      const valueBytesMax = Math.ceil(valueBytes * 1.5) + 1;
      churnSeconds = await seconds(subject.fill(churn(keys, valueBytes, rounds), valueBytesMax));
      churned = await measure(subject, settleSeconds);
      console.error(`${subject.name}: overwritten, ${mib(churned.residentBytes)} MiB`);
    }
    return { name: subject.name, empty, loaded, churned, loadSeconds, churnSeconds };
  } finally {
    await subject.stop();
  }
}

function mib(bytes: number | undefined): string {
  return bytes === undefined ? "-" : (bytes / MIB).toFixed(0);
}

function ratio(bytes: number | undefined, reference: number | undefined): string {
  if (bytes === undefined || reference === undefined) return "-";
  return (bytes / reference).toFixed(2);
}

function printReport(results: readonly SubjectResult[], { keys, valueBytes }: MemoryOptions): void {
  const redis = results.find((result) => result.name === "Redis");
  const contentBytes = keys * (KEY_BYTES + valueBytes);
  const rows = results.map(({ name, empty, loaded, churned, loadSeconds, churnSeconds }) => [
    name,
    mib(empty.residentBytes),
    mib(loaded.residentBytes),
    ratio(loaded.residentBytes, redis?.loaded.residentBytes),
    ((loaded.residentBytes - contentBytes) / keys).toFixed(0),
    mib(churned?.residentBytes),
    ratio(churned?.residentBytes, redis?.churned?.residentBytes),
    ratio(churned?.residentBytes, loaded.residentBytes),
    mib((churned ?? loaded).peakBytes),
    loadSeconds.toFixed(1),
    churnSeconds?.toFixed(1) ?? "-",
  ]);
  console.log(
    `${formatCount(keys)} keys of ${KEY_BYTES} bytes, values of ${valueBytes}: ` +
      `${mib(contentBytes)} MiB. Resident memory in MiB.\n`,
  );
  const head = ["", "empty", "loaded", "x Redis", "bytes over a key", "overwritten", "x Redis"];
  head.push("x loaded", "peak", "load s", "overwrite s");
  console.log(formatTable(head, rows));
}

async function main(): Promise<number> {
  const flags = parseOptions(HELP, {
    keys: { type: "string" },
    "value-bytes": { type: "string", default: "256" },
    subjects: { type: "string", default: "raftkv,redis,etcd" },
    rounds: { type: "string", default: "5" },
    "etcd-rounds": { type: "string", default: "0" },
    settle: { type: "string" },
    servers: { type: "string", default: "1" },
    "log-memory-bytes": { type: "string" },
    "v8-flags": { type: "string" },
    ...COMMON_OPTIONS,
  });
  const options: MemoryOptions = {
    keys: Number(flags.keys ?? (flags.quick ? QUICK_KEYS : 1_000_000)),
    valueBytes: Number(flags["value-bytes"]),
    settleSeconds: Number(flags.settle ?? (flags.quick ? 1 : 10)),
  };
  const logMemoryBytes = flags["log-memory-bytes"];
  const start: Record<string, () => Promise<MemorySubject>> = {
    raftkv: () =>
      RaftkvMemory.start({
        servers: Number(flags.servers),
        executable: flags.executable,
        parent: flags.directory,
        v8Flags: flags["v8-flags"],
        storage: logMemoryBytes === undefined ? {} : { logMemoryBytes: Number(logMemoryBytes) },
      }),
    redis: () => RedisMemory.start(flags.directory),
    etcd: () => EtcdMemory.start(flags.directory),
  };
  const results: SubjectResult[] = [];
  for (const name of flags.subjects.split(",")) {
    const startSubject = start[name];
    if (startSubject === undefined) {
      console.error(`There is no subject ${name}: ${Object.keys(start).join(", ")}`);
      return 2;
    }
    const rounds = Number(name === "etcd" ? flags["etcd-rounds"] : flags.rounds);
    results.push(await run(await startSubject(), rounds, options));
  }
  printReport(results, options);
  writeJson(flags.json, "memory", { options, results });
  return 0;
}

if (import.meta.main) Deno.exit(await main());
