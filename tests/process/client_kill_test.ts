/**
 * The client over the death of a leader, under Deno and under Node: every call ends in its time, with an
 * answer or with an error that says whether it was done; and the counter shows that the errors are true.
 */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { sourcesIn, transpileInto } from "../../scripts/build_npm.ts";
import { connect, NotDone } from "../../client/mod.ts";
import { type Counted, TIMEOUT_MS } from "./client_counter.ts";
import { type Cluster, clusterTest } from "./harness.ts";
import { sleep } from "./patience.ts";
import { needsProgram } from "./requirements.ts";

const SECONDS = 6;
const CALLERS = 20;
/** What a busy machine may add to a deadline. */
const LATE_MS = 2_000;
const PROGRAM = "tests/process/client_counter.ts";

type Runtime = "deno" | "node";

/** Starts the program; for Node it is made below `directory`. */
function start(runtime: Runtime, directory: string, given: string[]): Deno.ChildProcess {
  const options = { cwd: directory, stdout: "piped", stderr: "piped" } as const;
  if (runtime === "deno") {
    const path = new URL("client_counter.ts", import.meta.url).pathname;
    const args = ["run", "--quiet", "--no-lock", "--allow-net", path, ...given];
    return new Deno.Command(Deno.execPath(), { ...options, args }).spawn();
  }
  transpileInto(directory, [...sourcesIn("client"), PROGRAM]);
  Deno.writeTextFileSync(`${directory}/package.json`, '{ "type": "module" }');
  const args = [PROGRAM.replace(/ts$/, "js"), ...given];
  return new Deno.Command("node", { ...options, args }).spawn();
}

/** Runs the program, does `meanwhile` once it counts, and gives what it counted. */
async function count(
  runtime: Runtime,
  cluster: Cluster,
  meanwhile: () => Promise<void>,
): Promise<Counted> {
  const directory = `${cluster.directory}/program`;
  Deno.mkdirSync(directory);
  const servers = cluster.servers.map(({ clientPort }) => `127.0.0.1:${clientPort}`).join(",");
  const child = start(runtime, directory, [servers, `${SECONDS}`, `${CALLERS}`]);
  const errors = new Response(child.stderr).text();
  let said = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    if (said === "" && text.startsWith("begun")) void meanwhile();
    said += text;
  }
  const { success } = await child.status;
  assert(success, `${said}\n${await errors}`);
  await errors;
  return JSON.parse(said.trim().split("\n").at(-1)!) as Counted;
}

function check(counted: Counted, value: number): void {
  const shown = JSON.stringify({ ...counted, value });
  assertEquals(counted.others, [], shown);
  assertEquals(counted.repeated, 0, shown);
  assert(counted.longestMs < TIMEOUT_MS + LATE_MS, shown);
  assertEquals(counted.acknowledged + counted.notDone + counted.unknown, counted.sent, shown);
  assert(value >= counted.acknowledged, `An acknowledged increment is lost: ${shown}`);
  assert(value <= counted.acknowledged + counted.unknown, `One was done twice: ${shown}`);
  // It went on with the next leader.
  assert(counted.acknowledged > 100 && counted.reads > 10, shown);
  assert(counted.stillMs < 1_000 * SECONDS - 1_500, shown);
}

for (const runtime of ["deno", "node"] as const) {
  for (const fault of ["killed", "frozen"] as const) {
    const notRun = runtime === "node" ? needsProgram("node", "--version") : null;
    const name = `client on ${runtime}: a leader that is ${fault} while 20 callers count`;
    clusterTest(name, { notRun }, async (cluster) => {
      await cluster.startAll();
      const counted = await count(runtime, cluster, async () => {
        await sleep(1_500);
        const leader = await cluster.waitForLeader();
        if (fault === "killed") await leader.kill();
        else leader.freeze();
      });
      await using client = await connect({
        servers: cluster.servers.map(({ clientPort }) => `127.0.0.1:${clientPort}`),
        timeoutMs: 20_000,
      });
      check(counted, Number(await client.text.get("counter")));
    });
  }
}

clusterTest(
  "client: where the majority is dead, who is left is said to know no leader",
  {},
  async (cluster) => {
    await cluster.startAll();
    const leader = await cluster.waitForLeader();
    const [follower, left] = cluster.servers.filter((server) => server !== leader);
    await using client = await connect({ servers: [`127.0.0.1:${left!.clientPort}`] });
    await client.set("k", "v");
    await Promise.all([leader.kill(), follower!.kill()]);
    const { message } = await assertRejects(() => client.get("k", { timeoutMs: 6_000 }), NotDone);
    assertStringIncludes(message, `127.0.0.1:${left!.clientPort}: it knows no leader now`);
    assertStringIncludes(message, `127.0.0.1:${leader.clientPort}: it can't be reached`);
  },
);
