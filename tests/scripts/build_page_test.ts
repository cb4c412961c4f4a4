/** The live page in lib/admin/page/page.json is what page/ makes, and one script comes of its modules. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { pageText } from "../../scripts/build_page.ts";
import { importsOf } from "../../scripts/tidy_imports.ts";
import { linkModules } from "../../scripts/link_modules.ts";

Deno.test("build_page: page.json is fresh (deno task build:page)", async () => {
  const committed = Deno.readTextFileSync(
    new URL("../../lib/admin/page/page.json", import.meta.url),
  );
  assert(await pageText() === committed, "page/ or uPlot has changed: deno task build:page");
});

Deno.test("build_page: the page asks nobody else for anything", async () => {
  const { html } = JSON.parse(await pageText()) as { html: string };
  const urls = [
    ...html.matchAll(/(?:src|href|action|url|fetch|import)\s*[=(]\s*["'`]?([^"'`\s)>]+)/g),
  ];
  const outside = urls.map(([, url]) => url!).filter((url) => /^(\w+:)?\/\//.test(url));
  assertEquals(outside, []);
});

Deno.test("build_page: a server loads the page when it is asked for, not before", () => {
  const path = new URL("../../lib/admin/page/page.ts", import.meta.url);
  const imports = importsOf(Deno.readTextFileSync(path))
    .filter(({ text }) => !/^\s*import type\b/.test(text));
  assertEquals(imports.map(({ specifier }) => specifier), ["./page.json"]);
  assert(imports.every(({ text }) => text.includes("import(")));
});

function link(files: Readonly<Record<string, string>>): string {
  return linkModules("./main.ts", (name) => files[name]!);
}

Deno.test("link_modules: what is imported runs first, once, and keeps its private names", () => {
  const script = link({
    "./main.ts": `import { a } from "./a.ts"; import { b } from "./b.ts";
      import type { T } from "./types.ts";
      const size: number = 1; (globalThis as { out?: T }).out = [a, b(), size];`,
    "./a.ts": `import { b } from "./b.ts"; const size = 2; export const a = b() + size;`,
    "./b.ts": `let size = 10; export function b(): number { return size++; }`,
  });
  const scope: { out?: unknown } = {};
  new Function("globalThis", script)(scope);
  assertEquals(scope.out, [12, 11, 1]);
});

Deno.test("link_modules: what can't be linked is refused", () => {
  const refused = (main: string, other = "export const x = 1;") =>
    assertThrows(() => link({ "./main.ts": main, "./x.ts": other }), Error).message;
  assertEquals(
    refused(`import { x } from "./x.ts"; export const x = 2;`),
    "x is exported by ./x.ts and ./main.ts",
  );
  assertEquals(
    refused(`import { x as y } from "./x.ts"; y;`),
    './main.ts: only import { names } from "./file.ts" can be linked, not ./x.ts',
  );
  refused(`import * as x from "./x.ts"; x;`);
  refused(`import x from "./x.ts"; x;`);
  refused(`import { x } from "x"; x;`);
  refused(`export { x } from "./x.ts";`);
  refused(`import { x } from "./x.ts"; x;`, `const x = 1; export { x };`);
  refused(`import { x } from "./x.ts"; x;`, `export default 1;`);
  assertEquals(
    refused(`import { x } from "./x.ts"; x;`, `import { y } from "./main.ts"; export const x = y;`),
    "./main.ts imports itself, by way of others",
  );
});
