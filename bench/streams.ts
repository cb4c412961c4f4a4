/**
 * What the live page costs a server that is looked at: processor time with so many streams of /events
 * open against none, in turns, and resident memory before anybody asked for the page and after.
 */
import { ADMIN_DISTANCE, Streams } from "./admin_load.ts";
import { Cluster } from "./cluster.ts";
import { pauseMs } from "./find_leader.ts";
import { parseFlags } from "./flags.ts";
import { describeMachine, machineText } from "./machine.ts";
import { median } from "./median.ts";
import { cpuBetween, cpuOf, usedUs } from "./process_cpu.ts";
import { memoryOf } from "./process_memory.ts";
import { formatTable, writeJson } from "./table.ts";

const HELP = `deno task bench:streams [flags]

  --streams N        open at a time, of 64 at most (50)
  --rounds R         without and with them, in turns (3)
  --seconds S        how long each measurement takes (15)
  --executable FILE  run this instead of main.ts
  --directory DIR    where the servers keep their data (the system's temporary directory)
  --json FILE        writes the results there, too

Exit code 1 where the streams take 2 % of a core or more.
`;

const PERCENT_MAX = 2;
/** What a start leaves behind is over by then, and what runs now and then is compiled. */
const REST_MS = 15_000;
/** Streams that have just been opened are sent all events once. */
const SETTLE_MS = 3_000;

/** Per cent of a core that a process takes. */
async function percentOf(pid: number, seconds: number): Promise<number> {
  const startMs = performance.now();
  const before = cpuOf(pid);
  await pauseMs(seconds * 1_000);
  const tookUs = (performance.now() - startMs) * 1_000;
  return usedUs(cpuBetween(before, cpuOf(pid))) / tookUs * 100;
}

async function fetchPage(port: number): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: "close" } });
  if (!response.ok) throw new Error(`The page: ${response.status} ${await response.text()}`);
  return (await response.bytes()).length;
}

async function main(): Promise<number> {
  const flags = parseFlags(HELP, {
    streams: 50,
    rounds: 3,
    seconds: 15,
    executable: "",
    directory: "",
    json: "",
  });
  const parent = flags.directory || undefined;
  const cluster = await Cluster.start({
    servers: 3,
    executable: flags.executable || undefined,
    parent,
  });
  try {
    const leader = await cluster.leader();
    const pid = cluster.pid(leader);
    const port = cluster.server(leader).client.port + ADMIN_DISTANCE;
    await pauseMs(REST_MS);
    const beforeBytes = memoryOf(pid).residentBytes;
    const pageBytes = await fetchPage(port);
    const pageMemoryBytes = memoryOf(pid).residentBytes - beforeBytes;
    const [without, withThem, bytesASecond]: number[][] = [[], [], []];
    for (let round = 0; round < flags.rounds; round++) {
      without!.push(await percentOf(pid, flags.seconds));
      const streams = new Streams();
      for (let i = 0; i < flags.streams; i++) await streams.add(port);
      await pauseMs(SETTLE_MS);
      const earlierBytes = streams.bytes;
      withThem!.push(await percentOf(pid, flags.seconds));
      bytesASecond!.push((streams.bytes - earlierBytes) / flags.seconds);
      await streams.close();
    }
    const grownBytes = memoryOf(pid).residentBytes - beforeBytes;
    const machine = await describeMachine(parent ?? "/tmp");
    const percent = median(withThem!.map((one, round) => one - without![round]!));
    console.log(machineText(machine));
    console.log(formatTable(
      ["the leader of three idle servers", "% of a core, median", "least", "most"],
      [["nobody looks", without!], [`${flags.streams} pages open`, withThem!]].map(
        ([name, values]) => [name as string, ...figures(values as number[])],
      ),
    ));
    console.log(
      `${flags.streams} pages cost ${percent.toFixed(2)} % of a core and ` +
        `${Math.round(median(bytesASecond!) / 1_024)} KiB/s; the page has ${pageBytes} bytes; ` +
        `memory grew by ${Math.round(pageMemoryBytes / 1_024)} KiB with it, and by ` +
        `${Math.round(grownBytes / 1_024)} KiB until all streams had ended`,
    );
    const results = { machine, without, withThem, percent, pageBytes, pageMemoryBytes, grownBytes };
    writeJson(flags.json || undefined, "streams", results);
    return percent < PERCENT_MAX ? 0 : 1;
  } finally {
    await cluster.stop();
  }
}

function figures(values: readonly number[]): string[] {
  return [median(values), Math.min(...values), Math.max(...values)].map((one) => one.toFixed(2));
}

if (import.meta.main) Deno.exit(await main());
