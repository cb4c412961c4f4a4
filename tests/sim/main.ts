/** The simulator's command line: HELP says what there is. */
import process from "node:process";
import { commandLine } from "../../bench/flags.ts";
import { type Case, optionsOf, readCase, writeCase } from "./case_file.ts";
import { runFleet } from "./fleet.ts";
import { realServers } from "./make_node.ts";
import { drawOptions, type SimOptions } from "./options.ts";
import { record, recordSpeed } from "./record.ts";
import { measureSpeed, speedText } from "./speed.ts";
import { shrink } from "./shrink.ts";
import { type SimResult, simulate } from "./simulate.ts";
import { failureText, Summary } from "./summary.ts";

const HELP = `deno task sim                                    fresh seeds on all cores until Ctrl+C
deno task sim --seeds N --minutes M --from S     so many, or so long, starting with seed S
deno task sim SEED [--verbose | --quiet]         one seed again, with its trace
deno task sim SEED --shrink [--tries N]          makes a failing seed small
deno task sim --file CASE.json                   a kept run again; --options JSON changes parts

  --founders      leaves out seeds whose clusters change their members
  --processes P   so many at once (the number of cores)
  --marks         fails where a situation never came up
  --record        adds the figures to those of docs/simulator.md
  --speed         how fast it is with five servers under load, with --seeds N

Exit code 1 where a check failed.`;

const FLAGS = [
  "verbose",
  "quiet",
  "worker",
  "shrink",
  "marks",
  "record",
  "stop",
  "speed",
  "founders",
];
const SPEED_SEEDS = 40;
const NUMBERS = ["seeds", "from", "minutes", "processes", "step", "below", "deadline", "tries"];
const TEXTS = ["file", "options"];
const NO_DEADLINE = Number.MAX_SAFE_INTEGER;
const SEEDS_WITHOUT_END = 1_000_000_000;
/** One seed in so many runs twice, and has to come to the same. */
const TWICE_EVERY = 100;

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

async function replay(options: SimOptions, args: Arguments): Promise<number> {
  const quiet = args.flags.has("quiet") || args.flags.has("shrink");
  if (!quiet) console.log(JSON.stringify(options));
  const beganMs = performance.now();
  const sink = quiet ? null : (line: string) => console.log(line);
  const result = simulate(options, realServers, sink, args.flags.has("verbose"));
  const summary = new Summary();
  summary.add(result, performance.now() - beganMs);
  if (result.check !== null) console.log(failureText(result, options, await commitName()));
  console.log(summary.text(performance.now() - beganMs));
  console.log(`trace hash ${result.hash}`);
  if (result.check === null) return 0;
  if (args.flags.has("shrink")) shrinkAndSay(options, result, args.numbers.tries ?? 300);
  return 1;
}

function shrinkAndSay(options: SimOptions, result: SimResult, triesMax: number): void {
  const run = (changed: SimOptions) => simulate(changed, realServers);
  const say = (line: string) => console.log(`  ${line}`);
  const shrunk = shrink(options, result, { run, triesMax, say });
  const path = `.sim/${options.seed}.json`;
  writeCase(path, shrunk.options, shrunk.result, shrunk.result.message);
  console.log(`smallest after ${shrunk.tries} runs: ${shrunk.result.events} events`);
  console.log(`        ${shrunk.result.message}`);
  console.log(`options ${JSON.stringify(shrunk.options)}`);
  console.log(`replay  deno task sim --file ${path}`);
}

/** One of the fleet's processes: a JSON line for each seed. With `--stop` it ends at the first that fails. */
function work({ flags, numbers }: Arguments): void {
  const { from, step, below, deadline } = numbers;
  const encoder = new TextEncoder();
  for (let seed = from!; seed < below! && Date.now() < deadline!; seed += step!) {
    const options = drawOptions(seed);
    if (flags.has("founders") && options.members !== null) continue;
    const before = process.cpuUsage();
    let result = simulate(options, realServers);
    const { user, system } = process.cpuUsage(before);
    const cpuMs = (user + system) / 1000;
    if (seed % TWICE_EVERY === 0) {
      const again = simulate(drawOptions(seed), realServers);
      if (again.hash !== result.hash) {
        const message = `trace hashes ${result.hash} and ${again.hash}`;
        result = { ...result, check: "determinism", message };
      }
    }
    const line = encoder.encode(JSON.stringify({ ...result, cpuMs }) + "\n");
    for (let at = 0; at < line.length;) at += Deno.stdout.writeSync(line.subarray(at));
    if (flags.has("stop") && result.check !== null) return;
  }
}

