/** The Raft paper's Figure 2 (extended version), sentence by sentence, on one server at a time. */
import { assertEquals, assertThrows } from "@std/assert";
import { truncateLog } from "../../lib/raft/commit.ts";
import { AssertionError } from "../../lib/util/assert.ts";
import type { AppendRequest, AppendResponse, Message, VoteResponse } from "../../lib/raft/types.ts";
import { Bench, entry, log } from "./builders.ts";
import { bytes, TICKS } from "./cluster.ts";
import { leaderOf } from "../../lib/raft/state.ts";
import { elapsedTicks, setElapsed, tick } from "./time.ts";

function only<K extends Message["kind"]>(
  messages: Message[],
  kind: K,
): Extract<Message, { kind: K }>[] {
  return messages.filter((m): m is Extract<Message, { kind: K }> => m.kind === kind);
}

function terms(bench: Bench): number[] {
  return bench.state.log.entries.map(({ term }) => term);
}

/** The one answer to an append. */
function append(bench: Bench, request: Partial<AppendRequest>): AppendResponse {
  const answers = only(bench.step({ kind: "appendRequest", ...request }), "appendResponse");
  assertEquals(answers.length, 1);
  return answers[0]!;
}

function vote(bench: Bench, request: object): VoteResponse {
  const answers = only(bench.step({ kind: "voteRequest", ...request }), "voteResponse");
  assertEquals(answers.length, 1);
  return answers[0]!;
}

Deno.test("State: term, vote and log are persisted before the messages that rest on them", () => {
  const bench = new Bench();
  bench.raft.step({
    ...{ kind: "voteRequest", from: 2, to: 1, term: 1, preVote: false },
    ...{ lastIndex: 0, lastTerm: 0, transfer: false },
  });
  assertEquals(bench.takeHeld(), []);
  assertEquals(bench.batch?.hardState, { term: 1, votedFor: 2, suspect: false });
  assertEquals(only(bench.sync(), "voteResponse")[0]?.granted, true);
});

Deno.test("AppendEntries 1: refuse where term < currentTerm, and tell the newer term", () => {
  const bench = new Bench([1, 3]);
  const [answer] = bench.step({ kind: "appendRequest", term: 2, entries: [entry(3, 2)] });
  assertEquals(answer?.kind, "heartbeatResponse");
  assertEquals(answer?.term, 3);
  assertEquals(terms(bench), [1, 3]);
});

Deno.test("AppendEntries 2: refuse where prevLogIndex is missing or has another term", () => {
  for (
    const [have, prevIndex, prevTerm, hintIndex, hintTerm] of [
      [[1, 1], 5, 2, 2, 1],
      [[1, 1, 2, 2], 4, 3, 4, 2],
      [[1, 1, 4, 4], 4, 3, 2, 1],
      [[2, 2, 2], 3, 1, 0, 0],
    ] as const
  ) {
    const bench = new Bench([...have]);
    const answer = append(bench, { term: 9, prevIndex, prevTerm, entries: [] });
    assertEquals([answer.success, answer.index], [false, prevIndex]);
    assertEquals([answer.hintIndex, answer.hintTerm], [hintIndex, hintTerm]);
    assertEquals(terms(bench), [...have]);
  }
});

Deno.test("AppendEntries 3: a conflicting entry and all behind it make room", () => {
  const bench = new Bench([1, 1, 2, 2, 2]);
  const answer = append(bench, { term: 4, prevIndex: 2, prevTerm: 1, entries: [entry(3, 3)] });
  assertEquals([answer.success, answer.index], [true, 3]);
  assertEquals(terms(bench), [1, 1, 3]);
});

Deno.test("AppendEntries 3: without a conflict nothing is cut, however old the message", () => {
  const bench = new Bench([1, 1, 2, 2, 2]);
  const answer = append(bench, {
    term: 2,
    prevIndex: 1,
    prevTerm: 1,
    entries: log(2).terms(1, 2),
  });
  assertEquals([answer.success, answer.index], [true, 3]);
  assertEquals(terms(bench), [1, 1, 2, 2, 2]);
});

Deno.test("AppendEntries 4: entries not in the log are appended", () => {
  const bench = new Bench([1]);
  const answer = append(bench, { term: 2, prevIndex: 1, prevTerm: 1, entries: log(2).terms(1, 2) });
  assertEquals([answer.success, answer.index], [true, 3]);
  assertEquals(terms(bench), [1, 1, 2]);
});

