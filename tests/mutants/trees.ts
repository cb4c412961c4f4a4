/** Copies of the tree with a mutant in them, and seeds run there. */
import type { SimResult } from "../sim/simulate.ts";
import type { Mutant } from "./mutant.ts";
import { ROOT } from "./results.ts";

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
/** Counted in steps of a second, so that a machine that stands still is not taken for a mutant that does. */
const HANGS_AFTER_SECONDS = 120;

/** Makes a tree with a mutant in it; throws where a patch does not match exactly once. */
export function plant(mutant: Mutant | null): string {
  const copy = Deno.makeTempDirSync({ prefix: "raftkv-mutant-" });
  for (const path of COPIED) copyInto(`${ROOT}${path}`, `${copy}/${path}`);
  if (mutant === null) return copy;
  for (const [file, text] of patchedFiles(mutant, `${copy}/`)) {
    Deno.writeTextFileSync(`${copy}/${file}`, text);
  }
  return copy;
}

/** One copy of the tree for many mutants, one at a time. */
export class SharedTree {
  readonly #path = plant(null);

  /** What `run` comes to in the tree with a mutant in it, which is taken out again. */
  async withMutant<T>(mutant: Mutant, run: (tree: string) => Promise<T>): Promise<T> {
    const files = patchedFiles(mutant, ROOT);
    for (const [file, text] of files) Deno.writeTextFileSync(`${this.#path}/${file}`, text);
    try {
      return await run(this.#path);
    } finally {
      for (const file of files.keys()) Deno.copyFileSync(ROOT + file, `${this.#path}/${file}`);
    }
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.#path, { recursive: true });
  }
}

/** The files that a mutant changes, by path from `root`, with their new texts. */
export function patchedFiles(mutant: Mutant, root: string): Map<string, string> {
  const files = new Map<string, string>();
  for (const { file, find, replace } of mutant.edits) {
    const text = files.get(file) ?? Deno.readTextFileSync(root + file);
    const parts = text.split(find);
    if (parts.length !== 2) {
      throw new Error(`Mutant ${mutant.name}: ${file} has its text ${parts.length - 1} times`);
    }
    files.set(file, parts.join(replace));
  }
  return files;
}

function copyInto(from: string, to: string): void {
  if (!Deno.statSync(from).isDirectory) {
    Deno.mkdirSync(to.slice(0, to.lastIndexOf("/")), { recursive: true });
    return Deno.copyFileSync(from, to);
  }
  Deno.mkdirSync(to, { recursive: true });
  for (const { name } of Deno.readDirSync(from)) copyInto(`${from}/${name}`, `${to}/${name}`);
}

/** What seeds came to in a tree. */
export interface Run {
  readonly seeds: number;
  /** The first that failed, and how many did. */
  readonly failed: SimResult | null;
  readonly failures: number;
  readonly failedSeeds: readonly number[];
  readonly hung: boolean;
  /** How long it took until the first one failed, or to the end. */
  readonly seconds: number;
}

export const NO_RUN: Run = {
  seeds: 0,
  failed: null,
  failures: 0,
  failedSeeds: [],
  hung: false,
  seconds: 0,
};

export interface RunOrder {
  readonly from: number;
  readonly below: number;
  readonly deadlineMs: number;
  /** Ends with the first seed that fails. */
  readonly stops: boolean;
}

/** Runs seeds in a tree; a process that says nothing for long counts as hung. */
export async function runSeeds(
  tree: string,
  { from, below, deadlineMs, stops }: RunOrder,
): Promise<Run> {
  const beganMs = performance.now();
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--no-check", "--allow-read", `${tree}/tests/sim/main.ts`, "--worker"],
      ...(stops ? ["--stop"] : []),
      ...["--from", `${from}`, "--below", `${below}`, "--step", "1"],
      ...["--deadline", `${deadlineMs}`],
    ],
    cwd: tree,
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const results: SimResult[] = [];
  let seconds: number | null = null;
  let hung = false;
  let silentSeconds = 0;
  const watchdog = setInterval(() => {
    if (++silentSeconds < HANGS_AFTER_SECONDS || hung) return;
    hung = true;
    child.kill("SIGKILL");
  }, 1_000);
  const tookSeconds = () => (performance.now() - beganMs) / 1000;
  let rest = "";
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    silentSeconds = 0;
    const lines = (rest + chunk).split("\n");
    rest = lines.pop()!;
    for (const line of lines) {
      const result: SimResult = JSON.parse(line);
      results.push(result);
      if (result.check !== null) seconds ??= tookSeconds();
    }
  }
  clearInterval(watchdog);
  const { code } = await child.status;
  if (code !== 0 && !hung) throw new Error(`The simulator in ${tree} ended with code ${code}`);
  const failed = results.filter(({ check }) => check !== null);
  return {
    seeds: results.length,
    failed: failed[0] ?? null,
    failures: failed.length + (hung ? 1 : 0),
    failedSeeds: failed.map(({ seed }) => seed),
    hung,
    seconds: seconds ?? tookSeconds(),
  };
}
