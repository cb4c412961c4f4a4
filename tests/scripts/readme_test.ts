import { assertEquals, assertStringIncludes } from "@std/assert";
import { withCluster } from "../process/harness.ts";
import { missing } from "../process/redis_tools.ts";
import { testNamed } from "../process/requirements.ts";

const SCRIPT = new URL("../../scripts/readme.sh", import.meta.url).pathname;

/** Runs the script on a page of these lines. */
async function readPage(...lines: string[]): Promise<{ code: number; error: string }> {
  const page = Deno.makeTempFileSync({ prefix: "raftkv-page-", suffix: ".md" });
  Deno.writeTextFileSync(page, lines.join("\n") + "\n");
  const { code, stderr } = await new Deno.Command("bash", { args: [SCRIPT, page] }).output();
  Deno.removeSync(page);
  return { code, error: new TextDecoder().decode(stderr) };
}

Deno.test("readme.sh: what a block printed is compared with what stands there", async () => {
  const page = (said: string) => ["```bash", "echo one", "```", "```output", said, "```"];
  assertEquals((await readPage(...page("one"))).code, 0);
  assertEquals((await readPage(...page("o…"))).code, 0);
  const { code, error } = await readPage(...page("two"));
  assertEquals(code, 1);
  assertStringIncludes(error, "line 1 should be: two");
});

Deno.test("readme.sh: blocks run in order, and what they set is there afterwards", async () => {
  const first = ["```bash", "word=hello", "```"];
  const second = ["```bash", "echo $word", "```", "```output", "hello", "```"];
  assertEquals((await readPage(...first, ...second)).code, 0);
  assertEquals((await readPage(...second, ...first)).code, 1);
});

Deno.test("readme.sh: no block is passed over", async () => {
  for (const language of ["", "python"]) {
    const { code, error } = await readPage("```" + language, "x", "```");
    assertEquals(code, 1);
    assertStringIncludes(error, "no rule for a block");
  }
  assertEquals((await readPage("```json", '{ "servers": [] }', "```")).code, 1);
  assertEquals((await readPage("```sh", "deno task no-such-task", "```")).code, 1);
  assertEquals((await readPage("```console", "$ telnet 127.0.0.1 1", "```")).code, 1);
});

Deno.test(
  testNamed("readme.sh: sessions are typed again and compared", missing("redis-cli")),
  () =>
    withCluster({ size: 1 }, async (cluster) => {
      await cluster.startAll();
      const { clientPort: port } = cluster.servers[0]!;
      const redis = (said: string) => [
        "```console",
        `$ redis-cli -p ${port}`,
        `127.0.0.1:${port}> set k v`,
        "OK",
        `127.0.0.1:${port}> get k`,
        said,
        "```",
      ];
      assertEquals((await readPage(...redis('"v"'))).code, 0);
      assertStringIncludes((await readPage(...redis('"w"'))).error, 'line 2 should be: "w"');

      const lines = (...said: string[]) => [
        "```console",
        `$ nc 127.0.0.1 $((${port}))`,
        "set lines 0 2",
        "hi",
        ...said,
        "get lines",
        "VALUE 2",
        "hi",
        "```",
      ];
      assertEquals((await readPage(...lines("OK 1"))).code, 0);
      assertStringIncludes((await readPage(...lines("OK 1"))).error, "line 1 should be: OK 1");
      assertEquals((await readPage(...lines())).code, 1);
    }),
);
