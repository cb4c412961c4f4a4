/** What a TypeScript source imports. Pure; both kinds of rules use it. */

const IMPORT = new RegExp(
  [
    /^\s*(?:import|export)\b[^"';]*?\bfrom\s*"([^"]+)"/,
    /^\s*import\s*"([^"]+)"/,
    /\bimport\(\s*"([^"]+)"/,
  ].map((form) => form.source).join("|"),
  "gm",
);

export interface Import {
  readonly specifier: string;
  readonly line: number;
  /** The whole statement, names included. */
  readonly text: string;
}

/** The import and re-export statements of a source text, `import()` included. */
export function importsOf(text: string): Import[] {
  return [...text.matchAll(IMPORT)].map((match) => ({
    specifier: match[1] ?? match[2] ?? match[3]!,
    line: text.slice(0, match.index + match[0].length).split("\n").length,
    text: match[0],
  }));
}

/** `../b.ts` seen from `lib/a/x.ts` is `lib/b.ts`. */
export function resolve(path: string, specifier: string): string {
  const parts = path.split("/").slice(0, -1);
  for (const part of specifier.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== ".") parts.push(part);
  }
  return parts.join("/");
}
