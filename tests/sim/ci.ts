/**
 * What CI runs of the simulator: the corpus, the fixed scenarios, the mutants, each with the seed that
 * killed it last, and fresh seeds.
 */
import { parseFlags } from "../../bench/flags.ts";

const HELP = `deno task sim:ci [flags]

The corpus, the fixed scenarios, the mutants and fresh seeds. The last line adds up tests, mutants
killed and seeds passed. Exit code 1 where anything failed.
  --seeds N         fresh seeds (300)
  --without-tests   leaves the corpus and the scenarios to whoever runs all tests anyway`;

const FRESH_SEEDS = 300;
/** The longest that mutants are begun for; those that are left are named. */
const MUTANTS_SECONDS = 100;

interface Step {
  readonly name: string;
  readonly args: readonly string[];
}

function steps(seeds: number, withTests: boolean): Step[] {
  const processes = `${Math.max(2, navigator.hardwareConcurrency)}`;
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
      ...["--processes", processes, "--budget", `${MUTANTS_SECONDS}`],
    ],
  };
  const fresh = {
    name: `${seeds} fresh seeds`,
    args: [...run, "tests/sim/main.ts", "--seeds", `${seeds}`, "--processes", processes],
  };
  return withTests ? [tests, mutants, fresh] : [mutants, fresh];
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

async function writeOut(text: string): Promise<void> {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) at += await Deno.stdout.write(bytes.subarray(at));
}

async function main(): Promise<number> {
  const { seeds, withoutTests } = parseFlags(HELP, { seeds: FRESH_SEEDS, withoutTests: false });
  const beganMs = performance.now();
  const sum: Sum = { passed: 0, failed: 0 };
  for (const step of steps(seeds, !withoutTests)) await runStep(step, sum);
  console.log(`== all in ${((performance.now() - beganMs) / 1000).toFixed(0)} s`);
  const word = sum.failed > 0 ? "FAILED" : "ok";
  console.log(`${word} | ${sum.passed} passed | ${sum.failed} failed`);
  return sum.failed > 0 ? 1 : 0;
}

if (import.meta.main) Deno.exit(await main());
