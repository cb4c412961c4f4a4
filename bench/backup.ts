/**
 * How long a backup of a million keys takes, and a restore of it, beside `etcdctl snapshot save` and
 * `restore` of the same contents in the same run, each as its users run it: from the start of the command
 * to what is durable. And what the clients feel while backups are taken one after another: in rounds, as
 * the slowest set of a thousand is often one stall of the machine.
 */
import type { LatencySummary } from "../lib/util/histogram.ts";
import { Cluster } from "./cluster.ts";
import { findLeader, pauseMs } from "./find_leader.ts";
import { COMMON_OPTIONS, parseOptions } from "./flags.ts";
import { describeMachine, machineText } from "./machine.ts";
import type { Address } from "./line_client.ts";
import { median } from "./median.ts";
import { EtcdMemory, fillCluster } from "./memory_subjects.ts";
import { OpenLoop } from "./open_loop.ts";
import { formatCount, formatLatencies, formatTable, writeJson } from "./table.ts";
import { loadOnce } from "./writes.ts";

const HELP = `deno task bench:backup [flags]

  --keys K             (1000000)
  --value-bytes N      (256)
  --runs N             backups of each, of which the median counts (3)
  --rate R             sets a second meanwhile (2000)
  --seconds S          seconds of load, without backups and with them, in each round (15)
  --rounds R           of both, one after another; the median ratio counts (3)
  --executable FILE    run this instead of main.ts
  --directory DIR      where the servers keep their data (the system's temporary directory)
  --json FILE          writes the results there, too
  --quick              30,000 keys, one round
`;

const CONNECT_TIMEOUT_MS = 10_000;
const CONNECTIONS = 16;
/** For the compiler. */
const WARM_UP_MS = 1_000;
const MAIN = new URL("../main.ts", import.meta.url).pathname;

interface BackupOptions {
  readonly keys: number;
  readonly valueBytes: number;
  readonly runs: number;
  readonly perSecond: number;
  readonly seconds: number;
  readonly rounds: number;
  readonly executable: string | undefined;
  readonly directory: string | undefined;
  readonly json: string | undefined;
}

interface Saved {
  readonly tookMs: readonly number[];
  /** Of the restores of the same files. */
  readonly restoredMs: readonly number[];
  readonly bytes: number;
}

interface Round {
  readonly without: LatencySummary;
  readonly meanwhile: LatencySummary;
  readonly backups: number;
}

interface BackupResult {
  readonly raftkv: Saved;
  readonly etcd: Saved;
  readonly rounds: readonly Round[];
}

