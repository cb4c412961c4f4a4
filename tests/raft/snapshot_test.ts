/** Compaction and snapshots (paper §7; rows 27 to 29 of the known bugs), one server at a time. */
import { assertEquals, assertThrows } from "@std/assert";
import { makeConfiguration } from "../../lib/raft/configuration.ts";
import { describeMessage, describeState } from "../../lib/raft/describe.ts";
import type { Message } from "../../lib/raft/types.ts";
import { AssertionError } from "../../lib/util/assert.ts";
import { Bench, entry, log, message } from "./builders.ts";
import { elapsedTicks, setElapsed } from "./time.ts";

const VOTERS = makeConfiguration([1, 2, 3]);
const WIDE = makeConfiguration([1, 2, 3, 4, 5], [6]);

const texts = (messages: readonly Message[]) => messages.map(describeMessage);

/** A follower whose log has these terms, of which the first `commitIndex` are applied. */
function follower(terms: number[], commitIndex: number): Bench {
  const bench = new Bench(terms);
  const term = terms.at(-1)!;
  const prev = { prevIndex: terms.length, prevTerm: term };
  bench.step({ kind: "appendRequest", term, ...prev, commitIndex });
  return bench;
}

Deno.test("compaction keeps the term in front of the log, and goes no further than applied and durable", () => {
  const bench = follower([1, 1, 2, 2], 3);
  bench.raft.compact(2);
  bench.raft.compact(1);
  assertEquals(
    describeState(bench.state),
    "1 follower t2 vote none leader 2 snapshot 2/t1 log 3..4/t2 commit 3",
  );
  assertThrows(() => bench.raft.compact(4), AssertionError, "handed out up to 3 only");
  const prev = { prevIndex: 4, prevTerm: 2 };
  const append = { kind: "appendRequest", term: 2, ...prev, entries: [entry(5, 2)] } as const;
  bench.raft.step(message({ ...append, commitIndex: 5 }));
  bench.takeHeld(); // the batch, which stays under way
  assertEquals(bench.raft.ready().committed, [entry(4, 2), entry(5, 2)]);
  assertThrows(() => bench.raft.compact(5), AssertionError, "durable up to 4 only");
  bench.raft.compact(4);
});

Deno.test("compaction while a batch is under way leaves the batch alone", () => {
  const bench = follower([1, 1], 2);
  const append = { kind: "appendRequest", prevIndex: 2, prevTerm: 1 } as const;
  bench.raft.step(message({ ...append, entries: log(3).terms(1, 1) }));
  bench.takeHeld();
  bench.raft.compact(2);
  assertEquals(texts(bench.sync()), ["1→2 append ok t1 index 4 round 0"]);
  assertEquals([bench.state.log.durableIndex, bench.state.log.firstIndex], [4, 3]);
});

Deno.test("recovered entries may begin in front of the snapshot's index; they stay, but are not applied", () => {
  const position = { index: 3, term: 1 };
  const hardState = { term: 2, votedFor: 0, suspect: false };
  const all = new Bench([], { hardState, snapshot: position, entries: log(1).terms(1, 1, 1, 2) });
  const { state } = all;
  assertEquals([state.log.firstIndex, state.commitIndex, state.log.durableIndex], [1, 3, 4]);
  assertEquals(all.takeReady().committed, []);
  const some = new Bench([], { hardState, snapshot: position, entries: log(2).terms(1, 1, 2) });
  // The term in front of entry 2 is unknown, so entry 2 itself serves as what the log begins behind.
  assertEquals(some.state.log.snapshot, { index: 2, term: 1 });
  assertEquals([some.state.log.firstIndex, some.state.commitIndex], [3, 3]);
});

