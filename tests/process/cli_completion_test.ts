/** Completion in real shells: commands, flags, servers, keys. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { allRoutes } from "../../lib/cli/routes.ts";
import { cli, shell } from "./cli_process.ts";
import { type Cluster, clusterTest } from "./harness.ts";
import { needsProgram } from "./requirements.ts";

async function filled(cluster: Cluster): Promise<void> {
  await cluster.startAll();
  for (const key of ["user:ann", "user:bob", "other", "with space"]) {
    assertEquals((await cli(cluster, ["set", key, "1"])).code, 0);
  }
}

/** What bash proposes for a line, by the function that the stub defines. */
async function inBash(cluster: Cluster, line: string): Promise<string[]> {
  const script = `
    source <(raftkv completion bash)
    COMP_LINE=$1 COMP_POINT=\${#1}
    _raftkv
    printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { out, error } = await shell(cluster, ["bash", "-c", script, "bash", line]);
  assertEquals(error, "");
  return out.split("\n").filter((one) => one !== "");
}

clusterTest("completion: bash", { notRun: needsProgram("bash", "--version") }, async (cluster) => {
  await filled(cluster);
  assertEquals(await inBash(cluster, "raftkv st"), ["status"]);
  assertEquals(await inBash(cluster, "raftkv ge"), ["get", "getm"]);
  assertEquals(await inBash(cluster, "raftkv config "), ["check"]);
  assertEquals(await inBash(cluster, "raftkv completion "), ["bash", "zsh", "fish"]);
  assertEquals(await inBash(cluster, "raftkv get --ti"), ["--timeout"]);
  assertEquals(await inBash(cluster, "raftkv get --output "), ["table", "json", "raw"]);
  // What bash takes for its word begins after the colon.
  assertEquals(await inBash(cluster, "raftkv get user:"), ["ann", "bob"]);
  assertEquals(await inBash(cluster, "raftkv get oth"), ["other"]);
  assertEquals(await inBash(cluster, "raftkv get wi"), ["with\\ space"]);
  // Among more than one step of SCAN looks at.
  const many = Array.from({ length: 3_000 }, (_, at) => `{"key":"many${at}","value":""}\n`).join(
    "",
  );
  assertEquals((await cli(cluster, ["load", "-"], { input: many })).code, 0);
  assertEquals(await inBash(cluster, "raftkv get user:a"), ["ann"]);
  const servers = cluster.servers.map(({ clientPort }) => `127.0.0.1:${clientPort}`);
  assertEquals(await inBash(cluster, "raftkv get --servers "), [...servers, servers.join(",")]);
  // In the words of the line, not of the file.
  assertEquals(await inBash(cluster, `raftkv get --servers ${servers[0]} oth`), ["other"]);
  assertEquals(await inBash(cluster, "raftkv get --servers 127.0.0.1:1 oth"), []);
  assertEquals(await inBash(cluster, "raftkv frobnicate "), []);
  // Files are the shell's own business.
  const files = "raftkv load ,raftkv set k --file ,raftkv config check ,raftkv verify da".split(
    ",",
  );
  for (const line of files) {
    const { out } = await cli(cluster, ["__complete", ...line.split(" ").slice(1)]);
    assertEquals(out, ":files\n", line);
  }
});

clusterTest(
  "completion: bash, typed on a terminal",
  { notRun: needsProgram("script", "--version") },
  async (cluster) => {
    await filled(cluster);
    const input =
      "source <(raftkv completion bash)\nraftkv get user:a\t\nraftkv sta\t --output ra\t\nexit\n";
    const { out } = await shell(cluster, ["script", "-qec", "bash --norc -i", "/dev/null"], {
      input,
    });
    assertMatch(out, /raftkv get user:ann/);
    assertMatch(out, /raftkv status {1,2}--output raw/);
  },
);

clusterTest(
  "completion: zsh, typed on a terminal",
  { notRun: needsProgram("zsh", "--version") ?? needsProgram("script", "--version") },
  async (cluster) => {
    await filled(cluster);
    // Each line is typed once the one before was answered: what zsh is not ready for, it drops.
    const script = `
      zmodload zsh/zpty
      zpty -b z zsh -f -i
      typeset all= text=
      await() { local n=0; while [[ $all != *$~1* && n -lt 300 ]]; do
        if zpty -rt z text; then all+=$text; else sleep 0.05; (( n++ )); fi; done }
      zpty -w z "PS1='> ' TERM=dumb"
      zpty -w z 'autoload -Uz compinit && compinit -D -u'
      zpty -w z 'source <(raftkv completion zsh) && echo rea""dy'; await 'ready'
      zpty -w -n z $'raftkv get user:a\\t'; await 'user:ann'
      zpty -w -n z $'\\x15'
      zpty -w -n z $'raftkv sta\\t--output ra\\t'; await 'output raw'
      print -r -- $all
      zpty -d z`;
    const { out, error } = await shell(cluster, ["zsh", "-f", "-c", script]);
    assertMatch(out, /get user:ann/, error);
    // It draws its line with controls in between.
    assertMatch(out.replaceAll(/\p{Cc}/gu, ""), /status {1,2}--output raw/, error);
  },
);

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

clusterTest("completion: fish", { notRun: needsProgram("fish", "--version") }, async (cluster) => {
  await filled(cluster);
  const inFish = async (line: string) => {
    const script = `raftkv completion fish | source; complete -C ${quoted(line)}`;
    const { out, error } = await shell(cluster, ["fish", "--no-config", "-c", script]);
    assertEquals(error, "");
    return out.split("\n").filter((one) => one !== "");
  };
  assertEquals(await inFish("raftkv st"), ["status\tShow all servers, as a table"]);
  assertEquals((await inFish("raftkv get user:")).map((one) => one.split("\t")[0]), [
    "user:ann",
    "user:bob",
  ]);
  const flags = await inFish("raftkv get --");
  assert(flags.some((one) => one.startsWith("--timeout\t")), flags.join());
});

clusterTest("completion: silent, and soon over, where no server answers", {}, async (cluster) => {
  const { code, out, error, tookMs } = await cli(cluster, ["__complete", "get", "a"]);
  assertEquals([code, out, error], [0, "", ""]);
  assert(tookMs < 10_000, `${tookMs}`);
  const all = await cli(cluster, ["__complete", ""]);
  const names = all.out.trimEnd().split("\n").map((line) => line.split("\t", 1)[0]);
  assertEquals(names, allRoutes.getAllEntries().map(({ name }) => name.original));
});
