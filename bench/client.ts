/**
 * The client beside ioredis and node-redis: the same calls to the same leader, in turns, each client in a
 * process of its own (client_caller.ts says why). A round takes all of them in their order and then back,
 * so that what the machine does besides, slowly more or less of it, meets all alike; what is compared are
 * the rates of one round. The client is there twice: as it is by default, with client sessions, and
 * without them, as the other two work, which can't tell whether a write whose reply was lost was done.
 */
import { CALLER_NAMES, ClientCaller, type Turn } from "./client_caller.ts";
import { Cluster, type ClusterServer } from "./cluster.ts";
import { findLeader } from "./find_leader.ts";
import { parseFlags } from "./flags.ts";
import { describeMachine, machineText } from "./machine.ts";
import { type Load, parseLoads } from "./loads.ts";
import { median, quartiles } from "./median.ts";
import { cpuOf, usedUs } from "./process_cpu.ts";
import { formatCount, formatTable, writeJson } from "./table.ts";

const HELP = `deno task bench:client [flags]

The client with client sessions (its default) and without, ioredis and node-redis, each in a
process of its own, in turns on the same server: SET and GET with 100 calls at a time and with one.
Rates are medians; a share is the median over the rounds of the client's rate as part of the other's
in the same round, with its quartiles. Processor times are of the client's process, of the leader,
and of the followers together. Left over is what a client's process has to do after its turn, and
does before its next one: no rate has that in it. node-redis's timers of single commands go off five
seconds later: a turn is longer than that by default, as else this work would be in no rate, where a
program that goes on has it. With the defaults it takes 22 minutes.
  --rounds R           (3) of each load, after one that does not count
  --seconds S          how long each turn takes; a round has two of each client (10)
  --loads LIST         of SET:1:P and GET:1:P, P calls at a time on the one connection of a client
                       (SET:1:100,GET:1:100,SET:1:1,GET:1:1)
  --value-bytes N      (256)
  --executable FILE    run this instead of main.ts
  --directory DIR      where the servers keep their data (the system's temporary directory)
  --json FILE          writes the results there, too
  --quick              two rounds of 0.3 s

Exit code 1 where a share is below 0.9.
`;

/** The goal: exit code 1 where a share is below it. */
const SHARE_MIN = 0.9;
/** The client, as what is compared with the others: so many of the callers, the first. */
const OWN = 2;
const FIND_TIMEOUT_MS = 30_000;
/** Processes whose use of processors is measured. */
interface Servers {
  readonly leader: number;
  readonly followers: readonly number[];
}

/** Calls a second; and for each call the processor time of its process and of the servers. */
interface Speed {
  readonly perSecond: number;
  readonly cpuUs: number;
  readonly leftOverUs: number;
  readonly leaderUs: number;
  readonly followersUs: number;
}

async function takeTurn(
  caller: ClientCaller,
  turn: Turn,
  { leader, followers }: Servers,
): Promise<Speed> {
  const processes = [[caller.pid], [leader], followers];
  const usedByEach = () =>
    processes.map((pids) => pids.reduce((total, pid) => total + usedUs(cpuOf(pid)), 0));
  const leftOverUs = await caller.wake();
  const before = usedByEach();
  const { done, elapsedMs } = await caller.take(turn);
  const [cpuUs, leaderUs, followersUs] = usedByEach().map((us, i) => (us - before[i]!) / done);
  caller.rest();
  return {
    perSecond: 1_000 * done / elapsedMs,
    cpuUs: cpuUs!,
    leftOverUs: leftOverUs / done,
    leaderUs: leaderUs!,
    followersUs: followersUs!,
  };
}

/** Of two turns of the same length. */
function mean(one: Speed, other: Speed): Speed {
  const calls = one.perSecond + other.perSecond;
  const each = (of: (speed: Speed) => number) =>
    (of(one) * one.perSecond + of(other) * other.perSecond) / calls;
  return {
    perSecond: calls / 2,
    cpuUs: each(({ cpuUs }) => cpuUs),
    leftOverUs: each(({ leftOverUs }) => leftOverUs),
    leaderUs: each(({ leaderUs }) => leaderUs),
    followersUs: each(({ followersUs }) => followersUs),
  };
}

/** What a load asks of a caller. */
function callsOf({ test, pipeline }: Load): Pick<Turn, "kind" | "calls"> {
  return { kind: test === "SET" ? "set" : "get", calls: pipeline };
}

/** By caller, its speed in each round. */
async function measure(
  callers: readonly ClientCaller[],
  load: Load,
  { rounds, seconds, valueBytes }: { rounds: number; seconds: number; valueBytes: number },
  servers: Servers,
): Promise<Speed[][]> {
  const turn = { ...callsOf(load), seconds, valueBytes };
  const speeds: Speed[][] = callers.map(() => []);
  // A round before the first, for the compilers and the keys.
  for (let round = -1; round < rounds; round++) {
    const there: Speed[] = [];
    for (const caller of callers) there.push(await takeTurn(caller, turn, servers));
    for (let at = callers.length - 1; at >= 0; at--) {
      const back = await takeTurn(callers[at]!, turn, servers);
      if (round >= 0) speeds[at]!.push(mean(there[at]!, back));
    }
  }
  return speeds;
}

