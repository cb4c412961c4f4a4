/**
 * What CI runs of the simulator: the corpus, the fixed scenarios, the mutants, each with the seed that
 * killed it last, fresh seeds, and some that change their members.
 */
import { parseFlags } from "../../bench/flags.ts";

const HELP = `deno task sim:ci [flags]

The corpus, the fixed scenarios, the mutants and fresh seeds. The last line adds up tests, mutants
killed and seeds passed. Exit code 1 where anything failed.
  --seeds N         fresh seeds, of which those are run whose clusters keep their founders (840)
  --from S          the first of them (drawn from the commit's name: the same commit, the same seeds)
  --processes P     so many at once (the number of cores, at least 2)
  --without-tests   leaves the corpus and the scenarios to whoever runs all tests anyway`;

/** Those of a commit begin above it: seeds below are others'. */
const FRESH_FROM = 1_000_000_000;
/** Some 300 of them keep their founders. */
const FRESH_SEEDS = 840;
/**
 * Always the same ones, of which two of three change their members: of fresh ones some of a thousand still
 * find something (docs/simulator.md, "Open"), and a gate that fails by chance is no gate.
 */
const CHANGING = { from: 4_300, seeds: 60 };
/** The longest that mutants are begun for, times processes; those that are left are named. */
const MUTANTS_SECONDS = 200;

interface Step {
  readonly name: string;
  readonly args: readonly string[];
}

function steps(from: number, seeds: number, processes: number, withTests: boolean): Step[] {
  const run = ["run", "--quiet", "--no-check", "--allow-all"];
  const tests = {
    name: "corpus and scenarios",
    args: [
      ...["test", "--lock=tests/deno.lock", "--frozen", "--quiet", "--no-check", "--allow-all"],
      "--parallel",
      "tests/sim/corpus_test.ts",
      "tests/sim/sim_test.ts",
      "tests/sim/topologies_test.ts",
    ],
  };
  const mutants = {
    name: "mutants",
    args: [
      ...[...run, "tests/mutants/main.ts", "--known", "--seeds", "12", "--must-kill"],
      ...["--processes", `${processes}`, "--budget", `${MUTANTS_SECONDS / processes}`],
    ],
  };
  const seedsOf = (name: string, ...args: string[]) => ({
    name,
    args: [...run, "tests/sim/main.ts", ...args, "--processes", `${processes}`],
  });
  const drawn = ["--from", `${from}`, "--seeds", `${seeds}`];
  const fresh = seedsOf("fresh seeds with founders alone", "--founders", ...drawn);
  const kept = ["--from", `${CHANGING.from}`, "--seeds", `${CHANGING.seeds}`];
  const changing = seedsOf("seeds that change members", ...kept);
  return withTests ? [tests, mutants, fresh, changing] : [mutants, fresh, changing];
}

interface Sum {
  passed: number;
  failed: number;
}

/** Runs a step, shows what it says, and adds up what its last summary line counts. */
async function runStep({ name, args }: Step, sum: Sum): Promise<void> {
  const beganMs = performance.now();
  console.log(`== ${name}`);
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args],
    env: { NO_COLOR: "1" },
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let said = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    said += text;
    await writeOut(text);
  }
  const { code } = await child.status;
  const summary = [...said.matchAll(/^(?:ok|FAILED) \| (\d+) passed.*? \| (\d+) failed/gm)].at(-1);
  sum.passed += Number(summary?.[1] ?? 0);
  const failed = Number(summary?.[2] ?? 1);
  sum.failed += code !== 0 && failed === 0 ? 1 : failed;
  const seconds = ((performance.now() - beganMs) / 1000).toFixed(0);
  console.log(`== ${name}: ${code === 0 ? "ok" : "FAILED"}, ${seconds} s`);
}

/**
 * Where this commit's fresh seeds begin: each commit has others, and whoever runs one again, here or
 * elsewhere, runs what was run before. Without a repository: by the clock.
 */
async function firstSeed(): Promise<number> {
  const args = ["rev-parse", "--short=7", "HEAD"];
  try {
    const { success, stdout } = await new Deno.Command("git", { args, stderr: "null" }).output();
    if (success) return FRESH_FROM + parseInt(new TextDecoder().decode(stdout).slice(0, 7), 16);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return Date.now() % 1_000_000_000;
}

async function writeOut(text: string): Promise<void> {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) at += await Deno.stdout.write(bytes.subarray(at));
}

async function main(): Promise<number> {
  const atOnce = Math.max(2, navigator.hardwareConcurrency);
  const defaults = { seeds: FRESH_SEEDS, from: 0, processes: atOnce, withoutTests: false };
  const flags = parseFlags(HELP, defaults);
  const { seeds, processes, withoutTests } = flags;
  const from = flags.from || await firstSeed();
  const beganMs = performance.now();
  const sum: Sum = { passed: 0, failed: 0 };
  for (const step of steps(from, seeds, processes, !withoutTests)) await runStep(step, sum);
  console.log(`== all in ${((performance.now() - beganMs) / 1000).toFixed(0)} s`);
  const word = sum.failed > 0 ? "FAILED" : "ok";
  console.log(`${word} | ${sum.passed} passed | ${sum.failed} failed`);
  return sum.failed > 0 ? 1 : 0;
}

if (import.meta.main) Deno.exit(await main());
