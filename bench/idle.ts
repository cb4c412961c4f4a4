/**
 * What idle connections cost the leader: memory for each, when it is new and when it has been used
 * once; throughput of the others, measured in turns with and without them; and the leader's processor
 * time for each of their commands.
 */
import { Cluster } from "./cluster.ts";
import { fill } from "./fill.ts";
import { pauseMs } from "./find_leader.ts";
import { parseFlags } from "./flags.ts";
import { describeMachine, machineText } from "./machine.ts";
import { median } from "./median.ts";
import { cpuBetween, cpuOf } from "./process_cpu.ts";
import { memoryOf } from "./process_memory.ts";
import { requestsFor, runRedisBenchmark } from "./redis_benchmark.ts";
import { formatCount, formatMs, formatTable, writeJson } from "./table.ts";
import { loadOnce } from "./writes.ts";

const HELP = `deno task bench:idle [flags]

  --connections N      that do nothing (10000)
  --rounds R           with and without them, in turns (5)
  --seconds S          about how long each measurement takes (2)
  --servers N          (3)
  --executable FILE    run this instead of main.ts
  --directory DIR      where the servers keep their data (the system's temporary directory)
  --json FILE          writes the results there, too
`;

/** The goal: exit code 1 where an idle connection takes more. */
const BYTES_MAX = 20 * 1_024;
/** On a busy machine thousands of connections at once may cost the leader its lead. */
const PATIENT = { electionTimeoutMs: 5_000, commandTimeoutMs: 20_000 };
const KEYS = 100_000;
const VALUE_BYTES = 256;
const CLIENTS_SCRIPT = new URL("./idle_clients.ts", import.meta.url).pathname;
const CONFIG = new URL("../deno.json", import.meta.url).pathname;
/** Descriptors that a process needs for itself. */
const OWN_DESCRIPTORS = 100;
/** The collector and the allocator get this long to give memory back. */
const REST_MS = 4_000;
const SAMPLES = 10;

const LOADS = [
  { test: "SET", connections: 100, pipeline: 1 },
  { test: "GET", connections: 100, pipeline: 1 },
  { test: "SET", connections: 100, pipeline: 16 },
  { test: "GET", connections: 100, pipeline: 16 },
] as const;
type Load = typeof LOADS[number];

/** The most descriptors that a process may have here. */
async function descriptorsMax(): Promise<number> {
  const { stdout } = await new Deno.Command("sh", { args: ["-c", "ulimit -Hn"] }).output();
  const text = new TextDecoder().decode(stdout).trim();
  return text === "unlimited" ? Infinity : Number(text);
}

interface ClientProcess {
  readonly child: Deno.ChildProcess;
  readonly lines: ReadableStreamDefaultReader<string>;
}

/** Processes of idle_clients.ts: as many as the descriptors need. */
class IdleClients {
  readonly #processes: ClientProcess[] = [];

  static async open(port: number, count: number): Promise<IdleClients> {
    const clients = new IdleClients();
    const each = Math.min(count, await descriptorsMax() - OWN_DESCRIPTORS);
    for (let left = count; left > 0; left -= each) {
      clients.#start(port, Math.min(each, left));
      // One process after the other: none has to wait long for its turn to connect.
      await clients.#said("open", clients.#processes.slice(-1));
    }
    return clients;
  }

  /** Every connection sets a key and gets it. */
  async use(): Promise<void> {
    for (const { child } of this.#processes) {
      const writer = child.stdin.getWriter();
      await writer.write(new TextEncoder().encode("use\n"));
      writer.releaseLock();
    }
    await this.#said("used", this.#processes);
  }

  async close(): Promise<void> {
    for (const { child, lines } of this.#processes) {
      child.kill("SIGKILL");
      await lines.cancel();
      await child.stdin.close().catch(() => {});
      await child.status;
    }
  }

  #start(port: number, count: number): void {
    const child = new Deno.Command("sh", {
      args: ["-c", 'ulimit -n "$(ulimit -Hn)"; exec "$@"', "sh", Deno.execPath(), "run"]
        .concat("--quiet", "--no-check", "--allow-net", `--config=${CONFIG}`, CLIENTS_SCRIPT)
        .concat("127.0.0.1", `${port}`, `${count}`),
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    this.#processes.push({ child, lines });
  }

  async #said(word: string, processes: readonly ClientProcess[]): Promise<void> {
    for (const { lines } of processes) {
      const { value } = await lines.read();
      if (value?.trim() !== word) throw new Error(`Idle clients ended before they were ${word}`);
    }
  }
}

/** Resident memory after a rest: the least of some looks. */
async function restingBytes(pid: number): Promise<number> {
  const samples: number[] = [];
  for (let i = 0; i < SAMPLES; i++) {
    await pauseMs(REST_MS / SAMPLES);
    samples.push(memoryOf(pid).residentBytes);
  }
  return Math.min(...samples);
}

interface MemoryCost {
  readonly beforeBytes: number;
  readonly newBytesEach: number;
  readonly usedBytesEach: number;
}

