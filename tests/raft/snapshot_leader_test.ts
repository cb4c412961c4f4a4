/** A leader whose followers need what is compacted away (row 29 of the known bugs). */
import { assertEquals } from "@std/assert";
import { describeMessage } from "../../lib/raft/describe.ts";
import type { Message } from "../../lib/raft/types.ts";
import { Bench, message } from "./builders.ts";
import { bytes, TICKS } from "./cluster.ts";
import { leaderOf } from "../../lib/raft/state.ts";
import { tick } from "./time.ts";

const texts = (messages: readonly Message[]) => messages.map(describeMessage);

/** A leader of term 2 that has committed 1..5 and dropped 1..4; server 3 has answered nothing yet. */
function compacted(): Bench {
  const bench = new Bench([1, 1, 1, 1]);
  bench.lead();
  bench.step({ kind: "appendResponse", term: 2, index: 5 });
  bench.raft.compact(4);
  return bench;
}

/** Server 3 refuses with a hint that lies in front of the log. */
function lag(bench: Bench): void {
  bench.raft.step(message({
    ...{ kind: "appendResponse", from: 3, term: 2, success: false },
    ...{ index: 4, hintIndex: 1, hintTerm: 1 },
  }));
}

Deno.test("row 29: a leader sends no append behind an entry that is gone, but asks for a snapshot, once", () => {
  const bench = compacted();
  lag(bench);
  const ready = bench.takeReady();
  assertEquals([ready.messages.length, ready.snapshotsNeeded], [0, [3]]);
  assertEquals([bench.raft.needsSnapshot(3), bench.raft.needsSnapshot(2)], [true, false]);
  bench.raft.propose(bytes("x"));
  lag(bench);
  const next = bench.takeReady();
  assertEquals([next.messages.map(({ to }) => to), next.snapshotsNeeded], [[2], []]);
  tick(bench.raft);
  tick(bench.raft);
  assertEquals(texts(bench.takeReady().messages).filter((text) => text.startsWith("1→3")), [
    "1→3 heartbeat t2 commit 0 round 0",
  ]);
});

Deno.test("a follower that is in flight when its entries are compacted gets a snapshot, too", () => {
  const bench = new Bench([1, 1]);
  bench.lead();
  for (const from of [2, 3]) bench.step({ kind: "appendResponse", from, term: 2, index: 3 });
  for (const text of ["a", "b"]) bench.raft.propose(bytes(text));
  bench.take();
  bench.step({ kind: "appendResponse", term: 2, index: 5 });
  bench.raft.compact(5);
  // All that 3 was sent is in front of the log's end: nothing is wrong until that turns out lost.
  for (let i = 0; i < 4; i++) tick(bench.raft);
  bench.take();
  bench.raft.step(message({ kind: "heartbeatResponse", from: 3, term: 2 }));
  assertEquals(texts(bench.take()), ["1→3 append t2 prev 5/t2 entries none commit 5 round 0"]);
  const refusal = { kind: "appendResponse", from: 3, term: 2, success: false } as const;
  bench.raft.step(message({ ...refusal, index: 5, hintIndex: 3, hintTerm: 2 }));
  assertEquals(bench.takeReady().snapshotsNeeded, [3]);
});

Deno.test("one whose window is full when the log moves on without it: a stall leads to a snapshot", () => {
  const bench = new Bench([1, 1], { appendsInFlightMax: 1 });
  bench.lead();
  for (const from of [2, 3]) bench.step({ kind: "appendResponse", from, term: 2, index: 3 });
  for (let index = 4; index <= 7; index++) {
    bench.raft.propose(bytes("x"));
    bench.take();
    bench.step({ kind: "appendResponse", term: 2, index });
  }
  assertEquals(leaderOf(bench.state)!.progress.get(3)?.nextIndex, 5);
  bench.raft.compact(7);
  for (let i = 0; i < 4; i++) tick(bench.raft);
  bench.take();
  bench.raft.step(message({ kind: "heartbeatResponse", from: 3, term: 2 }));
  // The term of what was sent last is known without the log: it asks before it gives anything up.
  assertEquals(texts(bench.take()), ["1→3 append t2 prev 4/t2 entries none commit 7 round 0"]);
  bench.raft.step(message({ kind: "appendResponse", from: 3, term: 2, index: 4 }));
  assertEquals(bench.takeReady().snapshotsNeeded, [3]);
});

