/** Whether a follower that lacks much gets the log's entries, or a snapshot and what follows it. */
import { assertEquals } from "@std/assert";
import type { SnapshotChunk } from "../../lib/raft/types.ts";
import {
  SnapshotStreams,
  type SnapshotStreamsOptions,
} from "../../lib/node/snapshots/snapshot_streams.ts";
import { shorterWay } from "../../lib/node/snapshots/shorter_way.ts";
import { makeProgress } from "../../lib/raft/progress.ts";

const MIB = 1_048_576;
const REQUEST = { follower: 2, fromIndex: 100, toIndex: 900, bytesMax: MIB };

/** The log has a MiB each ten entries, up to 1,000; the newest snapshot is at 800. */
function isShorter(
  {
    snapshotBytes = 10 * MIB,
    newest = 800,
    logFrom = 0,
    mode = "replicate",
    matchIndex = 100,
    lastIndex = 800,
    mayServe = true,
    fromIndex = 100,
  },
): boolean {
  const request = { ...REQUEST, fromIndex };
  const progress = { ...makeProgress(2, fromIndex + 1), mode, matchIndex };
  const options = {
    raft: {
      leader: { progress: new Map([[2, progress]]) },
      state: { log: { firstIndex: 950, lastIndex } },
    },
    reader: {
      bytesAfter: (index: number) => Math.floor((1_000 - index) / 10) * MIB,
      reaches: (index: number) => index >= logFrom,
    },
    readable: {
      list: () => newest === 0 ? [] : [{ index: newest, term: 1 }],
      bytesOf: () => snapshotBytes,
    },
    pace: { mayServe: () => mayServe },
    takesPieces: () => false,
  };
  const streams = new SnapshotStreams(options as unknown as SnapshotStreamsOptions);
  const prefers = streams.prefersSnapshot(request, 0);
  assertEquals(streams.prefersSnapshot(request, 0), false, "once");
  if (!prefers) return false;
  streams.leadershipLost();
  return streams.prefersSnapshot(request, 0);
}

Deno.test("a follower gets a snapshot in place of entries that are there, where these are far longer", () => {
  assertEquals(isShorter({ snapshotBytes: 34 * MIB }), true);
  assertEquals(isShorter({ snapshotBytes: 36 * MIB }), false);
  // There is none, it has that much, or it lacks little up to there.
  assertEquals(isShorter({ newest: 0 }), false);
  assertEquals(isShorter({ newest: 100 }), false);
  assertEquals(isShorter({ newest: 130, snapshotBytes: 1 }), false);
  assertEquals(isShorter({ newest: 140, snapshotBytes: 1 }), true);
});

Deno.test("one that has next to nothing gets a snapshot that is longer than its entries, too", () => {
  assertEquals(isShorter({ lastIndex: 801, snapshotBytes: 116 * MIB }), true);
  assertEquals(isShorter({ lastIndex: 801, snapshotBytes: 118 * MIB }), false);
});

Deno.test("a follower that is being sent entries, or whose log is not known yet, gets more of them", () => {
  assertEquals(isShorter({ matchIndex: 90 }), false);
  assertEquals(isShorter({ mode: "probe" }), false);
  assertEquals(isShorter({ mode: "probe", matchIndex: 0 }), false);
});

Deno.test("a follower that turns out to have no entries is not sent some of them first", () => {
  assertEquals(isShorter({ mode: "probe", matchIndex: 0, fromIndex: 0 }), true);
});

Deno.test("a follower that was given up a moment ago gets entries, where they are there", () => {
  assertEquals(isShorter({ mayServe: false }), false);
});

Deno.test("a snapshot after which the log has a gap is nothing to begin with", () => {
  assertEquals(isShorter({ logFrom: 801 }), false);
  assertEquals(isShorter({ logFrom: 800 }), true);
});

