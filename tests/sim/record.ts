/**
 * What was ever run, added up over commits: docs/simulator-runs.json, and from it the table between the
 * two comments in docs/simulator.md.
 */
import { MOMENT_FAULTS, TIMED_FAULTS } from "./options.ts";
import { MARKS } from "./mark_names.ts";
import { type Speed, speedText } from "./speed.ts";
import type { Summary } from "./summary.ts";

export const RUNS_PATH = "docs/simulator-runs.json";
const PAGE_PATH = "docs/simulator.md";

/** All runs of one commit. */
interface CommitRuns {
  readonly commit: string;
  readonly date: string;
  seeds: number;
  failed: number;
  simulatedHours: number;
  events: number;
  operations: number;
  /** Seconds of processor time. */
  coreSeconds: number;
  faults: Record<string, number>;
  /** How many seeds hit each mark. */
  marks: Record<string, number>;
}

export interface Runs {
  /** The last measurements with five servers under load. */
  speeds?: readonly Speed[];
  commits: CommitRuns[];
}

export function readRuns(): Runs {
  try {
    return JSON.parse(Deno.readTextFileSync(RUNS_PATH)) as Runs;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return { commits: [] };
    throw error;
  }
}

/** Adds a summary to its commit's runs, and writes the table anew. */
export function record(summary: Summary, commit: string): void {
  const runs = readRuns();
  let own = runs.commits.find((one) => one.commit === commit);
  if (own === undefined) {
    own = emptyRuns(commit);
    runs.commits.push(own);
  }
  const { seeds, failures, events, simulatedMs, acknowledged } = summary;
  own.seeds += seeds;
  own.failed += failures.length;
  own.events += events;
  own.simulatedHours = rounded(own.simulatedHours + simulatedMs / 3_600_000);
  own.operations += acknowledged;
  own.coreSeconds = rounded(own.coreSeconds + summary.coreMs / 1000);
  addTo(
    own.faults,
    Object.fromEntries(TIMED_FAULTS.map((name) => [name, summary.count(`fault ${name}`)])),
  );
  for (const name of MOMENT_FAULTS) {
    addTo(own.faults, { [name]: summary.count(`fault ${name}`) });
  }
  addTo(own.marks, summary.markSeeds());
  Deno.writeTextFileSync(RUNS_PATH, JSON.stringify(runs, null, 2) + "\n");
  replaceTable("runs", runsTable(runs));
}

/** Puts measurements in the place of the last one, and writes the table anew. */
export function recordSpeed(speeds: readonly Speed[]): void {
  const runs = { ...readRuns(), speeds };
  Deno.writeTextFileSync(RUNS_PATH, JSON.stringify(runs, null, 2) + "\n");
  replaceTable("runs", runsTable(runs));
}

function emptyRuns(commit: string): CommitRuns {
  return {
    commit,
    date: new Date().toISOString().slice(0, 10),
    seeds: 0,
    failed: 0,
    simulatedHours: 0,
    events: 0,
    operations: 0,
    coreSeconds: 0,
    faults: {},
    marks: {},
  };
}

function addTo(sums: Record<string, number>, more: Record<string, number>): void {
  for (const [name, count] of Object.entries(more)) {
    if (count > 0) sums[name] = (sums[name] ?? 0) + count;
  }
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}

function runsTable({ commits, speeds = [] }: Runs): string {
  const all = emptyRuns("all");
  for (const one of commits) {
    all.seeds += one.seeds;
    all.failed += one.failed;
    all.simulatedHours = rounded(all.simulatedHours + one.simulatedHours);
    all.events += one.events;
    all.operations += one.operations;
    all.coreSeconds = rounded(all.coreSeconds + one.coreSeconds);
    addTo(all.faults, one.faults);
    addTo(all.marks, one.marks);
  }
  const last = commits.at(-1) ?? all;
  const row = (name: string, of: (runs: CommitRuns) => string | number) =>
    `| ${name} | ${of(last)} | ${of(all)} |`;
  const hits = (runs: CommitRuns) => MARKS.filter((mark) => (runs.marks[mark] ?? 0) > 0).length;
  const faults = Object.entries(all.faults).sort((a, b) => b[1] - a[1])
    .map(([name, count]) => `${name} ${count}`).join(", ");
  return [
    `| | commit ${last.commit} | all commits |`,
    "| --- | --- | --- |",
    row("seeds", (runs) => runs.seeds),
    row("failed", (runs) => runs.failed),
    row("simulated hours", (runs) => runs.simulatedHours.toFixed(1)),
    row("events", (runs) => runs.events),
    row("acknowledged operations", (runs) => runs.operations),
    row(
      "events a second of processor time",
      (runs) => Math.round(runs.events / Math.max(1, runs.coreSeconds)),
    ),
    row(
      "simulated time over processor time",
      (runs) => Math.round(runs.simulatedHours * 3600 / Math.max(1, runs.coreSeconds)),
    ),
    row("situations met", (runs) => `${hits(runs)} of ${MARKS.length}`),
    "",
    ...speeds.flatMap((speed) => [speedText(speed), ""]),
    `Faults of all commits: ${faults}.`,
    "",
    "| situation | seeds that met it, of all commits |",
    "| --- | --- |",
    ...MARKS.map((mark) => `| ${mark} | ${all.marks[mark] ?? 0} |`),
  ].join("\n");
}

/** Puts `text` between the comments `<!-- name -->` and `<!-- /name -->` of docs/simulator.md. */
export function replaceTable(name: string, text: string): void {
  const page = Deno.readTextFileSync(PAGE_PATH);
  const begin = `<!-- ${name} -->`;
  const end = `<!-- /${name} -->`;
  const from = page.indexOf(begin);
  const to = page.indexOf(end);
  if (from < 0 || to < from) throw new Error(`${PAGE_PATH} has no place for the table ${name}`);
  const next = `${page.slice(0, from + begin.length)}\n\n${text}\n\n${page.slice(to)}`;
  Deno.writeTextFileSync(PAGE_PATH, next);
  // Tables are aligned as all pages are.
  new Deno.Command(Deno.execPath(), { args: ["fmt", "--quiet", PAGE_PATH] }).outputSync();
}
