/**
 * Puts each mutant into a copy of the tree and lets the simulator look for it:
 *
 *   deno task mutants                       all, a bounded time for each
 *   deno task mutants --only 1,4,ack-length these
 *   --minutes M      at most so long for each (default 2)    --from S   first seed (default 1)
 *   --seeds N        at most so many for each            --processes P  so many at once (default 1)
 *   --known          tries the seed that killed it last first, the quick ones before the slow: for CI
 *   --directed       runs the fixed scenarios on those that no seed kills
 *   --budget S       begins no further mutant after so many seconds, and says which did not fit
 *   --must-kill      fails where more than two mutants live that a handful of seeds killed at the last
 *                    record: names all of them
 *   --other-tests    runs the other tests on our own mutants instead: one that dies there proves
 *                    nothing about the simulator
 *   --record         writes tests/mutants/results.json and the table in docs/simulator.md
 *
 * Undirected seeds throughout. The control runs the unchanged tree on the same seeds: a seed that
 * fails there proves nothing.
 */
import type { SimResult } from "../sim/simulation.ts";
import { EXTRA, GIVEN, type Mutant, OWN } from "./mutants.ts";
import { type List, type Outcome, readResults, ROOT, writeResults } from "./results.ts";

const COPIED = [
  "lib",
  "tests",
  "docs",
  "bench",
  "scripts",
  "cluster.example.json",
  "main.ts",
  "deno.json",
  "deno.lock",
];
const QUICK_SEEDS = 5;
/** Any change of the code shifts what a seed meets, so a few of the quick ones may get away. */
const LOST_MAX = 2;
/** Counted in steps of a second, so that a machine that stands still is not taken for a mutant that does. */
const HANGS_AFTER_SECONDS = 120;

interface Order {
  readonly only: readonly string[] | null;
  readonly minutes: number;
  readonly from: number;
  readonly seeds: number;
  readonly processes: number;
  readonly known: boolean;
  readonly records: boolean;
  readonly directed: boolean;
  readonly budgetSeconds: number;
}

/** Makes a tree with a mutant in it; throws where a patch does not match exactly once. */
export function plant(mutant: Mutant | null): string {
  const copy = Deno.makeTempDirSync({ prefix: "raftkv-mutant-" });
  for (const path of COPIED) copyInto(`${ROOT}${path}`, `${copy}/${path}`);
  for (const { file, find, replace } of mutant?.edits ?? []) {
    const text = Deno.readTextFileSync(`${copy}/${file}`);
    const parts = text.split(find);
    if (parts.length !== 2) {
      throw new Error(`Mutant ${mutant!.name}: ${file} has its text ${parts.length - 1} times`);
    }
    Deno.writeTextFileSync(`${copy}/${file}`, parts.join(replace));
  }
  return copy;
}

function copyInto(from: string, to: string): void {
  if (!Deno.statSync(from).isDirectory) {
    Deno.mkdirSync(to.slice(0, to.lastIndexOf("/")), { recursive: true });
    return Deno.copyFileSync(from, to);
  }
  Deno.mkdirSync(to, { recursive: true });
  for (const { name } of Deno.readDirSync(from)) copyInto(`${from}/${name}`, `${to}/${name}`);
}

/** Runs seeds in a tree until one fails; a process that says nothing for long counts as hung. */
async function runSeeds(
  tree: string,
  from: number,
  below: number,
  deadlineMs: number,
): Promise<{ seeds: number; failed: SimResult | null; hung: boolean }> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--no-check", "--allow-read", `${tree}/tests/sim/main.ts`, "--worker"],
      ...["--stop", "--from", `${from}`, "--below", `${below}`, "--step", "1"],
      ...["--deadline", `${deadlineMs}`],
    ],
    cwd: tree,
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let seeds = 0;
  let hung = false;
  let failed: SimResult | null = null;
  let silentSeconds = 0;
  const watchdog = setInterval(() => {
    if (++silentSeconds < HANGS_AFTER_SECONDS || hung) return;
    hung = true;
    child.kill("SIGKILL");
  }, 1_000);
  let rest = "";
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    silentSeconds = 0;
    const lines = (rest + chunk).split("\n");
    rest = lines.pop()!;
    for (const line of lines) {
      const result: SimResult = JSON.parse(line);
      seeds++;
      if (result.check !== null) failed = result;
    }
  }
  clearInterval(watchdog);
  const { code } = await child.status;
  if (code !== 0 && !hung) throw new Error(`The simulator in ${tree} ended with code ${code}`);
  return { seeds, failed, hung };
}

