/**
 * What it costs a server to be watched: processor time of a page of metrics, throughput and processor time
 * of a command with a scrape every second and ten open streams against without, in turns, and the resident
 * memory of servers with an admin port against others without. Who scrapes and reads the streams is a
 * process of its own (onlooker.ts). Beside each ratio stands what two runs without come to, one after the
 * other: so far apart two equal things are here.
 */
import { ADMIN_DISTANCE, scrape } from "./admin_load.ts";
import { Cluster } from "./cluster.ts";
import { pauseMs } from "./find_leader.ts";
import { parseFlags } from "./flags.ts";
import { parseLoads } from "./loads.ts";
import { describeMachine, machineText } from "./machine.ts";
import { median, quartiles } from "./median.ts";
import { cpuBetween, cpuOf, usedUs } from "./process_cpu.ts";
import { memoryOf } from "./process_memory.ts";
import { type Looked, Onlooker } from "./onlooker.ts";
import { RaftkvSpeed, type Row } from "./speed_subjects.ts";
import { formatTable, writeJson } from "./table.ts";

const HELP = `deno task bench:scrape [flags]

  --scrapes N        pages of metrics that are asked for, ten a second (100)
  --loads LIST       of SET:C:P and GET:C:P (SET:100:1,GET:100:1)
  --rounds R         of each load with scrapes and streams, and twice without, in turns (30)
  --seconds S        how long a load takes (1)
  --clusters N       of three idle servers with an admin port, and as many without, for memory (3)
  --executable FILE  run this instead of main.ts
  --directory DIR    where the servers keep their data (the system's temporary directory)
  --json FILE        writes the results there, too

Exit code 1 where a page takes 1 ms of processor time or more.
`;

const PAGE_MS_MAX = 1;
/** What a start leaves behind is over by then. */
const REST_MS = 10_000;
/** A page is made no more often than every 50 ms. */
const SCRAPE_PAUSE_MS = 100;
const STREAMS = 10;
/** What an onlooker's own start and the first of its streams cost is over by then. */
const ONLOOKER_REST_MS = 1_500;
const WORKLOAD = { keys: 20_000, valueBytes: 256 };

/** Ms of processor time that a page takes the server, its connection included. */
async function pageMs(pid: number, port: number, scrapes: number): Promise<number> {
  const measured = async (each: () => Promise<unknown>) => {
    const before = cpuOf(pid);
    for (let i = 0; i < scrapes; i++) {
      await each();
      await pauseMs(SCRAPE_PAUSE_MS);
    }
    return usedUs(cpuBetween(before, cpuOf(pid)));
  };
  await measured(() => scrape(port)); // so that it is compiled
  const idleUs = await measured(() => Promise.resolve());
  return (await measured(() => scrape(port)) - idleUs) / scrapes / 1_000;
}

/** Of one kind of run against another: commands a second, and the leader's processor time for each. */
interface Ratios {
  readonly speed: number[];
  readonly cpu: number[];
}

interface Watched {
  readonly title: string;
  readonly watchedToNot: Ratios;
  readonly notToNot: Ratios;
  /** What the onlooker was given in all rounds. */
  readonly looked: readonly Looked[];
}

interface Cell {
  readonly perSecond: number;
  readonly cpuUs: number;
}

