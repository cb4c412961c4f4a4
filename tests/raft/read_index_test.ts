/** Linearizable reads in rounds (thesis §6.4; reliability rows 17 to 19). */
import { assertEquals } from "@std/assert";
import type { Message } from "../../lib/raft/types.ts";
import { Bench, message } from "./builders.ts";
import { bytes, Cluster, TICKS } from "./cluster.ts";
import { leaderOf } from "../../lib/raft/state.ts";
import { tick } from "./time.ts";

const roundsIn = (messages: readonly Message[]) =>
  messages.map((m) => m.kind === "heartbeat" ? m.readRound : -1);

Deno.test("a follower and a candidate can't serve a read", () => {
  const bench = new Bench();
  assertEquals(bench.raft.requestRead(), 0);
  bench.timeout();
  assertEquals(bench.raft.requestRead(), 0);
});

Deno.test("row 18: no round begins before an entry of the own term is committed", () => {
  const bench = new Bench([1]);
  bench.lead();
  assertEquals(bench.raft.requestRead(), 1);
  assertEquals(bench.raft.hasReady(), false);
  bench.raft.step(message({ kind: "appendResponse", term: 2, index: 2 }));
  assertEquals(roundsIn(bench.raft.ready().messages), [1, 1]);
  bench.raft.step(message({ kind: "heartbeatResponse", term: 2, readRound: 1 }));
  assertEquals(bench.raft.ready().reads, [{ round: 1, readIndex: 2 }]);
});

function leading(overrides: { heartbeatIntervalMs?: number } = {}): Bench {
  const bench = new Bench([], overrides);
  bench.lead();
  bench.step({ kind: "appendResponse", index: 1 });
  return bench;
}

Deno.test("requests of one turn share a round, later ones wait for the next", () => {
  const bench = leading();
  assertEquals([bench.raft.requestRead(), bench.raft.requestRead()], [1, 1]);
  assertEquals(roundsIn(bench.raft.ready().messages), [1, 1]);
  assertEquals([bench.raft.requestRead(), bench.raft.requestRead()], [2, 2]);
  assertEquals(bench.raft.hasReady(), false);
  bench.raft.step(message({ kind: "heartbeatResponse", readRound: 1 }));
  const ready = bench.raft.ready();
  assertEquals(ready.reads, [{ round: 1, readIndex: 1 }]);
  assertEquals(asked(ready.messages).length, 2, "few requests ask all");
});

const asked = (messages: readonly Message[]) =>
  messages.flatMap((m) => m.kind === "heartbeat" ? [{ to: m.to, round: m.readRound }] : []);

/** Goes through round 1, which server 3 confirms. */
function quickestIs3(): Bench {
  const bench = leading({ heartbeatIntervalMs: 5 });
  bench.raft.requestRead();
  bench.raft.ready();
  bench.raft.step(message({ kind: "heartbeatResponse", from: 3, readRound: 1 }));
  bench.raft.step(message({ kind: "heartbeatResponse", from: 2, readRound: 1 }));
  bench.raft.ready();
  return bench;
}

/** As many requests as a round under load has at the least. */
function requestMany(bench: Bench): void {
  for (let i = 0; i < 4; i++) bench.raft.requestRead();
}

Deno.test("under load a round asks those who were quickest, and after two ticks without an answer the others", () => {
  const bench = quickestIs3();
  requestMany(bench);
  assertEquals(asked(bench.raft.ready().messages), [{ to: 3, round: 2 }]);
  tick(bench.raft);
  assertEquals(asked(bench.raft.ready().messages), []);
  tick(bench.raft);
  assertEquals(asked(bench.raft.ready().messages), [{ to: 2, round: 2 }]);
  tick(bench.raft);
  assertEquals(asked(bench.raft.ready().messages), [], "once is enough");
  bench.raft.step(message({ kind: "heartbeatResponse", from: 2, readRound: 2 }));
  requestMany(bench);
  const ready = bench.raft.ready();
  assertEquals(ready.reads, [{ round: 2, readIndex: 1 }]);
  assertEquals(asked(ready.messages), [{ to: 2, round: 3 }], "another one is quickest now");
});

Deno.test("who confirms a round unasked, by answering an append, is asked for the next", () => {
  const bench = quickestIs3();
  requestMany(bench);
  bench.raft.ready();
  bench.raft.step(message({ kind: "appendResponse", from: 2, index: 1, readRound: 2 }));
  requestMany(bench);
  const ready = bench.raft.ready();
  assertEquals(ready.reads, [{ round: 2, readIndex: 1 }]);
  assertEquals(asked(ready.messages), [{ to: 2, round: 3 }]);
});

