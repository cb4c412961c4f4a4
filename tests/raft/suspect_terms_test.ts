/** A suspect server may have forgotten a term, and what it promised there (lib/raft/suspicion.ts). */
import { assert, assertEquals } from "@std/assert";
import { describeMessage } from "../../lib/raft/describe.ts";
import { Bench, disk, entry } from "./builders.ts";
import { bytes, Cluster, textOf, TICKS } from "./cluster.ts";
import { setElapsed, tick } from "./time.ts";

/** Server 1 as recovered: suspect, and following server 2 in term 1. */
function suspect(voters = [1, 2, 3]): Bench {
  const bench = new Bench([1], { hardState: { term: 1, votedFor: 0, suspect: true } }, voters);
  bench.step({ kind: "heartbeat" });
  return bench;
}

const MATCHING = { kind: "appendRequest", prevIndex: 1, prevTerm: 1, commitIndex: 1 } as const;
const REFUSAL = { kind: "voteResponse", preVote: true, granted: false } as const;

/** What `bench` answers to that request for its vote, as text. */
function askForVote(bench: Bench, from: number, term: number): string[] {
  const last = { lastIndex: 9, lastTerm: 8 };
  setElapsed(bench.state, TICKS);
  return bench.step({ kind: "voteRequest", from, term, ...last }).map(describeMessage);
}

function texts(applied: readonly Parameters<typeof textOf>[0][]): string[] {
  return applied.map(textOf).filter((text) => text !== "noop");
}

Deno.test("a vote for a later term was forgotten: no second one, whatever the leader's log shows", () => {
  // Server 1 voted for 3 in term 2 and forgot it. Server 2 still leads term 1.
  const bench = suspect();
  for (let round = 0; round < 5; round++) {
    bench.step(MATCHING);
    bench.step({ kind: "heartbeat", commitIndex: 1 });
  }
  assertEquals(bench.state.suspect, true);
  // Server 3 answers at last, and leads term 2, perhaps by that vote.
  bench.step({ ...REFUSAL, from: 3, term: 2 });
  assertEquals([bench.state.term, bench.state.suspect], [2, true]);
  const append = { kind: "appendRequest", from: 3, term: 2 } as const;
  bench.step({ ...append, prevIndex: 1, prevTerm: 1, entries: [entry(2, 2)], commitIndex: 1 });
  assertEquals(bench.state.suspect, true);
  bench.step({ ...append, prevIndex: 2, prevTerm: 2, commitIndex: 2 });
  assertEquals(bench.state.suspect, false);
  bench.raft.peerDisconnected(3);
  assertEquals(askForVote(bench, 2, 2), ["1→2 vote refused t2"]);
  assertEquals(askForVote(bench, 2, 3), ["1→2 vote granted t3"]);
});

Deno.test("until then its vote in that term is suspect, and a crash does not change that", () => {
  const bench = suspect();
  bench.step(MATCHING);
  bench.step(MATCHING);
  assertEquals(askForVote(bench, 2, 2), ["1→2 vote granted t2 suspect"]);
  const { term, votedFor, suspect: flag } = bench.state;
  const again = new Bench([1], { hardState: { term, votedFor, suspect: flag } });
  // Whom the process before this one has heard says nothing of what it forgot since.
  again.step({ ...REFUSAL, from: 3, term: 2 });
  assertEquals([...again.state.heardSinceStart.keys()], [3]);
  assertEquals(askForVote(again, 3, 2), ["1→3 vote refused t2 suspect"]);
});

Deno.test("a granted pre-vote and a request for a vote tell no term: their sender is not heard", () => {
  const bench = suspect();
  bench.step({ kind: "voteResponse", preVote: true, from: 3, term: 2 });
  bench.step({ kind: "voteRequest", preVote: true, from: 3, term: 2 });
  for (let round = 0; round < 3; round++) bench.step(MATCHING);
  assertEquals(bench.state.suspect, true);
  bench.step({ ...REFUSAL, from: 3, term: 1 });
  bench.step(MATCHING);
  assertEquals(bench.state.suspect, false);
});

