/**
 * `deno task test:disks`: servers on disks that are full, on real file systems. Prints a table, and at
 * last a line that counts cases. Needs root, mkfs.* and loop devices; a case that can't run here is
 * ignored, and says why.
 */
import { parseFlags } from "../../bench/flags.ts";
import { formatCount, formatMs, formatTable, writeJson } from "../../bench/table.ts";
import { caseName, listCases } from "./cases.ts";
import { judge } from "./judge.ts";
import { needsFileSystem, takeDownAll } from "./file_systems.ts";
import { type DiskResult, runCase } from "./run_case.ts";

const HELP = `Runs servers on full disks: tmpfs, ext4 with and without its journal, xfs, btrfs.

  --full         every case, not the short share (about half an hour)
  --only TEXT    the case of that name, or those whose name holds TEXT ("btrfs", "greedy")
  --list         names the cases, and runs none
  --json FILE    writes the figures
  --help`;

const HEAD = ["case", "sets", "while full", "refused", "open", "deletes", "gets", "starts"]
  .concat("on after", "lost", "");

async function main(): Promise<number> {
  const flags = parseFlags(HELP, { full: false, only: "", list: false, json: "" });
  const all = listCases(flags.full || flags.only !== "" ? "all" : "short");
  const exact = all.filter((one) => caseName(one) === flags.only);
  const cases = exact.length > 0 ? exact : all.filter((one) => caseName(one).includes(flags.only));
  if (flags.list) {
    for (const one of cases) console.log(caseName(one));
    return 0;
  }
  const rows: string[][] = [];
  const results: Record<string, DiskResult> = {};
  let ignored = 0;
  let failed = 0;
  for (const one of cases) {
    const name = caseName(one);
    const reason = needsFileSystem(one.fileSystem);
    if (reason !== null) {
      console.log(`${name} ... ignored (not run: ${reason})`);
      ignored++;
      continue;
    }
    const beganMs = performance.now();
    try {
      const result = results[name] = await runCase(one);
      const faults = judge(one, result);
      if (faults.length > 0) failed++;
      rows.push(row(name, result, faults));
      report(name, beganMs, [...faults, ...result.notes.slice(0, 40)], faults.length === 0);
    } catch (error) {
      failed++;
      report(name, beganMs, [(error as Error).stack ?? `${error}`], false);
    }
  }
  if (rows.length > 0) console.log(`\n${formatTable(HEAD, rows)}\n`);
  writeJson(flags.json || undefined, "disks", { results });
  const counts = `${
    cases.length - failed - ignored
  } passed | ${failed} failed | ${ignored} ignored`;
  console.log(`${failed > 0 ? "FAILED" : "ok"} | ${counts}`);
  return failed > 0 ? 1 : 0;
}

function report(name: string, beganMs: number, lines: readonly string[], isOk: boolean): void {
  const seconds = ((performance.now() - beganMs) / 1000).toFixed(0);
  console.log(`${name} ... ${isOk ? "ok" : "FAILED"} (${seconds} s)`);
  for (const line of lines) console.log(`    ${line}`);
}

function row(name: string, result: DiskResult, faults: readonly string[]): string[] {
  const { goesOnAfterMs } = result;
  return [
    name,
    formatCount(result.acknowledged),
    formatCount(result.acknowledgedWhileFull),
    `${result.refused}`,
    `${result.unknown}`,
    `${result.deletesServed}/${result.deletesAsked}`,
    `${result.getsServed}/${result.getsAsked}`,
    `${result.restarts - result.startsRefused}/${result.restarts}`,
    goesOnAfterMs === null ? "never" : `${formatMs(goesOnAfterMs)} ms`,
    `${result.lost}`,
    faults.length === 0 ? "" : "FAILED",
  ];
}

if (import.meta.main) {
  const code = await main();
  takeDownAll();
  Deno.exit(code);
}