Deno.test("recovered entries that contradict the snapshot, or end in front of it, are refused", () => {
  const hardState = { term: 2, votedFor: 0, suspect: false };
  for (const entries of [log(1).terms(1, 1, 1), log(1).terms(1, 1)]) {
    assertThrows(
      () => new Bench([], { hardState, snapshot: { index: 3, term: 2 }, entries }),
      AssertionError,
      "don't hold the snapshot's 3/t2",
    );
  }
  const gap = { hardState, snapshot: { index: 3, term: 2 }, entries: log(5).terms(2) };
  assertThrows(() => new Bench([], gap), AssertionError, "cannot follow 3/t2");
});

Deno.test("a snapshot of a later term than the hard state's: that term counts, without a vote", () => {
  const hardState = { term: 2, votedFor: 3, suspect: false };
  const bench = new Bench([], { hardState, snapshot: { index: 7, term: 5 }, entries: [] });
  assertEquals(bench.raft.ready().persist?.hardState, { term: 5, votedFor: 0, suspect: false });
});

Deno.test("row 29: terms in front of the log are unknown, neither 0 nor a match", () => {
  const bench = follower([1, 1, 2, 2], 4);
  bench.raft.compact(3);
  const { log: raftLog } = bench.state;
  assertEquals([0, 1, 2, 3].map((index) => raftLog.termAt(index)), [-1, -1, -1, 2]);
  assertThrows(() => raftLog.slice(3), AssertionError, "begins with 4");
  assertThrows(() => raftLog.at(3), AssertionError);
});

Deno.test("row 29: an append behind a compacted entry is taken: that entry is committed", () => {
  const bench = follower([1, 1, 2, 2], 4);
  bench.raft.compact(4);
  const append = { kind: "appendRequest", term: 2, prevIndex: 1, prevTerm: 1 } as const;
  const entries = log(2).terms(1, 2, 2, 2);
  assertEquals(texts(bench.step({ ...append, entries, commitIndex: 4 })), [
    "1→2 append ok t2 index 5 round 0",
  ]);
  assertEquals(bench.state.log.entries, log(5).terms(2));
});

Deno.test("a chunk is heard like an append: it makes a follower and stops the election timer", () => {
  const bench = new Bench([1]);
  bench.timeout();
  assertEquals(bench.state.role.kind, "preCandidate");
  setElapsed(bench.state, 3);
  bench.raft.step(message({ kind: "snapshotChunk", term: 4, index: 9, snapshotTerm: 3 }));
  const { role, term, leaderId } = bench.state;
  assertEquals([role.kind, term, leaderId, elapsedTicks(bench.state)], ["follower", 4, 2, 0]);
  assertEquals(bench.takeReady().snapshotChunks.map(({ index }) => index), [9]);
  assertEquals(bench.raft.hasReady(), false);
});

Deno.test("a chunk of an older term is answered with the term, and dropped", () => {
  const bench = new Bench([1, 3]);
  bench.raft.step(message({ kind: "snapshotChunk", term: 2, index: 9 }));
  const ready = bench.takeReady();
  assertEquals(texts(ready.messages), ["1→2 heartbeat ok t3 round 0"]);
  assertEquals(ready.snapshotChunks, []);
});