Deno.test("it asks those that it has not heard, once an election timeout, and stops when it has", () => {
  const bench = suspect([1, 2, 3, 4]);
  const asked = () => {
    bench.step({ kind: "heartbeat" });
    tick(bench.raft);
    return bench.take().filter(({ kind }) => kind === "voteRequest").map(describeMessage);
  };
  const [three, four] = ["1→3 pre-vote t0 last 0/t0", "1→4 pre-vote t0 last 0/t0"];
  assertEquals(asked(), [three, four]);
  for (let i = 1; i < TICKS; i++) assertEquals(asked(), []);
  assertEquals(asked(), [three, four]);
  bench.step({ ...REFUSAL, from: 4 });
  for (let i = 1; i < TICKS; i++) assertEquals(asked(), []);
  assertEquals(asked(), [three]);
  bench.step({ ...REFUSAL, from: 3 });
  for (let i = 0; i < 3 * TICKS; i++) assertEquals(asked(), []);
});

Deno.test("everybody answers such a question with its term, a leader and its followers included", () => {
  const cluster = new Cluster({ disks: new Map([[3, disk([], 0, true)]]) });
  cluster.elect(1);
  cluster.takeSent();
  cluster.tick([3]);
  cluster.settle();
  assertEquals(
    cluster.takeSent().filter(({ kind }) => kind.startsWith("vote")).map(describeMessage),
    [
      "3→2 pre-vote t0 last 0/t0",
      "2→3 pre-vote refused t1",
    ],
  );
  assertEquals(cluster.raft(1).state.role.kind, "leader");
});

Deno.test("while it may have forgotten a term, no leader may count on it for commits and reads", () => {
  const bench = suspect();
  const append = { ...MATCHING, entries: [entry(2, 1)], readRound: 4 } as const;
  const told = "1→2 append ok t1 index 1 round 0";
  assertEquals(bench.step(append).map(describeMessage), [told]);
  assertEquals(bench.state.log.durableIndex, 2);
  const beat = { kind: "heartbeat", readRound: 5 } as const;
  assertEquals(bench.step(beat).map(describeMessage), ["1→2 heartbeat ok t1 round 0"]);
  const gap = { ...MATCHING, prevIndex: 7, readRound: 5 } as const;
  assertEquals(bench.step(gap).map(describeMessage), [
    "1→2 append refused t1 prev 7 hint 2/t1 round 0",
  ]);
  bench.step({ ...REFUSAL, from: 3 });
  assertEquals(bench.step({ ...append, commitIndex: 0 }).map(describeMessage), [
    "1→2 append ok t1 index 2 round 0",
  ]);
  assertEquals(bench.state.suspect, true);
  assertEquals(bench.step({ ...append, commitIndex: 2 }).map(describeMessage), [
    "1→2 append ok t1 index 2 round 4",
  ]);
});

Deno.test("an old leader that wakes up commits and reads nothing by a server that left its term", () => {
  const cluster = new Cluster();
  cluster.elect(1);
  const [before] = [{ ...cluster.at(2).disk }];
  // Server 1 sleeps; 3 leads term 2 by the vote of 2, and commits x with it.
  cluster.isolate(1);
  cluster.elect(3);
  cluster.propose("x", 3);
  cluster.settle();
  assertEquals(texts(cluster.at(3).applied), ["x"]);
  cluster.crash(3);
  cluster.crash(2);
  // Server 2 loses all that it wrote since, term and vote included.
  Object.assign(cluster.at(2).disk, before);
  cluster.heal();
  cluster.restart(2, true);
  cluster.raft(1).peerDisconnected(2);
  cluster.settle();
  cluster.propose("y", 1);
  cluster.raft(1).requestRead();
  cluster.tick([1]);
  cluster.tick([1]);
  cluster.settle();
  assertEquals(cluster.raft(1).state.role.kind, "leader");
  assertEquals([texts(cluster.at(1).applied), cluster.at(1).reads], [[], []]);
  cluster.run(10 * TICKS);
  assertEquals([1, 2].map((id) => texts(cluster.at(id).applied)), [[], []]);
  cluster.restart(3);
  cluster.runUntil(() => !cluster.raft(2).state.suspect);
  assertEquals([1, 2, 3].map((id) => texts(cluster.at(id).applied)[0]), ["x", "x", "x"]);
});

Deno.test("of three, one down and one suspect: nothing is acknowledged until the third is back", () => {
  const cluster = new Cluster();
  cluster.elect(1);
  cluster.propose("x");
  cluster.run(4);
  cluster.crash(3);
  cluster.crash(2);
  cluster.restart(2, true);
  cluster.raft(1).peerDisconnected(2);
  cluster.propose("y");
  cluster.run(20 * TICKS);
  // It is heard, so the leader stays; and it holds the entry, it only must not be counted on.
  assertEquals(cluster.leaders(), [1]);
  assertEquals(cluster.raft(2).state.log.lastIndex, cluster.raft(1).state.log.lastIndex);
  assertEquals(texts(cluster.at(1).applied), ["x"]);
  cluster.restart(3);
  cluster.runUntil(() => !cluster.raft(2).state.suspect);
  cluster.run(4);
  assertEquals([1, 2, 3].map((id) => texts(cluster.at(id).applied)), Array(3).fill(["x", "y"]));
});

