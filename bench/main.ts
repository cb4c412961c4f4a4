/**
 * How fast raftkv is beside one Redis that syncs each write and beside etcd: the same work on the same
 * machine, in turns, so that whatever else the machine does meets all of them.
 */
import { Cluster } from "./cluster.ts";
import { parseFlags } from "./flags.ts";
import { isInstalled } from "./foreign_process.ts";
import { describeMachine, type MachineDescription, machineText } from "./machine.ts";
import { type Contents, readContents, sumVersions } from "./read_back.ts";
import {
  latencyTable,
  ratioSpreadTable,
  type RowResult,
  speedChart,
  speedTable,
  spreadTable,
} from "./speed_report.ts";
import {
  type Cell,
  EtcdSpeed,
  RaftkvLines,
  RaftkvSpeed,
  RedisSpeed,
  type Row,
  type SpeedSubject,
  type Workload,
} from "./speed_subjects.ts";
import { pauseMs } from "./find_leader.ts";
import { writeResults } from "./results.ts";
import { formatCount } from "./table.ts";

const HELP = `deno task bench [flags]

  --rounds R           how often each cell is measured; medians count (9)
  --seconds S          about how long a cell takes (2)
  --servers N          servers of raftkv and of etcd (3)
  --executable FILE    run this instead of main.ts
  --directory DIR      where all keep their data (the system's temporary directory)
  --etcd-load FILE     the load on etcd; built from ../shared/bench/etcd-load where that is there
  --keys K             keys, each set once at the start (1000000)
  --value-bytes N      (256)
  --without LIST       of redis, etcd and lines
  --chart FILE         (docs/charts/speed.svg)
  --json FILE          (docs/charts/speed.json)
  --large              sets of 64 KiB and 1 MiB by 10 clients instead, 100 keys, without etcd and
                       lines; changes no file in docs
  --quick              one round of one second with fewer keys; changes no file in docs
`;

const ROWS: readonly Row[] = [
  row("SET, 1 client", "SET", 1, 1, 1, { etcd: 2.5 }),
  row("SET, 100 clients", "SET", 100, 1, 100, { etcd: 8, redis: 0.7 }),
  row("SET, 100 clients x 16", "SET", 100, 16, 1_000, { redis: 0.8 }),
  row("GET, 100 clients", "GET", 100, 1, 100, { etcd: 12, redis: 0.7 }),
  row("GET, 100 clients x 16", "GET", 100, 16, 1_000, { redis: 0.7 }),
];
/** Each key is set to a value of its own length by the row that draws it. */
const LARGE_ROWS: readonly Row[] = [
  largeRow("SET of 64 KiB, 10 clients", 65_536),
  largeRow("SET of 1 MiB, 10 clients", 1_048_576),
];
const LARGE_KEYS = 100;
const PROJECT = new URL("../", import.meta.url).pathname;
const ETCD_LOAD_SCRIPT = `${PROJECT}../shared/bench/etcd-load/build.sh`;
const QUICK_KEYS = 10_000;
const SETTLE_MS = 15_000;
const POLL_MS = 500;

function row(
  title: string,
  test: Row["test"],
  connections: number,
  pipeline: number,
  etcdClients: number,
  wanted: Row["wanted"],
): Row {
  return { title, test, connections, pipeline, etcdClients, wanted };
}

function largeRow(title: string, valueBytes: number): Row {
  return { ...row(title, "SET", 10, 1, 10, { redis: 0.6 }), valueBytes };
}

interface Options {
  readonly servers: number;
  readonly executable: string | undefined;
  readonly directory: string;
  readonly etcdLoad: string;
  readonly without: readonly string[];
}

/** The program that loads etcd: the one that was named, else one built into `directory`. */
async function findEtcdLoad(named: string, directory: string): Promise<string | null> {
  if (named !== "") return named;
  try {
    Deno.statSync(ETCD_LOAD_SCRIPT);
  } catch {
    return null;
  }
  const program = `${directory}/etcd-load`;
  const { success, stderr } = await new Deno.Command("bash", { args: [ETCD_LOAD_SCRIPT, program] })
    .output();
  if (!success) console.error(new TextDecoder().decode(stderr));
  return success ? program : null;
}

/** Starts all that this machine has; what it has not is told and left out. */
async function startSubjects(
  options: Options,
  workload: Workload,
  started: SpeedSubject[],
  scratch: string,
): Promise<RaftkvSpeed> {
  const { servers, executable, directory, without } = options;
  const isWanted = (name: string) => !without.includes(name);
  if (isWanted("etcd") && await isInstalled("etcd")) {
    const program = await findEtcdLoad(options.etcdLoad, scratch);
    if (program === null) console.log("etcd is left out: there is no etcd-load here");
    else started.push(await EtcdSpeed.start(servers, directory, program, workload));
  } else console.log("etcd is left out");
  if (isWanted("redis") && await isInstalled("redis-server")) {
    started.push(await RedisSpeed.start(directory, workload));
  } else console.log("Redis is left out");
  const cluster = await Cluster.start({ servers, executable, parent: directory });
  const raftkv = new RaftkvSpeed(cluster, workload);
  started.push(raftkv);
  if (isWanted("lines")) started.push(new RaftkvLines(cluster, workload));
  return raftkv;
}

