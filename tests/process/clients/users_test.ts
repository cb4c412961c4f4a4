/** Clients of the libraries as users: over a kill of the leader they authenticate anew, by themselves. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Cluster } from "../harness.ts";
import { eventually, Patience, sleep } from "../patience.ts";
import { RedisSocket, type Reply } from "../redis_socket.ts";
import { missing } from "../redis_tools.ts";
import { ioredisCluster, type Library, nodeRedisCluster, redisPy } from "./client.ts";
import type { Answer, LibraryClient } from "./library_client.ts";
import { leaderAs } from "../user_tools.ts";
import { libraryTest } from "./register.ts";

const COUNT = 20;
/** A library that has not found the new leader by then does not find it. */
const FOUND_DEADLINE_MS = 30_000;
const USER = { username: "app", password: "app-password" };
const ROOT = { user: "root", password: "root-password" };
/** What no client is to be told that is who it says. */
const SHUT_OUT = /WRONGPASS|NOAUTH|NOPERM/;

async function asRoot(cluster: Cluster, ...words: string[]): Promise<Reply> {
  using socket = await RedisSocket.connect((await leaderAs(cluster, ROOT)).clientPort);
  await socket.ask("AUTH", ROOT.user, ROOT.password);
  return await socket.ask(...words);
}

/** An administrator, and a user of the keys that begin with "app:". */
async function makeUsers(cluster: Cluster): Promise<void> {
  const leader = await cluster.waitForLeader();
  using first = await RedisSocket.connect(leader.clientPort);
  await eventually("the cluster version that users need", async () => {
    const rules = ["on", `>${ROOT.password}`, "~*", "+@all"];
    return await first.ask("ACL", "SETUSER", ROOT.user, ...rules) === "OK";
  });
  const rules = ["on", `>${USER.password}`, "~app:*", "+@all", "-@dangerous", "+info"];
  assertEquals(await asRoot(cluster, "ACL", "SETUSER", USER.username, ...rules), "OK");
  for (const { clientPort } of cluster.servers) {
    await eventually("every server to know the user", async () => {
      using socket = await RedisSocket.connect(clientPort);
      return await socket.ask("AUTH", USER.username, USER.password) === "OK";
    });
  }
}

async function incr(client: LibraryClient, times: number): Promise<number> {
  let acknowledged = 0;
  using patience = new Patience(FOUND_DEADLINE_MS);
  while (acknowledged < times && !patience.isSpent) {
    const answer = await client.incr("app:n");
    if ("value" in answer) acknowledged++;
    else {
      assert(!SHUT_OUT.test(answer.error), answer.error);
      await sleep(20);
    }
  }
  return acknowledged;
}

function errorIn(answer: Answer): string {
  return "error" in answer ? answer.error : `no error, but ${answer.value}`;
}

function userTest(library: Library): void {
  const name = `${library.name}: a user goes on after a kill of the leader, and may what it might`;
  libraryTest(name, { notRun: library.notRun }, async (cluster) => {
    await cluster.startAll();
    await makeUsers(cluster);
    const client = await library.connect(cluster.servers.map(({ clientPort }) => clientPort));
    try {
      let acknowledged = await incr(client, COUNT);
      assertEquals(acknowledged, COUNT);
      await (await leaderAs(cluster, ROOT)).kill();
      acknowledged += await incr(client, COUNT);
      assertEquals(acknowledged, 2 * COUNT, "it does not find the new leader");
      assertEquals(Number(await asRoot(cluster, "GET", "app:n")), acknowledged);
      assertMatch(errorIn(await client.incr("other")), /NOPERM|no permissions/i);
      assertEquals(await asRoot(cluster, "ACL", "SETUSER", USER.username, "-incr"), "OK");
      assertMatch(errorIn(await client.incr("app:n")), /NOPERM|no permissions/i);
      assertEquals(Number(await asRoot(cluster, "GET", "app:n")), acknowledged);
    } finally {
      await client.close();
    }
  });
}

userTest(ioredisCluster({ redisOptions: USER }));
userTest(nodeRedisCluster({ defaults: USER }));
userTest(redisPy(true, USER, true));

libraryTest(
  "redis-cli -c as a user follows the leader, and is told what it may not",
  { notRun: missing("redis-cli") },
  async (cluster) => {
    await cluster.startAll();
    await makeUsers(cluster);
    const redisCli = async (...words: string[]) => {
      const leader = await leaderAs(cluster, ROOT);
      const follower = cluster.others(leader).find(({ isRunning }) => isRunning)!;
      const { stdout } = await new Deno.Command("redis-cli", {
        args: ["-c", "-p", `${follower.clientPort}`, "--user", USER.username, ...words],
        env: { REDISCLI_AUTH: USER.password },
      }).output();
      return new TextDecoder().decode(stdout).trim();
    };
    assertEquals(await redisCli("SET", "app:k", "v"), "OK");
    await (await leaderAs(cluster, ROOT)).kill();
    assertEquals(await redisCli("GET", "app:k"), "v");
    assertMatch(await redisCli("GET", "other"), /^NOPERM this user has no permissions/);
    assertMatch(await redisCli("FLUSHALL"), /'flushall' command$/);
  },
);
