/** Servers that lost entries for certain and fetch them again (RaftOptions.repair). */
import { assertEquals } from "@std/assert";
import { describeMessage, describeState } from "../../lib/raft/describe.ts";
import type { Entry } from "../../lib/raft/types.ts";
import { Bench, disk, entry } from "./builders.ts";
import { Cluster, TICKS } from "./cluster.ts";
import { textOf } from "./cluster.ts";
import { setElapsed, tick } from "./time.ts";

/** Server 1 as recovered with these terms, repairing, its hard state sound as far as it can be seen. */
function repairing(terms: number[], voters = [1, 2, 3]): Bench {
  return new Bench(terms, { repair: true }, voters);
}

function texts(applied: readonly Entry[]): string[] {
  return applied.map(textOf).filter((text) => text !== "noop");
}

function appliedBy(cluster: Cluster, ids = [1, 2, 3]): string[][] {
  return ids.map((id) => texts(cluster.at(id).applied));
}

/** A cluster with "x" committed by 1 and 2; 3 was down and does not have it. Server 1 leads. */
function withX(): Cluster {
  const cluster = new Cluster();
  cluster.elect(1);
  cluster.run(4);
  cluster.crash(3);
  cluster.propose("x", 1);
  cluster.settle();
  assertEquals(texts(cluster.at(1).applied), ["x"]);
  return cluster;
}

/** Server `id` loses all behind entry 1, and starts again. */
function damage(cluster: Cluster, id: number): void {
  cluster.damage(id, 2, cluster.at(id).disk.hardState, true);
  cluster.restart(id);
}

const APPEND = {
  kind: "appendRequest",
  prevIndex: 1,
  prevTerm: 1,
  entries: [entry(2, 1)],
} as const;
const REFUSAL = { kind: "voteResponse", preVote: true, granted: false, from: 3 } as const;

Deno.test("a repairing server has no say: it refuses every vote and says why", () => {
  const bench = repairing([1]);
  const last = { lastIndex: 9, lastTerm: 1 };
  const ask = (preVote: boolean, term: number) =>
    bench.step({ kind: "voteRequest", preVote, term, ...last }).map(describeMessage);
  assertEquals(ask(true, 2), ["1→2 pre-vote refused t1 suspect repairing"]);
  assertEquals(ask(false, 2), ["1→2 vote refused t2 suspect repairing"]);
  // The candidate is in term 6, and would not listen to an answer of an older one.
  assertEquals(ask(true, 7), ["1→2 pre-vote refused t6 suspect repairing"]);
  assertEquals(ask(false, 3), ["1→2 vote refused t6 suspect repairing"]);
  assertEquals(bench.state.votedFor, 0);
});

Deno.test("it never campaigns, not even by order", () => {
  const bench = repairing([1]);
  for (let i = 0; i < 5 * TICKS; i++) tick(bench.raft);
  assertEquals(bench.take(), []);
  bench.step({ kind: "heartbeat" });
  bench.step({ kind: "timeoutNow" });
  assertEquals([bench.state.role.kind, bench.state.term], ["follower", 1]);
  assertEquals(describeState(bench.state).includes("suspect repairing"), true);
});

Deno.test("a candidate needs all that have a say where it has no majority of sound voters", () => {
  const bench = new Bench([1]);
  bench.timeout();
  const repairs = { granted: false, suspect: true, repairing: true } as const;
  for (const preVote of [true, false]) {
    const term = preVote ? 1 : 2;
    bench.step({ kind: "voteResponse", preVote, from: 3, term, ...repairs });
    assertEquals(bench.state.role.kind, preVote ? "preCandidate" : "candidate");
    bench.step({ kind: "voteResponse", preVote, from: 2, term: 2, suspect: true });
  }
  assertEquals(bench.state.role.kind, "leader");
});

Deno.test("where a majority has lost entries for certain, nobody is elected", () => {
  const cluster = withX();
  cluster.restart(3);
  cluster.crash(1);
  damage(cluster, 1);
  damage(cluster, 2);
  cluster.run(20 * TICKS);
  assertEquals(cluster.leaders(), []);
});

