/** What became of the mutants, over runs: tests/mutants/results.json, and the table in docs/simulator.md. */
import { replaceTable } from "../sim/record.ts";
import { MEMBERSHIP } from "./membership_mutants.ts";
import { EXTRA, GIVEN, OWN } from "./mutants.ts";

export const ROOT = new URL("../../", import.meta.url).pathname;
const RESULTS_PATH = `${ROOT}tests/mutants/results.json`;

/** `core`: of changes of members, looked for by the core's own tests. */
export type List = "given" | "own" | "extra" | "core";

/** What became of one mutant. */
export interface Outcome {
  readonly name: string;
  readonly list: List;
  readonly about: string;
  readonly killed: boolean;
  /** How many seeds were run, the killing one included. */
  readonly seeds: number;
  readonly killingSeed: number | null;
  /** What noticed it: a check of the simulator, or the first of the core's tests that fails. */
  readonly check: string | null;
  readonly seconds: number;
  /** Of so many seeds, one after the other, so many killed it. */
  readonly kills?: { readonly seeds: number; readonly killed: number };
  /** No seed killed it, but a fixed scenario did. */
  readonly diesDirected?: boolean;
  /** Whether the other tests pass with it; not known of those that are not tried. */
  readonly letThrough?: boolean;
}

export function readResults(): Outcome[] {
  try {
    return JSON.parse(Deno.readTextFileSync(RESULTS_PATH)) as Outcome[];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

export function writeResults(outcomes: readonly Outcome[]): void {
  const all = new Map(readResults().map((one) => [one.name, one]));
  for (const one of outcomes) {
    const letThrough = one.letThrough ?? all.get(one.name)?.letThrough;
    all.set(one.name, { ...one, letThrough });
  }
  const mutants = [...GIVEN, ...OWN, ...EXTRA, ...MEMBERSHIP];
  const ordered = mutants.flatMap(({ name }) => all.get(name) ?? []);
  Deno.writeTextFileSync(RESULTS_PATH, JSON.stringify(ordered, null, 2) + "\n");
  replaceTable("mutants", table(ordered.filter(({ list }) => list !== "core")));
  replaceTable("core mutants", coreTable(ordered.filter(({ list }) => list === "core")));
}

function coreTable(outcomes: readonly Outcome[]): string {
  const testOf = (name: string) => {
    const outcome = outcomes.find((one) => one.name === name);
    if (outcome === undefined) return "not on record yet";
    return outcome.killed ? outcome.check : "none: it is alive";
  };
  return [
    "| mutant | what is wrong | the first test that fails |",
    "| --- | --- | --- |",
    ...MEMBERSHIP.map(({ name, about }) => `| ${name} | ${about} | ${testOf(name)} |`),
  ].join("\n");
}

function table(outcomes: readonly Outcome[]): string {
  const killed = outcomes.filter((one) => one.killed);
  const seeds = killed.map((one) => one.seeds).sort((a, b) => a - b);
  const count = (list: List) => {
    const all = outcomes.filter((one) => one.list === list);
    return `${all.filter((one) => one.killed).length} of ${all.length}`;
  };
  const quiet = outcomes.filter((one) => one.list === "own" && one.letThrough === true);
  const other = (one: Outcome) =>
    one.letThrough === undefined ? "" : one.letThrough ? "pass" : "fail";
  const outcome = (one: Outcome) =>
    one.killed ? "killed" : one.diesDirected ? "killed by a scenario" : "alive";
  const share = ({ kills }: Outcome) =>
    kills === undefined ? "" : `${kills.killed} of ${kills.seeds}`;
  const directed = outcomes.filter((one) => one.diesDirected).length;
  return [
    `Killed by undirected seeds: ${count("given")} of the given ones, ${count("own")} of our own ` +
    `(of those that pass all other tests, ${quiet.filter((one) => one.killed).length} of ` +
    `${quiet.length}), ${count("extra")} of those of the Redis protocol; ` +
    `by fixed scenarios alone: ${directed}. ` +
    `Seeds to kill: median ${seeds[Math.floor(seeds.length / 2)] ?? 0}, ` +
    `at most ${seeds.at(-1) ?? 0}. The unchanged tree passes every killing seed.`,
    "",
    "| mutant | what is wrong | outcome | seeds | of seeds, kill | check that fired | other tests |",
    "| --- | --- | --- | --- | --- | --- | --- |",
    ...outcomes.map((one) =>
      `| ${one.name} | ${one.about} | ${outcome(one)} | ${one.seeds} | ${share(one)} | ` +
      `${one.check ?? ""} | ${other(one)} |`
    ),
  ].join("\n");
}
