/**
 * The main job, from nothing to a checked result: a clean clone of this repository, the README's first
 * command, real text written while the leader is killed, and everything read back byte by byte.
 */
import { askStanding, findLeader, pauseMs } from "../bench/find_leader.ts";
import { parseOptions } from "../bench/flags.ts";
import { freePorts } from "../bench/free_ports.ts";
import { LeaderClient } from "../bench/leader_client.ts";
import type { Address } from "../bench/line_client.ts";
import { filePairs, type Pair, wordPairs } from "./main_job_input.ts";

const HELP = `deno task main-job [flags]

Clones this repository's HEAD into a temporary directory, starts three servers there with
scripts/cluster.sh, stores the repository's files and the words of its LICENSE, kills the leader
half way, goes on, reads everything back, and restarts the killed server. Exit code 0 where all is
right.
  --default-ports      no cluster file: ports 9000 to 9005 (otherwise free ones)
  --keep               leaves the directory for a look
`;

const PROJECT = new URL("../", import.meta.url).pathname;
const SERVERS = 3;
const DEFAULT_PORT = 9_000;
const WRITERS = 4;
const REQUEST_DEADLINE_MS = 20_000;
const LEADER_TIMEOUT_MS = 10_000;
const FOLLOW_TIMEOUT_MS = 10_000;
const POLL_MS = 50;

const decoder = new TextDecoder();

/** Runs a program to its end and returns what it wrote. @throws {Error} where it fails. */
async function runProgram(
  program: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly env?: Record<string, string> },
): Promise<string> {
  const { success, code, stdout, stderr } = await new Deno.Command(program, {
    args: [...args],
    ...options,
    stdin: "null",
  }).output();
  if (success) return decoder.decode(stdout);
  const said = decoder.decode(stderr).trim() || decoder.decode(stdout).trim();
  throw new Error(`${program} ${args.join(" ")} ended with code ${code}: ${said}`);
}

/** The cluster that scripts/cluster.sh of the clone runs. */
class ScriptedCluster {
  readonly addresses: readonly Address[];
  readonly #directory: string;
  readonly #env: Record<string, string>;