/** @throws {Error} with what the program said, where it fails. */
async function runProgram(
  [program, ...args]: readonly string[],
  environment = {},
): Promise<number> {
  const startMs = performance.now();
  const { success, stderr } = await new Deno.Command(program!, {
    args,
    env: environment,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  const tookMs = performance.now() - startMs;
  if (success) return tookMs;
  throw new Error(`${program} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}

/** Runs `save` so often, each time to a new file, and `restore` from it; both are removed. */
async function timed(
  runs: number,
  directory: string,
  save: (file: string) => Promise<number>,
  restore: (file: string, to: string) => Promise<number>,
): Promise<Saved> {
  const tookMs: number[] = [];
  const restoredMs: number[] = [];
  let bytes = 0;
  for (let run = 0; run < runs; run++) {
    const file = `${directory}/saved-${run}`;
    tookMs.push(await save(file));
    bytes = Deno.statSync(file).size;
    const to = `${directory}/restored-${run}`;
    restoredMs.push(await restore(file, to));
    Deno.removeSync(to, { recursive: true });
    Deno.removeSync(file);
  }
  return { tookMs, restoredMs, bytes };
}

function programOf({ executable }: BackupOptions): string[] {
  if (executable !== undefined) return [executable];
  return [Deno.execPath(), "run", "--quiet", "--no-check", "--allow-all", MAIN];
}

function backupCommand(options: BackupOptions, cluster: Cluster, file: string): string[] {
  const program = programOf(options);
  const servers = cluster.addresses.map(({ hostname, port }) => `${hostname}:${port}`).join(",");
  return [...program, "backup", "--servers", servers, file];
}

async function runEtcd(options: BackupOptions, directory: string): Promise<Saved> {
  const { keys, valueBytes, runs } = options;
  const etcd = await EtcdMemory.start(options.directory);
  try {
    await etcd.fill(loadOnce(keys, valueBytes), valueBytes);
    const endpoint = etcd.url.replace("http://", "");
    const etcdctl = (...args: string[]) => runProgram(["etcdctl", ...args], { ETCDCTL_API: "3" });
    return await timed(
      runs,
      directory,
      (file) => etcdctl("--endpoints", endpoint, "snapshot", "save", file),
      (file, to) => etcdctl("snapshot", "restore", file, "--data-dir", to),
    );
  } finally {
    await etcd.stop();
  }
}

async function run(options: BackupOptions, directory: string): Promise<BackupResult> {
  const { keys, valueBytes, runs, executable } = options;
  const etcd = await runEtcd(options, directory);
  const cluster = await Cluster.start({ servers: 3, executable, parent: options.directory });
  try {
    await fillCluster(cluster.addresses, loadOnce(keys, valueBytes), valueBytes);
    const leader = await findLeader(cluster.addresses, CONNECT_TIMEOUT_MS);
    const save = (file: string) => runProgram(backupCommand(options, cluster, file));
    const touch = () => fillCluster(cluster.addresses, loadOnce(1, valueBytes), valueBytes);
    const raftkv = await timed(runs, directory, async (file) => {
      // A snapshot that is there already would be given at once.
      await touch();
      return await save(file);
    }, (file, to) => {
      return runProgram([...programOf(options), "restore", file, "--data", to, "--id", "1"]);
    });
    // What the restores freed is given back, and the servers' own snapshots of all these keys are taken.
    await pauseMs(options.seconds * 1_000);
    return { raftkv, etcd, rounds: await runRounds(options, leader, save, directory) };
  } finally {
    await cluster.stop();
  }
}

/** Sets at a fixed rate, in turns without backups and with one after another. */
async function runRounds(
  options: BackupOptions,
  leader: Address,
  save: (file: string) => Promise<number>,
  directory: string,
): Promise<Round[]> {
  const { keys, valueBytes, perSecond, seconds, rounds } = options;
  const connections = CONNECTIONS;
  const loop = await OpenLoop.start({ leader, connections, perSecond, keys, valueBytes });
  await pauseMs(WARM_UP_MS);
  const stretches: { startMs: number; withMs: number; endMs: number; backups: number }[] = [];
  for (let round = 0; round < rounds; round++) {
    const startMs = performance.now();
    await pauseMs(seconds * 1_000);
    const withMs = performance.now();
    let backups = 0;
    // None is removed yet: freeing so many blocks at once keeps the file system, and with it every sync.
    while (performance.now() < withMs + seconds * 1_000) {
      await save(`${directory}/meanwhile-${round}-${backups++}`);
      loop.check();
    }
    stretches.push({ startMs, withMs, endMs: performance.now(), backups });
  }
  await loop.stop();
  return stretches.map(({ startMs, withMs, endMs, backups }) => ({
    without: loop.samples.summary((dueMs) => dueMs >= startMs && dueMs < withMs),
    meanwhile: loop.samples.summary((dueMs) => dueMs >= withMs && dueMs < endMs),
    backups,
  }));
}

function report(options: BackupOptions, result: BackupResult): void {
  const { keys, valueBytes, perSecond } = options;
  const s = (ms: number) => (ms / 1_000).toFixed(2);
  console.log(`${formatCount(keys)} keys, values of ${valueBytes} bytes\n`);
  console.log(formatTable(
    ["", "median s", "all s", "MB"],
    [
      ["raftkv backup", result.raftkv.tookMs, result.raftkv.bytes],
      ["etcdctl snapshot save", result.etcd.tookMs, result.etcd.bytes],
      ["raftkv restore", result.raftkv.restoredMs, result.raftkv.bytes],
      ["etcdctl snapshot restore", result.etcd.restoredMs, result.etcd.bytes],
    ].map(([name, tookMs, bytes]) => {
      const all = tookMs as readonly number[];
      return [`${name}`, s(median(all)), all.map(s).join(" "), (Number(bytes) / 1e6).toFixed(0)];
    }),
  ));
  const times = (etcd: readonly number[], own: readonly number[]) =>
    (median(etcd) / median(own)).toFixed(2);
  console.log(`\nraftkv is ${times(result.etcd.tookMs, result.raftkv.tookMs)} times as fast in`);
  console.log(`backups, ${times(result.etcd.restoredMs, result.raftkv.restoredMs)} in restores.\n`);
  console.log(`${formatCount(perSecond)} sets/s; latency in ms:\n`);
  console.log(formatLatencies(result.rounds.flatMap(({ without, meanwhile, backups }, round) => [
    [`${round + 1}: without`, without],
    [`${round + 1}: ${backups} backups`, meanwhile],
  ])));
  const ratios = result.rounds.map(({ without, meanwhile }) => meanwhile.p999Ms / without.p999Ms);
  const all = ratios.map((ratio) => ratio.toFixed(2)).join(", ");
  console.log(`\np99.9 with backups is ${median(ratios).toFixed(2)} times that without (${all}).`);
}

async function main(): Promise<number> {
  const flags = parseOptions(HELP, {
    keys: { type: "string" },
    "value-bytes": { type: "string", default: "256" },
    runs: { type: "string", default: "3" },
    rate: { type: "string", default: "2000" },
    seconds: { type: "string" },
    rounds: { type: "string" },
    ...COMMON_OPTIONS,
  });
  const options: BackupOptions = {
    keys: Number(flags.keys ?? (flags.quick ? 30_000 : 1_000_000)),
    valueBytes: Number(flags["value-bytes"]),
    runs: Number(flags.runs),
    perSecond: Number(flags.rate),
    seconds: Number(flags.seconds ?? (flags.quick ? 4 : 15)),
    rounds: Number(flags.rounds ?? (flags.quick ? 1 : 3)),
    executable: flags.executable,
    directory: flags.directory,
    json: flags.json,
  };
  const directory = Deno.makeTempDirSync({
    prefix: "backup-bench-",
    ...(options.directory === undefined ? {} : { dir: options.directory }),
  });
  try {
    console.log(machineText(await describeMachine(directory)));
    const result = await run(options, directory);
    report(options, result);
    writeJson(options.json, "backup", { options, result });
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
  return 0;
}

if (import.meta.main) Deno.exit(await main());