Deno.test("a silent follower gets no snapshot before it has answered heartbeats", () => {
  const bench = compacted();
  lag(bench);
  bench.takeReady();
  bench.raft.snapshotFailed(3);
  bench.raft.propose(bytes("x"));
  assertEquals(bench.takeReady().snapshotsNeeded, []);
  assertEquals(bench.raft.needsSnapshot(3), false);
  for (let i = 0; i < 4; i++) tick(bench.raft);
  bench.take();
  bench.raft.step(message({ kind: "heartbeatResponse", from: 3, term: 2 }));
  assertEquals(bench.takeReady().snapshotsNeeded, [3]);
});

Deno.test("a broken connection ends the stream; a suspect follower's word does not", () => {
  const bench = compacted();
  lag(bench);
  bench.takeReady();
  const told = { kind: "voteResponse", preVote: true, granted: false, suspect: true } as const;
  bench.raft.step(message({ ...told, from: 3, term: 2 }));
  assertEquals([bench.raft.needsSnapshot(3), bench.takeReady().snapshotsNeeded], [true, []]);
  bench.raft.peerDisconnected(3);
  assertEquals([bench.raft.needsSnapshot(3), bench.takeReady().snapshotsNeeded], [false, []]);
});

Deno.test("an ack at or behind where the log begins ends the wait, one in front asks for a newer snapshot", () => {
  for (const [index, needed, sent] of [[4, [], 1], [3, [3], 0], [5, [], 0]] as const) {
    const bench = compacted();
    lag(bench);
    bench.takeReady();
    bench.raft.step(message({ kind: "appendResponse", from: 3, term: 2, index }));
    const ready = bench.takeReady();
    assertEquals([ready.snapshotsNeeded, ready.messages.length], [needed, sent], `index ${index}`);
    assertEquals(
      leaderOf(bench.state)!.progress.get(3)?.mode,
      needed.length > 0 ? "snapshot" : "replicate",
    );
  }
});

Deno.test("an ack from before the stream does not begin it anew", () => {
  const bench = compacted();
  bench.raft.step(message({ kind: "appendResponse", from: 3, term: 2, index: 2 }));
  bench.takeReady();
  assertEquals(bench.raft.needsSnapshot(3), true);
  for (const index of [1, 2]) {
    bench.raft.step(message({ kind: "appendResponse", from: 3, term: 2, index }));
    assertEquals([bench.takeReady().snapshotsNeeded, bench.raft.needsSnapshot(3)], [[], true]);
  }
});

Deno.test("answers to chunks come out while the stream lasts, and keep the leader's quorum", () => {
  const bench = compacted();
  const answer = { kind: "snapshotChunkResponse", from: 3, term: 2 } as const;
  const at = { index: 4, snapshotTerm: 1, offset: 7 };
  bench.raft.step(message({ ...answer, ...at }));
  assertEquals(bench.takeReady().snapshotAnswers, []);
  lag(bench);
  bench.takeReady();
  bench.raft.step(message({ ...answer, ...at }));
  bench.raft.step(message({ ...answer, ...at, from: 42 }));
  bench.raft.step(message({ ...answer, ...at, term: 1 }));
  assertEquals(bench.takeReady().snapshotAnswers.map(({ offset }) => offset), [7]);
  for (let round = 0; round < 5; round++) {
    for (let i = 0; i < TICKS - 1; i++) tick(bench.raft);
    bench.raft.step(message({ ...answer, ...at }));
    tick(bench.raft);
    bench.takeReady();
  }
  assertEquals(bench.state.role.kind, "leader");
  bench.raft.step(message({ ...answer, ...at }));
  bench.raft.step(message({ ...answer, ...at, term: 3 }));
  assertEquals([bench.state.role.kind, bench.state.term], ["follower", 3]);
  assertEquals(bench.takeReady().snapshotAnswers, []);
});
