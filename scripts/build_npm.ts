/**
 * The client as a package for Node: `deno task build:npm DIRECTORY` writes one that `npm pack` takes.
 * Each file of client/ becomes a module of JavaScript and its types; nothing is bundled and there are
 * no dependencies. `deno task ok` is what checks the types of the source.
 */
import { parseArgs } from "node:util";
import ts from "typescript";
import { commandLine } from "../bench/flags.ts";

const ROOT = new URL("../", import.meta.url);
const HELP = `deno task build:npm DIRECTORY

Writes the npm package raftkv (the client, for Node 20 and later) to DIRECTORY, which must not exist
or be empty. Then: npm pack DIRECTORY

  --help               this text
`;

const OPTIONS: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.ESNext,
  rewriteRelativeImportExtensions: true,
  verbatimModuleSyntax: true,
  strict: true,
};
const TYPE_OPTIONS: ts.CompilerOptions = {
  ...OPTIONS,
  isolatedDeclarations: true,
  declaration: true,
  stripInternal: true,
};

/** Types that are newer than the target; who uses the package need not name them. */
const LIBS = '/// <reference lib="esnext.disposable" />\n';

/** A TypeScript source as a module of JavaScript. @throws {Error} where it is none. */
export function transpile(path: string, source: string): string {
  const result = ts.transpileModule(source, {
    fileName: path,
    compilerOptions: OPTIONS,
    reportDiagnostics: true,
  });
  check(path, result.diagnostics ?? []);
  return result.outputText;
}

/** The types of a TypeScript source. @throws {Error} where something exported does not say its type. */
function toTypes(path: string, source: string): string {
  const result = ts.transpileDeclaration(source, {
    fileName: path,
    compilerOptions: TYPE_OPTIONS,
    reportDiagnostics: true,
  });
  check(path, result.diagnostics ?? []);
  // A method whose name is a symbol is written twice: as a field as well, without its file's libraries.
  const text = result.outputText.replace(/^ *\[Symbol\.\w+\]: \(\) => .*\n/gm, "");
  // Where one module names another, in JavaScript's names.
  return text.replace(/(from |import\()"(\.[^"]+)\.ts"/g, '$1"$2.js"');
}

function check(path: string, diagnostics: readonly ts.Diagnostic[]): void {
  const [first] = diagnostics;
  if (first === undefined) return;
  throw new Error(`${path}: ${ts.flattenDiagnosticMessageText(first.messageText, "\n")}`);
}

/** What npm wants to know of the package. */
function manifest(version: string): object {
  const entry = { types: "./client/mod.d.ts", default: "./client/mod.js" };
  return {
    name: "raftkv",
    version,
    description: "A client of raftkv, a replicated key-value store: typed, without dependencies",
    license: "MIT",
    type: "module",
    exports: { ".": entry, "./client": entry },
    types: "./client/mod.d.ts",
    files: ["client"],
    engines: { node: ">=20" },
    sideEffects: false,
  };
}

function read(path: string): string {
  return Deno.readTextFileSync(new URL(path, ROOT));
}

/**
 * Writes TypeScript files of the project as JavaScript below `directory`, at the same places, for Node to
 * run: `directory` needs a package.json of type module.
 */
export function transpileInto(directory: string, paths: readonly string[]): void {
  for (const path of paths) {
    const target = `${directory}/${path.replace(/\.ts$/, ".js")}`;
    Deno.mkdirSync(target.slice(0, target.lastIndexOf("/")), { recursive: true });
    Deno.writeTextFileSync(target, transpile(path, read(path)));
  }
}

/** The sources of a folder of the project: `client`, `tests/client`. */
export function sourcesIn(folder: string): string[] {
  return [...Deno.readDirSync(new URL(`${folder}/`, ROOT))]
    .filter(({ name }) => name.endsWith(".ts"))
    .map(({ name }) => `${folder}/${name}`)
    .sort();
}

/** Writes the package. @throws {Error} where the directory holds something, or the source is wrong. */
export function buildPackage(directory: string): void {
  Deno.mkdirSync(directory, { recursive: true });
  if ([...Deno.readDirSync(directory)].length > 0) {
    throw new Error(`${directory} is not empty: name a directory that is, or none that exists`);
  }
  const { version } = JSON.parse(read("deno.json")) as { version: string };
  const write = (path: string, text: string) => {
    Deno.writeTextFileSync(`${directory}/${path}`, text);
  };
  const sources = sourcesIn("client");
  transpileInto(directory, sources);
  for (const path of sources) {
    const libs = path === "client/mod.ts" ? LIBS : "";
    write(path.replace(/\.ts$/, ".d.ts"), libs + toTypes(path, read(path)));
  }
  write("package.json", JSON.stringify(manifest(version), null, 2) + "\n");
  write("README.md", read("docs/client.md"));
  write("LICENSE", read("LICENSE"));
}

function directoryOf(args: string[]): string {
  const { positionals } = parseArgs({ args, options: {}, allowPositionals: true });
  const [directory, ...more] = positionals;
  if (directory !== undefined && more.length === 0) return directory;
  throw new Error("Name one directory for the package");
}

if (import.meta.main) {
  const directory = commandLine(HELP, directoryOf);
  try {
    buildPackage(directory);
    console.log(`The package is in ${directory}: npm pack ${directory}`);
  } catch (error) {
    console.error(`build:npm: ${(error as Error).message}`);
    Deno.exit(1);
  }
}
