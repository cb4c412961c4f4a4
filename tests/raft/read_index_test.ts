/** Linearizable reads in rounds (thesis §6.4; reliability rows 17 to 19). */
import { assertEquals } from "@std/assert";
import type { Message } from "../../lib/raft/types.ts";
import { Bench, message } from "./builders.ts";
import { Cluster, TICKS } from "./cluster.ts";

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

function leading(): Bench {
  const bench = new Bench();
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
  assertEquals([ready.reads, roundsIn(ready.messages)], [[{ round: 1, readIndex: 1 }], [2, 2]]);
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
  assertEquals([cluster.at(1).reads, old.state.role], [[], "follower"]);
  // Led again, it does not use the old numbers: a waiting read can't be served by mistake.
  assertEquals(cluster.elect(1).requestRead() > 2, true);
});