Deno.test("AppendEntries 5: commitIndex becomes min(leaderCommit, last entry verified)", () => {
  for (
    const [prevIndex, entries, leaderCommit, expected] of [
      [2, log(3).terms(2), 1, 1],
      [2, log(3).terms(2), 3, 3],
      [2, log(3).terms(2), 9, 3],
      [2, [], 9, 2],
      [0, [], 9, 0],
    ] as const
  ) {
    // A tail of an old term lies behind what the message vouches for.
    const bench = new Bench([1, 1, 1, 1, 1]);
    const prevTerm = prevIndex === 0 ? 0 : 1;
    append(bench, { term: 2, prevIndex, prevTerm, entries, commitIndex: leaderCommit });
    assertEquals(bench.state.commitIndex, expected);
  }
});

Deno.test("AppendEntries: commitIndex never goes back (reliability row 6)", () => {
  const bench = new Bench([1, 1, 1]);
  append(bench, { term: 1, prevIndex: 3, prevTerm: 1, commitIndex: 3 });
  append(bench, { term: 1, prevIndex: 1, prevTerm: 1, commitIndex: 1 });
  bench.step({ kind: "heartbeat", term: 1, commitIndex: 2 });
  assertEquals(bench.state.commitIndex, 3);
});

Deno.test("AppendEntries: to replace a committed entry stops the server (row 8)", () => {
  const bench = new Bench([1, 1, 1]);
  append(bench, { term: 1, prevIndex: 3, prevTerm: 1, commitIndex: 2 });
  assertThrows(() => truncateLog(bench.state, 2), AssertionError, "but 2 is committed");
  truncateLog(bench.state, 3);
  assertEquals(terms(bench), [1, 1]);
});

Deno.test("RequestVote 1: refuse where term < currentTerm, and tell the newer term", () => {
  const answer = vote(new Bench([5]), { term: 3, lastIndex: 9, lastTerm: 2 });
  assertEquals([answer.granted, answer.term], [false, 5]);
});

Deno.test("RequestVote 2: one vote a term, first come first served; a copy gets the same", () => {
  const bench = new Bench();
  assertEquals(vote(bench, { from: 2, term: 1 }).granted, true);
  assertEquals(vote(bench, { from: 3, term: 1 }).granted, false);
  assertEquals(vote(bench, { from: 2, term: 1 }).granted, true);
  assertEquals(vote(bench, { from: 3, term: 2 }).granted, true);
});

Deno.test("RequestVote 2 (§5.4.1): only for a log that is at least as up to date", () => {
  for (
    const [have, lastIndex, lastTerm, granted] of [
      [[1, 1], 2, 1, true],
      [[1, 1], 3, 1, true],
      [[1, 1], 1, 1, false],
      [[1, 1], 1, 2, true],
      [[1, 2], 9, 1, false],
      [[1, 2, 2], 2, 2, false],
      [[], 0, 0, true],
    ] as const
  ) {
    const preVote = vote(new Bench([...have]), { term: 9, lastIndex, lastTerm, preVote: true });
    assertEquals(preVote.granted, granted, `pre-vote of ${have} for ${lastIndex}/t${lastTerm}`);
    const answer = vote(new Bench([...have]), { term: 9, lastIndex, lastTerm });
    assertEquals(answer.granted, granted, `${have} for ${lastIndex}/t${lastTerm}`);
  }
});

Deno.test("All servers: committed entries are handed out in order, once", () => {
  const bench = new Bench();
  const entries = log(1).terms(1, 1, 1);
  bench.step({ kind: "appendRequest", entries });
  for (const [commitIndex, from, to] of [[2, 0, 2], [2, 2, 2], [3, 2, 3]] as const) {
    bench.raft.step({
      ...{ kind: "heartbeat", from: 2, to: 1, term: 1, commitIndex, readRound: 0 },
    });
    assertEquals(bench.raft.ready().committed, entries.slice(from, to));
  }
});

