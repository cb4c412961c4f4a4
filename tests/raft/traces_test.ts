/**
 * Runs every scenario of tests/traces/. After a change that is meant to show there:
 *
 *   deno test -A tests/raft/traces_test.ts -- --rewrite
 *
 * writes the new output into the files; read the difference before committing it.
 */
import { assert, assertEquals } from "@std/assert";
import { runTrace } from "./trace.ts";

const FOLDER = new URL("../traces/", import.meta.url);
const rewrite = Deno.args.includes("--rewrite");

const names = [...Deno.readDirSync(FOLDER)].map(({ name }) => name).filter((name) =>
  name.endsWith(".txt")
).sort();

Deno.test("there are traces to run", () => {
  assert(names.length >= 12, `only ${names.length} traces in ${FOLDER.pathname}`);
});

for (const name of names) {
  Deno.test(`trace ${name}`, () => {
    const file = new URL(name, FOLDER);
    const expected = Deno.readTextFileSync(file);
    const actual = runTrace(expected);
    if (rewrite) Deno.writeTextFileSync(file, actual);
    else assertEquals(actual, expected);
  });
}
