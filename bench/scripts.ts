/**
 * Scripts of locks, by their hash: those that give a lock back, or extend it, asked for by redis-benchmark on
 * one key and on many; three servers beside a Redis that syncs each write, in turns.
 */
import { Cluster } from "./cluster.ts";
import { parseFlags } from "./flags.ts";
import { ForeignProcess } from "./foreign_process.ts";
import { freePorts } from "./free_ports.ts";
import { pauseMs } from "./find_leader.ts";
import { describeMachine, machineText } from "./machine.ts";
import { median } from "./median.ts";
import { cpuBetween, cpuOf, usedUs } from "./process_cpu.ts";
import { runRedisBenchmark } from "./redis_benchmark.ts";
import { formatCount, formatTable, writeJson } from "./table.ts";

const HELP = `deno task bench:scripts [flags]

  --rounds R         turns of all subjects (5)
  --requests N       of each turn, script and number of keys (30000)
  --connections C    clients at the same time (100)
  --keys N           beside one key (10000)
  --checkout DIR     another checkout, in turns with this one
  --directory DIR    where the servers keep their data (the system's temporary directory)
  --json FILE        writes the results there, too

Needs redis-server, redis-benchmark and redis-cli. Exit code 1 where a script reaches less than half
of Redis's rate.
`;

const RATE_WANTED = 0.5;
const TOKEN = "20-letters-of-a-token";

/** What libraries for locks send (redlock 5.0.0-beta.2), and what never finds its lock taken. */
const SCRIPTS = {
  "extend: get, pexpire": "if redis.call('get', KEYS[1]) == ARGV[1] then " +
    "return redis.call('pexpire', KEYS[1], ARGV[2]) else return 0 end",
  "take and release: set, get, del":
    "redis.call('set', KEYS[1] .. ':taken', ARGV[1], 'px', ARGV[2]) " +
    "if redis.call('get', KEYS[1] .. ':taken') == ARGV[1] then " +
    "return redis.call('del', KEYS[1] .. ':taken') else return 0 end",
  "release, not held: get":
    "if redis.call('get', KEYS[1]) == ARGV[1] .. 'x' then return redis.call('del', KEYS[1]) " +
    "else return 0 end",
} as const;
type ScriptName = keyof typeof SCRIPTS;
const NAMES = Object.keys(SCRIPTS) as ScriptName[];

interface Subject {
  readonly name: string;
  /** Who answers now: port and process. */
  target(): Promise<{ readonly port: number; readonly pid: number }>;
  stop(): Promise<void>;
}

interface Figures {
  readonly perSecond: number[];
  readonly cpuUs: number[];
  readonly p99Ms: number[];
}

async function ownSubject(name: string, parent?: string, checkout?: string): Promise<Subject> {
  const cluster = await Cluster.start({ servers: 3, parent, checkout });
  return {
    name,
    async target() {
      const id = await cluster.leader();
      return { port: cluster.server(id).client.port, pid: cluster.pid(id) };
    },
    stop: () => cluster.stop(),
  };
}

function redisSubject(parent: string | undefined): Subject {
  const [port] = freePorts(1);
  const args = (directory: string) =>
    ["--port", `${port}`, "--bind", "127.0.0.1", "--save", "", "--dir", directory]
      .concat("--appendonly", "yes", "--appendfsync", "always", "--loglevel", "warning");
  const redis = new ForeignProcess("redis-server", args, parent);
  return {
    name: "redis, appendfsync always",
    target: () => Promise.resolve({ port: port!, pid: redis.child.pid }),
    stop: () => redis.stop(),
  };
}

async function ask(port: number, ...words: string[]): Promise<string> {
  const args = ["-p", `${port}`, ...words];
  const { stdout } = await new Deno.Command("redis-cli", { args }).output();
  return new TextDecoder().decode(stdout).trim();
}

