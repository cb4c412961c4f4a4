import { assertEquals, assertStringIncludes } from "@std/assert";
import { checkFile } from "../../scripts/tidy_rules.ts";
import { functionLengths, stripSource } from "../../scripts/tidy_source.ts";

/** Words that the rules forbid anywhere, put together so that this file may name them. */
const join = (...parts: string[]) => parts.join("");

/** [what, path, text, part of the message]: each text breaks exactly one rule. */
const BAD: readonly [string, string, string, string][] = [
  [
    "raft imports kv",
    "lib/raft/a.ts",
    'import { x } from "../kv/b.ts";\n',
    "raft must not import kv",
  ],
  ["kv imports node", "lib/kv/a.ts", 'import type { X } from "../node/b.ts";\n', "kv must not"],
  ["wire imports host", "lib/wire/a.ts", 'import { x } from "../host/tcp.ts";\n', "wire must not"],
  [
    "node imports net",
    "lib/node/a.ts",
    'export { x } from "../net/b.ts";\n',
    "node must not import net",
  ],
  [
    "node imports a host",
    "lib/node/a.ts",
    'import { x } from "../host/tcp.ts";\n',
    "host/ports.ts",
  ],
  [
    "net imports server",
    "lib/net/a.ts",
    'import { x } from "../server.ts";\n',
    "net must not import",
  ],
  [
    "lib imports tests",
    "lib/config.ts",
    'import { x } from "../tests/a.ts";\n',
    "must not import tests",
  ],
  [
    "an import over lines",
    "lib/raft/a.ts",
    'import {\n  x,\n} from "../kv/b.ts";\n',
    "raft must not",
  ],
  ["a loaded import", "lib/raft/a.ts", 'export const m = import("../kv/b.ts");\n', "raft must not"],
  [
    "std's assert in lib",
    "lib/kv/a.ts",
    'import { assert } from "@std/assert";\n',
    "util/assert.ts",
  ],
  ["a direct package", "lib/kv/a.ts", 'import { x } from "npm:valibot@1";\n', "lib/packages"],
  [
    "a sub-folder that imports a parent's file",
    "lib/node/session/a.ts",
    'import { x } from "../replica.ts";\n',
    "node/session must not import node/replica.ts",
  ],
  [
    "a sub-folder that imports a sibling",
    "lib/node/reports/a.ts",
    'import type { X } from "../session/b.ts";\n',
    "it may import api.ts",
  ],
  ["wire's folders", "lib/wire/resp/a.ts", 'export { x } from "../rpc/b.ts";\n', "must not import"],
  [
    "kv's memory",
    "lib/kv/memory/a.ts",
    'import { x } from "../commands/b.ts";\n',
    "kv/memory must",
  ],
  ["kv's parent", "lib/kv/commands/a.ts", 'import { x } from "../store.ts";\n', "kv/store.ts"],
  [
    "storage's order",
    "lib/storage/segments/a.ts",
    'import { x } from "../wal/b.ts";\n',
    "storage/segments must not import storage/wal/b.ts",
  ],
  [
    "two of one row",
    "lib/storage/snapshots/a.ts",
    'import { x } from "../wal/b.ts";\n',
    "wal/b.ts",
  ],
  [
    "a storage folder that imports the whole directory",
    "lib/storage/inspection/a.ts",
    'import { x } from "../data_directory.ts";\n',
    "must not import storage/data_directory.ts",
  ],
  [
    "a sub-folder without rules",
    "lib/raft/membership/a.ts",
    'import { x } from "../state.ts";\n',
    "no row in scripts/tidy_folders.ts",
  ],
  ["a timer", "lib/node/a.ts", "setTimeout(run, 5);\n", "nextDeadlineMs"],
  ["the wall clock", "lib/raft/a.ts", "const now = Date.now();\n", "Clock"],
  ["the fast clock", "lib/wire/a.ts", "const now = performance.now();\n", "Clock"],
  ["chance", "lib/kv/a.ts", "const x = Math.random();\n", "Rng"],
  ["chance in net", "lib/net/a.ts", "const x = Math.random();\n", "Rng"],
  ["await", "lib/node/a.ts", "const x = await y;\n", "completion"],
  ["async", "lib/raft/a.ts", "const x = async () => 1;\n", "completion"],
  ["a big integer", "lib/kv/a.ts", "const x = 12n;\n", "safe integer"],
  ["Deno in the core", "lib/raft/a.ts", "Deno.exit(1);\n", "lib/host/"],
  ["Deno in net", "lib/net/a.ts", "Deno.listen({ port: 1 });\n", "lib/host/"],
  ["Deno in a template", "lib/kv/a.ts", "const x = `${Deno.pid}`;\n", "lib/host/"],
  ["a second tcp", "lib/host/b.ts", "Deno.connect({ port: 1 });\n", "TcpTransport"],
  ["any type", "lib/kv/a.ts", join("let x: ", "any;\n"), "unknown"],
  ["any cast", "tests/a.ts", join("const x = y as ", "any;\n"), "unknown"],
  ["any argument", "lib/kv/a.ts", join("let x: Map<string, ", "any>;\n"), "unknown"],
  ["a silenced checker", "lib/kv/a.ts", join("// @ts", "-ignore\n"), "silences"],
  ["a silenced lint", "tests/a.ts", join("// deno-lint", "-ignore no-x\n"), "silences"],
  ["a leftover", "README.md", join("TO", "DO: write\n"), "left over"],
  ["a long line", "lib/kv/a.ts", `const x = "${"x".repeat(100)}";\n`, "113 columns"],
  ["a long comment", "lib/kv/a.ts", `// ${"x".repeat(110)}\n`, "113 columns"],
  ["a machine's path", "README.md", join("see /wo", "rk/main\n"), "path of one machine"],
  ["a package host", "deno.json", join('"https://registry.n', 'pmjs.org"\n'), "names the host"],
  [
    "the client imports lib",
    "client/a.ts",
    'import { x } from "../lib/util/b.ts";\n',
    "client must not import lib/util/b.ts",
  ],
  [
    "the client imports another of Node's modules",
    "client/a.ts",
    'import { x } from "node:fs";\n',
    "client must not import node:fs",
  ],
  ["the client is Deno's", "client/a.ts", "Deno.exit(1);\n", "runs on Deno and on Node"],
  [
    "a server imports the client",
    "lib/net/a.ts",
    'import { connect } from "../../client/mod.ts";\n',
    "lib/cli alone may",
  ],
  [
    "the page imports a server's code",
    "page/a.ts",
    'import { x } from "../lib/util/bytes.ts";\n',
    "page must not import lib/util/bytes.ts",
  ],
  [
    "a server imports the page's code",
    "lib/admin/a.ts",
    'import { x } from "../../page/words.ts";\n',
    "it is for browsers",
  ],
  [
    "the command line takes a part of the client",
    "lib/cli/a.ts",
    'import { Cluster } from "../../client/cluster.ts";\n',
    "take client/mod.ts",
  ],
  ["a test alone", "tests/a.ts", "Deno.test.only('x', run);\n", "only leaves"],
  ["a test left out", "tests/a.ts", "Deno.test({ ignore: true, fn });\n", "its reason"],
  ["a long file", "lib/kv/a.ts", "x();\n".repeat(351), "351 lines"],
  ["a long function", "lib/kv/a.ts", `function f() {\n${"x();\n".repeat(70)}}\n`, "f has 72 lines"],
  [
    "a long method",
    "lib/kv/a.ts",
    `class A {\n  #run(\n    a: number,\n  ): { b: number } {\n${"x();\n".repeat(70)}  }\n}\n`,
    "#run has 74 lines",
  ],
];