/** A share over the rounds: lower quartile, median, upper quartile. */
type Share = readonly [number, number, number];

interface Row extends Speed {
  readonly load: string;
  readonly name: string;
  /** Of the client with sessions and without, its rate as part of this one's; none of themselves. */
  readonly shares: readonly Share[];
}

function rowsOf(load: Load, speeds: readonly Speed[][]): Row[] {
  const { kind, calls } = callsOf(load);
  return CALLER_NAMES.map((name, at) => {
    const middle = (of: (speed: Speed) => number) => median(speeds[at]!.map(of));
    const shareOf = (own: readonly Speed[]): Share =>
      quartiles(own.map(({ perSecond }, round) => perSecond / speeds[at]![round]!.perSecond));
    return {
      load: `${kind}, ${calls} at a time`,
      name,
      perSecond: middle(({ perSecond }) => perSecond),
      cpuUs: middle(({ cpuUs }) => cpuUs),
      leftOverUs: middle(({ leftOverUs }) => leftOverUs),
      leaderUs: middle(({ leaderUs }) => leaderUs),
      followersUs: middle(({ followersUs }) => followersUs),
      shares: at < OWN ? [] : speeds.slice(0, OWN).map(shareOf),
    };
  });
}

function print(rows: readonly Row[]): void {
  const head = ["load", "", "calls/s", "own µs a call", "left over", "leader's µs", "followers' µs"]
    .concat("the client's share", "without sessions");
  console.log(formatTable(
    head,
    rows.map(({ load, name, perSecond, cpuUs, leftOverUs, leaderUs, followersUs, shares }) => [
      load,
      name,
      formatCount(perSecond),
      ...[cpuUs, leftOverUs, leaderUs, followersUs].map((us) => us.toFixed(1)),
      ...shares.map(([low, middle, high]) =>
        `${middle.toFixed(2)} [${low.toFixed(2)}, ${high.toFixed(2)}]`
      ),
    ]),
  ));
}

function rateText({ name, perSecond }: Row): string {
  return `${name} ${formatCount(perSecond)}/s`;
}

/** What is below the goal, a sentence each. */
function shortfalls(rows: readonly Row[]): string[] {
  return rows.flatMap(({ load, name, shares }) =>
    shares.flatMap(([, share], which) =>
      share >= SHARE_MIN ? [] : [
        `${load}: ${CALLER_NAMES[which]} does ${share.toFixed(2)} of ${name}: below ${SHARE_MIN}`,
      ]
    )
  );
}

async function main(): Promise<void> {
  const flags = parseFlags(HELP, {
    rounds: 3,
    seconds: 10,
    loads: "SET:1:100,GET:1:100,SET:1:1,GET:1:1",
    valueBytes: 256,
    executable: "",
    directory: "",
    json: "",
    quick: false,
  });
  const loads = parseLoads(flags.loads);
  if (loads.some(({ connections }) => connections !== 1)) {
    throw new Error("--loads: a client has one connection, as in SET:1:100");
  }
  const plan = flags.quick ? { ...flags, rounds: 2, seconds: 0.3 } : flags;
  const parent = flags.directory || undefined;
  const machine = await describeMachine(parent ?? "/tmp");
  const cluster = await Cluster.start({
    servers: 3,
    executable: flags.executable || undefined,
    parent,
  });
  const callers: ClientCaller[] = [];
  const rows: Row[] = [];
  try {
    const { hostname, port } = await findLeader(cluster.addresses, FIND_TIMEOUT_MS);
    for (const name of CALLER_NAMES) callers.push(await ClientCaller.start(name, hostname, port));
    const leads = (server: ClusterServer) => server.client.port === port;
    const servers = {
      leader: cluster.pid(cluster.servers.find(leads)!.id),
      followers: cluster.servers.filter((one) => !leads(one)).map(({ id }) => cluster.pid(id)),
    };
    for (const load of loads) {
      const measured = rowsOf(load, await measure(callers, load, plan, servers));
      rows.push(...measured);
      // A load takes minutes: who looks on learns that it goes on, and has them where the next one fails.
      console.error(`${measured[0]!.load}: ${measured.map(rateText).join(", ")}`);
    }
  } finally {
    await Promise.all(callers.map((caller) => caller.close()));
    await cluster.stop();
  }
  console.log(machineText(machine));
  print(rows);
  writeJson(flags.json || undefined, "client", { machine, plan, rows });
  const short = shortfalls(rows);
  const verdict = `All shares are ${SHARE_MIN} or more, with client sessions and without`;
  console.log(`\n${short.length === 0 ? verdict : short.join("\n")}`);
  if (short.length > 0) Deno.exit(1);
}

if (import.meta.main) await main();