Deno.test("of five, one down and one suspect: the three others go on, and it follows them", () => {
  const cluster = new Cluster({ voters: [1, 2, 3, 4, 5] });
  cluster.elect(1);
  cluster.crash(5);
  cluster.crash(4);
  cluster.restart(4, true);
  const expected: string[] = [];
  for (let i = 0; i < 40; i++) {
    cluster.raft(1).propose(bytes(`x${i}`));
    expected.push(`x${i}`);
    cluster.run(1);
  }
  cluster.run(2 * TICKS);
  assertEquals(texts(cluster.at(1).applied), expected);
  assertEquals(texts(cluster.at(4).applied), expected);
  assertEquals(cluster.raft(4).state.suspect, true);
  // With one more gone it is missed: only 1 and 2 can be counted on.
  cluster.crash(3);
  cluster.propose("late");
  cluster.run(5);
  assertEquals(texts(cluster.at(1).applied), expected);
  cluster.restart(5);
  cluster.runUntil(() => texts(cluster.at(1).applied).includes("late"));
  cluster.restart(3);
  cluster.runUntil(() => !cluster.raft(4).state.suspect);
});

Deno.test("a server with the longest log is elected by all others although it is suspect", () => {
  const disks = new Map([[1, disk([1])], [2, disk([1, 1, 1], 1, true)], [3, disk([1])]]);
  const cluster = new Cluster({ disks });
  cluster.crash(3);
  cluster.timeout(2);
  cluster.settle();
  cluster.run(20 * TICKS);
  assert(!cluster.leaders().includes(2), "1 and 2 alone");
  for (const id of [1, 2, 3]) cluster.crash(id);
  for (const id of [1, 2, 3]) cluster.restart(id);
  cluster.elect(2);
  assertEquals(cluster.raft(2).state.suspect, false);
  cluster.propose("x");
  cluster.run(4);
  assertEquals([1, 2, 3].map((id) => cluster.at(id).applied.length), [5, 5, 5]);
  assertEquals(askForVoteAgain(cluster), "2→1 vote refused");
});

/** What the new leader, stepped down by a later term, says to a request in the term that it won. */
function askForVoteAgain(cluster: Cluster): string {
  const { raft } = cluster.at(2);
  cluster.takeSent();
  raft.step({
    ...{ kind: "voteRequest", from: 1, to: 2, term: raft.state.term, preVote: false },
    ...{ lastIndex: 9, lastTerm: 9, transfer: true },
  });
  cluster.process(2);
  return cluster.takeSent().map(describeMessage).join().replace(/ t\d+$/, "");
}

Deno.test("who has a vote for a term already, and asks for a pre-vote for it, has forgotten that it may have led", () => {
  const bench = new Bench([1], { hardState: { term: 3, votedFor: 2, suspect: false } });
  const last = { lastIndex: 1, lastTerm: 1 };
  const asked = (sketch: { preVote: boolean; term: number }) =>
    bench.step({ kind: "voteRequest", ...last, ...sketch }).map(describeMessage);
  assertEquals(asked({ preVote: true, term: 3 }), ["1→2 pre-vote refused t3"]);
  assertEquals(
    asked({ preVote: false, term: 3 }),
    ["1→2 vote granted t3"],
    "a copy of its request",
  );
  assertEquals(asked({ preVote: true, term: 4 }), ["1→2 pre-vote granted t4"]);
});

Deno.test("a server that has forgotten that it led a term does not lead it a second time", () => {
  // Server 2 led term 3 by the vote of 1. Its own entry of that term and all that it knew of it are lost.
  const voted = { ...disk([1, 1]), hardState: { term: 3, votedFor: 2, suspect: false } };
  const disks = new Map([[1, voted], [2, disk([1, 1], 2, true)], [3, disk([1, 1])]]);
  const cluster = new Cluster({ disks });
  const { raft } = cluster.at(2);
  setElapsed(raft.state, 2 * TICKS);
  tick(raft);
  cluster.settle();
  assertEquals([raft.state.role.kind, raft.state.term], ["follower", 3]);
  cluster.runUntil(() => cluster.leaders().length > 0);
  const led = cluster.raft(cluster.leaders()[0]!).state.term;
  assert(led > 3, `term ${led} has a leader`);
});