  constructor(checkout: string, directory: string, ports: readonly number[] | null) {
    this.#directory = checkout;
    const port = (at: number) => ports === null ? DEFAULT_PORT + at : ports[at]!;
    this.addresses = Array.from({ length: SERVERS }, (_, i) => ({
      hostname: "127.0.0.1",
      port: port(2 * i),
    }));
    // Settings of whoever runs this must not reach the clone's cluster.
    this.#env = { RAFTKV_CONFIG: "", RAFTKV_DATA: `${directory}/data`, RAFTKV_EXECUTABLE: "" };
    if (ports === null) return;
    const servers = this.addresses.map(({ hostname, port: clientPort }, i) => ({
      id: i + 1,
      hostname,
      clientPort,
      logPort: port(2 * i + 1),
    }));
    this.#env["RAFTKV_CONFIG"] = `${directory}/cluster.json`;
    const config = JSON.stringify({ path: "data", servers }, null, 2);
    Deno.writeTextFileSync(this.#env["RAFTKV_CONFIG"], config);
  }

  run(...args: string[]): Promise<string> {
    const options = { cwd: this.#directory, env: this.#env };
    // The start is the README's first command, as a stranger types it.
    if (args[0] === "start") {
      return runProgram("npx", ["-y", "deno@2.9.6", "task", "cluster"], options);
    }
    return runProgram("bash", ["scripts/cluster.sh", ...args], options);
  }

  async leader(): Promise<number> {
    const { port } = await findLeader(this.addresses, LEADER_TIMEOUT_MS);
    return 1 + this.addresses.findIndex((address) => address.port === port);
  }

  /** Waits until server `id` knows the leader. */
  async untilFollows(id: number): Promise<void> {
    const deadlineMs = performance.now() + FOLLOW_TIMEOUT_MS;
    for (;;) {
      const standing = await askStanding(this.addresses[id - 1]!);
      if (standing.kind !== "unknown") return;
      if (performance.now() > deadlineMs) {
        throw new Error(`Server ${id} knows no leader after its restart: ${standing.reason}`);
      }
      await pauseMs(POLL_MS);
    }
  }
}

async function gatherPairs(checkout: string): Promise<{ pairs: Pair[]; files: number }> {
  const listed = await runProgram("git", ["ls-files", "-z"], { cwd: checkout });
  const paths = listed.split("\0").slice(0, -1);
  const pairs: Pair[] = [];
  for (const path of paths) {
    pairs.push(...await filePairs(path, Deno.readFileSync(`${checkout}/${path}`)));
  }
  pairs.push(...await wordPairs(Deno.readTextFileSync(`${checkout}/LICENSE`)));
  return { pairs, files: paths.length };
}

/** Calls `work` with each pair, from `WRITERS` clients at once; returns how often they tried again. */
async function forEachPair(
  pairs: readonly Pair[],
  addresses: readonly Address[],
  work: (client: LeaderClient, pair: Pair) => Promise<void>,
): Promise<number> {
  let next = 0;
  const workers = Array.from({ length: WRITERS }, async () => {
    const client = new LeaderClient(addresses, REQUEST_DEADLINE_MS);
    try {
      for (let pair = pairs[next++]; pair !== undefined; pair = pairs[next++]) {
        await work(client, pair);
      }
      return client.counts.retries;
    } finally {
      client.close();
    }
  });
  return (await Promise.all(workers)).reduce((sum, retries) => sum + retries, 0);
}

interface WriteReport {
  /** The server that was killed. */
  readonly killed: number;
  readonly retries: number;
  /** The longest time between two acknowledged writes. */
  readonly longestGapMs: number;
}

/** Writes all pairs; kills the leader once half of them are acknowledged, while the others go on. */
async function writeWithKill(
  pairs: readonly Pair[],
  cluster: ScriptedCluster,
): Promise<WriteReport> {
  const killed = await cluster.leader();
  const half = Math.floor(pairs.length / 2);
  let killing: Promise<void> | null = null;
  let written = 0;
  let longestGapMs = 0;
  let lastMs = performance.now();
  const retries = await forEachPair(pairs, cluster.addresses, async (client, { key, value }) => {
    await client.set(key, value);
    const nowMs = performance.now();
    longestGapMs = Math.max(longestGapMs, nowMs - lastMs);
    lastMs = nowMs;
    if (++written === half) killing = killServer(cluster, killed);
    // However slow the script: the last quarter is for the new leader.
    if (written >= half * 1.5) await killing;
  });
  await killing;
  return { killed, retries, longestGapMs };
}

async function killServer(cluster: ScriptedCluster, id: number): Promise<void> {
  const output = await cluster.run("kill", String(id));
  console.log("Half way, the leader was killed while clients wrote:");
  printIndented(output);
}

function printIndented(output: string): void {
  for (const line of output.trimEnd().split("\n")) console.log(`  ${line}`);
}

/** Reads all pairs and returns those that are absent or differ. */
async function readBack(pairs: readonly Pair[], cluster: ScriptedCluster): Promise<string[]> {
  const wrong: string[] = [];
  await forEachPair(pairs, cluster.addresses, async (client, { key, value }) => {
    const found = await client.get(key);
    if (found === null) wrong.push(`${key}: not found`);
    else if (!equalBytes(found, value)) wrong.push(`${key}: ${found.length} other bytes`);
  });
  return wrong;
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

function report(wrong: readonly string[], pairs: readonly Pair[], when: string): boolean {
  const bytes = pairs.reduce((sum, { value }) => sum + value.length, 0);
  const right = pairs.length - wrong.length;
  console.log(`Read back ${when}: ${right} of ${pairs.length} keys, ${bytes} bytes compared`);
  for (const line of wrong.slice(0, 20)) console.error(`  WRONG ${line}`);
  return wrong.length === 0;
}

async function job(cluster: ScriptedCluster, checkout: string): Promise<boolean> {
  const [first] = (await cluster.run("start")).split("\n");
  console.log(`scripts/cluster.sh start: ${first}`);
  const { pairs, files } = await gatherPairs(checkout);
  console.log(`To store: ${files} files and the words of the LICENSE, ${pairs.length} keys`);
  const { killed, retries, longestGapMs } = await writeWithKill(pairs, cluster);
  const leader = await cluster.leader();
  console.log(
    `Wrote all ${pairs.length}: server ${leader} leads now, ${retries} requests were sent again, ` +
      `${longestGapMs.toFixed(0)} ms the longest without a write`,
  );
  let isRight = report(await readBack(pairs, cluster), pairs, `without server ${killed}`);
  printIndented(await cluster.run("restart", String(killed)));
  await cluster.untilFollows(killed);
  isRight = report(await readBack(pairs, cluster), pairs, "with all servers") && isRight;
  return isRight && leader !== killed;
}

async function main(): Promise<number> {
  const flags = parseOptions(HELP, {
    "default-ports": { type: "boolean", default: false },
    keep: { type: "boolean", default: false },
  });
  const startMs = performance.now();
  const directory = Deno.makeTempDirSync({ prefix: "raftkv-main-job-" });
  const checkout = `${directory}/raftkv`;
  await runProgram("git", ["clone", "--quiet", PROJECT, checkout], { cwd: directory });
  const head = await runProgram("git", ["log", "-1", "--format=%h %s"], { cwd: checkout });
  console.log(`Cloned ${head.trim()}`);
  const ports = flags["default-ports"] ? null : freePorts(2 * SERVERS);
  const cluster = new ScriptedCluster(checkout, directory, ports);
  const cleanUp = async () => {
    try {
      await cluster.run(flags.keep ? "stop" : "clean");
    } finally {
      if (!flags.keep) Deno.removeSync(directory, { recursive: true });
    }
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    Deno.addSignalListener(signal, () => cleanUp().finally(() => Deno.exit(130)));
  }
  let isRight = false;
  try {
    isRight = await job(cluster, checkout);
  } catch (error) {
    console.error((error as Error).message);
  } finally {
    await cleanUp();
  }
  const seconds = ((performance.now() - startMs) / 1_000).toFixed(1);
  console.log(`${isRight ? "All is right" : "FAILED"} after ${seconds} s`);
  return isRight ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());
