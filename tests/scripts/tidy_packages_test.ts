import { assertEquals, assertStringIncludes } from "@std/assert";
import { checkPackages } from "../../scripts/tidy_packages.ts";

const lock = (...names: string[]) =>
  JSON.stringify({
    version: "5",
    specifiers: Object.fromEntries(names.map((name) => [name, "1"])),
  });

/** The server has a, the tests have b, too. */
const PROJECT: Readonly<Record<string, string>> = {
  "deno.json": JSON.stringify(
    { imports: { a: "./lib/packages/a.ts", b: "./tests/packages/b.ts" } },
    null,
    2,
  ),
  "lib/packages/a.ts": 'export * from "npm:@x/a@1.0.0";\n',
  "tests/packages/b.ts": 'export { b } from "npm:b@2.0.0/mod.js";\n',
  "lib/x.ts": 'import { a } from "a";\na();\n',
  "deno.lock": lock("npm:@x/a@1.0.0"),
  "tests/deno.lock": lock("npm:@x/a@1.0.0", "npm:b@2.0.0"),
};

const findings = (change: Record<string, string>) =>
  checkPackages(new Map(Object.entries({ ...PROJECT, ...change })));

/** [what, what is different, where, part of the message]: each breaks exactly one rule. */
const BAD: readonly [string, Record<string, string>, string, string][] = [
  [
    "a package that every task would fetch",
    { "deno.json": '{\n  "imports": {\n    "c": "npm:c@1.0.0"\n  }\n}\n' },
    "deno.json:3",
    "c leads to npm:c@1.0.0",
  ],
  [
    "a package of the tests in the server",
    { "lib/x.ts": 'import { a } from "a";\nimport { b } from "b";\na(b);\n' },
    "lib/x.ts:2",
    "b is a package of the tests",
  ],
  [
    "a version that is not exact",
    {
      "lib/packages/a.ts": 'export * from "npm:@x/a@1";\n',
      "deno.lock": lock("npm:@x/a@1"),
      "tests/deno.lock": lock("npm:@x/a@1", "npm:b@2.0.0"),
    },
    "lib/packages/a.ts:1",
    "npm:@x/a@1 names no exact version",
  ],
  [
    "a package of the tests in the server's lock",
    { "deno.lock": lock("npm:@x/a@1.0.0", "npm:b@2.0.0") },
    "deno.lock:1",
    "npm:b@2.0.0 is locked",
  ],
  [
    "a package of the server that is not locked",
    { "deno.lock": lock() },
    "deno.lock:1",
    "npm:@x/a@1.0.0 is not locked",
  ],
  [
    "a package of the tests that is not locked",
    { "tests/deno.lock": lock("npm:@x/a@1.0.0") },
    "tests/deno.lock:1",
    "npm:b@2.0.0 is not locked",
  ],
];

for (const [what, change, where, part] of BAD) {
  Deno.test(`tidy: finds ${what}`, () => {
    const found = findings(change);
    assertEquals(found.length, 1, JSON.stringify(found));
    const { path, line, message } = found[0]!;
    assertEquals(`${path}:${line}`, where);
    assertStringIncludes(message, part);
  });
}

Deno.test("tidy: leaves alone packages with their versions, each in the lock of who imports it", () => {
  assertEquals(findings({}), []);
  const types = lock("npm:@types/node@*", "npm:@x/a@1.0.0", "npm:b@2.0.0");
  assertEquals(findings({ "tests/deno.lock": types }), []);
});