Deno.test("before all others were heard it acknowledges only what is committed", () => {
  const bench = repairing([1]);
  const told = bench.step({ ...APPEND, commitIndex: 1 }).map(describeMessage);
  assertEquals(told, [
    "1→2 pre-vote refused t1 suspect repairing",
    "1→2 append ok t1 index 1 round 0",
  ]);
  bench.step({ ...REFUSAL, term: 1 });
  assertEquals(bench.step(APPEND).map(describeMessage), ["1→2 append ok t1 index 2 round 0"]);
});

Deno.test("the repair ends with the sync of what shows that nothing is missing any more", () => {
  const bench = repairing([1]);
  bench.step({ ...REFUSAL, term: 1 });
  bench.step({ kind: "heartbeat" });
  bench.raft.step({ ...APPEND, from: 2, to: 1, term: 1, commitIndex: 2, readRound: 0 });
  bench.takeHeld();
  assertEquals([bench.state.suspect, bench.raft.repairing], [false, true]);
  assertEquals(bench.batch?.hardState, { term: 1, votedFor: 2, suspect: false });
  bench.sync();
  assertEquals([bench.raft.repairing, bench.state.repairEnd], [false, null]);
  bench.raft.peerDisconnected(2);
  setElapsed(bench.state, TICKS);
  const vote = bench.step({ kind: "voteRequest", from: 3, term: 2, lastIndex: 2, lastTerm: 1 });
  assertEquals(vote.map(describeMessage), ["1→3 vote granted t2"]);
});

Deno.test("while the sync of what ends a repair is held back it goes on, though an earlier sync ends", () => {
  const bench = repairing([1]);
  const append = (index: number, commitIndex: number) => {
    const entries = [entry(index, 1)];
    const from = { from: 2, to: 1, term: 1, prevIndex: index - 1, readRound: 0 };
    bench.raft.step({ ...APPEND, ...from, entries, commitIndex });
  };
  const asked = () => {
    const last = { lastIndex: 9, lastTerm: 1, transfer: false };
    bench.raft.step({ kind: "voteRequest", from: 3, to: 1, term: 2, preVote: true, ...last });
    return bench.takeHeld().map(describeMessage).at(-1);
  };
  bench.step({ ...REFUSAL, term: 1 });
  bench.step({ kind: "heartbeat" });
  append(2, 0);
  bench.takeHeld();
  append(3, 3);
  assertEquals([bench.state.suspect, bench.raft.repairing], [false, true]);
  bench.sync();
  assertEquals(bench.raft.repairing, true, "entry 3 is not durable");
  bench.raft.peerDisconnected(2);
  setElapsed(bench.state, TICKS);
  assertEquals(asked(), "1→3 pre-vote refused t1 repairing");
  bench.sync();
  assertEquals([bench.raft.repairing, bench.state.log.durableIndex], [false, 3]);
  assertEquals(asked(), "1→3 pre-vote granted t2");
});

Deno.test("damage on one of three while another is down: the acknowledged write waits for its holder", () => {
  const cluster = withX();
  damage(cluster, 2);
  cluster.raft(1).propose(new TextEncoder().encode("y"));
  cluster.run(3 * TICKS);
  assertEquals(appliedBy(cluster, [1]), [["x"]], "y has one holder that counts");
  cluster.crash(1);
  cluster.restart(3);
  cluster.run(30 * TICKS);
  assertEquals(cluster.leaders(), [], "2 has no say, and 3 alone never had x");
  cluster.restart(1);
  cluster.runUntil(() => !cluster.raft(2).repairing && !cluster.raft(2).state.suspect);
  cluster.run(4);
  assertEquals(appliedBy(cluster), Array(3).fill(["x", "y"]));
  assertEquals(cluster.at(2).disk.repairing, false);
  // From here on it counts like any other.
  cluster.crash(3);
  cluster.propose("z");
  cluster.run(4);
  assertEquals(appliedBy(cluster, [1, 2]), Array(2).fill(["x", "y", "z"]));
});

Deno.test("damage on one of three while the others are well: they go on, and it is whole again", () => {
  const cluster = withX();
  cluster.restart(3);
  cluster.run(4);
  damage(cluster, 2);
  cluster.propose("y", 1);
  cluster.settle();
  assertEquals(texts(cluster.at(1).applied), ["x", "y"]);
  cluster.runUntil(() => !cluster.raft(2).repairing);
  assertEquals(cluster.leaders(), [1]);
});

