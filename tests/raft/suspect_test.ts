/** Servers that may have forgotten what they promised (HardState.suspect). */
import { assertEquals } from "@std/assert";
import { Bench, disk, entry, log } from "./builders.ts";
import { bytes, Cluster, TICKS } from "./cluster.ts";

/** Server 1 as recovered with these terms, and suspect. */
function suspect(terms: number[], term = terms.at(-1) ?? 0): Bench {
  return new Bench(terms, { hardState: { term, votedFor: 0, suspect: true } });
}

Deno.test("grants carry the flag, and a majority has to be sound", () => {
  const bench = new Bench([1]);
  bench.timeout();
  bench.step({ kind: "voteResponse", preVote: true, from: 2, term: 2, suspect: true });
  assertEquals(bench.state.role.kind, "preCandidate");
  bench.step({ kind: "voteResponse", preVote: true, from: 3, term: 2 });
  bench.step({ kind: "voteResponse", from: 2, term: 2, suspect: true });
  assertEquals(bench.state.role.kind, "candidate");
  bench.step({ kind: "voteResponse", from: 3, term: 2, suspect: true });
  assertEquals(bench.state.role.kind, "leader");
});

Deno.test("a suspect candidate needs every voter, and is sound once it leads", () => {
  const bench = suspect([1]);
  bench.timeout();
  bench.step({ kind: "voteResponse", preVote: true, from: 2, term: 2 });
  assertEquals(bench.state.role.kind, "preCandidate");
  bench.step({ kind: "voteResponse", preVote: true, from: 3, term: 2 });
  bench.step({ kind: "voteResponse", from: 2, term: 2 });
  assertEquals(bench.state.role.kind, "candidate");
  bench.step({ kind: "voteResponse", from: 3, term: 2 });
  assertEquals([bench.state.role.kind, bench.state.suspect], ["leader", false]);
});

Deno.test("a commit index of an old term does not clear the flag: the leader may lag behind", () => {
  const bench = suspect([1, 1]);
  const append = { kind: "appendRequest", term: 2 } as const;
  bench.step({ kind: "heartbeatResponse", from: 3 });
  bench.step({ ...append, prevIndex: 2, prevTerm: 1, commitIndex: 2 });
  bench.step({ ...append, prevIndex: 2, prevTerm: 1, commitIndex: 2 });
  assertEquals(bench.state.suspect, true);
  bench.step({ ...append, prevIndex: 2, prevTerm: 1, entries: [entry(3, 2)], commitIndex: 2 });
  assertEquals(bench.state.suspect, true);
  bench.raft.step({
    ...{ kind: "appendRequest", from: 2, to: 1, term: 2, prevIndex: 3, prevTerm: 2, entries: [] },
    ...{ commitIndex: 3, readRound: 0 },
  });
  bench.takeHeld();
  assertEquals(bench.batch?.hardState, { term: 2, votedFor: 2, suspect: false });
});

Deno.test("the message that finds a server suspect never clears it: it may be an old one", () => {
  const bench = suspect([1]);
  bench.step({ kind: "heartbeatResponse", from: 3 });
  const sketch = { kind: "appendRequest", prevIndex: 1, prevTerm: 1, commitIndex: 1 } as const;
  const first = bench.step(sketch);
  assertEquals(first.map(({ kind }) => kind), ["voteResponse", "appendResponse"]);
  assertEquals(bench.state.suspect, true);
  bench.step(sketch);
  assertEquals(bench.state.suspect, false);
});

Deno.test("a heartbeat commits nothing on a suspect server: it may have lost what it acknowledged", () => {
  const bench = suspect([1, 1]);
  const out = bench.step({ kind: "heartbeat", commitIndex: 2 });
  assertEquals(bench.state.commitIndex, 0);
  assertEquals(out.map(({ kind }) => kind), ["voteResponse", "heartbeatResponse"]);
});

Deno.test("a leader that is told so no longer counts on earlier acks", () => {
  const bench = new Bench([], {}, [1, 2, 3, 4, 5]);
  bench.timeout();
  for (const preVote of [true, false]) {
    for (const from of [2, 3]) bench.step({ kind: "voteResponse", preVote, from });
  }
  bench.step({ kind: "appendResponse", from: 2, index: 1 });
  const told = { kind: "voteResponse", preVote: true, granted: false, suspect: true } as const;
  bench.step({ ...told, from: 2 });
  bench.step({ kind: "appendResponse", from: 3, index: 1 });
  assertEquals(bench.state.commitIndex, 0);
  bench.step({ kind: "appendResponse", from: 2, index: 1 });
  assertEquals(bench.state.commitIndex, 1);
});

Deno.test("nor on those of a server whose connection broke", () => {
  const bench = new Bench([], {}, [1, 2, 3, 4, 5]);
  bench.timeout();
  for (const preVote of [true, false]) {
    for (const from of [2, 3]) bench.step({ kind: "voteResponse", preVote, from });
  }
  bench.step({ kind: "appendResponse", from: 2, index: 1 });
  bench.raft.peerDisconnected(2);
  bench.step({ kind: "appendResponse", from: 3, index: 1 });
  assertEquals(bench.state.commitIndex, 0);
});

Deno.test("an acknowledged entry survives the damage of one of its two copies", () => {
  // 1 and 2 acknowledged x; 2 lost it with its tail, 3 never had it. 1 is down.
  const disks = new Map([[1, disk([1, 1])], [2, disk([1], 1, true)], [3, disk([1])]]);
  const cluster = new Cluster({ disks });
  cluster.crash(1);
  cluster.run(20 * TICKS);
  assertEquals(cluster.leaders(), [], "2 and 3 must not found a term without x");
  cluster.restart(1);
  cluster.runUntil(() => cluster.leaders().length > 0);
  cluster.run(6);
  assertEquals(cluster.at(2).applied[1]?.data, entry(2, 1).data);
  assertEquals([1, 2, 3].some((id) => cluster.raft(id).state.suspect), false);
});

Deno.test("the flag survives a crash, so that a second one does not launder it", () => {
  const cluster = new Cluster({ disks: new Map([[2, disk([1], 1, true)]]) });
  cluster.raft(2).step({
    ...{ kind: "voteRequest", from: 1, to: 2, term: 5, preVote: false },
    ...{ lastIndex: 9, lastTerm: 1, transfer: false },
  });
  cluster.process(2);
  cluster.crash(2);
  cluster.restart(2);
  assertEquals([cluster.raft(2).state.term, cluster.raft(2).state.suspect], [5, true]);
});

Deno.test("power lost everywhere, every tail torn: the cluster lives on", () => {
  const disks = new Map([1, 2, 3].map((id) => [id, disk([1, 1, 1].slice(0, id), 1, true)]));
  const cluster = new Cluster({ disks });
  cluster.runUntil(() => cluster.leaders().length > 0);
  assertEquals(cluster.leaders(), [3]);
  cluster.raft(3).propose(bytes("x"));
  cluster.run(8);
  assertEquals([1, 2, 3].map((id) => cluster.at(id).applied.length), [5, 5, 5]);
  assertEquals([1, 2, 3].map((id) => cluster.raft(id).state.suspect), [false, false, false]);
  assertEquals(cluster.at(1).applied.slice(0, 3), log(1).terms(1, 1, 1));
});
