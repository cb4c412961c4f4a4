/**
 * What others feel of clients that mean no good: sets at a fixed rate, while those are at it and while they
 * are not, in turns; the leader's memory, and whether it still leads.
 */
import { ByteSource } from "./byte_source.ts";
import { Cluster } from "./cluster.ts";
import { findLeader, pauseMs } from "./find_leader.ts";
import { commandLine, readFlags } from "./flags.ts";
import { GUESSED_USER, type Kind, KINDS } from "./hostile_clients.ts";
import {
  checkRounds,
  faultsOf,
  formatResults,
  type Result,
  type Round,
  summarize,
} from "./hostile_report.ts";
import { type Address, enterWithin, writeAll } from "./line_client.ts";
import { describeMachine, machineText } from "./machine.ts";
import { OpenLoop } from "./open_loop.ts";
import { cpuBetween, cpuOf, usedUs } from "./process_cpu.ts";
import { memoryOf } from "./process_memory.ts";
import { writeJson } from "./table.ts";

const HELP = `deno task bench:hostile [flags]

  --rate R           sets a second of the others (500), over 16 connections
  --per-second N     what the hostile ones do a second: resets, pieces of commands, gets,
                     passwords, handshakes begun anew (500)
  --rounds N         each without them, with them and without them again (3); an odd number
  --seconds S        how long each of these takes (4)
  --only KINDS       these alone, with commas: resets, halves, deaf, idle, guesses, handshakes,
                     hellos
  --executable FILE  run this instead of main.ts
  --directory DIR    where the servers keep their data (the system's temporary directory)
  --json FILE        writes the results there, too

resets: connect, and reset once accepted. halves: 100 connections whose command never comes whole,
piece by piece. deaf: 50 connections that ask for 100 KB again and again and read nothing. idle:
1,000 connections with the beginning of a command. guesses: 200 connections from 50 addresses that
try one wrong password after the other for the user that the others are. handshakes: 1,000
connections with the beginning of a ClientHello, each replaced when it is ended, while the others
set by TLS. hellos: the same, with a whole ClientHello, that the server answers. They run at the
lowest priority: they are to load the server, not the machine that it shares with them here.

A kind takes (3 S + 6) N seconds or so; all seven by default six to eight minutes. Exit code 1 where
something is missed: the others' p99 is more than 1.5 times that without (medians of the rounds), or
the two without them differ by as much (noise: then nothing is told), the leader changed, its
memory grew by more than 128 MiB, or a set failed.
`;

const CONNECTIONS = 16;
const VALUE_BYTES = 256;
const KEYS = 10_000;
const FIND_TIMEOUT_MS = 10_000;
/** What a start leaves behind is over by then. */
const WARM_MS = 5_000;
const SETTLE_MS = 1_000;
/** What hostile clients leave behind is over within it, */
const CLEAN_TIMEOUT_MS = 60_000;
/** once for so long the leader takes no more of a processor than this share, */
const CLEAN_WINDOW_MS = 1_000;
const IDLE_SHARE = 0.15;
/** and has no more descriptors than before, but for files of its own. */
const SPARE_DESCRIPTORS = 16;
const LOGIN = { user: GUESSED_USER, password: "the one that is not guessed" };
/** So a cluster that was just formed answers to users, for a moment. */
const VERSION_TO_COME = "-ERR not before the cluster version is raised";

/** A cluster and how the others reach it. */
interface Scene {
  readonly cluster: Cluster;
  readonly addresses: readonly Address[];
}

async function leaderOf({ cluster, addresses }: Scene): Promise<{ id: number; address: Address }> {
  const found = await findLeader(addresses, FIND_TIMEOUT_MS);
  const at = addresses.findIndex(({ port }) => port === found.port);
  return { id: cluster.servers[at]!.id, address: addresses[at]! };
}

