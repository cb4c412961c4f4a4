/**
 * The simulator's command line:
 *
 *   deno task sim SEED [--verbose]                          replays one seed and shows its trace
 *   deno task sim --seeds N [--from S] [--minutes M] [--processes P]   runs fresh seeds
 *
 * Exit code 1 where a check fired.
 */
import { runFleet } from "./fleet.ts";
import { realServers } from "./make_node.ts";
import { drawOptions } from "./options.ts";
import { simulate } from "./simulation.ts";
import { failureText, Summary } from "./summary.ts";

const FLAGS = ["verbose", "quiet", "worker"];
const NUMBERS = ["seeds", "from", "minutes", "processes", "step", "below", "deadline"];
const NO_DEADLINE = Number.MAX_SAFE_INTEGER;
const SEEDS_WITHOUT_END = 1_000_000_000;

/** The commit that runs, as far as the files tell. */
async function commitName(): Promise<string> {
  try {
    const args = ["describe", "--always", "--dirty", "--abbrev=12"];
    const { stdout } = await new Deno.Command("git", { args, stderr: "null" }).output();
    return new TextDecoder().decode(stdout).trim() || "unknown";
  } catch {
    return "unknown";
  }
}

async function replay(seed: number, verbose: boolean, quiet: boolean): Promise<number> {
  const options = drawOptions(seed);
  if (!quiet) console.log(JSON.stringify(options));
  const beganMs = performance.now();
  const sink = quiet ? null : (line: string) => console.log(line);
  const result = simulate(options, realServers, sink, verbose);
  const summary = new Summary();
  summary.add(result);
  if (result.check !== null) console.log(failureText(result, options, await commitName()));
  console.log(summary.text(performance.now() - beganMs, 1));
  console.log(`trace hash ${result.hash}`);
  return result.check === null ? 0 : 1;
}

/** One of the fleet's processes: a JSON line for each seed. */
function work(from: number, step: number, below: number, deadlineMs: number): void {
  const encoder = new TextEncoder();
  for (let seed = from; seed < below && Date.now() < deadlineMs; seed += step) {
    const result = simulate(drawOptions(seed), realServers);
    const line = encoder.encode(JSON.stringify(result) + "\n");
    for (let at = 0; at < line.length;) at += Deno.stdout.writeSync(line.subarray(at));
  }
}

async function fresh(numbers: Record<string, number | undefined>): Promise<number> {
  const beganMs = performance.now();
  const commit = await commitName();
  const processes = numbers.processes ?? navigator.hardwareConcurrency;
  const from = numbers.from ?? Date.now() % 1_000_000_000;
  const deadlineMs = numbers.minutes === undefined
    ? NO_DEADLINE
    : Date.now() + numbers.minutes * 60_000;
  const seeds = numbers.seeds ?? SEEDS_WITHOUT_END;
  const summary = new Summary();
  console.log(`seeds from ${from} on ${processes} processes, commit ${commit}`);
  await runFleet({ from, seeds, processes, deadlineMs, commit }, summary);
  console.log(summary.text(performance.now() - beganMs, processes));
  const failed = summary.failures.map((result) => `${result.seed} (${result.check})`);
  if (failed.length > 0) console.log(`failed seeds: ${failed.join(", ")}`);
  return failed.length > 0 ? 1 : 0;
}

interface Arguments {
  readonly flags: Set<string>;
  readonly numbers: Record<string, number | undefined>;
  readonly seed: number | null;
}

function parseArguments(args: readonly string[]): Arguments {
  const flags = new Set<string>();
  const numbers: Record<string, number | undefined> = {};
  let seed: number | null = null;
  const wanted = (what: string, text: string | undefined): number => {
    if (text !== undefined && /^\d+(\.\d+)?$/.test(text)) return Number(text);
    throw new Error(`${what} takes a number, not ${text}`);
  };
  for (let at = 0; at < args.length; at++) {
    const name = args[at]!.replace(/^--/, "");
    if (FLAGS.includes(name)) flags.add(name);
    else if (NUMBERS.includes(name)) numbers[name] = wanted(`--${name}`, args[++at]);
    else seed = wanted("The seed", args[at]);
  }
  return { flags, numbers, seed };
}

async function main(): Promise<number> {
  const { flags, numbers, seed } = parseArguments(Deno.args);
  if (flags.has("worker")) {
    work(numbers.from!, numbers.step!, numbers.below!, numbers.deadline!);
    return 0;
  }
  if (seed !== null) return await replay(seed, flags.has("verbose"), flags.has("quiet"));
  if (numbers.seeds === undefined && numbers.minutes === undefined) {
    console.error("Usage: deno task sim SEED [--verbose], or deno task sim --seeds N [--from S]");
    return 2;
  }
  return await fresh(numbers);
}

if (import.meta.main) Deno.exit(await main());