Deno.test("row 28: what a chunk and an install may change, by what the log holds", () => {
  // The log is 1/t1 2/t1 3/t2 4/t2 with 2 committed; the leader is in term 3.
  const cases = [
    // index, term, taken, commit afterwards, last index afterwards
    [1, 1, false, 2, 4],
    [2, 1, false, 2, 4],
    [2, 2, false, 2, 4], // no such snapshot can be, yet what is committed stays
    [3, 2, false, 3, 4], // matches: what is behind it stays
    [4, 2, false, 4, 4],
    [3, 3, true, 3, 3], // differs: nothing behind it can be right
    [4, 3, true, 4, 4],
    [5, 2, true, 5, 5],
    [9, 3, true, 9, 9],
  ] as const;
  for (const [index, snapshotTerm, taken, commit, last] of cases) {
    for (const byChunk of [true, false]) {
      const bench = new Bench([1, 1, 2, 2]);
      const prev = { prevIndex: 2, prevTerm: 1 };
      bench.step({ kind: "appendRequest", term: 3, ...prev, commitIndex: 2 });
      const name = `${index}/t${snapshotTerm} ${byChunk ? "chunk" : "restore"}`;
      if (byChunk) {
        bench.raft.step(message({ kind: "snapshotChunk", term: 3, index, snapshotTerm }));
        const ready = bench.takeReady();
        assertEquals(ready.snapshotChunks.length, taken ? 1 : 0, name);
        const ack = `1→2 append ok t3 index ${commit} round 0`;
        assertEquals(texts(ready.messages), taken ? [] : [ack], name);
        if (!taken) assertEquals(bench.state.log.lastIndex, last, name);
      } else {
        const restored = bench.raft.restore({ index, term: snapshotTerm }, VOTERS);
        assertEquals(restored, taken, name);
        const { log, commitIndex } = bench.state;
        assertEquals([log.lastIndex, commitIndex], [last, commit], name);
        assertEquals(texts(bench.take()), [`1→2 append ok t3 index ${commit} round 0`], name);
      }
    }
  }
});

Deno.test("after a restore all up to there counts as applied and durable, and the log goes on behind", () => {
  const bench = follower([1, 1], 1);
  assertEquals(bench.raft.restore({ index: 7, term: 1 }, WIDE), true);
  const { log: raftLog, output } = bench.state;
  assertEquals([raftLog.durableIndex, output.applyingIndex, raftLog.lastTerm], [7, 7, 1]);
  assertEquals(bench.state.configurations.current, WIDE);
  assertEquals(bench.takeReady().committed, []);
  const prev = { prevIndex: 7, prevTerm: 1 };
  bench.raft.step(
    message({ kind: "appendRequest", ...prev, entries: [entry(8, 1)], commitIndex: 8 }),
  );
  assertEquals(bench.takeReady().persist?.entries, [entry(8, 1)]);
  assertEquals(bench.takeReady().committed, [entry(8, 1)]);
});

Deno.test("the ack of a restore waits for the term that it speaks in", () => {
  const bench = new Bench([1]);
  bench.raft.step(message({ kind: "snapshotChunk", term: 4, index: 9, snapshotTerm: 3 }));
  bench.takeHeld();
  assertEquals(bench.raft.restore({ index: 9, term: 3 }, VOTERS), true);
  assertEquals(bench.takeHeld(), []);
  bench.sync();
  assertEquals(texts(bench.take()), ["1→2 append ok t4 index 9 round 0"]);
});

Deno.test("a batch under way at a restore does not count: not its entries, but its hard state", () => {
  const bench = new Bench([1]);
  const append = { kind: "appendRequest", prevIndex: 1, prevTerm: 1 } as const;
  bench.raft.step(message({ ...append, term: 2, entries: log(2).terms(1, 1, 2, 2, 2) }));
  bench.takeHeld();
  assertEquals(bench.batch?.entries.length, 5);
  // Another leader's snapshot: of the five entries some agree with it and some do not.
  bench.raft.step(message({ kind: "heartbeat", from: 3, term: 3 }));
  assertEquals(bench.raft.restore({ index: 4, term: 3 }, VOTERS), true);
  const prev = { prevIndex: 4, prevTerm: 3 };
  bench.raft.step(
    message({ kind: "appendRequest", from: 3, term: 3, ...prev, entries: [entry(5, 3)] }),
  );
  bench.sync();
  const { log: raftLog, output } = bench.state;
  assertEquals([raftLog.durableIndex, raftLog.submittedIndex, output.durableVersion], [4, 4, 1]);
  bench.takeHeld();
  assertEquals(bench.batch?.entries, [entry(5, 3)]);
  assertEquals(bench.batch?.hardState?.term, 3);
  assertEquals(texts(bench.sync()), ["1→3 append ok t3 index 5 round 0"]);
});