async function hunt(mutant: Mutant, list: List, order: Order): Promise<Outcome> {
  const beganMs = performance.now();
  const tree = plant(mutant);
  try {
    let seeds = 0;
    const known = order.known ? readResults().find((one) => one.name === mutant.name) : undefined;
    const last = known?.killingSeed ?? null;
    let run = { seeds: 0, failed: null as SimResult | null, hung: false };
    if (last !== null) {
      run = await runSeeds(tree, last, last + 1, Number.MAX_SAFE_INTEGER);
      seeds += run.seeds;
      if (run.failed !== null && await failsAnyway(last)) run = { ...run, failed: null };
    }
    const deadlineMs = Date.now() + order.minutes * 60_000;
    const below = order.from + order.seeds;
    let from = order.from;
    while (run.failed === null && !run.hung && from < below && Date.now() < deadlineMs) {
      run = await runSeeds(tree, from, below, deadlineMs);
      seeds += run.seeds;
      from += run.seeds;
      // A seed that fails on the unchanged tree as well proves nothing.
      if (run.failed !== null && await failsAnyway(run.failed.seed)) {
        run = { seeds: 0, failed: null, hung: false };
      }
    }
    const killed = run.failed !== null || run.hung;
    const diesDirected = !killed && order.directed && await failsDirected(tree);
    return {
      diesDirected: diesDirected || undefined,
      name: mutant.name,
      list,
      about: mutant.about,
      killed,
      seeds,
      killingSeed: run.failed?.seed ?? (run.hung ? order.from + run.seeds : null),
      check: run.hung ? "hangs" : run.failed?.check ?? null,
      seconds: Math.round((performance.now() - beganMs) / 100) / 10,
    };
  } finally {
    Deno.removeSync(tree, { recursive: true });
  }
}

/** Scenarios made for one bug each: simulated worlds, and traces of the core. */
const DIRECTED_TESTS = [
  "tests/sim/sim_test.ts",
  "tests/sim/topologies_test.ts",
  "tests/raft/traces_test.ts",
];

/** Whether a fixed scenario fails in a tree. The unchanged tree passes them all: the gate runs them. */
async function failsDirected(tree: string): Promise<boolean> {
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "--quiet", "--no-check", "--allow-all", "--fail-fast", ...DIRECTED_TESTS],
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
    const { failed, hung } = await runSeeds(unchanged, seed, seed + 1, Number.MAX_SAFE_INTEGER);
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
    const args = ["test", "--quiet", "--no-check", "--allow-all", "--fail-fast", ...folders];
    const { code } = await new Deno.Command(Deno.execPath(), {
      args,
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

function parse(args: readonly string[]): Order {
  const value = (name: string) => {
    const at = args.indexOf(name);
    return at < 0 ? undefined : args[at + 1];
  };
  return {
    only: value("--only")?.split(",") ?? null,
    minutes: Number(value("--minutes") ?? 2),
    from: Number(value("--from") ?? 1),
    seeds: Number(value("--seeds") ?? 1_000_000_000),
    processes: Number(value("--processes") ?? 1),
    known: args.includes("--known"),
    records: args.includes("--record"),
    directed: args.includes("--directed"),
    budgetSeconds: Number(value("--budget") ?? Infinity),
  };
}

function say(one: Outcome): void {
  const what = one.killed
    ? `killed by seed ${one.killingSeed}: ${one.check}`
    : one.diesDirected
    ? "killed by a fixed scenario"
    : "ALIVE";
  console.log(
    `${one.list} ${one.name.padEnd(20)} ${String(one.seeds).padStart(5)} seeds ` +
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
  const order = parse(Deno.args);
  if (Deno.args.includes("--other-tests")) {
    const own = queueOf(order).filter(({ list }) => list === "own").map(({ mutant }) => mutant);
    return await tryOtherTests(own, order.records) > 0 ? 1 : 0;
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
      say(one);
      if (order.records) writeResults([one]);
    }
  };
  await Promise.all(Array.from({ length: order.processes }, huntAll));
  if (unchanged !== null) Deno.removeSync(unchanged, { recursive: true });
  return conclude(outcomes, waiting.map(({ mutant }) => mutant.name));
}

/** Says what came of it all; the last line is like that of a test run. Returns the exit code. */
function conclude(outcomes: readonly Outcome[], unfit: readonly string[]): number {
  const bad = [...anyway].flatMap(([seed, fails]) => fails ? [seed] : []);
  if (bad.length > 0) console.log(`The unchanged tree fails too, on the seeds ${bad.join(", ")}`);
  else console.log(`The unchanged tree passes all ${anyway.size} killing seeds.`);
  const alive = outcomes.filter((one) => !one.killed);
  const killed = outcomes.length - alive.length;
  if (alive.length > 0) console.log(`alive: ${alive.map(({ name }) => name).join(", ")}`);
  if (unfit.length > 0) console.log(`did not fit into the time: ${unfit.join(", ")}`);
  // One that died at once has to die again; others may take more seeds than there is time for.
  const lost = readResults().filter((one) =>
    one.killed && one.seeds <= QUICK_SEEDS && alive.some(({ name }) => name === one.name)
  );
  const mustKill = Deno.args.includes("--must-kill");
  if (mustKill && lost.length > 0) {
    console.log(`must have died: ${lost.map(({ name }) => name).join(", ")}`);
  }
  const failed = bad.length + (mustKill && lost.length > LOST_MAX ? lost.length : 0);
  console.log(`${failed > 0 ? "FAILED" : "ok"} | ${killed} passed | ${failed} failed`);
  return failed > 0 ? 1 : 0;
}

if (import.meta.main) Deno.exit(await main());
