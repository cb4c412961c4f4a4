/** The examples of docs/client.md, as a reader would run them: under Deno and under Node. */
import { assert, assertEquals } from "@std/assert";
import { buildPackage, transpile } from "../../scripts/build_npm.ts";
import { type Cluster, clusterTest } from "./harness.ts";
import { needsProgram } from "./requirements.ts";

const page = Deno.readTextFileSync(new URL("../../docs/client.md", import.meta.url));
const PROJECT = new URL("../../", import.meta.url).pathname;

interface Example {
  readonly source: string;
  /** What stands there as its output. */
  readonly output: string;
}

/** The blocks of the page; each of `ts` has one of `output` right after it. */
function examples(): Example[] {
  const blocks = [...page.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map(([, language, text]) => {
    return { language, text: text! };
  });
  assert(blocks.length > 10 && blocks.length % 2 === 0, `${blocks.length} blocks`);
  return blocks.flatMap(({ language, text }, i) => {
    assertEquals(language, i % 2 === 0 ? "ts" : "output");
    return i % 2 === 0 ? [{ source: text, output: blocks[i + 1]!.text }] : [];
  });
}

const BETWEEN = "--- the next example";

/** All examples as one program, whose servers are these. */
function program(ports: readonly number[]): string {
  const sources = examples().map(({ source }) => source);
  return [9000, 9002, 9004].reduce(
    (text, port, i) => text.replaceAll(`127.0.0.1:${port}`, `127.0.0.1:${ports[i]}`),
    sources.join(`\nconsole.log("${BETWEEN}");\n`),
  );
}

/** As the page has it; "…" stands for anything. Runtimes break and quote lists their own way. */
function check(said: string): void {
  const parts = said.split(`${BETWEEN}\n`);
  const all = examples();
  assertEquals(parts.length, all.length, said);
  for (const [i, { output }] of all.entries()) {
    const plain = (text: string) => text.replaceAll("'", '"').replace(/\s+/g, " ").trim();
    const escaped = plain(output).split("…").map((text) => RegExp.escape(plain(text)));
    const pattern = new RegExp(`^${escaped.join(".*?")}$`);
    assert(pattern.test(plain(parts[i]!)), `The page says\n${output}\nand it is\n${parts[i]}`);
  }
}

async function run(command: string, args: string[], directory: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, {
    args,
    cwd: directory,
    env: { NO_COLOR: "1" },
  }).output();
  const said = new TextDecoder().decode(stdout);
  assert(success, `${said}\n${new TextDecoder().decode(stderr)}`);
  return said;
}

/** With all that a cluster of this build has: what was just founded takes a second to come to that. */
async function started(cluster: Cluster): Promise<void> {
  await cluster.startAll();
  for (const { process } of cluster.servers) await process.logged("The cluster version is raised:");
}

const ports = (cluster: Cluster) => cluster.servers.map(({ clientPort }) => clientPort);

clusterTest("docs/client.md: its examples do what it says, under Deno", {}, async (cluster) => {
  await started(cluster);
  const path = `${cluster.directory}/page.ts`;
  Deno.writeTextFileSync(path, program(ports(cluster)));
  const config = JSON.stringify({ imports: { "raftkv/client": `${PROJECT}client/mod.ts` } });
  Deno.writeTextFileSync(`${cluster.directory}/deno.json`, config);
  const flags = ["run", "--quiet", "--check", "--no-lock", "--allow-net"];
  check(await run(Deno.execPath(), [...flags, path], cluster.directory));
});

clusterTest("docs/client.md: its examples do what it says, under Node", {
  notRun: needsProgram("node", "--version"),
}, async (cluster) => {
  await started(cluster);
  const directory = `${cluster.directory}/page`;
  buildPackage(`${directory}/node_modules/raftkv`);
  Deno.writeTextFileSync(`${directory}/package.json`, '{ "type": "module" }');
  Deno.writeTextFileSync(`${directory}/page.js`, transpile("page.ts", program(ports(cluster))));
  check(await run("node", ["page.js"], directory));
});
