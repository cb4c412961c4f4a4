import { assertEquals, assertStringIncludes } from "@std/assert";
import { checkProject } from "../../scripts/tidy_graph.ts";

type Project = Readonly<Record<string, string>>;

const findings = (project: Project) => checkProject(new Map(Object.entries(project)));

/** [what, project, where, part of the message]: each project breaks exactly one rule. */
const BAD: readonly [string, Project, string, string][] = [
  [
    "two files that import each other",
    {
      "lib/a.ts": 'import { b } from "./b.ts";\nexport const a = b;\n',
      "lib/b.ts": 'import { a } from "./a.ts";\nexport const b = a;\n',
    },
    "lib/a.ts:1",
    "a circle of imports with lib/b.ts",
  ],
  [
    "a circle of three through a type, a re-export and a loaded import",
    {
      "lib/x/a.ts": 'import type { B } from "../y/b.ts";\nexport const a: B = 1;\n',
      "lib/y/b.ts": 'export type { B } from "./c.ts";\n',
      "lib/y/c.ts":
        'export type B = number;\nexport const load = () => import("../x/a.ts");\nload();\n',
      "lib/z.ts": 'import { load } from "./y/c.ts";\nload();\n',
    },
    "lib/x/a.ts:1",
    "lib/y/b.ts, lib/y/c.ts",
  ],
  [
    "a circle in bench",
    {
      "bench/a.ts": 'import { b } from "./b.ts";\nexport const a = b;\n',
      "bench/b.ts": 'import { a } from "./a.ts";\nexport const b = a;\n',
    },
    "bench/a.ts:1",
    "circle",
  ],
  [
    "an export that nobody imports",
    { "lib/a.ts": "const x = 1;\nexport const y = x;\n" },
    "lib/a.ts:2",
    "y is exported and imported nowhere",
  ],
  [
    "a function that others only mention",
    {
      "lib/a.ts": "export async function* f() {}\nexport class C {}\n",
      "lib/b.ts": 'import { C } from "./a.ts";\n// f is not imported\nnew C();\n',
    },
    "lib/a.ts:1",
    "f is exported",
  ],
  [
    "an export whose name another file has too",
    {
      "lib/a.ts": "export const x = 1;\n",
      "lib/b.ts": "export const x = 2;\n",
      "lib/c.ts": 'import { x } from "./b.ts";\nx;\n',
    },
    "lib/a.ts:1",
    "x is exported",
  ],
  [
    "a type that nobody uses at all",
    { "scripts/a.ts": "export interface Unused {\n  readonly x: number;\n}\n" },
    "scripts/a.ts:1",
    "Unused is exported",
  ],
  [
    "a link to a page that is gone",
    { "docs/a.md": "See\n[b](b.md).\n" },
    "docs/a.md:2",
    "a link to b.md, which is not there",
  ],
  [
    "a link to a heading that is not there",
    { "docs/a.md": "[b](../b.md#two-words)\n", "b.md": "# Two\n" },
    "docs/a.md:1",
    "a link to #two-words, a heading that b.md has not",
  ],
  [
    "a heading that stands in a block of code alone",
    { "a.md": "```sh\n# One\n```\n\n[it](#one)\n" },
    "a.md:5",
    "#one",
  ],
  [
    "a picture that is gone",
    { "a.md": "![it](docs/charts/a.svg)\n" },
    "a.md:1",
    "docs/charts/a.svg, which is not there",
  ],
];

for (const [what, project, where, part] of BAD) {
  Deno.test(`tidy: finds ${what}`, () => {
    const found = findings(project);
    assertEquals(found.length, 1, JSON.stringify(found));
    const { path, line, message } = found[0]!;
    assertEquals(`${path}:${line}`, where);
    assertStringIncludes(message, part);
  });
}

const GOOD: readonly [string, Project][] = [
  [
    "two files that a third imports",
    {
      "lib/a.ts": 'import { b } from "./b.ts";\nimport { c } from "./c.ts";\nb(c);\n',
      "lib/b.ts": 'import { c } from "./c.ts";\nexport const b = (x: number) => x + c;\n',
      "lib/c.ts": "export const c = 1;\n",
    },
  ],
  [
    "an import in a comment or of a package of the same name",
    {
      "lib/a.ts": 'import { b } from "./b.ts";\nb();\nexport default b;\n',
      "lib/b.ts":
        '// import { a } from "./a.ts";\nimport { x } from "a.ts";\nexport const b = () => x;\n',
    },
  ],
  [
    "what a test alone imports",
    {
      "lib/a.ts": "export const a = 1;\n",
      "tests/a_test.ts": 'import { a } from "../lib/a.ts";\na;\n',
    },
  ],
  [
    "what is imported under another name, as a namespace or when it runs",
    {
      "lib/a.ts": "export const a = 1;\n",
      "lib/b.ts": "export const b = 1;\n",
      "lib/c.ts": "export const c = 1;\n",
      "main.ts": 'import { a as x } from "./lib/a.ts";\nimport * as y from "./lib/b.ts";\n' +
        'x + y.b + (await import("./lib/c.ts")).c;\n',
    },
  ],
  [
    "a type that belongs to the signature of what is imported",
    {
      "lib/a.ts": "export interface Options {\n  x: 1;\n}\nexport const a = (o: Options) => o.x;\n",
      "main.ts": 'import { a } from "./lib/a.ts";\na({ x: 1 });\n',
    },
  ],
  ["exports of tests", { "tests/a.ts": "export const x = 1;\n" }],
  [
    "links to files, folders, headings and other hosts",
    {
      "docs/a.md": "[b](../b.md#a-heading-with-code), [up](..), [all](./), [here](#the-end),\n" +
        "[out](https://example.com/x.md)\n\n## The end\n",
      "b.md": "## A heading, with `code`\n",
    },
  ],
  ["links in code", { "a.md": "`[x](gone.md)`\n\n```text\n[y](gone.md)\n```\n" }],
];

for (const [what, project] of GOOD) {
  Deno.test(`tidy: leaves alone ${what}`, () => assertEquals(findings(project), []));
}