Deno.test("now and then a round asks all: who was quickest need not stay it", () => {
  const bench = quickestIs3();
  const toAll: number[] = [];
  for (let round = 2; round <= 600; round++) {
    requestMany(bench);
    const { messages } = bench.raft.ready();
    if (asked(messages).length === 2) toAll.push(round);
    bench.raft.step(message({ kind: "heartbeatResponse", from: 3, readRound: round }));
    bench.raft.ready();
  }
  assertEquals(toAll, [256, 512]);
});

Deno.test("a new leadership knows of nobody who is quick", () => {
  const bench = quickestIs3();
  bench.raft.step(message({ kind: "heartbeat", from: 2, term: 9 }));
  assertEquals([bench.state.role.kind, leaderOf(bench.state)], ["follower", null]);
});

Deno.test("row 19: an answer of an earlier round never confirms a later one", () => {
  const bench = leading();
  bench.raft.requestRead();
  bench.raft.ready();
  bench.raft.step(message({ kind: "heartbeatResponse", from: 2, readRound: 1 }));
  bench.raft.requestRead();
  bench.raft.ready();
  for (const from of [2, 3]) {
    bench.raft.step(message({ kind: "heartbeatResponse", from, readRound: 1 }));
    bench.raft.step(message({ kind: "appendResponse", from, index: 1, readRound: 1 }));
    bench.raft.step(message({ kind: "heartbeatResponse", from, readRound: 7 }));
    bench.raft.step(message({ kind: "heartbeatResponse", from: 9, readRound: 2 }));
  }
  assertEquals(bench.raft.ready().reads, []);
  bench.raft.step(message({ kind: "appendResponse", from: 3, index: 1, readRound: 2 }));
  assertEquals(bench.raft.ready().reads, [{ round: 2, readIndex: 1 }]);
});

Deno.test("the read index is that of the round's start, not of its end", () => {
  const bench = leading();
  bench.raft.requestRead();
  bench.take();
  bench.raft.propose(new Uint8Array(1));
  bench.take();
  bench.step({ kind: "appendResponse", index: 2 });
  assertEquals(bench.state.commitIndex, 2);
  bench.raft.step(message({ kind: "heartbeatResponse", readRound: 1 }));
  assertEquals(bench.raft.ready().reads, [{ round: 1, readIndex: 1 }]);
});

Deno.test("lost heartbeats of a round are made good by the periodic ones", () => {
  const cluster = new Cluster();
  cluster.elect(1).requestRead();
  cluster.process(1);
  cluster.queue = [];
  cluster.run(2);
  assertEquals(cluster.at(1).reads.length, 1);
});

Deno.test("row 17: a deposed leader never answers, and its rounds vanish", () => {
  const cluster = new Cluster();
  const old = cluster.elect(1);
  cluster.isolate(1);
  cluster.elect(2);
  old.requestRead();
  cluster.process(1);
  cluster.settle();
  old.requestRead();
  cluster.heal();
  cluster.run(4 * TICKS);
  assertEquals([cluster.at(1).reads, old.state.role.kind], [[], "follower"]);
  // Led again, it does not use the old numbers: a waiting read can't be served by mistake.
  assertEquals(cluster.elect(1).requestRead() > 2, true);
});

Deno.test("a leader gets committed entries in pieces, and a read's round behind all that it has to see", () => {
  const bench = new Bench([], { committedBytesMax: 2 });
  bench.lead();
  bench.step({ kind: "appendResponse", index: 1 });
  bench.take();
  for (const text of ["a", "b", "c"]) bench.raft.propose(bytes(text));
  bench.take();
  bench.raft.step(message({ kind: "appendResponse", index: 4 }));
  assertEquals(bench.state.commitIndex, 4);
  bench.raft.requestRead();
  const first = bench.raft.ready();
  bench.raft.step(
    message({ kind: "heartbeatResponse", readRound: leaderOf(bench.state)!.reads.started }),
  );
  assertEquals([first.committed.map(({ index }) => index), first.reads], [[2, 3], []]);
  assertEquals([bench.raft.hasCommitted, bench.raft.hasReady()], [true, true]);
  const second = bench.raft.ready();
  assertEquals(second.committed.map(({ index }) => index), [4]);
  assertEquals(second.reads.map(({ readIndex }) => readIndex), [4]);
  assertEquals([bench.raft.hasCommitted, bench.raft.hasReady()], [false, false]);
});