for (const [what, path, text, part] of BAD) {
  Deno.test(`tidy: finds ${what}`, () => {
    const findings = checkFile(path, text);
    assertEquals(findings.length, 1, JSON.stringify(findings));
    assertStringIncludes(findings[0]!.message, part);
  });
}

const GOOD: readonly [string, string, string][] = [
  ["what a layer may import", "lib/storage/a.ts", 'import type { A } from "../host/ports.ts";\n'],
  ["a shared file of the parent", "lib/node/log/a.ts", 'import { A } from "../api.ts";\n'],
  ["a sibling that is named", "lib/node/log/a.ts", 'import { A } from "../session/b.ts";\n'],
  ["a folder's own files", "lib/kv/memory/a.ts", 'import { A } from "./b.ts";\n'],
  ["an earlier folder", "lib/storage/wal/a.ts", 'import { A } from "../segments/b.ts";\n'],
  [
    "a layer's root importing its folders",
    "lib/storage/data_directory.ts",
    'import { A } from "./recovery/b.ts";\nimport { B } from "./wal/c.ts";\n',
  ],
  ["a package where it is re-exported", "lib/packages/a.ts", 'export * from "npm:a@1.0.0";\n'],
  ["a package of the tests", "tests/packages/a.ts", 'export * from "npm:a@1.0.0";\n'],
  ["a drawing's long lines", "docs/a.svg", `<path d="${"1 ".repeat(100)}" />\n`],
  ["root files importing all", "lib/server.ts", 'import { A } from "./node/node.ts";\n'],
  ["bans in comments", "lib/raft/a.ts", "/* await Date.now() */ // Deno.exit, any: any\n"],
  ["bans in strings", "lib/raft/a.ts", 'const x = "await Deno.exit(1n)" + `async`;\n'],
  ["bans in regular expressions", "lib/raft/a.ts", "const x = /await 'Deno.x'/.test(y);\n"],
  ["words that contain a ban", "lib/raft/a.ts", "const awaiting = asyncness + company;\n"],
  ["Deno in host", "lib/host/a.ts", "Deno.exit(1);\n"],
  ["listening in tcp.ts", "lib/host/tcp.ts", "Deno.listen({ port: 1 });\n"],
  ["timers in net", "lib/net/a.ts", "setTimeout(run, 5);\nawait x;\n"],
  [
    "an ignored test with its reason",
    "tests/a.ts",
    "// Needs root.\nDeno.test({ ignore: x, fn });\n",
  ],
  ["the command line's client", "lib/cli/a.ts", 'import { open } from "../../client/mod.ts";\n'],
  ["long tests", "tests/a.ts", "x();\n".repeat(900)],
  ["a test's long name", "tests/a.ts", `test("${"x".repeat(120)}");\n`],
  ["any as a word", "lib/kv/a.ts", "// any of these\nconst any_of = many;\n"],
  ["hex numbers", "lib/kv/a.ts", "const x = 0xffff_ffff + y1n;\n"],
];

