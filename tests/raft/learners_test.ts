/** Learners: they get the log, have no say, and become voters once they keep up (thesis §4.2.1). */
import { assert, assertEquals } from "@std/assert";
import { describeConfiguration } from "../../lib/raft/describe.ts";
import { leaderOf } from "../../lib/raft/state.ts";
import type { MemberChange } from "../../lib/raft/types.ts";
import { Cluster, textOf, TICKS } from "./cluster.ts";
import { member } from "./members.ts";

const add = (id: number, staysLearner = false): MemberChange => ({
  ...{ kind: "add", ...member(id) },
  staysLearner,
});

/** Servers 1, 2, 3, of which 1 leads, and others that have joined and are no members yet. */
function withJoining(...ids: number[]): Cluster {
  const cluster = new Cluster();
  cluster.elect(1);
  for (const id of ids) cluster.join(id);
  cluster.run(4);
  return cluster;
}

function current(cluster: Cluster, id = 1): string {
  return describeConfiguration(cluster.raft(id).state.configurations.current);
}

/** Lets time pass while the leader gets an entry a tick, and that follower's disk needs `ticks` for a sync. */
function runLoaded(cluster: Cluster, ticks: number, slow: number, syncTicks: number): void {
  cluster.holdDisk(slow);
  for (let i = 1; i <= ticks; i++) {
    cluster.propose(`x${i}`, 1);
    cluster.settle();
    if (i % syncTicks === 0) cluster.syncDisk(slow);
    cluster.run(1);
  }
}

Deno.test("a learner that keeps up is made a voter by the leader, an idle one as one under load", () => {
  const cluster = withJoining(4, 5);
  cluster.change([add(4), add(5)]);
  const ticks = cluster.runUntil(() => current(cluster) === "voters 1 2 3 4 5", TICKS);
  assert(ticks <= 3, `it took ${ticks} ticks`);
  const loaded = withJoining(4);
  loaded.change([add(4)]);
  runLoaded(loaded, 2 * TICKS, 4, 2);
  assertEquals(current(loaded), "voters 1 2 3 4");
});

Deno.test("one whose rounds take longer than an election timeout is not, until they do not", () => {
  const cluster = withJoining(4);
  cluster.change([add(4)]);
  runLoaded(cluster, 30 * TICKS, 4, TICKS + 2);
  assertEquals(current(cluster), "voters 1 2 3 learners 4");
  const catchUp = leaderOf(cluster.raft(1).state)!.catchUps.get(4)!;
  assert(catchUp.rounds >= 10, `only ${catchUp.rounds} rounds`);
  cluster.holdDisk(4, false);
  cluster.runUntil(() => current(cluster) === "voters 1 2 3 4", TICKS);
});

Deno.test("one that is not reached is not made a voter, however little there is to replicate", () => {
  const cluster = withJoining(4);
  cluster.isolate(4);
  cluster.change([add(4)]);
  cluster.run(5 * TICKS);
  assertEquals(current(cluster), "voters 1 2 3 learners 4");
  cluster.heal();
  cluster.runUntil(() => current(cluster) === "voters 1 2 3 4", 2 * TICKS);
  // It kept up once, and is gone before it can be made one.
  const gone = withJoining(4);
  gone.change([add(4, true)]);
  gone.run(4);
  gone.crash(4);
  gone.raft(1).peerDisconnected(4);
  assertEquals(gone.raft(1).proposeChange([{ kind: "promote", id: 4 }]), {
    ...{ accepted: false, reason: "behind", learners: [4] },
  });
});

Deno.test("one that is to stay a learner stays it, until it is promoted by name", () => {
  const cluster = withJoining(4);
  cluster.change([add(4, true)]);
  cluster.run(10 * TICKS);
  assertEquals(current(cluster), "voters 1 2 3 learners 4");
  cluster.change([{ kind: "promote", id: 4 }]);
  cluster.run(4);
  assertEquals(current(cluster), "voters 1 2 3 4");
  assertEquals(cluster.raft(1).state.configurations.current.members[3]!.staysLearner, false);
});

Deno.test("a learner has no say: its ack commits nothing, its answer elects nobody, and it is quiet", () => {
  const cluster = withJoining(4);
  cluster.change([add(4, true)]);
  cluster.run(4);
  cluster.cut([1, 4], [2, 3]);
  const index = cluster.propose("x", 1);
  cluster.settle();
  assertEquals(cluster.raft(4).state.log.durableIndex, index);
  assertEquals(cluster.raft(1).state.commitIndex, index - 1);
  cluster.run(6 * TICKS);
  assertEquals(cluster.leaders().includes(1), false, "it leads with a learner alone");
  assertEquals(cluster.at(4).events.some(({ to }) => to !== "follower"), false);
});

Deno.test("a leader that inherits a learner makes it a voter", () => {
  const cluster = withJoining(4);
  cluster.cut([4], [1, 2, 3]);
  cluster.change([add(4)]);
  cluster.run(4);
  cluster.crash(1);
  cluster.elect(2);
  cluster.heal();
  cluster.runUntil(() => current(cluster, 2) === "voters 1 2 3 4", 4 * TICKS);
});

Deno.test("a learner that needs a snapshot gets one, and the members from it", () => {
  const cluster = withJoining(4);
  for (let i = 0; i < 10; i++) cluster.propose(`x${i}`, 1);
  cluster.run(4);
  cluster.isolate(4);
  cluster.change([add(4, true)]);
  cluster.run(4);
  cluster.compact(1, cluster.snapshot(1).index);
  cluster.heal();
  cluster.runUntil(() => cluster.at(4).applied.length === cluster.at(1).applied.length, 4 * TICKS);
  const { configurations } = cluster.raft(4).state;
  assertEquals(configurations.versions.length, 1);
  assertEquals(configurations.current, cluster.raft(1).state.configurations.current);
});

Deno.test("where a voter is down, no learner is made one that would leave too few", () => {
  const cluster = withJoining(4);
  cluster.isolate(4);
  cluster.change([add(4)]);
  cluster.run(4);
  cluster.crash(3);
  cluster.run(TICKS);
  cluster.heal();
  // 1, 2 and 4 are three of four: that is a majority, so it may.
  cluster.runUntil(() => current(cluster) === "voters 1 2 3 4", 2 * TICKS);
});

Deno.test("one that is suspect is made a voter once it is sound, and nobody has to read for that", () => {
  const cluster = withJoining(4);
  cluster.crash(3);
  cluster.isolate(4);
  cluster.change([add(4)]);
  cluster.settle();
  cluster.heal();
  cluster.crash(4);
  cluster.restart(4, true);
  // It can't hear 3, so it acknowledges only what is committed: by its vote nothing would be.
  cluster.run(10 * TICKS);
  cluster.propose("x", 1);
  cluster.run(10 * TICKS);
  assertEquals([current(cluster), cluster.raft(4).state.suspect], [
    "voters 1 2 3 learners 4",
    true,
  ]);
  assertEquals(cluster.at(1).applied.map(textOf).at(-1), "x");
  cluster.restart(3);
  cluster.runUntil(() => current(cluster) === "voters 1 2 3 4", 4 * TICKS);
  assertEquals(cluster.raft(4).state.suspect, false);
});
