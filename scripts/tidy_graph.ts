/**
 * House rules about the project as a whole: who imports whom, what nobody imports, links that lead
 * nowhere. Pure: files come in as texts by path.
 */
import { importsOf, resolve } from "./tidy_imports.ts";
import type { Finding } from "./tidy_rules.ts";

/** Every file's text, by its path from the project's root. */
export type Files = ReadonlyMap<string, string>;

export interface PlacedFinding extends Finding {
  readonly path: string;
}

export function checkProject(files: Files): PlacedFinding[] {
  return [
    ...circles(files),
    ...deadExports(files),
    ...deadLinks(files),
  ];
}

/** Files that import each other in a circle, types included: none can be read without all others. */
function* circles(files: Files): Generator<PlacedFinding> {
  const graph = new Map<string, string[]>();
  for (const [path, text] of files) {
    if (!path.endsWith(".ts") || path.startsWith("tests/")) continue;
    const targets = importsOf(text).filter(({ specifier }) => specifier.startsWith("."))
      .map(({ specifier }) => resolve(path, specifier));
    graph.set(path, targets);
  }
  for (const circle of strongComponents(graph)) {
    if (circle.length === 1) continue;
    const [path, ...others] = circle.sort();
    const message = `a circle of imports with ${others.join(", ")}: move what both need down`;
    yield { path: path!, line: 1, message };
  }
}

/** Tarjan, "Depth-first search and linear graph algorithms" (1972). */
function strongComponents(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const found: string[][] = [];
  const order = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const visit = (node: string): number => {
    order.set(node, order.size);
    low.set(node, order.get(node)!);
    stack.push(node);
    for (const next of graph.get(node) ?? []) {
      if (!order.has(next)) low.set(node, Math.min(low.get(node)!, visit(next)));
      else if (stack.includes(next)) low.set(node, Math.min(low.get(node)!, order.get(next)!));
    }
    if (low.get(node) === order.get(node)) found.push(stack.splice(stack.indexOf(node)));
    return low.get(node)!;
  };
  for (const node of graph.keys()) {
    if (!order.has(node)) visit(node);
  }
  return found;
}

const DECLARATION = "const|let|function\\*?|class|interface|type";
const EXPORT = new RegExp(
  `^export\\s+(?:abstract\\s+)?(?:async\\s+)?(${DECLARATION})\\s+([\\w$]+)`,
  "gm",
);

/**
 * What a file of lib/, bench/ or scripts/ exports and no other file names in an import of it. A type
 * that the file itself uses belongs to the signature of something else and may stay.
 */
function* deadExports(files: Files): Generator<PlacedFinding> {
  const used = new Map<string, Set<string> | "all">();
  for (const [path, text] of files) {
    if (!path.endsWith(".ts")) continue;
    for (const { specifier, text: statement } of importsOf(text)) {
      if (!specifier.startsWith(".")) continue;
      const target = resolve(path, specifier);
      const names = importedNames(statement);
      const before = used.get(target);
      if (names === "all" || before === "all") used.set(target, "all");
      else used.set(target, new Set([...before ?? [], ...names]));
    }
  }
  for (const [path, text] of files) {
    if (!/^(lib|bench|scripts)\/.*\.ts$/.test(path)) continue;
    const names = used.get(path);
    if (names === "all") continue;
    for (const match of text.matchAll(EXPORT)) {
      const [, kind, name] = match;
      if (names?.has(name!)) continue;
      const isType = kind === "interface" || kind === "type";
      if (isType && text.split(new RegExp(`\\b${name}\\b`)).length > 2) continue;
      const line = text.slice(0, match.index).split("\n").length;
      yield { path, line, message: `${name} is exported and imported nowhere` };
    }
  }
}

/** The names in the braces of an import or re-export; "all" of `import *`, `export *`, `import()`. */
function importedNames(statement: string): readonly string[] | "all" {
  const braces = /\{([^}]*)\}/.exec(statement)?.[1];
  if (braces === undefined) return "all";
  return braces.split(",").map((one) => /^\s*(?:type\s+)?([\w$]+)/.exec(one)?.[1] ?? "")
    .filter((name) => name !== "");
}

/** Links of Markdown pages to files that are not there, or to headings that a page has not. */
function* deadLinks(files: Files): Generator<PlacedFinding> {
  const folders = new Set(["", ...[...files.keys()].flatMap(foldersOf)]);
  for (const [path, text] of files) {
    if (!path.endsWith(".md")) continue;
    for (const match of withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)) {
      const [target = "", heading] = match[1]!.split("#");
      if (/^[a-z]+:/.test(match[1]!)) continue;
      const line = text.slice(0, match.index).split("\n").length;
      const to = target === "" ? path : resolve(path, target).replace(/\/$/, "");
      const page = files.get(to);
      if (page === undefined && !folders.has(to)) {
        yield { path, line, message: `a link to ${target}, which is not there` };
      } else if (heading !== undefined && page !== undefined && !headingsOf(page).has(heading)) {
        yield { path, line, message: `a link to #${heading}, a heading that ${to} has not` };
      }
    }
  }
}

function foldersOf(path: string): string[] {
  const parts = path.split("/").slice(0, -1);
  return parts.map((_, i) => parts.slice(0, i + 1).join("/"));
}

const blank = (code: string) => code.replace(/[^\n]/g, " ");

/** Fenced blocks blanked out; offsets stay. */
function withoutBlocks(text: string): string {
  return text.replace(/^(```|~~~)[\s\S]*?^\1/gm, blank);
}

/** Code spans blanked out, too. */
function withoutCode(text: string): string {
  return withoutBlocks(text).replace(/`[^`\n]*`/g, blank);
}

/** Anchors as code hosts make them of headings. */
function headingsOf(page: string): Set<string> {
  const lines = withoutBlocks(page).split("\n").filter((line) => /^#{1,6} /.test(line));
  return new Set(
    lines.map((line) =>
      line.replace(/^#+ /, "").replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, "").trim().replaceAll(" ", "-")
    ),
  );
}