for (const [what, path, text] of GOOD) {
  Deno.test(`tidy: leaves alone ${what}`, () => assertEquals(checkFile(path, text), []));
}

Deno.test("tidy: findings carry their lines", () => {
  const text = "/** One\n * two */\nconst a = `x\ny`;\nawait a;\n";
  assertEquals(checkFile("lib/raft/a.ts", text).map((finding) => finding.line), [5]);
});

Deno.test("tidy: stripping keeps lines and code, and drops the rest", () => {
  const text = "a(/[/'\"]/g, 'b'); // c\nd(`e${f({ g: `h` })}i`); x / y / z;\n";
  const stripped = stripSource(text);
  assertEquals(stripped.length, text.length);
  assertEquals(stripped.replace(/ +/g, " "), "a( , ' '); \nd(` ${f({ g: ` ` })} `); x / y / z;\n");
});

Deno.test("tidy: functions are measured from head to closing brace", () => {
  const source = [
    "export async function* one(",
    "  a: () => { b: number },",
    "): AsyncGenerator<{ c: string }, void> {",
    "  if (a) {",
    "  }",
    "}",
    "interface I {",
    "  two(a: number): void;",
    "}",
    "const three = (a: number) => {",
    "  a;",
    "};",
  ].join("\n");
  assertEquals(functionLengths(source).map(({ name, lines }) => [name, lines]), [
    ["one", 6],
    ["three", 3],
  ]);
});
