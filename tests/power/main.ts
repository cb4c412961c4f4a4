/**
 * `deno task test:power`: power cuts. Servers run under load on disks that log each write and flush;
 * images are built as a cut at any moment may leave them, mounted, started, and read. Needs root, FUSE,
 * mkfs.* and loop devices; a run that can't be done here is ignored, and says why.
 */
import { parseFlags } from "../../bench/flags.ts";
import { formatCount, formatTable, writeJson } from "../../bench/table.ts";
import { needsFileSystem, takeDownAll } from "../disks/file_systems.ts";
import { unmet } from "../process/requirements.ts";
import { type Control, listPlans, type Plan, planName } from "./plans.ts";
import { record, removeRecording } from "./recording.ts";
import { type TrialResult, tryCuts } from "./trial.ts";

const HELP = `Cuts the power of servers on ext4, xfs and btrfs, and looks what is left.

  --full         every run: 400 cuts a file system, and the controls (about an hour)
  --only TEXT    the run of that name, or those whose name holds TEXT ("btrfs", "no sync")
  --cuts N       as many cuts in each run
  --budget S     no more cuts of a run after S seconds
  --seed N       other cuts and other load
  --list         names the runs, and does none
  --json FILE    writes the figures
  --help`;

const HEAD = ["run", "cuts", "cut again", "had to be there", "written over", "suspect"]
  .concat("lost", "refused", "not served", "not mounted", "its superblock torn", "");
const LOAD_MS = 6_000;
/** A disk that lies forgets so many of its last writes, whatever was flushed. */
const FORGOTTEN_WRITES = 120;
const LINES_MAX = 6;

const ENTRIES: Readonly<Record<Control, string | null>> = {
  "no sync": "without_sync.ts",
  "no directory sync": "without_directory_sync.ts",
  "flushes ignored": null,
  "one of three ignores flushes": null,
};

async function main(): Promise<number> {
  const defaults = { full: false, only: "", cuts: 0, budget: 0, seed: 1, list: false, json: "" };
  const flags = parseFlags(HELP, defaults);
  const plans = chosen(listPlans(flags.full || flags.only !== "" ? "all" : "short"), flags.only);
  if (flags.list) {
    for (const plan of plans) console.log(planName(plan));
    return 0;
  }
  const rows: string[][] = [];
  const results: Record<string, TrialResult> = {};
  let failed = 0;
  let ignored = 0;
  for (const plan of plans) {
    const name = planName(plan);
    const reason = unmet(needsFileSystem(plan.fileSystem), needsFuse());
    if (reason !== null) {
      console.log(`${name} ... ignored (not run: ${reason})`);
      ignored++;
      continue;
    }
    const beganMs = performance.now();
    let faults: string[];
    try {
      const cuts = flags.cuts || plan.cuts;
      const result = results[name] = await run({ ...plan, cuts }, flags.seed, flags.budget);
      faults = judge(plan, result);
      rows.push(row(name, result, faults.length === 0));
      for (const line of lines(plan, result)) console.log(`    ${line.slice(0, 400)}`);
    } catch (error) {
      faults = [(error as Error).stack ?? `${error}`];
    }
    if (faults.length > 0) failed++;
    const seconds = ((performance.now() - beganMs) / 1000).toFixed(0);
    console.log(`${name} ... ${faults.length === 0 ? "ok" : "FAILED"} (${seconds} s)`);
    for (const fault of faults) console.log(`    ${fault}`);
  }
  if (rows.length > 0) console.log(`\n${formatTable(HEAD, rows)}\n`);
  writeJson(flags.json || undefined, "power", { results });
  const passed = plans.length - failed - ignored;
  const word = failed > 0 ? "FAILED" : "ok";
  console.log(`${word} | ${passed} passed | ${failed} failed | ${ignored} ignored`);
  return failed > 0 ? 1 : 0;
}

/** Those whose name is `only`; where there is none, those that hold it. */
function chosen(plans: readonly Plan[], only: string): readonly Plan[] {
  const exact = plans.filter((plan) => planName(plan) === only);
  return exact.length > 0 ? exact : plans.filter((plan) => planName(plan).includes(only));
}