Deno.test("a leader's damage: the others elect, and it has no say in that", () => {
  const cluster = withX();
  cluster.restart(3);
  cluster.run(4);
  damage(cluster, 1);
  cluster.runUntil(() => cluster.leaders().length > 0);
  cluster.runUntil(() => !cluster.raft(1).repairing);
  cluster.propose("y");
  cluster.run(4);
  assertEquals(appliedBy(cluster), Array(3).fill(["x", "y"]));
});

Deno.test("a crash in the middle of a repair: the next process goes on with it", () => {
  const cluster = withX();
  cluster.restart(3);
  cluster.run(4);
  cluster.crash(1);
  cluster.damage(2, 2, cluster.at(2).disk.hardState, true);
  cluster.restart(2);
  // Its syncs never end: it takes in everything, and believes itself sound, but nothing is durable.
  cluster.holdDisk(2);
  cluster.restart(1);
  cluster.runUntil(() => cluster.leaders().length > 0);
  cluster.run(2 * TICKS);
  assertEquals(cluster.raft(2).repairing, true);
  cluster.crash(2);
  cluster.restart(2);
  assertEquals([cluster.raft(2).repairing, cluster.raft(2).state.suspect], [true, true]);
  cluster.holdDisk(2, false);
  cluster.runUntil(() => !cluster.raft(2).repairing);
  // The core settled and its hard state says so, but the process died before the mark was removed.
  cluster.crash(2);
  cluster.at(2).disk.repairing = true;
  cluster.restart(2);
  assertEquals([cluster.raft(2).repairing, cluster.raft(2).state.suspect], [true, true]);
  cluster.runUntil(() => !cluster.raft(2).repairing);
  assertEquals(appliedBy(cluster), Array(3).fill(["x"]));
});

Deno.test("what it lost is compacted away: a snapshot takes its place, and a crash behind it is no end", () => {
  const cluster = withX();
  cluster.restart(3);
  cluster.propose("y", 1);
  cluster.run(4);
  for (const id of [1, 3]) cluster.compact(id, cluster.snapshot(id).index);
  cluster.isolate(2);
  damage(cluster, 2);
  cluster.heal();
  // Only the leader is heard at first.
  cluster.cut([2], [3]);
  cluster.runUntil(() => cluster.at(2).disk.snapshot !== null);
  cluster.run(3 * TICKS);
  assertEquals(appliedBy(cluster, [2]), [["x", "y"]]);
  assertEquals(cluster.raft(2).repairing, true);
  cluster.crash(2);
  cluster.restart(2);
  assertEquals(cluster.raft(2).repairing, true);
  cluster.heal();
  cluster.runUntil(() => !cluster.raft(2).repairing);
  assertEquals(cluster.snapshots.replaced, 1);
});

Deno.test("power lost everywhere, two tails torn, one log damaged: the cluster lives on", () => {
  const disks = new Map([
    [1, disk([1, 1], 1, true)],
    [2, disk([1, 1, 1], 1, true)],
    [3, { ...disk([1]), repairing: true }],
  ]);
  const cluster = new Cluster({ disks });
  cluster.runUntil(() => cluster.leaders().length > 0);
  assertEquals(cluster.leaders(), [2]);
  cluster.runUntil(() => !cluster.raft(3).repairing);
  cluster.propose("x");
  cluster.run(4);
  assertEquals([1, 2, 3].map((id) => cluster.at(id).applied.length), [5, 5, 5]);
});

Deno.test("entries that it lost and that were never committed may be gone for good", () => {
  // Server 2 held entries 2 and 3 of term 1 alone; nobody ever acknowledged them to a client.
  const disks = new Map([[1, disk([1], 2)], [2, disk([1, 1, 1])], [3, disk([1], 2)]]);
  const cluster = new Cluster({ disks });
  damage(cluster, 2);
  cluster.elect(1);
  cluster.runUntil(() => !cluster.raft(2).repairing);
  assertEquals(cluster.raft(2).state.log.lastIndex, 2);
});