async function p99Of(scene: Scene, perSecond: number, ms: number): Promise<number> {
  const { address } = await leaderOf(scene);
  const loop = await OpenLoop.start({
    leader: address,
    connections: CONNECTIONS,
    perSecond,
    keys: KEYS,
    valueBytes: VALUE_BYTES,
  });
  await pauseMs(SETTLE_MS);
  const startMs = performance.now();
  await pauseMs(ms);
  const endMs = performance.now();
  await loop.stop();
  return loop.samples.summary((dueMs) => dueMs >= startMs && dueMs < endMs).p99Ms;
}

/** Runs `work` while clients of this kind are at it. */
async function beside<T>(
  kind: Kind,
  { hostname, port }: { readonly hostname: string; readonly port: number },
  perSecond: number,
  work: () => Promise<T>,
): Promise<[T, number]> {
  const child = new Deno.Command("nice", {
    args: [
      "-n",
      "19",
      Deno.execPath(),
      "run",
      "--allow-net",
      new URL("hostile_clients.ts", import.meta.url).pathname,
      kind,
      hostname,
      `${port}`,
      `${perSecond}`,
    ],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const first = await lines.read();
  if (first.value?.trim() !== "on") throw new Error(`The hostile clients said ${first.value}`);
  try {
    const result = await work();
    await child.stdin.close();
    const last = await lines.read();
    await child.status;
    return [result, Number(last.value)];
  } catch (error) {
    child.kill("SIGKILL");
    await child.status;
    throw error;
  }
}

/** How many files and connections it has open. */
function descriptorsOf(pid: number): number {
  return [...Deno.readDirSync(`/proc/${pid}/fd`)].length;
}

/**
 * Waits until nothing is left of hostile clients: connections to be closed, passwords to be hashed, memory
 * to be collected. What comes next is measured without them.
 */
async function untilClean(pid: number, descriptorsBefore: number): Promise<void> {
  const deadlineMs = performance.now() + CLEAN_TIMEOUT_MS;
  for (;;) {
    const before = cpuOf(pid);
    await pauseMs(CLEAN_WINDOW_MS);
    const share = usedUs(cpuBetween(before, cpuOf(pid))) / 1_000 / CLEAN_WINDOW_MS;
    const more = descriptorsOf(pid) - descriptorsBefore;
    if (share <= IDLE_SHARE && more <= SPARE_DESCRIPTORS) return;
    if (performance.now() > deadlineMs) {
      throw new Error(
        `${
          CLEAN_TIMEOUT_MS / 1_000
        } s after hostile clients left the leader has ${more} descriptors ` +
          `more than before them and takes ${(share * 100).toFixed(0)} % of a processor`,
      );
    }
  }
}

interface Flags {
  readonly rate: number;
  readonly perSecond: number;
  readonly rounds: number;
  readonly seconds: number;
}

async function measure(scene: Scene, kind: Kind, flags: Flags): Promise<Result> {
  const { rate, perSecond, rounds, seconds } = flags;
  const ms = seconds * 1_000;
  const { id, address } = await leaderOf(scene);
  const pid = scene.cluster.pid(id);
  const descriptors = descriptorsOf(pid);
  const without = () => p99Of(scene, rate, ms);
  const withThem = async () => {
    const before = memoryOf(pid).residentBytes;
    const [[p99Ms, after], count] = await beside(kind, address, perSecond, async () => {
      const p99Ms = await p99Of(scene, rate, ms);
      return [p99Ms, memoryOf(pid).residentBytes] as const;
    });
    await untilClean(pid, descriptors);
    return { withP99Ms: p99Ms, grownBytes: after - before, count };
  };
  const found: Round[] = [];
  for (let round = 0; round < rounds; round++) {
    const before = await without();
    const among = await withThem();
    const after = await without();
    // Neither of the two is always the one before, or after.
    const [withoutP99Ms, againP99Ms] = round % 2 === 0 ? [before, after] : [after, before];
    found.push({ withoutP99Ms, againP99Ms, ...among });
    console.error(
      `${kind}, round ${round + 1}: ${before.toFixed(1)}, with ${among.withP99Ms.toFixed(1)}, ${
        after.toFixed(1)
      } ms`,
    );
  }
  return summarize(kind, found, (await leaderOf(scene)).id === id);
}

/** Makes the user as whom the others come: from then on nobody is answered without a password. */
async function makeUser(leader: Address): Promise<void> {
  const conn = await enterWithin(leader, FIND_TIMEOUT_MS);
  const words = ["ACL", "SETUSER", LOGIN.user, "on", `>${LOGIN.password}`, "~*", "&*", "+@all"];
  const request = words.map((word) => `$${word.length}\r\n${word}\r\n`).join("");
  const bytes = new TextEncoder().encode(`*${words.length}\r\n${request}`);
  const source = new ByteSource(conn);
  const deadlineMs = performance.now() + FIND_TIMEOUT_MS;
  let said = VERSION_TO_COME;
  while (said.startsWith(VERSION_TO_COME) && performance.now() < deadlineMs) {
    await writeAll(conn, bytes);
    said = await source.line();
    await pauseMs(100);
  }
  conn.close();
  if (said !== "+OK") throw new Error(`ACL SETUSER was answered ${said}`);
}

/** A cluster of its own for each of these: plain, with a user, with TLS. */
const SCENES: readonly { readonly kinds: readonly Kind[]; readonly has?: "users" | "tls" }[] = [
  { kinds: ["resets", "halves", "deaf", "idle"] },
  { kinds: ["guesses"], has: "users" },
  { kinds: ["handshakes", "hellos"], has: "tls" },
];

function kindOf(name: string): Kind {
  const found = KINDS.find((kind) => kind === name);
  if (found !== undefined) return found;
  throw new Error(`--only: ${JSON.stringify(name)} is none of ${KINDS.join(", ")}`);
}

async function main(): Promise<number> {
  const flags = commandLine(HELP, (args) => {
    const read = readFlags(args, {
      rate: 500,
      perSecond: 500,
      rounds: 3,
      seconds: 4,
      only: "",
      executable: "",
      directory: "",
      json: "",
    });
    checkRounds(read.rounds);
    const only = read.only === "" ? KINDS : read.only.split(",").map(kindOf);
    return { ...read, only };
  });
  const parent = flags.directory || undefined;
  const executable = flags.executable || undefined;
  const results: Result[] = [];
  /** What could not be measured to its end: a set that failed, a leader that was lost. */
  const broken: string[] = [];
  for (const { kinds, has } of SCENES) {
    const wanted = kinds.filter((kind) => flags.only.includes(kind));
    if (wanted.length === 0) continue;
    const tls = has === "tls" ? ["client"] as const : [];
    const cluster = await Cluster.start({ servers: 3, executable, parent, tls });
    try {
      let { addresses } = cluster;
      if (has === "users") {
        await makeUser(await findLeader(addresses, FIND_TIMEOUT_MS));
        addresses = addresses.map((address) => ({ ...address, login: LOGIN }));
      }
      const scene = { cluster, addresses };
      const orTold = (what: string, work: Promise<unknown>) =>
        work.catch((error: Error) => broken.push(`${what}: ${error.message}`));
      await orTold(`before ${wanted[0]}`, p99Of(scene, flags.rate, WARM_MS));
      for (const kind of wanted) {
        const measuring = measure(scene, kind, flags).then((result) => results.push(result));
        await orTold(kind, measuring);
      }
    } finally {
      await cluster.stop();
    }
  }
  const machine = await describeMachine(parent ?? "/tmp");
  console.log(machineText(machine));
  console.log(formatResults(results));
  for (const line of broken) console.log(`Not measured: ${line}`);
  writeJson(flags.json || undefined, "hostile", { machine, results, broken });
  return broken.length === 0 && results.every((one) => faultsOf(one).length === 0) ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());