async function fresh({ flags, numbers }: Arguments): Promise<number> {
  const beganMs = performance.now();
  const commit = await commitName();
  const processes = numbers.processes ?? navigator.hardwareConcurrency;
  const from = numbers.from ?? Date.now() % 1_000_000_000;
  const deadlineMs = numbers.minutes === undefined
    ? NO_DEADLINE
    : Date.now() + numbers.minutes * 60_000;
  const seeds = numbers.seeds ?? SEEDS_WITHOUT_END;
  const summary = new Summary();
  const tell = () => {
    console.log(summary.text(performance.now() - beganMs));
    if (flags.has("record")) record(summary, commit);
  };
  console.log(`seeds from ${from} on ${processes} processes, commit ${commit}`);
  const stop = () => {
    tell();
    Deno.exit(summary.failures.length > 0 ? 1 : 0);
  };
  Deno.addSignalListener("SIGINT", stop);
  const foundersOnly = flags.has("founders");
  await runFleet({ from, seeds, processes, deadlineMs, commit, foundersOnly }, summary);
  Deno.removeSignalListener("SIGINT", stop);
  tell();
  console.log(summary.marksText());
  const failed = summary.failures.map((result) => `${result.seed} (${result.check})`);
  if (failed.length > 0) console.log(`failed seeds: ${failed.join(", ")}`);
  const missing = flags.has("marks") ? summary.marksMissing() : [];
  if (missing.length > 0) console.log(`never came up: ${missing.join("; ")}`);
  const isGood = failed.length + missing.length === 0;
  const passed = summary.seeds - failed.length;
  console.log(`${isGood ? "ok" : "FAILED"} | ${passed} passed | ${failed.length} failed`);
  return isGood ? 0 : 1;
}

interface Arguments {
  readonly flags: Set<string>;
  readonly numbers: Record<string, number | undefined>;
  readonly texts: Record<string, string | undefined>;
  readonly seed: number | null;
}

function parseArguments(args: readonly string[]): Arguments {
  const flags = new Set<string>();
  const numbers: Record<string, number | undefined> = {};
  const texts: Record<string, string | undefined> = {};
  let seed: number | null = null;
  const wanted = (what: string, text: string | undefined): number => {
    if (text !== undefined && /^\d+(\.\d+)?$/.test(text)) return Number(text);
    throw new Error(`${what} takes a number, not ${text ?? "nothing"}`);
  };
  const textOf = (name: string, text: string | undefined): string => {
    if (text !== undefined) return text;
    throw new Error(`--${name} takes a value`);
  };
  for (let at = 0; at < args.length; at++) {
    const name = args[at]!.replace(/^--/, "");
    if (FLAGS.includes(name)) flags.add(name);
    else if (NUMBERS.includes(name)) numbers[name] = wanted(`--${name}`, args[++at]);
    else if (TEXTS.includes(name)) texts[name] = textOf(name, args[++at]);
    else if (name !== args[at]) throw new Error(`Unknown option ${args[at]}`);
    else seed = wanted("The seed", name);
  }
  return { flags, numbers, texts, seed };
}

/** The run that is asked for, or null where fresh seeds are. */
function askedFor({ seed, texts }: Arguments): SimOptions | null {
  const changes: Partial<SimOptions> = JSON.parse(texts.options ?? "{}");
  if (texts.file !== undefined) {
    const kept: Case = readCase(texts.file);
    return optionsOf({ ...kept, options: { ...kept.options, ...changes } });
  }
  return seed === null ? null : drawOptions(seed, changes);
}

async function main(): Promise<number> {
  const args = commandLine(HELP, parseArguments);
  const { flags, numbers } = args;
  if (flags.has("worker")) {
    work(args);
    return 0;
  }
  if (flags.has("speed")) {
    const commit = await commitName();
    const measure = (hasFaults: boolean) =>
      measureSpeed(numbers.from ?? 1, numbers.seeds ?? SPEED_SEEDS, commit, hasFaults);
    const speeds = [true, false].map(measure);
    for (const speed of speeds) console.log(speedText(speed));
    if (flags.has("record")) recordSpeed(speeds);
    return 0;
  }
  const options = askedFor(args);
  return options === null ? await fresh(args) : await replay(options, args);
}

if (import.meta.main) Deno.exit(await main());