Deno.test("where such a snapshot comes no further, the follower gets the entries after all", () => {
  const progress = { ...makeProgress(2, 101), mode: "replicate", matchIndex: 100 };
  const failed: number[] = [];
  const file = { position: { index: 800, term: 1 }, bodyBytes: 50, readBody: () => 0, close() {} };
  const options = {
    raft: {
      leader: { progress: new Map([[2, progress]]) },
      state: { id: 1, term: 1, log: { firstIndex: 950, lastIndex: 800 } },
      needsSnapshot: () => progress.mode === "snapshot",
      snapshotFailed: (id: number) => failed.push(id),
    },
    reader: { bytesAfter: (index: number) => (1_000 - index) * MIB, reaches: () => true },
    readable: { list: () => [file.position], bytesOf: () => 50, open: () => file },
    maker: { runningIndex: Infinity, want() {} },
    pace: { mayServe: () => true },
    takesPieces: () => false,
    limits: { snapshotChunkBytes: 10 },
    links: { send() {} },
    host: { log() {} },
  };
  const streams = new SnapshotStreams(options as unknown as SnapshotStreamsOptions);
  assertEquals(streams.prefersSnapshot(REQUEST, 0), true);
  progress.mode = "snapshot";
  streams.need(2);
  for (let nowMs = 0; nowMs < 10_000; nowMs += 100) streams.elapse(nowMs, 50);
  assertEquals([failed, streams.isSending], [[], true]);
  streams.elapse(10_000, 50);
  assertEquals([failed, streams.isSending], [[2], false]);
});

const WAYS = {
  isEmpty: true,
  entriesBytes: 100 * MIB,
  newest: { bytes: 50 * MIB, entriesAfterBytes: 50 * MIB },
  madeBytes: 100 * MIB,
};

Deno.test("what is made for a follower is weighed against the newest, and the entries after that", () => {
  // 0.6 * 1.2 * 100, beside 0.6 * 50 + 50, and 100.
  assertEquals(shorterWay(WAYS), "made");
  assertEquals(shorterWay({ ...WAYS, madeBytes: 112 * MIB }), "newest");
  const newest = { bytes: 75 * MIB, entriesAfterBytes: 25 * MIB };
  assertEquals(shorterWay({ ...WAYS, newest }), "newest");
  assertEquals(shorterWay({ ...WAYS, newest: null }), "made");
  assertEquals(shorterWay({ ...WAYS, newest: null, madeBytes: 140 * MIB }), "entries");
  assertEquals(shorterWay({ ...WAYS, madeBytes: null }), "newest");
  assertEquals(shorterWay({ ...WAYS, newest: null, madeBytes: null }), "entries");
  // Entries leave what it has in place.
  assertEquals(shorterWay({ ...WAYS, isEmpty: false }), "entries");
  assertEquals(shorterWay({ ...WAYS, isEmpty: false, newest: null, madeBytes: 41 * MIB }), "made");
  // So few are there before a snapshot has begun; and where there are none, it takes what there is.
  const few = { ...WAYS, entriesBytes: 3 * MIB, newest: null, madeBytes: MIB };
  assertEquals(shorterWay(few), "entries");
  assertEquals(shorterWay({ ...WAYS, isEmpty: false, entriesBytes: Infinity }), "newest");
});

/** A section of tag 1 and 60,000 bytes begins, and does not end here. */
const BODY = new Uint8Array(100);
BODY.set([0, 0, 0, 0, 0, 0, 0xea, 0x60, 1]);

/** A leader whose newest snapshot is at 100, and follower 2, which has nothing and asks for entries. */
class Bench {
  readonly progress = { ...makeProgress(2, 1), mode: "replicate", matchIndex: 0 };
  readonly failed: number[] = [];
  readonly sent: SnapshotChunk[] = [];
  /** Of the snapshot that is being made. */
  readonly body = {
    ...{ bytes: 0, bodyBytes: null as number | null, isLost: false, isClosed: false },
    readBody(offset: number, into: Uint8Array): number {
      into.set(BODY.subarray(offset, offset + into.length));
      return into.length;
    },
    close() {
      this.isClosed = true;
    },
  };
  readonly maker = {
    ...{ runningIndex: Infinity, wanted: 0 },
    want() {
      this.wanted++;
    },
    openRunning: () => ({ position: { index: this.maker.runningIndex, term: 1 }, body: this.body }),
  };
  readonly streams: SnapshotStreams;
  nowMs = 0;

