/** What a library's user is told while the leader is killed: an INCR after another, counted. */
import { assertEquals } from "@std/assert";
import { assert } from "../../../lib/util/assert.ts";
import type { Cluster } from "../harness.ts";
import { eventually, Patience, sleep } from "../patience.ts";
import { RedisSocket, type Reply } from "../redis_socket.ts";
import type { Library } from "./client.ts";
import type { Answer, LibraryClient } from "./library_client.ts";

/** Increments before a kill, and those that have to be acknowledged after it. */
const COUNT = 20;
/**
 * For a whole round: a library that has not found the new leader by then does not find it. Without the
 * time in which the machine stood still.
 */
const ROUND_DEADLINE_MS = 30_000;
/** In which a command reaches a server's socket. */
const SENT_MS = 50;
/** What a user waits who was told of an error; without it no event of the library gets its turn. */
const AFTER_ERROR_MS = 20;

/** One kill of the leader, as the user of the library saw it. */
export interface Kill {
  /** What the command was answered that was in flight; null where none was. */
  readonly cut: Answer | null;
  /** The errors of commands that were sent after the kill, in order. */
  readonly errors: readonly string[];
  /** From the kill to the first acknowledgement. */
  readonly stillMs: number;
  /** Whether as many as wanted were acknowledged in time. */
  readonly found: boolean;
}

/** How often it was sent, and how often acknowledged, over all kills. */
export class Tally {
  sent = 0;
  acknowledged = 0;

  async incr(client: LibraryClient, key: string): Promise<Answer> {
    this.sent++;
    const answer = await client.incr(key);
    if ("value" in answer) this.acknowledged++;
    return answer;
  }

  /**
   * The counter is what was acknowledged, no less and no more: what failed had reached no server that
   * could do it, since whoever was killed read nothing more.
   */
  async check(cluster: Cluster, key: string): Promise<void> {
    const leader = await cluster.waitForLeader();
    using socket = await RedisSocket.connect(leader.clientPort);
    assertEquals(Number(await socket.ask("GET", key)), this.acknowledged, `of ${this.sent} sent`);
  }
}

/**
 * Kills the leader while the client is idle, or while one of its commands is in flight, and goes on
 * until COUNT commands are acknowledged. `tally` counts what was sent.
 */
export async function overKill(
  cluster: Cluster,
  client: LibraryClient,
  key: string,
  tally: Tally,
  inFlight: boolean,
): Promise<Kill> {
  for (let i = 0; i < COUNT; i++) {
    const answer = await tally.incr(client, key);
    assert("value" in answer, `Before the kill: ${JSON.stringify(answer)}`);
  }
  const leader = await cluster.waitForLeader();
  let cut: Promise<Answer> | null = null;
  if (inFlight) {
    // A frozen server answers nothing; the command waits at its socket when it is killed.
    leader.freeze();
    cut = tally.incr(client, key);
    await sleep(SENT_MS);
  }
  const killedMs = performance.now();
  const killing = leader.kill();
  if (!inFlight) await killing;
  const cutAnswer = await cut;
  const errors: string[] = [];
  let stillMs = cutAnswer !== null && "value" in cutAnswer ? performance.now() - killedMs : -1;
  let left = COUNT;
  using patience = new Patience(ROUND_DEADLINE_MS);
  while (left > 0 && !patience.isSpent) {
    const answer = await tally.incr(client, key);
    if ("error" in answer) {
      errors.push(answer.error);
      await sleep(AFTER_ERROR_MS);
      continue;
    }
    if (stillMs < 0) stillMs = performance.now() - killedMs;
    left--;
  }
  await killing;
  return { cut: cutAnswer, errors, stillMs, found: left === 0 };
}

/**
 * All servers up, and each lists all of them in its layout: what a round begins with. A client that was
 * told of fewer may know nobody any more after the kill, since some forget what they were made with.
 */
export async function heal(cluster: Cluster): Promise<void> {
  await cluster.startAll();
  const all = cluster.servers.map((server) => server.clientPort).sort();
  for (const server of cluster.servers) {
    (await server.connectEventually()).close();
    await eventually(`server ${server.id} to list all servers`, async () => {
      using socket = await RedisSocket.connect(server.clientPort);
      const listed = portsOf(await socket.ask("CLUSTER", "SLOTS"));
      return listed.sort().join() === all.join();
    });
  }
}

/** The ports in a reply to CLUSTER SLOTS, the master's first; none where it is an error. */
export function portsOf(reply: Reply): number[] {
  if (!Array.isArray(reply)) return [];
  const [[, , ...servers]] = reply as [[unknown, unknown, ...[string, number][]]];
  return servers.map((server) => server[1]);
}

/** A client of the leader, or of all servers where the library can do that. */
export async function connectTo(cluster: Cluster, library: Library): Promise<LibraryClient> {
  const leader = await cluster.waitForLeader();
  const all = cluster.servers.map((server) => server.clientPort);
  return await library.connect(library.isCluster ? all : [leader.clientPort]);
}