async function measure(
  subjects: readonly SpeedSubject[],
  rows: readonly Row[],
  rounds: number,
): Promise<RowResult[]> {
  const cells = rows.map(() =>
    Object.fromEntries(subjects.map(({ name }) => [name, [] as Cell[]])) as Record<string, Cell[]>
  );
  for (let round = 1; round <= rounds; round++) {
    for (const [i, row] of rows.entries()) {
      const rates: string[] = [];
      // What one leaves behind, such as dirty pages, must not always meet the same one.
      for (const subject of round % 2 === 1 ? subjects : subjects.toReversed()) {
        const cell = await subject.run(row);
        cells[i]![subject.name]!.push(cell);
        rates.push(`${subject.name} ${formatCount(cell.perSecond)}`);
      }
      console.error(`round ${round}, ${row.title}: ${rates.join(", ")}`);
    }
  }
  return rows.map((row, i) => ({ row, cells: cells[i]! }));
}

interface ReadBack {
  readonly servers: readonly Contents[];
  readonly agree: boolean;
  /** Writes that took effect, counted by the versions of all keys; and what was acknowledged. */
  readonly versions: number;
  readonly setsLeast: number;
  readonly setsMost: number;
  readonly isRight: boolean;
}

/** Reads all three servers until they hold the same, and counts the writes. */
async function readBack(
  raftkv: RaftkvSpeed,
  lines: RaftkvLines | null,
  keys: number,
  valueBytesMax: number,
): Promise<ReadBack> {
  const deadlineMs = performance.now() + SETTLE_MS;
  const { cluster } = raftkv;
  const readAll = () =>
    Promise.all(cluster.addresses.map((address) => readContents(address, valueBytesMax)));
  let servers = await readAll();
  const agree = () =>
    servers.every((one) => one.digest === servers[0]!.digest && one.keys === servers[0]!.keys);
  while (!agree() && performance.now() < deadlineMs) {
    await pauseMs(POLL_MS);
    servers = await readAll();
  }
  const versions = await sumVersions(await raftkv.leader(), keys);
  const setsLeast = raftkv.setsDone[0] + (lines?.acknowledgedSets ?? 0);
  const setsMost = raftkv.setsDone[1] + (lines?.acknowledgedSets ?? 0) +
    (lines?.uncertainSets ?? 0);
  const isRight = agree() && versions >= setsLeast && versions <= setsMost;
  return { servers, agree: agree(), versions, setsLeast, setsMost, isRight };
}

function printReadBack({ servers, agree, versions, setsLeast, setsMost, isRight }: ReadBack): void {
  console.log(`\nRead back from all servers: ${agree ? "the same on each" : "THEY DIFFER"}`);
  servers.forEach(({ keys, digest }, i) => {
    console.log(`  server ${i + 1}: ${formatCount(keys)} keys, digest ${digest}`);
  });
  const most = setsMost === Infinity ? "" : ` (at most ${formatCount(setsMost)} were sent)`;
  console.log(
    `Writes by the versions of all keys: ${formatCount(versions)}; acknowledged: ` +
      `${formatCount(setsLeast)}${most}: ${isRight ? "as it must be" : "WRONG"}`,
  );
}

function print(
  results: readonly RowResult[],
  subjects: readonly SpeedSubject[],
  machine: MachineDescription,
): void {
  console.log(`${machineText(machine)}\n`);
  console.log(speedTable(results, subjects));
  console.log("\n" + latencyTable(results, subjects));
  console.log("\n" + spreadTable(results, subjects));
  console.log("\n" + ratioSpreadTable(results));
  for (const { title, failures } of subjects) {
    for (const failure of failures) console.log(`\n${title}, a run was done again: ${failure}`);
  }
}

async function main(): Promise<void> {
  const flags = parseFlags(HELP, {
    rounds: 9,
    seconds: 2,
    servers: 3,
    executable: "",
    directory: "/tmp",
    etcdLoad: "",
    keys: 1_000_000,
    valueBytes: 256,
    without: "",
    chart: "",
    json: "",
    large: false,
    quick: false,
  });
  if (!await isInstalled("redis-benchmark")) {
    throw new Error("redis-benchmark is needed (Debian's package redis-tools)");
  }
  const rows = flags.large ? LARGE_ROWS : ROWS;
  const keys = flags.large ? LARGE_KEYS : flags.quick ? QUICK_KEYS : flags.keys;
  const workload = {
    keys,
    valueBytes: flags.valueBytes,
    seconds: flags.quick ? 1 : flags.seconds,
  };
  const rounds = flags.quick ? 1 : flags.rounds;
  const machine = await describeMachine(flags.directory);
  const scratch = Deno.makeTempDirSync({ prefix: "raftkv-bench-" });
  const subjects: SpeedSubject[] = [];
  try {
    const without = flags.without.split(",").concat(flags.large ? ["etcd", "lines"] : []);
    const options = { ...flags, executable: flags.executable || undefined, without };
    const raftkv = await startSubjects(options, workload, subjects, scratch);
    for (const subject of subjects) {
      console.error(`filling ${subject.title} ...`);
      await subject.fill();
    }
    const results = await measure(subjects, rows, rounds);
    print(results, subjects, machine);
    const lines = subjects.find((subject) => subject instanceof RaftkvLines) ?? null;
    const { valueBytes, seconds } = workload;
    const valueBytesMax = Math.max(...rows.map((row) => row.valueBytes ?? valueBytes));
    const contents = await readBack(raftkv, lines as RaftkvLines | null, keys, valueBytesMax);
    printReadBack(contents);
    const settings = { rounds, keys, valueBytes, seconds, isCompiled: flags.executable !== "" };
    const json = { benchmark: "speed", machine, settings, results, readBack: contents };
    const files = { ...flags, quick: flags.quick || flags.large };
    writeResults("speed", files, json, speedChart(results, subjects, machine));
    if (!contents.isRight) Deno.exitCode = 1;
  } finally {
    for (const subject of subjects) await subject.stop();
    Deno.removeSync(scratch, { recursive: true });
  }
}

if (import.meta.main) {
  await main();
  Deno.exit();
}
