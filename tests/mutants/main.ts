/**
 * Puts each mutant into a copy of the tree and lets the simulator look for it; HELP says how. Seeds are
 * undirected throughout. The control runs the unchanged tree on the same seeds: a seed that fails
 * there proves nothing.
 */
import { type Flags, parseFlags } from "../../bench/flags.ts";
import { MEMBERSHIP } from "./membership_mutants.ts";
import type { Mutant } from "./mutant.ts";
import { EXTRA, GIVEN, OWN } from "./mutants.ts";
import { PUBSUB } from "./pubsub_mutants.ts";
import { RANGES } from "./range_mutants.ts";
import { SCRIPTS } from "./script_mutants.ts";
import { SECURITY } from "./security_mutants.ts";
import { SNAPSHOTS } from "./snapshot_mutants.ts";
import { type List, type Outcome, readResults, writeResults } from "./results.ts";
import { TEST, tryCoreTests, tryOwnTests } from "./test_runs.ts";
import { NO_RUN, plant, type Run, type RunOrder, runSeeds } from "./trees.ts";

const HELP = `deno task mutants [flags]     all mutants, a bounded time for each

  --only 1,4,ack-length   these
  --minutes M             at most so long for each (2)
  --from S                the first seed (1)
  --seeds N               at most so many for each
  --processes P           so many at once (1)
  --known                 tries the seed that killed it last first, the quick ones before the slow: for CI
  --directed              runs the fixed scenarios on those that no seed kills
  --budget S              begins no further mutant after so many seconds, and says which did not fit
  --rate N                runs N seeds to the end, whatever they find, and counts those that fail; only
                          where none does it continues until one kills
  --must-kill             fails where a mutant lives that a quarter of the seeds or more killed at the
                          last record, and tries as many seeds as that takes
  --other-tests           runs the other tests on our own mutants instead: one that dies there proves
                          nothing about the simulator
  --core                  runs the core's tests on the mutants of changes of members: each has to be caught
  --ranges                the same for bugs of ranges, as --security does for its own
  --security              runs on each mutant of who is let in, and of bounds, the test that has to catch it
  --record                writes tests/mutants/results.json and the tables in docs/simulator.md`;

const DEFAULTS = {
  only: "",
  minutes: 2,
  from: 1,
  seeds: 1_000_000_000,
  processes: 1,
  rate: 0,
  budget: Number.MAX_SAFE_INTEGER,
  known: false,
  mustKill: false,
  record: false,
  directed: false,
  otherTests: false,
  core: false,
  ranges: false,
  security: false,
};

/** A mutant that at least so many of the seeds kill has to be killed again. */
const MUST_KILL_SHARE = 0.25;
/** How seldom so many seeds may all miss such a mutant. */
const MISS_CHANCE = 1 / 5_000;
const NEVER = Number.MAX_SAFE_INTEGER;

interface Order {
  readonly only: readonly string[] | null;
  readonly minutes: number;
  readonly from: number;
  readonly seeds: number;
  readonly processes: number;
  readonly rate: number;
  readonly known: boolean;
  readonly mustKill: boolean;
  readonly records: boolean;
  readonly directed: boolean;
  readonly budgetSeconds: number;
}

/** As `runSeeds`; seeds that fail on the unchanged tree as well prove nothing, and are passed over. */
async function runMutant(tree: string, order: RunOrder): Promise<Run> {
  const run = await runSeeds(tree, order);
  const failedSeeds: number[] = [];
  for (const seed of run.failedSeeds) {
    if (!await failsAnyway(seed)) failedSeeds.push(seed);
  }
  if (failedSeeds.length === run.failedSeeds.length) return run;
  const from = run.failedSeeds[0]! + 1;
  // Its first failure says nothing, so what it came to has to be found out behind it.
  const rest = await runMutant(tree, { ...order, from });
  return { ...rest, seeds: rest.seeds + from - order.from, seconds: rest.seconds + run.seconds };
}