/** Loads the script, by its name there, and sees to it that every lock is there. */
async function prepare(port: number, script: ScriptName, keys: number): Promise<string> {
  for (let left = 100;; left--) {
    const hash = await ask(port, "script", "load", SCRIPTS[script]);
    if (!/^[0-9a-f]{40}$/.test(hash)) {
      if (left === 0) throw new Error(`SCRIPT LOAD was answered ${hash}`);
      await pauseMs(100);
      continue;
    }
    const fill = "for i = ARGV[1], ARGV[2] do " +
      "redis.call('set', string.format('lock:%012d', i), ARGV[3]) end";
    for (let from = 0; from < keys; from += 100) {
      await ask(port, "eval", fill, "0", `${from}`, `${Math.min(keys, from + 100) - 1}`, TOKEN);
    }
    return hash;
  }
}

async function main(): Promise<number> {
  const flags = parseFlags(HELP, {
    rounds: 5,
    requests: 30_000,
    connections: 100,
    keys: 10_000,
    checkout: "",
    directory: "",
    json: "",
  });
  const { connections, requests } = flags;
  const parent = flags.directory || undefined;
  const subjects: Subject[] = [redisSubject(parent)];
  const cells = NAMES.flatMap((script) =>
    [1, flags.keys].map((keys) => ({ script, keys, figures: new Map<string, Figures>() }))
  );
  try {
    subjects.push(await ownSubject("raftkv", parent));
    if (flags.checkout !== "") {
      subjects.push(await ownSubject("the other checkout", parent, flags.checkout));
    }
    for (const { name, target } of subjects) {
      const { port } = await target();
      for (const script of NAMES) await prepare(port, script, flags.keys);
      for (const { figures } of cells) {
        figures.set(name, { perSecond: [], cpuUs: [], p99Ms: [] });
      }
    }
    // The first turn is to get warm.
    for (let round = -1; round < flags.rounds; round++) {
      for (const { script, keys, figures } of cells) {
        for (const { name, target } of subjects) {
          const { port, pid } = await target();
          const hash = await ask(port, "script", "load", SCRIPTS[script]);
          const command = ["evalsha", hash, "1", "lock:__rand_int__", TOKEN, "30000000"];
          const before = cpuOf(pid);
          const load = { port, command, connections, requests, keys, pipeline: 1 };
          const { perSecond, p99Ms } = await runRedisBenchmark({ ...load, valueBytes: 1 });
          if (round < 0) continue;
          const { perSecond: rates, p99Ms: latencies, cpuUs } = figures.get(name)!;
          rates.push(perSecond);
          latencies.push(p99Ms);
          cpuUs.push(usedUs(cpuBetween(before, cpuOf(pid))) / requests);
        }
      }
    }
  } finally {
    for (const subject of subjects) await subject.stop();
  }
  console.log(machineText(await describeMachine(parent ?? "/tmp")));
  let isMissed = false;
  const rows: string[][] = [];
  for (const { script, keys, figures } of cells) {
    const base = figures.get(subjects[0]!.name)!;
    for (const { name } of subjects) {
      const { perSecond, cpuUs, p99Ms } = figures.get(name)!;
      const rate = median(perSecond.map((one, turn) => one / base.perSecond[turn]!));
      if (name === "raftkv" && rate < RATE_WANTED) isMissed = true;
      const [perSecondText, cpu] = [formatCount(median(perSecond)), median(cpuUs).toFixed(1)];
      const latency = median(p99Ms).toFixed(1);
      rows.push([script, `${keys}`, name, perSecondText, rate.toFixed(2), cpu, latency]);
    }
  }
  const head = ["script", "keys", "", "/s", "× Redis", "µs of processor", "p99 ms"];
  console.log(formatTable(head, rows));
  const results = cells.map((cell) => ({ ...cell, figures: Object.fromEntries(cell.figures) }));
  writeJson(flags.json || undefined, "scripts", { results });
  if (isMissed) console.log(`\nwanted: ${RATE_WANTED} of Redis's rate`);
  return isMissed ? 1 : 0;
}

Deno.exit(await main());
