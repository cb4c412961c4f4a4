/**
 * A follower that was away during many writes returns while clients write as fast as they can. It catches
 * up, from the log's files or by a snapshot, and none of the acknowledged writes is missing on it.
 * RAFTKV_CATCH_UP_WRITES in the environment sets how many it misses.
 */
import { assert, assertEquals } from "@std/assert";
import { type Cluster, clusterTest, type Server } from "./harness.ts";
import { eventually } from "./patience.ts";
import { RedisSocket } from "./redis_socket.ts";
import { segmentSequence } from "../../lib/storage/segments/segment_head.ts";

const WRITES = Number(Deno.env.get("RAFTKV_CATCH_UP_WRITES") || 1_000_000);
const WRITERS = 4;
/** Commands of one writer that wait for their replies together. */
const PIPELINE = 256;
const CATCH_UP_DEADLINE_MS = 180_000;
const SENDING = "Sending a snapshot";
/** The writers stay with one leader: full load on a busy machine must not cost it its leadership. */
const TIMING = { heartbeatIntervalMs: 200, electionTimeoutMs: 4_000, commandTimeoutMs: 60_000 };

const encoder = new TextEncoder();

/** Every value is its key's own, so that a lost or foreign one is seen. */
function valueOf(key: string): string {
  return `value of ${key}`;
}

function request(...words: string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join("")}`;
}

/** Sets new keys on a leader as fast as replies come, and remembers which are acknowledged. */
class Writers {
  /** By writer: its keys up to there are acknowledged. */
  readonly #counts: number[] = new Array(WRITERS).fill(0);
  readonly #running: Promise<unknown>;
  #isOver = false;
  #failure: unknown = null;

  constructor(leader: Server) {
    const all = this.#counts.map((_, writer) => this.#run(leader, writer));
    this.#running = Promise.all(all).catch((error) => this.#failure = error);
  }

  get count(): number {
    if (this.#failure !== null) throw this.#failure;
    return this.#counts.reduce((sum, count) => sum + count, 0);
  }

  async more(count: number): Promise<void> {
    const goal = this.count + count;
    await eventually(`${count} more writes`, () => this.count >= goal, CATCH_UP_DEADLINE_MS);
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await this.#running;
    if (this.#failure !== null) throw this.#failure;
  }

  *keys(): Generator<string> {
    for (const [writer, count] of this.#counts.entries()) {
      for (let n = 0; n < count; n++) yield keyOf(writer, n);
    }
  }

  async #run(leader: Server, writer: number): Promise<void> {
    const socket = await RedisSocket.connect(leader.clientPort);
    try {
      for (let n = 0; !this.#isOver; n += PIPELINE) {
        let text = "";
        for (let i = n; i < n + PIPELINE; i++) {
          text += request("SET", keyOf(writer, i), valueOf(keyOf(writer, i)));
        }
        await socket.write(encoder.encode(text));
        for (let i = 0; i < PIPELINE; i++) assertEquals(await socket.readRaw(), "+OK\r\n");
        this.#counts[writer] = n + PIPELINE;
      }
    } finally {
      socket.close();
    }
  }
}

function keyOf(writer: number, n: number): string {
  return `w${writer}:${n}`;
}

/** Reads every key of `keys` on `follower`; returns how many there are. */
async function readBack(follower: Server, keys: Iterable<string>): Promise<number> {
  const socket = await RedisSocket.connect(follower.clientPort);
  try {
    assertEquals(await socket.ask("READONLY"), "OK");
    let count = 0;
    let waiting: string[] = [];
    const ask = async () => {
      await socket.write(encoder.encode(waiting.map((key) => request("GET", key)).join("")));
      for (const key of waiting) {
        const value = valueOf(key);
        assertEquals(await socket.readRaw(), `$${value.length}\r\n${value}\r\n`, key);
      }
      count += waiting.length;
      waiting = [];
    };
    for (const key of keys) {
      waiting.push(key);
      if (waiting.length === PIPELINE) await ask();
    }
    await ask();
    return count;
  } finally {
    socket.close();
  }
}

/** Until `follower` has what was set just now, while the writers continue. */
async function untilLevel(leader: Server, follower: Server): Promise<void> {
  const socket = await RedisSocket.connect(leader.clientPort);
  try {
    assertEquals(await socket.ask("SET", "marker", "there"), "OK");
  } finally {
    socket.close();
  }
  await eventually("the follower to have what was written after it came back", async () => {
    const reader = await RedisSocket.connect(follower.clientPort);
    try {
      assertEquals(await reader.ask("READONLY"), "OK");
      return await reader.ask("GET", "marker") === "there";
    } finally {
      reader.close();
    }
  }, CATCH_UP_DEADLINE_MS);
}

/** The numbers of the segments that a server's log has. */
function segmentsOf({ dataDirectory }: Server): number[] {
  const names = [...Deno.readDirSync(`${dataDirectory}/wal`)].map(({ name }) =>
    segmentSequence(name)
  );
  return names.filter((sequence) => sequence !== null);
}

/** Until the leader has none of these files any more: a follower that needs them needs a snapshot. */
async function untilGone(leader: Server, segments: readonly number[], writers: Writers) {
  const last = Math.max(...segments);
  while (Math.min(...segmentsOf(leader)) <= last) await writers.more(10_000);
}

/** Returns how many snapshots the leader has sent. */
async function awayAndBack(
  cluster: Cluster,
  writes: number,
  until: "back at once" | "files are gone" = "back at once",
): Promise<number> {
  await cluster.startAll();
  const leader = await cluster.waitForLeader();
  const follower = cluster.others(leader)[0]!;
  const writers = new Writers(leader);
  await writers.more(1_000);
  await follower.kill();
  const segments = segmentsOf(leader);
  await writers.more(writes);
  if (until === "files are gone") await untilGone(leader, segments, writers);
  follower.start();
  (await follower.connectEventually()).close();
  await untilLevel(leader, follower);
  const countWhenLevel = writers.count;
  await writers.more(1_000);
  assert(countWhenLevel > writes, "the writers wrote while it was away");
  await writers.end();
  await untilLevel(leader, follower);
  assertEquals(await readBack(follower, writers.keys()), writers.count);
  return leader.process.log.filter(({ message }) => message === SENDING).length;
}

clusterTest(
  "process: a follower that was away during many writes catches up from files at full load",
  { timing: TIMING, deadlineMs: 900_000 },
  async (cluster) => {
    assertEquals(await awayAndBack(cluster, WRITES), 0, "no snapshot was needed");
  },
);

clusterTest(
  "process: a follower whose files are gone gets a snapshot at full load, and catches up after it",
  {
    timing: TIMING,
    deadlineMs: 900_000,
    storage: {
      segmentBytesMax: 262_144,
      snapshotLogBytesMin: 262_144,
      logMemoryBytes: 65_536,
      catchUpBytes: 1_048_576,
    },
  },
  async (cluster) => {
    const sent = await awayAndBack(cluster, WRITES / 10, "files are gone");
    assert(sent >= 1, "a snapshot was needed");
  },
);
