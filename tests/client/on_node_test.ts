/** The tests of this folder once more, under Node: the same files, as JavaScript. */
import { assert, assertEquals } from "@std/assert";
import { buildPackage, sourcesIn, transpileInto } from "../../scripts/build_npm.ts";
import { needsProgram, testNamed } from "../process/requirements.ts";

const THIS = "tests/client/on_node_test.ts";
const isNode20 = "process.exit(Number(process.versions.node.split('.')[0]) >= 20 ? 0 : 1)";

Deno.test({
  ...testNamed("client: all of its tests pass under Node", needsProgram("node", "-e", isNode20)),
  fn: async () => {
    const directory = Deno.makeTempDirSync({ prefix: "raftkv-client-on-node-" });
    try {
      const tests = sourcesIn("tests/client").filter((path) => path !== THIS);
      transpileInto(directory, [...sourcesIn("client"), ...tests]);
      Deno.writeTextFileSync(`${directory}/package.json`, '{ "type": "module" }');
      const files = tests.filter((path) => path.endsWith("_test.ts"))
        .map((path) => path.replace(/\.ts$/, ".js"));
      const { success, stdout, stderr } = await new Deno.Command("node", {
        args: ["--test", "--test-reporter=tap", "--test-concurrency=1", ...files],
        cwd: directory,
      }).output();
      const said = new TextDecoder().decode(stdout);
      assert(success, `${said}\n${new TextDecoder().decode(stderr)}`);
      const passed = Number(/^# pass (\d+)$/m.exec(said)?.[1]);
      const written = files.map((path) => Deno.readTextFileSync(`${directory}/${path}`))
        .join("\n").match(/^test\(/gm)!.length;
      assertEquals(passed, written, said);
    } finally {
      Deno.removeSync(directory, { recursive: true });
    }
  },
});

Deno.test("client: its package can be made, types included", () => {
  const directory = Deno.makeTempDirSync({ prefix: "raftkv-client-package-" });
  try {
    buildPackage(directory);
    const types = sourcesIn("client").map((path) => path.replace(/\.ts$/, ".d.ts"));
    for (const path of types) assert(Deno.statSync(`${directory}/${path}`).size > 0, path);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});
