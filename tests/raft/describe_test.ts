import { assertEquals } from "@std/assert";
import {
  describeEvent,
  describeMessage,
  describeReady,
  describeState,
  describeTerms,
} from "../../lib/raft/describe.ts";
import { Bench, log, message } from "./builders.ts";

Deno.test("every message has a line of its own", () => {
  const append = { from: 1, to: 2, term: 3, prevIndex: 5, prevTerm: 2 };
  const lines = [
    message({ kind: "appendRequest", ...append, entries: log(6).terms(2, 3, 3), readRound: 4 }),
    message({ kind: "appendResponse", index: 8, readRound: 4 }),
    message({ kind: "appendResponse", success: false, index: 8, hintIndex: 6, hintTerm: 2 }),
    message({ kind: "voteRequest", lastIndex: 7, lastTerm: 2, transfer: true }),
    message({ kind: "voteResponse", preVote: true, granted: false, suspect: true }),
    message({ kind: "heartbeat", commitIndex: 3, readRound: 2 }),
    message({ kind: "heartbeatResponse", readRound: 2 }),
    message({ kind: "timeoutNow" }),
    message({ kind: "snapshotChunk", index: 9, offset: 4, totalBytes: 8, data: new Uint8Array(3) }),
    message({ kind: "snapshotChunkResponse", index: 9, offset: 7 }),
  ].map(describeMessage);
  assertEquals(lines, [
    "1→2 append t3 prev 5/t2 entries 6/t2 7..8/t3 commit 0 round 4",
    "2→1 append ok t1 index 8 round 4",
    "2→1 append refused t1 prev 8 hint 6/t2 round 0",
    "2→1 vote t1 last 7/t2 transfer",
    "2→1 pre-vote refused t1 suspect",
    "2→1 heartbeat t1 commit 3 round 2",
    "2→1 heartbeat ok t1 round 2",
    "2→1 timeout now t1",
    "2→1 snapshot t1 at 9/t1 bytes 4..7 of 8",
    "2→1 snapshot ok t1 at 9/t1 holds 7",
  ]);
});

Deno.test("states, events and readys", () => {
  const bench = new Bench([1, 1, 2]);
  assertEquals(
    describeState(bench.state),
    "1 follower t2 vote none leader none log 1..2/t1 3/t2 commit 0",
  );
  bench.timeout();
  bench.raft.step(message({ kind: "voteResponse", preVote: true, term: 3 }));
  assertEquals(describeReady(bench.raft.ready()), [
    "persist t3 vote 1",
    "after sync 1→2 vote t3 last 3/t2",
    "after sync 1→3 vote t3 last 3/t2",
  ]);
  assertEquals(
    describeEvent({ from: "candidate", to: "leader", term: 3, leaderId: 1, reason: "why" }),
    "candidate → leader t3 leader 1: why",
  );
  assertEquals(describeTerms([]), "none");
});