async function run(plan: Plan, seed: number, budgetSeconds: number): Promise<TrialResult> {
  const { fileSystem, size, full, cuts, control } = plan;
  const recording = await withEntry(
    control === null ? null : ENTRIES[control],
    () => record({ fileSystem, size, full, seed, loadMs: LOAD_MS }),
  );
  const beganMs = performance.now();
  try {
    return await tryCuts(recording, {
      cuts,
      seed,
      honestyOf: (disk) => ({ forgetsWrites: lies(control, disk) ? FORGOTTEN_WRITES : 0 }),
      isOver: () => budgetSeconds > 0 && performance.now() - beganMs > budgetSeconds * 1000,
    });
  } finally {
    await removeRecording(recording);
  }
}

function lies(control: Control | null, disk: number): boolean {
  return control === "flushes ignored" || control === "one of three ignores flushes" && disk === 0;
}

/** Lets servers run another entry than the program's while `run` goes on. */
async function withEntry<T>(entry: string | null, run: () => Promise<T>): Promise<T> {
  if (entry === null) return await run();
  const script = Deno.makeTempFileSync({ prefix: "raftkv-entry-" });
  const project = new URL("../../", import.meta.url).pathname;
  const locked = `--config="${project}deno.json" --lock="${project}deno.lock" --frozen`;
  const program = new URL(entry, import.meta.url).pathname;
  const command = `exec "${Deno.execPath()}" run --no-prompt --allow-all ${locked}`;
  Deno.writeTextFileSync(script, `#!/bin/sh\n${command} "${program}" "$@"\n`);
  Deno.chmodSync(script, 0o700);
  const before = Deno.env.get("RAFTKV_EXECUTABLE");
  Deno.env.set("RAFTKV_EXECUTABLE", script);
  try {
    return await run();
  } finally {
    if (before === undefined) Deno.env.delete("RAFTKV_EXECUTABLE");
    else Deno.env.set("RAFTKV_EXECUTABLE", before);
    Deno.removeSync(script);
  }
}

/** What is not as it has to be. A control has to find what the others may not. */
function judge({ control }: Plan, result: TrialResult): string[] {
  const { lost, startsRefused, notServed, notMounted, cuts } = result;
  if (cuts === 0) return ["no cut was tried"];
  if (control === "one of three ignores flushes") return [];
  if (control !== null) {
    // A start that is refused for what was acknowledged and is not there has found a loss, too.
    const found = lost.length + startsRefused.length;
    return found > 0 ? [] : ["the control found no loss, so nothing would"];
  }
  const faults: string[] = [];
  if (lost.length > 0) faults.push(`${lost.length} keys are not as they have to be`);
  if (startsRefused.length > 0) faults.push(`${startsRefused.length} starts were refused`);
  if (notServed.length > 0) faults.push(`${notServed.length} times nobody served`);
  if (notMounted.length > 0) faults.push(`${notMounted.length} images could not be mounted`);
  return faults;
}

/** What was found, of each kind the first few; of a control one is enough. */
function lines({ control }: Plan, result: TrialResult): string[] {
  const { lost, startsRefused, notServed, notMounted } = result;
  const count = control === null ? LINES_MAX : 1;
  return [lost, startsRefused, notServed, notMounted].flatMap((all) => all.slice(0, count));
}

function row(name: string, result: TrialResult, isOk: boolean): string[] {
  const { cuts, secondCuts, acknowledged, writtenOver, suspect } = result;
  const { lost, startsRefused, notServed, notMounted } = result;
  return [name, `${cuts}`, `${secondCuts}`, formatCount(acknowledged), `${writtenOver}`]
    .concat(`${suspect}`, `${lost.length}`, `${startsRefused.length}`, `${notServed.length}`)
    .concat(`${notMounted.length}`, `${result.superblocksTorn}`, isOk ? "" : "FAILED");
}

function needsFuse(): string | null {
  try {
    Deno.openSync("/dev/fuse", { read: true, write: true }).close();
    return null;
  } catch (error) {
    return `/dev/fuse: ${(error as Error).message}`;
  }
}

if (import.meta.main) {
  const code = await main();
  takeDownAll();
  Deno.exit(code);
}