async function watchedLoads(
  subject: RaftkvSpeed,
  ports: readonly number[],
  loads: string,
  rounds: number,
): Promise<Watched[]> {
  const { cluster } = subject;
  const leader = await cluster.leader();
  const measure = async (row: Row): Promise<Cell> => {
    const before = cpuOf(cluster.pid(leader));
    const { perSecond, requests } = await subject.run(row);
    const cpuUs = usedUs(cpuBetween(before, cpuOf(cluster.pid(leader)))) / requests;
    return { perSecond, cpuUs };
  };
  const results: Watched[] = [];
  for (const { test, connections, pipeline } of parseLoads(loads)) {
    const title = `${test}, ${connections} clients${pipeline === 1 ? "" : ` x ${pipeline}`}`;
    const row: Row = { title, test, connections, pipeline, etcdClients: 0, wanted: {} };
    await measure(row);
    const watchedToNot: Ratios = { speed: [], cpu: [] };
    const notToNot: Ratios = { speed: [], cpu: [] };
    const looked: Looked[] = [];
    // Where nobody looks there is an onlooker, too, as idle: what its start does to the machine, and the
    // servers' rest meanwhile, are no part of what being looked at costs them.
    const whileLookedAt = async (streams: number, scraped: readonly number[]) => {
      const onlooker = await Onlooker.start(streams, ports[leader - 1]!, scraped);
      await pauseMs(ONLOOKER_REST_MS);
      const cell = await measure(row);
      return { cell, looked: await onlooker.stop() };
    };
    const watched = async () => {
      const run = await whileLookedAt(STREAMS, ports);
      looked.push(run.looked);
      return run.cell;
    };
    const unwatched = async () => (await whileLookedAt(0, [])).cell;
    for (let round = 0; round < rounds; round++) {
      // Each kind of run comes first, in the middle and last equally often.
      const runs = [watched, unwatched, unwatched];
      const cells: Cell[] = [];
      for (let i = 0; i < runs.length; i++) {
        const at = (i + round) % runs.length;
        cells[at] = await runs[at]!();
      }
      const [with_, one, other] = cells as [Cell, Cell, Cell];
      const mean = {
        perSecond: (one.perSecond + other.perSecond) / 2,
        cpuUs: (one.cpuUs + other.cpuUs) / 2,
      };
      addRatio(watchedToNot, with_, mean);
      addRatio(notToNot, one, other);
    }
    results.push({ title, watchedToNot, notToNot, looked });
  }
  return results;
}

function addRatio(to: Ratios, one: Cell, other: Cell): void {
  to.speed.push(one.perSecond / other.perSecond);
  to.cpu.push(one.cpuUs / other.cpuUs);
}

/** Resident bytes of idle servers. */
async function idleMemory(
  clusters: number,
  start: (perServer: Record<string, number>) => Promise<Cluster>,
  perServer: Record<string, number>,
): Promise<number[]> {
  const found: number[] = [];
  for (let i = 0; i < clusters; i++) {
    const cluster = await start(perServer);
    await pauseMs(REST_MS);
    for (const { id } of cluster.servers) found.push(memoryOf(cluster.pid(id)).residentBytes);
    await cluster.stop();
  }
  return found;
}

async function main(): Promise<number> {
  const flags = parseFlags(HELP, {
    scrapes: 100,
    loads: "SET:100:1,GET:100:1",
    rounds: 30,
    seconds: 1,
    clusters: 3,
    executable: "",
    directory: "",
    json: "",
  });
  const parent = flags.directory || undefined;
  const executable = flags.executable || undefined;
  const start = (perServer: Record<string, number>) =>
    Cluster.start({ servers: 3, executable, parent, perServer });
  const cluster = await start({});
  let page = NaN;
  let watched: Watched[] = [];
  try {
    const subject = new RaftkvSpeed(cluster, { ...WORKLOAD, seconds: flags.seconds });
    const ports = cluster.servers.map(({ client }) => client.port + ADMIN_DISTANCE);
    await subject.fill();
    await pauseMs(REST_MS);
    const leader = await cluster.leader();
    page = await pageMs(cluster.pid(leader), ports[leader - 1]!, flags.scrapes);
    watched = await watchedLoads(subject, ports, flags.loads, flags.rounds);
  } finally {
    await cluster.stop();
  }
  const withPort = await idleMemory(flags.clusters, start, {});
  const without = await idleMemory(flags.clusters, start, { adminPort: 0 });
  const grownBytes = median(withPort) - median(without);
  const machine = await describeMachine(parent ?? "/tmp");
  console.log(machineText(machine));
  console.log(`A page of metrics: ${page.toFixed(2)} ms of processor time`);
  console.log(formatTable(
    ["a scrape a second, ten streams", "speed", "quartiles", "processor time", "quartiles"],
    watched.flatMap(({ title, watchedToNot, notToNot }) => [
      [title, ...ratio(watchedToNot.speed), ...ratio(watchedToNot.cpu)],
      ["  without against without", ...ratio(notToNot.speed), ...ratio(notToNot.cpu)],
    ]),
  ));
  console.log(`Idle with an admin port: ${Math.round(grownBytes / 1_024)} KiB more than without`);
  writeJson(flags.json || undefined, "scrape", { machine, page, watched, withPort, without });
  return page < PAGE_MS_MAX ? 0 : 1;
}

function ratio(values: readonly number[]): string[] {
  const [low, middle, high] = quartiles(values);
  return [middle.toFixed(3), `${low.toFixed(3)} to ${high.toFixed(3)}`];
}

if (import.meta.main) Deno.exit(await main());