async function hunt(mutant: Mutant, list: List, order: Order): Promise<Outcome> {
  const tree = plant(mutant);
  try {
    const { from, rate } = order;
    const last = order.known
      ? readResults().find((one) => one.name === mutant.name)?.killingSeed ?? null
      : null;
    let run = NO_RUN;
    let seeds = 0;
    let seconds = 0;
    const go = async (first: number, below: number, deadlineMs: number, stops: boolean) => {
      run = await runMutant(tree, { from: first, below, deadlineMs, stops });
      seconds += run.seconds;
      const isKilled = run.failed !== null || run.hung;
      seeds += !isKilled || run.hung ? run.seeds : run.failed!.seed - first + 1;
      return isKilled;
    };
    let killed = last !== null && await go(last, last + 1, NEVER, true);
    let kills: Outcome["kills"];
    if (!killed && rate > 0) {
      killed = await go(from, from + rate, NEVER, false);
      kills = { seeds: rate, killed: run.failures };
    }
    if (!killed) {
      const deadlineMs = Date.now() + order.minutes * 60_000;
      killed = await go(from + rate, from + seedsFor(mutant.name, order), deadlineMs, true);
    }
    const diesDirected = !killed && order.directed && await failsDirected(tree);
    return {
      diesDirected: diesDirected || undefined,
      name: mutant.name,
      list,
      about: mutant.about,
      killed,
      seeds,
      killingSeed: run.failed?.seed ?? (run.hung ? from + run.seeds : null),
      check: run.failed?.check ?? (run.hung ? "hangs" : null),
      seconds: Math.round(seconds * 10) / 10,
      kills,
    };
  } finally {
    Deno.removeSync(tree, { recursive: true });
  }
}

function mustDie({ kills }: Outcome): boolean {
  return kills !== undefined && kills.killed >= kills.seeds * MUST_KILL_SHARE;
}

/**
 * How many seeds to try. What one seed meets shifts with any change of the code; the share of seeds
 * that kill a mutant does not, so that is what has to last. It is counted with one kill less, since
 * it was counted on a few seeds only.
 */
function seedsFor(name: string, { mustKill, seeds }: Order): number {
  const known = readResults().find((one) => one.name === name);
  if (!mustKill || known === undefined || !mustDie(known)) return seeds;
  const { killed, seeds: counted } = known.kills!;
  const share = (killed - 1) / (counted + 2);
  return Math.ceil(Math.log(MISS_CHANCE) / Math.log(1 - share));
}

/** Scenarios made for one bug each: simulated worlds, and traces of the core. */
const DIRECTED_TESTS = [
  "tests/sim/sim_test.ts",
  "tests/sim/topologies_test.ts",
  "tests/sim/late_timers_test.ts",
  "tests/raft/traces_test.ts",
];

/** Whether a fixed scenario fails in a tree. The unchanged tree passes them all: the gate runs them. */
async function failsDirected(tree: string): Promise<boolean> {
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: [...TEST, ...DIRECTED_TESTS],
    cwd: tree,
    stdout: "null",
    stderr: "null",
  }).output();
  return code !== 0;
}

const anyway = new Map<number, boolean>();
let unchanged: string | null = null;

/** The control: whether a seed fails on the unchanged tree. */
async function failsAnyway(seed: number): Promise<boolean> {
  let fails = anyway.get(seed);
  if (fails === undefined) {
    unchanged ??= plant(null);
    const only = { from: seed, below: seed + 1, deadlineMs: NEVER, stops: true };
    const { failed, hung } = await runSeeds(unchanged, only);
    fails = failed !== null || hung;
    anyway.set(seed, fails);
  }
  return fails;
}

/** Folders of tests that run in a moment and could know better; those of a mutant's own folder too. */
const OTHER_TESTS = ["raft", "node", "wire", "util"];

async function tryOtherTests(mutants: readonly Mutant[], records: boolean): Promise<number> {
  let caught = 0;
  // The unchanged tree first: where it fails, nothing is said of the others.
  const unchangedTree: Mutant = { name: "unchanged", about: "", edits: [] };
  for (const mutant of [unchangedTree, ...mutants]) {
    const tree = plant(mutant);
    const touched = mutant.edits.map(({ file }) => file.split("/")[1]!);
    const folders = [...new Set([...OTHER_TESTS, ...touched])].map((name) => `tests/${name}`);
    const { code } = await new Deno.Command(Deno.execPath(), {
      args: [...TEST, ...folders],
      cwd: tree,
      stdout: "null",
      stderr: "null",
    }).output();
    if (code !== 0) caught++;
    const known = readResults().find((one) => one.name === mutant.name);
    if (records && known !== undefined) writeResults([{ ...known, letThrough: code === 0 }]);
    console.log(
      `${mutant.name.padEnd(20)} ${code === 0 ? "let through" : "CAUGHT by other tests"}`,
    );
    Deno.removeSync(tree, { recursive: true });
  }
  return caught;
}

function orderOf(flags: Flags<typeof DEFAULTS>): Order {
  const { minutes, from, seeds, processes, rate, known, mustKill, directed } = flags;
  return {
    only: flags.only === "" ? null : flags.only.split(","),
    ...{ minutes, from, seeds, processes, rate, known, mustKill, directed },
    records: flags.record,
    budgetSeconds: flags.budget,
  };
}

