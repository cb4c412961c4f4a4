/**
 * House rules about outside packages: each has one file that re-exports it, with its exact version,
 * and each lock names what it is for and nothing more. Deno fetches all of a lock before a program
 * starts, so what the server does not import must not be in the server's. Pure.
 */
import type { Files, PlacedFinding } from "./tidy_graph.ts";
import { importsOf } from "./tidy_imports.ts";

const LOCK = "deno.lock";
const TESTS_LOCK = "tests/deno.lock";
/** Deno 2.4 takes the types of Node's modules from there by itself. */
const NODE_TYPES = "npm:@types/node@*";

export function checkPackages(files: Files): PlacedFinding[] {
  return [...checkImportMap(files), ...checkPins(files), ...checkLocks(files)];
}

/** Names of packages lead to the files that re-export them; lib's names to the server's own. */
function* checkImportMap(files: Files): Generator<PlacedFinding> {
  const text = files.get("deno.json");
  if (text === undefined) return;
  const { imports = {} } = JSON.parse(text) as { imports?: Readonly<Record<string, string>> };
  for (const [name, target] of Object.entries(imports)) {
    if (/^\.\/(lib|tests)\/packages\/\w+\.ts$/.test(target)) continue;
    const line = text.slice(0, text.indexOf(`"${name}"`)).split("\n").length;
    const message = `${name} leads to ${target}: every task would fetch it; re-export it in a ` +
      "file of lib/packages/ or tests/packages/";
    yield { path: "deno.json", line, message };
  }
  for (const [path, source] of files) {
    if (!path.startsWith("lib/") || !path.endsWith(".ts")) continue;
    for (const { specifier, line } of importsOf(source)) {
      if (imports[specifier]?.startsWith("./tests/") !== true) continue;
      yield {
        path,
        line,
        message: `${specifier} is a package of the tests: lib must not import it`,
      };
    }
  }
}

/** The packages that files of `folder` re-export, as their specifiers without what is after them. */
function packagesIn(files: Files, folder: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const [path, source] of files) {
    if (!path.startsWith(folder)) continue;
    for (const { specifier } of importsOf(source)) {
      const name = /^npm:(?:@[^/]+\/)?[^/]+/.exec(specifier)?.[0];
      if (name !== undefined) found.set(name, path);
    }
  }
  return found;
}

function* checkPins(files: Files): Generator<PlacedFinding> {
  const all = [...packagesIn(files, "lib/packages/"), ...packagesIn(files, "tests/packages/")];
  for (const [name, path] of all) {
    if (/@\d+\.\d+\.\d+(-[\w.]+)?$/.test(name)) continue;
    yield { path, line: 1, message: `${name} names no exact version` };
  }
}

function* checkLocks(files: Files): Generator<PlacedFinding> {
  const servers = packagesIn(files, "lib/packages/");
  const all = new Map([...servers, ...packagesIn(files, "tests/packages/")]);
  for (const [path, wanted] of [[LOCK, servers], [TESTS_LOCK, all]] as const) {
    const text = files.get(path);
    if (text === undefined) continue;
    const { specifiers = {} } = JSON.parse(text) as { specifiers?: Record<string, string> };
    for (const name of Object.keys(specifiers)) {
      if (wanted.has(name) || (path === TESTS_LOCK && name === NODE_TYPES)) continue;
      const message = `${name} is locked, and no file of packages/ for this lock re-exports it: ` +
        "deno task lock";
      yield { path, line: 1, message };
    }
    for (const name of wanted.keys()) {
      if (specifiers[name] !== undefined) continue;
      yield { path, line: 1, message: `${name} is not locked: deno task lock` };
    }
  }
}