  constructor() {
    const options = {
      raft: {
        leader: { progress: new Map([[2, this.progress]]) },
        state: { id: 1, term: 1, log: { firstIndex: 950, lastIndex: 1_000 } },
        needsSnapshot: () => this.progress.mode === "snapshot",
        snapshotFailed: (id: number) => this.failed.push(id),
      },
      reader: { bytesAfter: (index: number) => (1_000 - index) * MIB, reaches: () => true },
      readable: {
        list: () => [{ index: 100, term: 1 }],
        bytesOf: () => 100 * MIB,
        open: () => ({ position: { index: 100, term: 1 }, bodyBytes: 50, close() {} }),
      },
      ...{ maker: this.maker, pace: { mayServe: () => true }, takesPieces: () => true },
      limits: { snapshotChunkBytes: 10 },
      links: { send: (chunk: SnapshotChunk) => void this.sent.push(chunk) },
      host: { log() {} },
    };
    this.streams = new SnapshotStreams(options as unknown as SnapshotStreamsOptions);
    this.elapse(0);
    const request = { follower: 2, fromIndex: 0, toIndex: 900, bytesMax: MIB };
    assertEquals(this.streams.prefersSnapshot(request, 0), true);
    this.progress.mode = "snapshot";
    this.streams.need(2);
  }

  elapse(ms: number): void {
    this.nowMs += ms;
    this.streams.elapse(this.nowMs, 1_000 * MIB);
  }

  /** So much of the snapshot is made by now, in chunks of ten bytes; what was sent of it. */
  made(bytes: number): [number, number, number | null][] {
    this.body.bytes = bytes;
    this.streams.grown(this.nowMs);
    return this.taken();
  }

  /** Offset, length and how long all is, of each chunk. */
  taken(): [number, number, number | null][] {
    return this.sent.splice(0).map(({ offset, data, totalBytes }) => [
      ...[offset, data.length] as const,
      totalBytes,
    ]);
  }

  holds(offset: number): [number, number, number | null][] {
    const kind = "snapshotChunkResponse" as const;
    const index = this.maker.runningIndex;
    this.streams.answered(
      { kind, from: 2, to: 1, term: 1, index, snapshotTerm: 1, offset },
      this.nowMs,
    );
    return this.taken();
  }
}

Deno.test("a snapshot that is made for a follower is sent as it is made", () => {
  const bench = new Bench();
  bench.elapse(10);
  assertEquals([bench.maker.wanted, bench.streams.isSending, bench.taken()], [1, true, []]);
  bench.maker.runningIndex = 1_000;
  bench.elapse(10);
  assertEquals(bench.taken(), [[0, 0, null]], "how much has it?");
  assertEquals(bench.made(25), [], "before it has answered");
  assertEquals(bench.streams.pinnedIndex(), 1_000);
  assertEquals(bench.holds(0), [[0, 10, null], [10, 10, null]]);
  assertEquals(bench.made(29), [], "none is short while more comes");
  assertEquals(bench.made(35), [[20, 10, null]]);
  assertEquals(bench.holds(30), []);
  // It has what there is: it is asked now and then, and nobody gives it up.
  for (let i = 0; i < 150; i++) bench.elapse(100);
  assertEquals([bench.failed, bench.streams.isSending], [[], true]);
  assertEquals(bench.taken().length, 15);
});

Deno.test("where such a snapshot is given up, nothing more of it is read, and the follower waits for another", () => {
  const bench = new Bench();
  bench.maker.runningIndex = 1_000;
  bench.elapse(10);
  bench.made(20);
  bench.body.isLost = true;
  bench.maker.runningIndex = Infinity;
  assertEquals([bench.taken(), bench.holds(0), bench.body.isClosed], [[], [], true]);
  assertEquals(bench.streams.isAwaited, true);
  // Soon, another one is made; else it gets entries.
  for (let i = 0; i < 10; i++) bench.elapse(100);
  assertEquals(bench.failed, []);
  bench.elapse(100);
  assertEquals([bench.failed, bench.streams.isSending], [[2], false]);
});

Deno.test("a follower that then needs a snapshot after all, as its entries are gone, gets the newest", () => {
  const bench = new Bench();
  for (let i = 0; i < 12; i++) bench.elapse(100);
  assertEquals(bench.failed, [2]);
  bench.streams.need(2);
  bench.elapse(10);
  assertEquals(bench.taken(), [[0, 0, 50]]);
});
