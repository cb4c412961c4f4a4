/** Mutants that tests have to catch, not seeds: all of them in one copy of the tree, one after the other. */
import type { Mutant } from "./mutant.ts";
import { readResults, writeResults } from "./results.ts";
import type { TestedMutant } from "./security_mutants.ts";
import { SharedTree } from "./trees.ts";

/** How tests are run in a tree. */
export const TEST = [
  ...["test", "--lock=tests/deno.lock", "--frozen", "--quiet", "--no-check", "--allow-all"],
  "--fail-fast",
];

/** Tests of nodes that members' changes go through. */
const MEMBERS_TESTS = ["cluster_secret", "hello_check", "joining", "moving", "peer_links"].map((
  name,
) => `tests/node/${name}_test.ts`);

/** Takes a minute, where most others take a moment. */
const IS_WALK = /_(walk|sweep)_test\.ts$/;

/** The core's tests, by their paths in the tree. */
function coreTests(tree: string): string[] {
  const files = [...Deno.readDirSync(`${tree}/tests/raft`)].map(({ name }) => name).sort();
  const core = files.filter((name) => name.endsWith("_test.ts"));
  return [...core.map((name) => `tests/raft/${name}`), ...MEMBERS_TESTS];
}

/** What a run of tests that fails says; null where all pass. */
async function failedRun(tree: string, args: readonly string[]): Promise<string | null> {
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: [...TEST, ...args],
    cwd: tree,
    env: { NO_COLOR: "1" },
    stdout: "piped",
    stderr: "null",
  }).output();
  return code === 0 ? null : new TextDecoder().decode(stdout);
}

/** Whether one test, in one of these files, fails. */
async function fails(tree: string, test: string, files: readonly string[]): Promise<boolean> {
  const said = await failedRun(tree, ["--filter", test, ...files]);
  return said !== null && said.includes(`${test} ... FAILED`);
}

/**
 * The first of the core's tests that fails in a tree, those that are long last; null where all pass. The
 * one that caught the mutant at the last record goes before all others: most often that is it.
 */
async function failingCoreTest(tree: string, known: string | null): Promise<string | null> {
  const tests = coreTests(tree);
  if (known !== null) {
    const isIn = (path: string) => Deno.readTextFileSync(`${tree}/${path}`).includes(known);
    const files = tests.filter(isIn);
    if (files.length > 0 && await fails(tree, known, files)) return known;
  }
  for (const areWalks of [false, true]) {
    const said = await failedRun(tree, tests.filter((name) => IS_WALK.test(name) === areWalks));
    if (said !== null) return said.match(/^(.*) \.\.\. .*FAILED/m)?.[1] ?? "it does not run";
  }
  return null;
}

/** The core's own tests on bugs that no seed meets yet. Returns how many are let through. */
export async function tryCoreTests(mutants: readonly Mutant[], records: boolean): Promise<number> {
  const alive: string[] = [];
  const results = readResults();
  using shared = new SharedTree();
  for (const mutant of mutants) {
    const beganMs = performance.now();
    const { name, about } = mutant;
    const known = results.find((one) => one.name === name)?.check ?? null;
    // What is recorded is the first of all that fails.
    const failed = await shared.withMutant(mutant, (tree) => {
      return failingCoreTest(tree, records ? null : known);
    });
    if (failed === null) alive.push(name);
    if (records) {
      const seconds = Math.round((performance.now() - beganMs) / 100) / 10;
      const outcome = { name, list: "core", about, killed: failed !== null, seconds } as const;
      writeResults([{ ...outcome, seeds: 0, killingSeed: null, check: failed }]);
    }
    console.log(`${name.padEnd(22)} ${failed === null ? "ALIVE" : `caught by: ${failed}`}`);
  }
  console.log(`caught: ${mutants.length - alive.length} of ${mutants.length}`);
  return alive.length;
}

/**
 * The test that is meant to find each of these: it has to fail there, by an assertion. Returns how many
 * are let through.
 */
export async function tryOwnTests(mutants: readonly TestedMutant[]): Promise<number> {
  let alive = 0;
  using shared = new SharedTree();
  for (const mutant of mutants) {
    const { name, file, test } = mutant;
    const isCaught = await shared.withMutant(mutant, (tree) => fails(tree, test, [file]));
    if (!isCaught) alive++;
    console.log(`${name.padEnd(22)} ${isCaught ? "caught by" : "ALIVE in"}: ${test}`);
  }
  console.log(`caught: ${mutants.length - alive} of ${mutants.length}`);
  return alive;
}
