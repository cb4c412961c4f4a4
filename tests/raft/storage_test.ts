/** Asynchronous storage: what may leave when, group commit, and batches that are overtaken. */
import { assertEquals, assertThrows } from "@std/assert";
import { AssertionError } from "../../lib/util/assert.ts";
import { describeMessage } from "../../lib/raft/describe.ts";
import type { RaftState } from "../../lib/raft/raft.ts";
import { Bench, entry, log, message } from "./builders.ts";
import { bytes, Cluster, TICKS } from "./cluster.ts";
import { setElapsed } from "./time.ts";

const texts = (messages: readonly Parameters<typeof describeMessage>[0][]) =>
  messages.map(describeMessage);

Deno.test("appends that arrive during a sync share the next one and one ack (row 3)", () => {
  const bench = new Bench();
  bench.raft.step(message({ kind: "appendRequest", entries: log(1).terms(1) }));
  assertEquals(bench.takeHeld(), []);
  for (const index of [2, 3, 4]) {
    const prev = { prevIndex: index - 1, prevTerm: 1 };
    bench.raft.step(
      message({ kind: "appendRequest", ...prev, entries: [entry(index, 1)], readRound: index }),
    );
  }
  const ready = bench.raft.ready();
  assertEquals([ready.messages, ready.persist], [[], null]);
  assertEquals(texts(bench.sync()), ["1→2 append ok t1 index 1 round 0"]);
  assertEquals(bench.takeHeld(), []);
  assertEquals(bench.batch?.entries.map(({ index }) => index), [2, 3, 4]);
  assertEquals(texts(bench.sync()), ["1→2 append ok t1 index 4 round 4"]);
});

Deno.test("a promise about a batch under way waits for it, though nothing new is to be written", () => {
  const bench = new Bench();
  const append = message({ kind: "appendRequest", entries: log(1).terms(1) });
  bench.raft.step(append);
  bench.takeHeld();
  bench.raft.step(append);
  assertEquals(bench.takeHeld(), []);
  assertEquals(texts(bench.sync()), ["1→2 append ok t1 index 1 round 0"]);
  assertEquals(texts(bench.take()), ["1→2 append ok t1 index 1 round 0"]);
});

Deno.test("a promise about what is durable leaves at once, even while a sync runs", () => {
  const bench = new Bench([1, 1]);
  bench.raft.step(
    message({ kind: "appendRequest", prevIndex: 2, prevTerm: 1, entries: [entry(3, 1)] }),
  );
  bench.takeHeld();
  bench.raft.step(message({ kind: "appendRequest", prevIndex: 1, prevTerm: 1 }));
  assertEquals(texts(bench.takeHeld()), ["1→2 append ok t1 index 1 round 0"]);
});

Deno.test("a vote and the entries of the old term wait for their syncs; heartbeats don't", () => {
  const bench = new Bench();
  bench.raft.step(message({ kind: "appendRequest", entries: log(1).terms(1) }));
  bench.takeHeld();
  bench.raft.step(message({ kind: "heartbeat" }));
  assertEquals(texts(bench.takeHeld()), ["1→2 heartbeat ok t1 round 0"]);
  setElapsed(bench.state, TICKS);
  bench.raft.step(message({ kind: "voteRequest", from: 3, term: 2, lastIndex: 1, lastTerm: 1 }));
  assertEquals(bench.takeHeld(), []);
  bench.sync();
  bench.takeHeld();
  assertEquals(bench.batch?.hardState, { term: 2, votedFor: 3, suspect: false });
  assertEquals(texts(bench.sync()), ["1→3 vote granted t2"]);
});

/** How many answers a candidate has counted. */
function answersOf({ role }: RaftState): number {
  return role.kind === "candidate" ? role.answers.size : -1;
}

Deno.test("a candidate's requests wait for the sync of its own vote, and so does its own vote (row 2)", () => {
  const bench = new Bench([], {}, [1, 2, 3]);
  bench.timeout();
  bench.raft.step(message({ kind: "voteResponse", preVote: true }));
  assertEquals(bench.takeHeld(), []);
  assertEquals(answersOf(bench.state), 0);
  assertEquals(texts(bench.sync()), ["1→2 vote t1 last 0/t0", "1→3 vote t1 last 0/t0"]);
  assertEquals(answersOf(bench.state), 1);
});

Deno.test("an ack that was overtaken by a new term is not sent", () => {
  const bench = new Bench([1]);
  bench.raft.step(
    message({ kind: "appendRequest", prevIndex: 1, prevTerm: 1, entries: [entry(2, 1)] }),
  );
  bench.takeHeld();
  bench.raft.step(
    message({ kind: "appendRequest", prevIndex: 2, prevTerm: 1, entries: [entry(3, 1)] }),
  );
  const other = { from: 3, term: 2, prevIndex: 1, prevTerm: 1 };
  bench.raft.step(message({ kind: "appendRequest", ...other, entries: [entry(2, 2)] }));
  bench.sync();
  assertEquals(bench.state.log.durableIndex, 1);
  bench.takeHeld();
  assertEquals(texts(bench.sync()), ["1→3 append ok t2 index 2 round 0"]);
  assertEquals(bench.state.log.durableIndex, 2);
});

Deno.test("a leader sends entries while its own sync runs, but no batch twice", () => {
  const cluster = new Cluster();
  cluster.elect(1);
  cluster.holdDisk(1);
  cluster.propose("a");
  cluster.propose("b");
  assertEquals(
    texts(cluster.takeSent().slice(-4)),
    ["1→2", "1→3"].map((x) => `${x} append t1 prev 1/t1 entries 2/t1 commit 1 round 0`).concat(
      ["1→2", "1→3"].map((x) => `${x} append t1 prev 2/t1 entries 3/t1 commit 1 round 0`),
    ),
  );
  assertEquals(cluster.at(1).batch?.entries.length, 1);
  cluster.syncDisk(1);
  assertEquals(cluster.at(1).batch?.entries.map(({ index }) => index), [3]);
});

Deno.test("proposals of one turn share one append to each follower", () => {
  const cluster = new Cluster();
  const leader = cluster.elect(1);
  cluster.takeSent();
  for (const text of ["a", "b", "c"]) leader.propose(bytes(text));
  cluster.process(1);
  assertEquals(cluster.takeSent().length, 2);
});

Deno.test("advance() refuses a batch that is not under way", () => {
  const bench = new Bench();
  bench.raft.step(message({ kind: "heartbeat" }));
  bench.takeHeld();
  const batch = bench.batch!;
  bench.sync();
  assertThrows(() => bench.raft.advance(batch), AssertionError, "not under way");
});

Deno.test("row 2: killed at each point, a server never votes twice in a term", () => {
  for (const crashBeforeSync of [true, false]) {
    const cluster = new Cluster();
    cluster.holdDisk(2);
    cluster.raft(2).step(message({ kind: "voteRequest", from: 1, to: 2, term: 1 }));
    cluster.process(2);
    if (!crashBeforeSync) cluster.syncDisk(2);
    const told = cluster.takeSent().length;
    cluster.crash(2);
    cluster.restart(2);
    cluster.holdDisk(2, false);
    cluster.raft(2).step(message({ kind: "voteRequest", from: 3, to: 2, term: 1 }));
    cluster.process(2);
    const granted = cluster.takeSent().some((m) => m.kind === "voteResponse" && m.granted);
    assertEquals([told, granted], crashBeforeSync ? [0, true] : [1, false]);
  }
});