Deno.test("All servers: a higher term in any request or answer makes a follower of it", () => {
  for (
    const kind of ["appendResponse", "heartbeatResponse", "heartbeat", "appendRequest"] as const
  ) {
    const bench = new Bench();
    bench.lead();
    assertEquals(bench.state.role.kind, "leader");
    bench.step({ kind, term: 7 });
    assertEquals([bench.state.role.kind, bench.state.term, bench.state.votedFor], [
      "follower",
      7,
      0,
    ]);
  }
  const bench = new Bench();
  bench.timeout();
  bench.step({ kind: "voteResponse", preVote: true, granted: false, term: 7 });
  assertEquals([bench.state.role.kind, bench.state.term], ["follower", 7]);
});

Deno.test("Followers: without a leader's message they campaign within [T, 2T)", () => {
  const seen = new Set<number>();
  for (let draw = 0; draw < 3 * TICKS; draw++) {
    const bench = new Bench([], { random: () => draw });
    let ticks = 0;
    while (bench.state.role.kind === "follower") {
      tick(bench.raft);
      ticks++;
    }
    assertEquals(ticks >= TICKS && ticks < 2 * TICKS, true);
    seen.add(ticks);
  }
  assertEquals(seen.size, TICKS);
});

Deno.test("Followers: a leader's message or a granted vote restarts the timer, a refused one does not", () => {
  const bench = new Bench([3]);
  const after = (sketch: Parameters<Bench["step"]>[0]) => {
    setElapsed(bench.state, 9);
    bench.step(sketch);
    return elapsedTicks(bench.state);
  };
  assertEquals(after({ kind: "voteRequest", term: 4, lastIndex: 1, lastTerm: 2 }), 9);
  assertEquals(after({ kind: "voteRequest", term: 5, lastIndex: 1, lastTerm: 3 }), 0);
  assertEquals(after({ kind: "heartbeat", term: 5 }), 0);
});

Deno.test("Candidates: a new term, the own vote, RequestVote to all others", () => {
  const bench = new Bench([1, 2]);
  const preVotes = only(bench.timeout(), "voteRequest");
  assertEquals(preVotes.map(({ to, term, preVote }) => [to, term, preVote]), [[2, 3, true], [
    3,
    3,
    true,
  ]]);
  assertEquals([bench.state.term, bench.state.votedFor], [2, 0]);
  const votes = only(bench.step({ kind: "voteResponse", preVote: true, term: 3 }), "voteRequest");
  assertEquals(votes.map(({ to, preVote }) => [to, preVote]), [[2, false], [3, false]]);
  assertEquals([votes[0]?.lastIndex, votes[0]?.lastTerm], [2, 2]);
  assertEquals([bench.state.term, bench.state.votedFor], [3, 1]);
});

Deno.test("Candidates: a majority makes a leader; refusals and copies don't", () => {
  const bench = new Bench([], {}, [1, 2, 3, 4, 5]);
  bench.timeout();
  for (const from of [2, 3]) bench.step({ kind: "voteResponse", preVote: true, from, term: 1 });
  bench.step({ kind: "voteResponse", from: 2 });
  bench.step({ kind: "voteResponse", from: 2 });
  bench.step({ kind: "voteResponse", from: 9 });
  bench.step({ kind: "voteResponse", from: 4, granted: false });
  assertEquals(bench.state.role.kind, "candidate");
  bench.step({ kind: "voteResponse", from: 3 });
  assertEquals(bench.state.role.kind, "leader");
});

Deno.test("Candidates: an AppendEntries of the same term makes a follower", () => {
  const bench = new Bench();
  bench.timeout();
  bench.step({ kind: "voteResponse", preVote: true });
  assertEquals(bench.state.role.kind, "candidate");
  bench.step({ kind: "appendRequest", from: 3, term: 1 });
  assertEquals([bench.state.role.kind, bench.state.leaderId], ["follower", 3]);
});

Deno.test("Candidates: when the timeout runs out, a new election begins", () => {
  const bench = new Bench();
  bench.timeout();
  bench.step({ kind: "voteResponse", preVote: true });
  bench.timeout();
  bench.step({ kind: "voteResponse", preVote: true, term: 2 });
  assertEquals([bench.state.role.kind, bench.state.term], ["candidate", 2]);
});

