import { assert, assertEquals } from "@std/assert";
import { type Cluster, withCluster } from "./harness.ts";
import { encodeRequest, RedisSocket } from "./redis_socket.ts";
import { RedisServer, redisTest } from "./redis_tools.ts";

const CASES_AT_LEAST = 500;
const DIFFERS = /^-- differs: /;
/** Where in memory a table lies is shown by Redis, and says nothing. */
const PLACE = /0x[0-9a-f]+/g;

/** Scripts, each run with two keys and two arguments on a store that has nothing. */
async function scriptCases(): Promise<string[]> {
  const text = await Deno.readTextFile(new URL("script_cases.txt", import.meta.url));
  return text.replace(/\n$/, "").split("\n----\n");
}

redisTest(
  "scripts come to what they come to in redis-server, byte by byte, and leave the same behind",
  ["redis-server"],
  async () => {
    const cases = await scriptCases();
    assert(cases.length >= CASES_AT_LEAST, `${cases.length} cases`);
    const redis = await RedisServer.start();
    const compareAll = async (cluster: Cluster) => {
      await cluster.startAll();
      const { clientPort } = await cluster.waitForLeader();
      using ours = await RedisSocket.connect(clientPort);
      using theirs = await RedisSocket.connect(redis.port);
      await cluster.servers[0]!.process.logged("The cluster version is raised:");
      const failures: string[] = [];
      for (const [version, script] of ["2", "3"].flatMap((one) => cases.map((it) => [one, it]))) {
        if (script === cases[0]) {
          for (const socket of [ours, theirs]) await socket.ask("HELLO", version!);
        }
        const [mine, other] = [await outcome(ours, script!), await outcome(theirs, script!)];
        const areEqual = JSON.stringify(mine) === JSON.stringify(other);
        if (areEqual !== DIFFERS.test(script!)) continue;
        failures.push(
          `${version}: ${script}\n   ours   ${JSON.stringify(mine)}\n   theirs ${
            JSON.stringify(other)
          }`,
        );
      }
      assertEquals(failures, []);
    };
    try {
      await withCluster({ size: 1 }, compareAll);
    } finally {
      await redis.stop();
    }
  },
);

/** The reply, and what the keys are afterwards. */
async function outcome(socket: RedisSocket, script: string): Promise<string[]> {
  await socket.ask("FLUSHALL");
  await socket.write(encodeRequest(["EVAL", script, "2", "k1", "k2", "a1", "10"]));
  const reply = (await socket.readRaw()).replace(PLACE, "0x");
  const after: string[] = [reply];
  for (const key of ["k1", "k2", "undeclared"]) {
    await socket.write(encodeRequest(["GET", key]));
    after.push(await socket.readRaw());
  }
  return after;
}