Deno.test("nor where the same entries come again behind the snapshot", () => {
  const bench = new Bench([1]);
  const entries = log(2).terms(2, 2, 2, 2, 2);
  const prev = { prevIndex: 1, prevTerm: 1 };
  bench.raft.step(message({ kind: "appendRequest", term: 2, ...prev, entries }));
  bench.takeHeld();
  // Server 3 leads term 3 without those entries, then server 2 term 4 with them.
  const other = { from: 3, term: 3, prevIndex: 2, prevTerm: 2, entries: log(3).terms(3) };
  bench.raft.step(message({ kind: "appendRequest", ...other }));
  bench.raft.step(message({ kind: "heartbeat", term: 4 }));
  assertEquals(bench.raft.restore({ index: 4, term: 2 }, VOTERS), true);
  const behind = { term: 4, prevIndex: 4, prevTerm: 2, entries: log(5).terms(2, 2) };
  bench.raft.step(message({ kind: "appendRequest", ...behind }));
  bench.sync();
  assertEquals(bench.state.log.durableIndex, 4, "the log on disk begins anew behind 4");
  bench.takeHeld();
  assertEquals(bench.batch?.entries.map(({ index }) => index), [5, 6]);
});

Deno.test("an ack that waits for a write which a restore makes needless leaves at once", () => {
  const bench = new Bench([1]);
  const append = { kind: "appendRequest", prevIndex: 1, prevTerm: 1 } as const;
  bench.raft.step(message({ ...append, entries: log(2).terms(1, 1) }));
  assertEquals(bench.raft.restore({ index: 9, term: 1 }, VOTERS), true);
  assertEquals(texts(bench.takeHeld()), [
    "1→2 append ok t1 index 3 round 0",
    "1→2 append ok t1 index 9 round 0",
  ]);
  assertEquals(bench.batch, null);
});

Deno.test("an ack that waits for entries which a restore drops is dropped with them", () => {
  const bench = new Bench([1]);
  const append = { kind: "appendRequest", prevIndex: 1, prevTerm: 1 } as const;
  bench.raft.step(message({ ...append, entries: log(2).terms(1) }));
  bench.takeHeld();
  bench.raft.step(message({ ...append, entries: log(2).terms(1, 1, 1) }));
  // No honest leader sends this: its log would hold the snapshot's entry.
  assertEquals(bench.raft.restore({ index: 3, term: 0 }, VOTERS), true);
  bench.sync();
  assertEquals(texts(bench.take()), ["1→2 append ok t1 index 3 round 0"]);
});

Deno.test("a server that caught up or was elected meanwhile keeps its log", () => {
  const bench = follower([1, 1, 1], 3);
  assertEquals(bench.raft.restore({ index: 3, term: 1 }, VOTERS), false);
  const leader = new Bench([1]);
  leader.lead();
  assertEquals(leader.raft.restore({ index: 9, term: 1 }, VOTERS), false);
  assertEquals([leader.state.role.kind, leader.state.commitIndex], ["leader", 0]);
  assertThrows(
    () => follower([1], 1).raft.restore({ index: 9, term: 2 }, VOTERS),
    AssertionError,
    "knows 1 only",
  );
});

Deno.test("a suspect server is not cleared by a snapshot, but by the append behind it", () => {
  const hardState = { term: 1, votedFor: 0, suspect: true };
  for (const [term, cleared] of [[3, true], [2, false]] as const) {
    const bench = new Bench([1], { hardState });
    bench.step({ kind: "heartbeat", term: 3 });
    bench.step({ kind: "heartbeatResponse", from: 3, term: 3 });
    bench.raft.restore({ index: 9, term }, VOTERS);
    bench.take();
    assertEquals(bench.state.suspect, true);
    const prev = { prevIndex: 9, prevTerm: term };
    bench.step({ kind: "appendRequest", term: 3, ...prev, commitIndex: 9 });
    assertEquals(bench.state.suspect, !cleared, `snapshot of term ${term}`);
  }
});