Deno.test("Leaders: heartbeats at once after the election and at every interval", () => {
  const bench = new Bench();
  const first = only(bench.lead(), "appendRequest");
  assertEquals(first.map(({ to }) => to), [2, 3]);
  tick(bench.raft);
  assertEquals(bench.take(), []);
  tick(bench.raft);
  assertEquals(only(bench.take(), "heartbeat").map(({ to }) => to), [2, 3]);
});

Deno.test("Leaders: a proposal is appended, sent, and handed out once committed", () => {
  const bench = new Bench();
  bench.lead();
  bench.step({ kind: "appendResponse", index: 1 });
  assertEquals(bench.raft.propose(bytes("x")), { accepted: true, index: 2, term: 1 });
  const ready = bench.raft.ready();
  assertEquals(only([...ready.messages], "appendRequest").map(({ to }) => to), [2]);
  assertEquals([ready.committed.length, ready.persist?.entries.length], [0, 1]);
  bench.raft.advance(ready.persist!);
  bench.raft.step({
    ...{ kind: "appendResponse", from: 2, to: 1, term: 1, success: true, index: 2 },
    ...{ hintIndex: 0, hintTerm: 0, readRound: 0 },
  });
  assertEquals(bench.raft.ready().committed.map(({ index }) => index), [2]);
});

Deno.test("Leaders: a refusal moves nextIndex back, by whole terms, and tries again", () => {
  const bench = new Bench([1, 1, 1, 4, 4, 4]);
  bench.lead();
  const retry = bench.step({
    ...{ kind: "appendResponse", term: 5, success: false, index: 6, hintIndex: 6, hintTerm: 3 },
  });
  const [request] = only(retry, "appendRequest");
  assertEquals([request?.prevIndex, request?.prevTerm], [3, 1]);
  assertEquals(request?.entries.map(({ term }) => term), [4, 4, 4, 5]);
});

Deno.test("Leaders: a stale refusal changes nothing", () => {
  const bench = new Bench([1, 1, 1]);
  bench.lead();
  bench.step({ kind: "appendResponse", term: 2, index: 4 });
  const answer = bench.step({
    ...{ kind: "appendResponse", term: 2, success: false, index: 3, hintIndex: 1, hintTerm: 1 },
  });
  assertEquals(answer, []);
  const progress = leaderOf(bench.state)!.progress.get(2);
  assertEquals([progress?.matchIndex, progress?.nextIndex, progress?.mode], [4, 5, "replicate"]);
});

Deno.test("Leaders: the highest N of the own term that a majority holds is committed", () => {
  const bench = new Bench([1, 1], {}, [1, 2, 3, 4, 5]);
  bench.timeout();
  for (const preVote of [true, false]) {
    for (const from of [2, 3]) bench.step({ kind: "voteResponse", preVote, from, term: 2 });
  }
  bench.raft.propose(bytes("x"));
  bench.take();
  const commits = [];
  for (const [from, index] of [[2, 4], [3, 2], [4, 2], [3, 3], [5, 4]] as const) {
    bench.step({ kind: "appendResponse", from, term: 2, index });
    commits.push(bench.state.commitIndex);
  }
  // 2/t1 is on a majority first, but does not commit by counting; 3/t2 is the leader's no-op.
  assertEquals(commits, [0, 0, 0, 3, 4]);
});

Deno.test("Leaders: what the leader itself has not synced does not count", () => {
  const bench = new Bench();
  bench.timeout();
  bench.step({ kind: "voteResponse", preVote: true });
  bench.raft.step({
    ...{ kind: "voteResponse", from: 2, to: 1, term: 1, preVote: false },
    ...{ granted: true, suspect: false, repairing: false, removed: false },
  });
  assertEquals(only(bench.takeHeld(), "appendRequest").length, 2);
  bench.raft.step({
    ...{ kind: "appendResponse", from: 2, to: 1, term: 1, success: true, index: 1 },
    ...{ hintIndex: 0, hintTerm: 0, readRound: 0 },
  });
  assertEquals(bench.state.commitIndex, 0);
  bench.sync();
  assertEquals(bench.state.commitIndex, 1);
});

Deno.test("Leaders never follow another leader of their own term: that stops the server", () => {
  const bench = new Bench();
  bench.lead();
  assertThrows(
    () => bench.step({ kind: "heartbeat", from: 3 }),
    AssertionError,
    "both lead term 1",
  );
});
