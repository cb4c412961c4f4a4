import { assertEquals } from "@std/assert";
import { neverRuns, packageDirectory, withUsedImports } from "../../scripts/stage_build.ts";

Deno.test("stage_build: of the import map stays what some source names, and all else of the config", () => {
  const config = {
    name: "raftkv",
    imports: { "@scope/one": "npm:@scope/one@1.0.0", two: "npm:two@2.0.0", "two/sub": "npm:x@1" },
  };
  const sources = [
    'import { a } from "@scope/one";\nimport type { b } from "./two.ts";',
    'const text = "two";\nconst late = await import("two/sub");',
    'import "node:zlib";',
  ];
  assertEquals(withUsedImports(config, sources), {
    name: "raftkv",
    imports: { "@scope/one": "npm:@scope/one@1.0.0", "two/sub": "npm:x@1" },
  });
});

Deno.test("stage_build: a package's directory comes from its specifier", () => {
  assertEquals(packageDirectory("npm:valibot@1.5.0"), "valibot/1.5.0");
  assertEquals(packageDirectory("npm:@a/b@1.2.3/deep/mod.js"), "@a/b/1.2.3");
  assertEquals(packageDirectory("./local.ts"), null);
});

Deno.test("stage_build: what is left out is what never runs", () => {
  const out = ["index.d.ts", "index.d.mts", "a/index.js.map", "README.md", "x.cjs", "x.min.mjs"];
  for (const path of out) assertEquals(neverRuns(path), true, path);
  const kept = ["index.js", "index.mjs", "package.json", "LICENSE", "command.js", "admin.js"];
  for (const path of kept) assertEquals(neverRuns(path), false, path);
});
