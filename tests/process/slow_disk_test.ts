/**
 * A follower whose disk stands still in the middle of a sync. Small syncs of a quick disk block the
 * event loop (sync_pace.ts): so such a server hears nothing meanwhile, and nobody else may feel it.
 */
import { assert, assertEquals } from "@std/assert";
import type { Client } from "./client.ts";
import { clusterTest, type Server } from "./harness.ts";
import { assertHolds, Load } from "./load.ts";
import { eventually, sleep } from "./patience.ts";
import { RedisSocket } from "./redis_socket.ts";
import { needsLinux, needsProgram, unmet } from "./requirements.ts";

/** Long enough that a busy machine makes nobody ask for an election: the term has to stay. */
const ELECTION_TIMEOUT_MS = 1_500;
/** How long each sync takes: several election timeouts. */
const STALL_MS = 6_000;
/** So much of it is certain: what holds the calls up is ended after two election timeouts. */
const STALLED_MS = ELECTION_TIMEOUT_MS;
/** A disk that others slow down counts as quick again after eight quick syncs: so not every try meets it so. */
const TRIES = 10;

const reason = unmet(
  needsLinux(),
  needsProgram("strace", "-f", "-o", "/dev/null", "-e", "inject=fdatasync:delay_enter=1", "true"),
);

/** Holds every `fdatasync` of a server up, from when it is called, until it is disposed of. */
class Stall {
  readonly #server: Server;
  readonly #calls: string;
  readonly #strace: Deno.ChildProcess;

  constructor(server: Server, directory: string) {
    this.#server = server;
    this.#calls = `${directory}/calls-${server.id}`;
    Deno.writeTextFileSync(this.#calls, "");
    const fault = `fdatasync:delay_enter=${STALL_MS * 1_000}`;
    this.#strace = new Deno.Command("strace", {
      args: ["-f", "-qq", "-o", this.#calls, "-e", "trace=fdatasync", "-e", `inject=${fault}`]
        .concat("-p", `${server.process.pid}`),
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
  }

  /** Waits for the first call that is held up; true where it is the event loop's own. */
  async begun(): Promise<boolean> {
    let first: string | undefined;
    await eventually(`server ${this.#server.id} to sync`, () => {
      first = /^(\d+) +fdatasync/.exec(Deno.readTextFileSync(this.#calls))?.[1];
      return first !== undefined;
    });
    return first === `${this.#server.process.pid}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#strace.kill("SIGTERM");
    await this.#strace.status;
  }
}

/** The log tells that it was the sync, and that this held up the event loop. */
function saysWhy({ process: { log } }: Server): boolean {
  const slow = log.filter(({ message }) => message.startsWith("Slow disk"));
  const stood = log.filter(({ message }) => message === "This server stood still");
  return slow.some(({ syncMs, writeMs, stoodStillMs }) =>
    Number(syncMs) >= STALLED_MS && Number(writeMs) + Number(stoodStillMs) < STALLED_MS / 2
  ) && stood.some(({ reason, stoodStillMs }) =>
    Number(stoodStillMs) >= STALLED_MS && /the disk held it up, .*: sync \//.test(`${reason}`)
  );
}

clusterTest(
  "process: a follower whose disk stands still in a sync costs nobody else anything",
  { timing: { heartbeatIntervalMs: 100, electionTimeoutMs: ELECTION_TIMEOUT_MS }, notRun: reason },
  async (cluster) => {
    await cluster.startAll();
    const leader = await cluster.waitForLeader();
    const term = await termOf(leader);
    const load = new Load(cluster, "stall");
    for (const follower of cluster.others(leader)) {
      let wasBlocking = false;
      for (let tries = 0; tries < TRIES && !wasBlocking; tries++) {
        await load.more(300);
        await using stall = new Stall(follower, cluster.directory);
        wasBlocking = await stall.begun();
        const stalledAtMs = performance.now();
        await load.more(300);
        // Longer than an election timeout, so that it could have thought of an election.
        await sleep(Math.max(0, 2 * ELECTION_TIMEOUT_MS - (performance.now() - stalledAtMs)));
      }
      assert(wasBlocking, `server ${follower.id} never synced on its event loop`);
    }
    await load.more(300);
    assertEquals(await termOf(leader), term, "the leader stays, and nobody asks for an election");
    for (const follower of cluster.others(leader)) {
      await eventually("the log to tell what took so long", () => saysWhy(follower));
    }
    await load.end();
    // Both have what they missed: each makes a majority with the leader.
    for (const follower of cluster.others(leader)) {
      await follower.kill();
      using client = cluster.client(cluster.others(follower));
      await writeOnce(client, `without-${follower.id}`);
      follower.start();
      await cluster.waitForLeader();
    }
    await assertHolds(await cluster.waitForLeader(), load.acknowledged);
  },
);

/**
 * Writes a key that nobody has: it has to be acknowledged by the two that are left. On a machine that
 * stands still an outcome may be unknown; then the write is there, or it is made again.
 */
async function writeOnce(client: Client, key: string): Promise<void> {
  await eventually(`a write of ${key}`, async () => {
    const outcome = await client.cas(key, 0, "x");
    if (outcome === "OK 1") return true;
    assert(outcome === "unknown" || outcome === "ERR_VERSION", `cas ${key}: ${outcome}`);
    return await client.get(key) === "x";
  });
}

/** The term that a leader leads in. */
async function termOf(server: Server): Promise<string> {
  using socket = await RedisSocket.connect(server.clientPort);
  const found = /raft_term:(\d+)/.exec(`${await socket.ask("INFO")}`);
  if (found === null) throw new Error("INFO has no term");
  return found[1]!;
}
