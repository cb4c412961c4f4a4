/**
 * Client sessions over real processes and their deaths: what is sent again is done once, a snapshot and a
 * restart of all servers between, and a key that is bound to a session goes with it.
 */
import { assert, assertEquals } from "@std/assert";
import { connect } from "../../client/mod.ts";
import { SMALL_STORAGE } from "./build_before.ts";
import { type Cluster, clusterTest } from "./harness.ts";
import { eventually, sleep } from "./patience.ts";
import { RedisSocket } from "./redis_socket.ts";

const CALLERS = 20;
const PATIENCE_MS = 60_000;

/** Opens a session as soon as the cluster version lets one be opened; its number. */
async function openEventually(cluster: Cluster, ttlMs: number): Promise<string> {
  let id = "";
  await eventually("the cluster version to let sessions be opened", async () => {
    const leader = await cluster.waitForLeader();
    using socket = await RedisSocket.connect(leader.clientPort);
    const reply = await socket.ask("RAFTKV.SESSION", "OPEN", `${ttlMs}`).catch(String);
    id = typeof reply === "number" ? `${reply}` : "";
    return id !== "";
  }, 30_000);
  return id;
}

async function ask(cluster: Cluster, ...words: string[]): Promise<unknown> {
  const leader = await cluster.waitForLeader();
  using socket = await RedisSocket.connect(leader.clientPort);
  return await socket.ask(...words);
}

clusterTest(
  "client sessions: over kills of leaders and of all servers each incr counts once",
  { storage: { ...SMALL_STORAGE, snapshotLogBytesMin: 20_000 }, deadlineMs: 240_000 },
  async (cluster) => {
    await cluster.startAll();
    await openEventually(cluster, 60_000);
    const servers = cluster.servers.map(({ clientPort }) => `127.0.0.1:${clientPort}`);
    await using client = await connect({ servers, timeoutMs: PATIENCE_MS });
    let isOver = false;
    const sums = new Set<bigint>();
    const callers = Array.from({ length: CALLERS }, async () => {
      while (!isOver) {
        const sum = await client.incr("counter");
        assert(!sums.has(sum), `${sum} was answered twice`);
        sums.add(sum);
      }
    });
    for (let round = 0; round < 3; round++) {
      await sleep(500);
      const leader = await cluster.waitForLeader();
      await leader.kill();
      await sleep(500);
      leader.start();
      await cluster.waitForLeader();
    }
    await Promise.all(cluster.servers.map((server) => server.kill()));
    for (const server of cluster.servers) server.start();
    await cluster.waitForLeader();
    await sleep(500);
    isOver = true;
    // None is unknown: each was answered in the end.
    await Promise.all(callers);
    assertEquals(await client.text.get("counter"), `${sums.size}`);
    assert(sums.size > 100, `${sums.size} increments`);
  },
);

clusterTest(
  "client sessions: a reply is given again by the next leader, and bound keys go with their session",
  { deadlineMs: 120_000 },
  async (cluster) => {
    await cluster.startAll();
    const id = await openEventually(cluster, 86_400_000);
    const run = (sequence: string, ...words: string[]) =>
      ask(cluster, "RAFTKV.SESSION", "RUN", id, sequence, "1", ...words);
    assertEquals(await run("1", "INCR", "n"), 1);
    assertEquals(await run("2", "BIND", "SET", "here", "host"), "OK");
    const leader = await cluster.waitForLeader();
    await leader.kill();
    assertEquals(await run("1", "INCR", "n"), 1);
    assertEquals(await run("3", "INCR", "n"), 2);
    leader.start();
    assertEquals(await ask(cluster, "GET", "here"), "host");
    assertEquals(await ask(cluster, "RAFTKV.SESSION", "CLOSE", id), 1);
    assertEquals(await ask(cluster, "GET", "here"), null);
    // By time, though nobody writes.
    const short = await openEventually(cluster, 3_000);
    const bound = ["RAFTKV.SESSION", "RUN", short, "1", "1", "BIND", "SET", "here", "again"];
    assertEquals(await ask(cluster, ...bound), "OK");
    for (let i = 0; i < 4; i++) {
      await sleep(1_000);
      assert(Number(await ask(cluster, "RAFTKV.SESSION", "PING", short)) > 0);
    }
    assertEquals(await ask(cluster, "GET", "here"), "again");
    await eventually("the session to end by its time, and its key with it", async () => {
      return await ask(cluster, "GET", "here") === null;
    }, 30_000);
    const late = await ask(cluster, "RAFTKV.SESSION", "RUN", short, "2", "2", "INCR", "n")
      .catch(String);
    assert(`${late}`.includes("SESSION this session is unknown"), `${late}`);
    assertEquals(await ask(cluster, "GET", "n"), "2");
  },
);
