import { assert, assertEquals } from "@std/assert";
import { Random } from "../../lib/util/random.ts";
import { searchHistory } from "../lincheck/search.ts";
import { checkVersions } from "../lincheck/versions.ts";
import { type Cluster, clusterTest, type Server } from "./harness.ts";
import { Recorder } from "./recorder.ts";
import { eventually, sleep } from "./patience.ts";

const CLIENTS = 6;
const STATES_MAX = 2_000_000;
/** A step of the faults lasts until so many more operations are decided, however slow the machine is. */
const DECIDED_PER_STEP = 120;

/** Resolves after `ms` at least, and once clients have got further. */
type Progress = (ms: number) => Promise<void>;

function decidedOf({ history }: Recorder): number {
  return history.filter(({ outcome }) => outcome !== "nothing" && outcome !== "unknown").length;
}

/** Runs `faults` while clients write a history, and checks that history in both ways. */
async function recordDuring(
  cluster: Cluster,
  faults: (progress: Progress) => Promise<void>,
): Promise<void> {
  await cluster.startAll();
  const seed = crypto.getRandomValues(new Uint32Array(1))[0]!;
  const recorder = new Recorder();
  const ports = cluster.servers.map((server) => server.clientPort);
  const clients = Promise.all(Array.from(
    { length: CLIENTS },
    (_, i) => recorder.run(i, ports, new Random(seed + i)),
  ));
  const progress = async (ms: number) => {
    const enough = decidedOf(recorder) + DECIDED_PER_STEP;
    await sleep(ms);
    await eventually("clients to get further", () => decidedOf(recorder) >= enough);
  };
  try {
    await Promise.race([faults(progress), clients]);
    await cluster.waitForLeader();
    await progress(300);
  } finally {
    recorder.isOver = true;
    await clients;
  }
  const { history } = recorder;
  const decided = decidedOf(recorder);
  assert(decided > 500, `only ${decided} of ${history.length} were decided`);
  try {
    assertEquals(checkVersions(history), null);
    const verdict = searchHistory(history, STATES_MAX);
    if (verdict.result === "illegal") throw new Error(verdict.why);
    assertEquals(verdict.result, "legal", "the search came to an end");
  } catch (error) {
    const file = Deno.makeTempFileSync({ prefix: "raftkv-history-", suffix: ".json" });
    Deno.writeTextFileSync(file, JSON.stringify(history));
    console.error(`The history is in ${file}`);
    throw error;
  }
}

/** `server` dies, and comes back after a moment. */
async function killFor(server: Server, ms: number): Promise<void> {
  await server.kill();
  await sleep(ms);
  server.start();
}

async function freezeFor(server: Server, ms: number): Promise<void> {
  server.freeze();
  await sleep(ms);
  server.thaw();
}

clusterTest("process: histories are linearizable while servers are killed", {}, async (cluster) => {
  await recordDuring(cluster, async (progress) => {
    for (let round = 0; round < 3; round++) {
      await killFor(await cluster.waitForLeader(), 1_200);
      await progress(500);
      const leader = await cluster.waitForLeader();
      await killFor(cluster.others(leader)[round % 2]!, 300);
    }
    await Promise.all(cluster.servers.map((server) => killFor(server, 100)));
    await cluster.waitForLeader();
    await progress(500);
  });
});

clusterTest(
  "process: histories are linearizable while leaders freeze and thaw",
  {},
  async (cluster) => {
    await recordDuring(cluster, async (progress) => {
      for (const ms of [300, 1_500, 700, 2_000, 1_000]) {
        await freezeFor(await cluster.waitForLeader(), ms);
        await progress(300);
      }
    });
  },
);

clusterTest(
  "process: rolling restarts end with code 0 and keep histories linearizable",
  {},
  async (cluster) => {
    await recordDuring(cluster, async (progress) => {
      for (let round = 0; round < 3; round++) {
        for (const server of cluster.servers) {
          assertEquals((await server.terminate()).code, 0, server.process.error);
          server.start();
          await cluster.waitForLeader();
          // Two of three must be up to date before the next goes.
          await progress(300);
        }
      }
    });
  },
);