function report(one: Outcome): void {
  const what = one.killed
    ? `killed by seed ${one.killingSeed}: ${one.check}`
    : one.diesDirected
    ? "killed by a fixed scenario"
    : "ALIVE";
  console.log(
    `${one.list} ${one.name.padEnd(20)} ${String(one.seeds).padStart(5)} seeds ` +
      (one.kills === undefined ? "" : `(${one.kills.killed} of ${one.kills.seeds}) `) +
      `${one.seconds.toFixed(0).padStart(5)} s  ${what}`,
  );
}

/** What has to be hunted, in which order: known ones by the time that they took. */
function queueOf(order: Order): { mutant: Mutant; list: List }[] {
  const wanted = ({ name }: Mutant) => order.only === null || order.only.includes(name);
  const as = (list: List) => (mutant: Mutant) => ({ mutant, list });
  const queue = [
    ...GIVEN.filter(wanted).map(as("given")),
    ...OWN.filter(wanted).map(as("own")),
    ...EXTRA.filter(wanted).map(as("extra")),
    // The core's tests have to find these; seeds are tried on those that are asked for.
    ...MEMBERSHIP.filter((one) => order.only !== null && wanted(one)).map(as("core")),
  ];
  if (!order.known) return queue;
  const results = readResults();
  const secondsOf = ({ mutant }: { mutant: Mutant }) => {
    const known = results.find((one) => one.name === mutant.name);
    return known?.killed === true ? known.seconds : Infinity;
  };
  return queue.sort((a, b) => secondsOf(a) < secondsOf(b) ? -1 : 1);
}

async function main(): Promise<number> {
  const flags = parseFlags(HELP, DEFAULTS);
  const order = orderOf(flags);
  if (flags.otherTests) {
    const own = queueOf(order).filter(({ list }) => list === "own").map(({ mutant }) => mutant);
    return await tryOtherTests(own, order.records) > 0 ? 1 : 0;
  }
  if (flags.security || flags.ranges) {
    const lists = flags.ranges ? RANGES : [...SECURITY, ...SCRIPTS, ...PUBSUB, ...SNAPSHOTS];
    const wanted = lists.filter(({ name }) => order.only === null || order.only.includes(name));
    return await tryOwnTests(wanted) > 0 ? 1 : 0;
  }
  if (flags.core) {
    const wanted = MEMBERSHIP.filter(({ name }) =>
      order.only === null || order.only.includes(name)
    );
    return await tryCoreTests(wanted, order.records) > 0 ? 1 : 0;
  }
  const beganMs = performance.now();
  const outcomes: Outcome[] = [];
  const waiting = queueOf(order);
  const isOver = () => performance.now() - beganMs > order.budgetSeconds * 1000;
  const huntAll = async () => {
    while (waiting.length > 0 && !isOver()) {
      const next = waiting.shift()!;
      const one = await hunt(next.mutant, next.list, order);
      outcomes.push(one);
      report(one);
      if (order.records) writeResults([one]);
    }
  };
  await Promise.all(Array.from({ length: order.processes }, huntAll));
  if (unchanged !== null) Deno.removeSync(unchanged, { recursive: true });
  return conclude(outcomes, waiting.map(({ mutant }) => mutant.name), order.mustKill);
}

/** Reports what came of it all; the last line is like that of a test run. Returns the exit code. */
function conclude(
  outcomes: readonly Outcome[],
  unfit: readonly string[],
  mustKill: boolean,
): number {
  const bad = [...anyway].flatMap(([seed, fails]) => fails ? [seed] : []);
  if (bad.length > 0) console.log(`The unchanged tree fails too, on the seeds ${bad.join(", ")}`);
  else console.log(`The unchanged tree passes all ${anyway.size} killing seeds.`);
  const alive = outcomes.filter((one) => !one.killed);
  const killed = outcomes.length - alive.length;
  if (alive.length > 0) console.log(`alive: ${alive.map(({ name }) => name).join(", ")}`);
  if (unfit.length > 0) console.log(`did not fit into the time: ${unfit.join(", ")}`);
  const lost = readResults().filter((known) =>
    mustDie(known) && alive.some(({ name }) => name === known.name)
  );
  if (mustKill && lost.length > 0) {
    console.log(`must have died: ${lost.map(({ name }) => name).join(", ")}`);
  }
  const failed = bad.length + (mustKill ? lost.length : 0);
  console.log(`${failed > 0 ? "FAILED" : "ok"} | ${killed} passed | ${failed} failed`);
  return failed > 0 ? 1 : 0;
}

if (import.meta.main) Deno.exit(await main());