async function measureMemory(pid: number, port: number, count: number): Promise<MemoryCost> {
  const beforeBytes = await restingBytes(pid);
  const clients = await IdleClients.open(port, count);
  try {
    const newBytesEach = (await restingBytes(pid) - beforeBytes) / count;
    await clients.use();
    const usedBytesEach = (await restingBytes(pid) - beforeBytes) / count;
    return { beforeBytes, newBytesEach, usedBytesEach };
  } finally {
    await clients.close();
  }
}

/** Round by round; `cpuUs` is the leader's processor time for each request. */
interface Measured {
  readonly perSecond: number[];
  readonly p99Ms: number[];
  readonly cpuUs: number[];
}

interface Rates {
  readonly load: Load;
  readonly without: Measured;
  readonly with: Measured;
}

async function measureRates(
  pid: number,
  port: number,
  count: number,
  { rounds, seconds }: { readonly rounds: number; readonly seconds: number },
): Promise<Rates[]> {
  const common = { port, valueBytes: VALUE_BYTES, keys: KEYS };
  const nothing = (): Measured => ({ perSecond: [], p99Ms: [], cpuUs: [] });
  const results = LOADS.map((load): Rates => ({ load, without: nothing(), with: nothing() }));
  const requests: number[] = [];
  for (const load of LOADS) requests.push(await requestsFor(seconds, { ...common, ...load }));
  const runAll = async (which: "with" | "without") => {
    for (const [i, result] of results.entries()) {
      const before = cpuOf(pid);
      const options = { ...common, ...result.load, requests: requests[i]! };
      const { perSecond, p99Ms } = await runRedisBenchmark(options);
      const { userUs, systemUs } = cpuBetween(before, cpuOf(pid));
      result[which].perSecond.push(perSecond);
      result[which].p99Ms.push(p99Ms);
      result[which].cpuUs.push((userUs + systemUs) / requests[i]!);
    }
  };
  for (let round = 1; round <= rounds; round++) {
    console.error(`round ${round} ...`);
    await runAll("without");
    const clients = await IdleClients.open(port, count);
    try {
      await clients.use();
      await runAll("with");
    } finally {
      await clients.close();
    }
    await pauseMs(REST_MS / SAMPLES);
  }
  return results;
}

function print(memory: MemoryCost, rates: readonly Rates[], count: number): void {
  const kib = (bytes: number) => (bytes / 1_024).toFixed(1);
  console.log(
    `${formatCount(count)} idle connections take ${kib(memory.newBytesEach)} KiB each when new, ` +
      `${kib(memory.usedBytesEach)} KiB once used (resident memory of the leader; ` +
      `${(memory.beforeBytes / 2 ** 20).toFixed(0)} MiB without them)\n`,
  );
  const head = ["replies/s", "without", "with", "ratio"]
    .concat("p99 ms without", "with", "leader us without", "with");
  const rows = rates.map((one) => {
    const [without, withThem] = [median(one.without.perSecond), median(one.with.perSecond)];
    return [
      `${one.load.test}, ${one.load.connections} clients x ${one.load.pipeline}`,
      formatCount(without),
      formatCount(withThem),
      (withThem / without).toFixed(2),
      formatMs(median(one.without.p99Ms)),
      formatMs(median(one.with.p99Ms)),
      median(one.without.cpuUs).toFixed(1),
      median(one.with.cpuUs).toFixed(1),
    ];
  });
  console.log(formatTable(head, rows));
}

async function main(): Promise<void> {
  const flags = parseFlags(HELP, {
    connections: 10_000,
    rounds: 5,
    seconds: 2,
    servers: 3,
    executable: "",
    directory: "/tmp",
    json: "",
  });
  const count = flags.connections;
  const machine = await describeMachine(flags.directory);
  const cluster = await Cluster.start({
    servers: flags.servers,
    executable: flags.executable || undefined,
    parent: flags.directory,
    limits: { connectionsMax: count + 1_000 },
    timing: PATIENT,
  });
  try {
    const leader = cluster.server(await cluster.leader());
    const { port } = leader.client;
    await fill(leader.client, "redis", loadOnce(KEYS, VALUE_BYTES), VALUE_BYTES);
    // On a server that has worked, and has had no such crowd yet: freed memory would hide the cost.
    for (const load of LOADS) {
      await runRedisBenchmark({
        port,
        valueBytes: VALUE_BYTES,
        keys: KEYS,
        requests: 50_000,
        ...load,
      });
    }
    const memory = await measureMemory(cluster.pid(leader.id), port, count);
    const rates = await measureRates(cluster.pid(leader.id), port, count, flags);
    if (await cluster.leader() !== leader.id) {
      throw new Error("The leader changed: nothing is told");
    }
    console.log(`${machineText(machine)}\n`);
    print(memory, rates, count);
    writeJson(flags.json || undefined, "idle", { machine, connections: count, memory, rates });
    if (Math.max(memory.newBytesEach, memory.usedBytesEach) > BYTES_MAX) Deno.exitCode = 1;
  } finally {
    await cluster.stop();
  }
}

if (import.meta.main) {
  await main();
  Deno.exit();
}
