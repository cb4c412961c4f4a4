/** The command line on a terminal, at the ends of pipes, and under Ctrl-C. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { cli, shell, shellDirectory } from "./cli_process.ts";
import { type Cluster, clusterTest } from "./harness.ts";
import { within } from "./patience.ts";
import { needsProgram } from "./requirements.ts";
import { BARE_ENVIRONMENT } from "./server_process.ts";

const notRun = needsProgram("script", "--version");

/** Runs a command of bash on a terminal of so many columns; what is typed comes from `input`. */
async function onTerminal(cluster: Cluster, command: string, input = "", columns = 100) {
  const script = `stty cols ${columns} rows 30; ${command}`;
  const { code, out } = await shell(cluster, ["script", "-qec", script, "/dev/null"], { input });
  return { code, out: readable(out) };
}

/** Escape sequences as <ESC…, so that patterns can name them. */
function readable(text: string): string {
  return text.replaceAll("\x1b", "<ESC");
}

clusterTest("cli: on a terminal", { notRun }, async (cluster) => {
  await cluster.startAll();
  const value = "a\n\x1b[31mred";
  assertEquals((await cli(cluster, ["set", "evil", value])).code, 0);
  assertEquals((await cli(cluster, ["get", "evil"])).out, value);
  // Decorated for a person, bytes where they are asked for.
  assertEquals((await onTerminal(cluster, "raftkv get evil")).out, "a\\n\\x1b[31mred\r\n");
  const raw = await onTerminal(cluster, "raftkv get evil --output raw");
  assertEquals(raw.out, "a\r\n<ESC[31mred");
  assertEquals((await onTerminal(cluster, "raftkv keys")).out, "evil\r\n");
  // A table that is too wide stands on its side.
  const narrow = await onTerminal(cluster, "raftkv status", "", 80);
  assertMatch(narrow.out, /^SERVER {5}1 +2 +3\r\n/);
  assertMatch((await onTerminal(cluster, "raftkv status", "", 200)).out, /^SERVER {2}ADDRESS /);
  // Exit codes pass through.
  assertEquals((await onTerminal(cluster, "raftkv get none")).code, 1);
});

clusterTest(
  "cli: progress is shown on a terminal, and not in a pipe",
  { notRun },
  async (cluster) => {
    await cluster.startAll();
    const lines = Array.from({ length: 30_000 }, (_, at) => `{"key":"k${at}","value":"v"}\n`);
    Deno.writeTextFileSync(`${cluster.directory}/many.json`, lines.join(""));
    const shown = await onTerminal(cluster, "raftkv load many.json");
    assertEquals(shown.code, 0, shown.out);
    assertMatch(shown.out, /\r<ESC\[K\[#* *\] +\d+ % {2}[\d,]+ lines {2}[\d,]+\/s( {2}\d+s left)?/);
    assertMatch(shown.out, /\r<ESC\[Kraftkv: 30,000 lines loaded in \d+s\r\n$/);
    const piped = await cli(cluster, ["load", "many.json"]);
    assertMatch(piped.error, /^raftkv: 30,000 lines loaded in \d+s\n$/);
    const dump = await onTerminal(cluster, "raftkv dump > dump.json");
    assertMatch(dump.out, /\r<ESC\[K\[#* *\] +\d+ % {2}[\d,]+ keys/);
    const text = Deno.readTextFileSync(`${cluster.directory}/dump.json`);
    assertEquals(text.split("\n").length, 30_001);

    // Whoever reads has had enough: nothing is said, and the exit code is that of SIGPIPE.
    for (const command of ["dump", "keys"]) {
      const script = `raftkv ${command} | head -n 1 | wc -l; echo "\${PIPESTATUS[0]}"`;
      const cut = await shell(cluster, ["bash", "-c", script]);
      assertEquals([cut.out, cut.error], ["1\n141\n", ""]);
    }
  },
);

clusterTest("cli: top draws anew until Ctrl-C", { notRun }, async (cluster) => {
  await cluster.startAll();
  const directory = shellDirectory(cluster);
  const child = new Deno.Command("script", {
    args: ["-qec", "stty cols 120 rows 30; raftkv top --interval 200ms", "/dev/null"],
    cwd: cluster.directory,
    env: { ...BARE_ENVIRONMENT, PATH: `${directory}:${Deno.env.get("PATH")}`, TERM: "xterm" },
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const writer = child.stdin.getWriter();
  let out = "";
  let isStopped = false;
  const reading = (async () => {
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      out += text;
      if (isStopped || out.split("raftkv top  ").length < 4) continue;
      isStopped = true;
      await writer.write(new Uint8Array([3]));
    }
  })();
  const { code } = await within(30_000, "top to end", child.status);
  await reading;
  await writer.close().catch(() => {});
  assertEquals(code, 130);
  assertMatch(readable(out), /<ESC\[Hraftkv top {2}\d{4}-/);
  assertMatch(out, /leader \d, term \d+/);
  assert(!out.includes("raftkv: "), out);
  const piped = await cli(cluster, ["top", "--interval", "100ms"]);
  assert(!piped.out.includes("\x1b"));
  assertEquals(
    piped.error.split("\n")[0],
    "raftkv: one picture, as standard output is no terminal: top draws anew on one alone",
  );
});

clusterTest(
  "cli: Ctrl-C ends what waits, with exit code 130 and what is known",
  {},
  async (cluster) => {
    await cluster.startAll();
    const directory = shellDirectory(cluster);
    const start = (...args: string[]) =>
      new Deno.Command(`${directory}/raftkv`, {
        args,
        cwd: cluster.directory,
        env: BARE_ENVIRONMENT,
        stdin: "piped",
        stdout: "piped",
        stderr: "piped",
      }).spawn();
    const load = start("load", "-");
    const writer = load.stdin.getWriter();
    await writer.write(
      new TextEncoder().encode('{"key":"a","value":"1"}\n{"key":"b","value":"2"}\n'),
    );
    await within(
      30_000,
      "both to be loaded",
      (async () => {
        while ((await cli(cluster, ["get", "b"])).code !== 0);
      })(),
    );
    load.kill("SIGINT");
    const ended = await within(30_000, "load to end", load.output());
    assertEquals(ended.code, 130);
    assertEquals(
      new TextDecoder().decode(ended.stderr),
      "raftkv: interrupted; lines 1 to 2 are done; everything else is not done; to continue: raftkv load - --from 3\n",
    );
    await writer.abort().catch(() => {});

    const set = start("set", "c", "-");
    const held = set.stdin.getWriter();
    await held.write(new TextEncoder().encode("half a value"));
    // Long enough for it to read that; where it is not, the signal ends it all the same.
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    set.kill("SIGINT");
    const stopped = await within(30_000, "set to end", set.output());
    assertEquals([stopped.code, new TextDecoder().decode(stopped.stderr)], [130, ""]);
    assertEquals((await cli(cluster, ["get", "c"])).code, 1);
    await held.abort().catch(() => {});
  },
);
