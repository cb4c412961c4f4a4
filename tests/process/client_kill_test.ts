/**
 * The client over the death of a leader, under Deno and under Node: every call ends in its time, with an
 * answer or with an error that says whether it was done; and the counter shows that the errors are true.
 */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { sourcesIn, transpileInto } from "../../scripts/build_npm.ts";
import { connect, NotDone } from "../../client/mod.ts";
import { type Counted, TIMEOUT_MS } from "./client_counter.ts";
import { type Cluster, clusterTest, type Server } from "./harness.ts";
import { eventually, within } from "./patience.ts";
import { RedisSocket } from "./redis_socket.ts";
import { needsProgram } from "./requirements.ts";

const CALLERS = 20;
/** What a busy machine may add to a deadline. */
const LATE_MS = 2_000;
/** So many increments are acknowledged before the fault, and so many after it. */
const INCREMENTS = 200;
/** Wide: an election takes a second. */
const GOES_ON_MS = 60_000;
const PROGRAM = "tests/process/client_counter.ts";

type Runtime = "deno" | "node";

/** Starts the program; for Node it is made below `directory`. */
function start(runtime: Runtime, directory: string, given: string[]): Deno.ChildProcess {
  const options = { cwd: directory, stdin: "piped", stdout: "piped", stderr: "piped" } as const;
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

/** What the counter has come to, by a server that serves. */
async function counter(cluster: Cluster): Promise<number> {
  const leader = await cluster.waitForLeader();
  using socket = await RedisSocket.connect(leader.clientPort);
  return Number(await socket.ask("GET", "counter"));
}

/** Waits until so many more increments are done. */
async function more(cluster: Cluster): Promise<void> {
  const before = await counter(cluster);
  const isThere = async () => await counter(cluster) >= before + INCREMENTS;
  await eventually("the counter to go on", isThere, GOES_ON_MS);
}

/** Runs the program with a fault in the middle, and gives what it counted. */
async function count(
  runtime: Runtime,
  cluster: Cluster,
  fault: (leader: Server) => unknown,
): Promise<Counted> {
  const directory = `${cluster.directory}/program`;
  Deno.mkdirSync(directory);
  const servers = cluster.servers.map(({ clientPort }) => `127.0.0.1:${clientPort}`).join(",");
  const child = start(runtime, directory, [servers, `${CALLERS}`]);
  const ended = child.output();
  try {
    await more(cluster);
    await fault(await cluster.waitForLeader());
    await more(cluster);
  } finally {
    await child.stdin.close();
  }
  const { success, stdout, stderr } = await within(GOES_ON_MS, "the program to end", ended);
  const said = new TextDecoder().decode(stdout);
  assert(success, `${said}\n${new TextDecoder().decode(stderr)}`);
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
  assert(counted.acknowledged >= 2 * INCREMENTS && counted.reads > 10, shown);
}

for (const runtime of ["deno", "node"] as const) {
  for (const fault of ["killed", "frozen"] as const) {
    const notRun = runtime === "node" ? needsProgram("node", "--version") : null;
    const name = `client on ${runtime}: a leader that is ${fault} while 20 callers count`;
    clusterTest(name, { notRun }, async (cluster) => {
      await cluster.startAll();
      const counted = await count(runtime, cluster, (leader) => {
        return fault === "killed" ? leader.kill() : leader.freeze();
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
