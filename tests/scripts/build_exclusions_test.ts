import { assertEquals } from "@std/assert";
import { neverRuns, packageDirectories } from "../../scripts/build_exclusions.ts";

Deno.test("build_exclusions: a lock tells the directories of its packages", () => {
  const npm = { "valibot@1.5.0": {}, "@a/b@1.2.3": {}, "@a/c@1.0.0-rc.1_@a+b@1.2.3": {} };
  assertEquals(packageDirectories(JSON.stringify({ version: "5", npm })), [
    "valibot/1.5.0",
    "@a/b/1.2.3",
    "@a/c/1.0.0-rc.1",
  ]);
  assertEquals(packageDirectories('{"version":"5"}'), []);
});

Deno.test("build_exclusions: what is left out is what never runs", () => {
  const out = ["index.d.ts", "index.d.mts", "a/index.js.map", "README.md", "x.cjs", "x.min.mjs"];
  for (const path of out) assertEquals(neverRuns(path), true, path);
  const kept = ["index.js", "index.mjs", "package.json", "LICENSE", "command.js", "admin.js"];
  for (const path of kept) assertEquals(neverRuns(path), false, path);
});
