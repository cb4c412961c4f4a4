/**
 * Processor time of three servers that nobody asks anything, beside three of etcd in the same run: at
 * both defaults, and with equal heartbeats and election timeouts. `--before` adds another checkout.
 */
import { Cluster } from "./cluster.ts";
import { EtcdCluster } from "./etcd_cluster.ts";
import { pauseMs } from "./find_leader.ts";
import { parseFlags } from "./flags.ts";
import { describeMachine, machineText } from "./machine.ts";
import { median } from "./median.ts";
import { cpuBetween, cpuOf, usedUs } from "./process_cpu.ts";
import { formatTable, writeJson } from "./table.ts";

const HELP = `deno task bench:idle-cpu [flags]

  --rounds R         measurements of all clusters at the same time (5)
  --seconds S        how long each takes (10)
  --executable FILE  run this instead of main.ts
  --before DIR       measure the servers of this checkout, too
  --directory DIR    where the servers keep their data (the system's temporary directory)
  --json FILE        writes the results there, too

Exit code 1 where three idle servers take more than three of etcd, at the defaults of both.
`;

/** What a start leaves behind is over by then, and what runs now and then is compiled. */
const REST_MS = 60_000;
const SERVERS = 3;
/** etcd's defaults, given to both. */
const EQUAL = { heartbeatIntervalMs: 100, electionTimeoutMs: 1_000 };

/** A cluster of three idle servers, whichever program they run. */
interface Subject {
  readonly name: string;
  readonly pids: readonly number[];
  readonly leaderPid: number;
  stop(): Promise<void>;
}

interface Measured {
  readonly name: string;
  /** Per cent of a core, all three servers together, and the leader alone; round by round. */
  readonly percentOfAll: number[];
  readonly percentOfLeader: number[];
}

interface Setting {
  readonly executable: string | undefined;
  readonly checkout?: string;
  readonly parent: string | undefined;
}

async function startOwn(
  name: string,
  { executable, checkout, parent }: Setting,
  timing?: Readonly<Record<string, number>>,
): Promise<Subject> {
  const cluster = await Cluster.start({ servers: SERVERS, executable, checkout, parent, timing });
  const pids = cluster.servers.map(({ id }) => cluster.pid(id));
  const leaderPid = cluster.pid(await cluster.leader());
  return { name, pids, leaderPid, stop: () => cluster.stop() };
}

async function startEtcd(name: string, parent: string | undefined): Promise<Subject> {
  const cluster = await EtcdCluster.start(SERVERS, parent);
  const pids = cluster.serverIds.map((id) => cluster.pid(id));
  const leaderPid = cluster.pid(await cluster.leader());
  return { name, pids, leaderPid, stop: () => cluster.stop() };
}

/** Per cent of a core that each process took over `seconds`, all at the same time. */
async function percents(pids: readonly number[], seconds: number): Promise<Map<number, number>> {
  const startMs = performance.now();
  const before = pids.map((pid) => cpuOf(pid));
  await pauseMs(seconds * 1_000);
  const tookUs = (performance.now() - startMs) * 1_000;
  return new Map(pids.map((pid, at) => {
    const used = usedUs(cpuBetween(before[at]!, cpuOf(pid)));
    return [pid, used / tookUs * 100] as const;
  }));
}

async function main(): Promise<number> {
  const flags = parseFlags(HELP, {
    rounds: 5,
    seconds: 10,
    executable: "",
    before: "",
    directory: "",
    json: "",
  });
  const parent = flags.directory || undefined;
  const own = { executable: flags.executable || undefined, parent };
  const subjects: Subject[] = [];
  try {
    subjects.push(await startOwn("raftkv, its defaults", own));
    subjects.push(await startOwn("raftkv, etcd's times", own, EQUAL));
    if (flags.before !== "") {
      const setting = { executable: undefined, checkout: flags.before, parent };
      subjects.push(await startOwn("raftkv before", setting));
    }
    subjects.push(await startEtcd("etcd, its defaults", parent));
    await pauseMs(REST_MS);
    const measured: Measured[] = subjects.map(({ name }) => ({
      name,
      percentOfAll: [],
      percentOfLeader: [],
    }));
    for (let round = 0; round < flags.rounds; round++) {
      const used = await percents(subjects.flatMap(({ pids }) => [...pids]), flags.seconds);
      for (const [at, { pids, leaderPid }] of subjects.entries()) {
        const all = pids.reduce((sum, pid) => sum + used.get(pid)!, 0);
        measured[at]!.percentOfAll.push(all);
        measured[at]!.percentOfLeader.push(used.get(leaderPid)!);
      }
    }
    return await report(measured, flags.json, parent ?? "/tmp");
  } finally {
    for (const subject of subjects) await subject.stop();
  }
}

async function report(
  measured: readonly Measured[],
  json: string,
  directory: string,
): Promise<number> {
  const machine = await describeMachine(directory);
  const etcd = median(measured.at(-1)!.percentOfAll);
  console.log(machineText(machine));
  console.log(formatTable(
    ["three idle servers", "% of a core", "least", "most", "the leader", "of etcd's"],
    measured.map(({ name, percentOfAll, percentOfLeader }) => [
      name,
      median(percentOfAll).toFixed(2),
      Math.min(...percentOfAll).toFixed(2),
      Math.max(...percentOfAll).toFixed(2),
      median(percentOfLeader).toFixed(2),
      (median(percentOfAll) / etcd).toFixed(2),
    ]),
  ));
  writeJson(json || undefined, "idle-cpu", { machine, measured });
  return median(measured[0]!.percentOfAll) <= etcd ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());
