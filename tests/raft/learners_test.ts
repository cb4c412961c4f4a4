/** Learners: they get the log, have no say, and become voters once they keep up (thesis §4.2.1). */
import { assert, assertEquals } from "@std/assert";
import { describeConfiguration } from "../../lib/raft/describe.ts";
import { leaderOf } from "../../lib/raft/state.ts";
import type { DiskRoom, MemberChange } from "../../lib/raft/types.ts";
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

Deno.test("a learner is made a voter once it has shown that it is sound: what it told of that may be lost", () => {
  const cluster = withJoining(4);
  cluster.crash(3);
  cluster.isolate(4);
  cluster.change([add(4)]);
  cluster.settle();
  cluster.crash(4);
  cluster.restart(4, true);
  cluster.heal();
  // What it says of that is lost, as where it has no connection yet.
  const talk = () => {
    cluster.processAll();
    while (cluster.queue.length > 0) {
      const { kind, from } = cluster.queue[0]!;
      if (kind === "voteResponse" && from === 4) cluster.queue.shift();
      else cluster.deliverAt(0);
    }
  };
  // It can't hear 3, and its acks of what is committed end rounds all the same.
  for (let i = 0; i < TICKS; i++) {
    cluster.tick([1, 2, 4]);
    talk();
    assertEquals(current(cluster), "voters 1 2 3 learners 4");
  }
  const leader = leaderOf(cluster.raft(1).state)!;
  assert(leader.catchUps.get(4)!.rounds > 0 && cluster.raft(4).state.suspect);
  cluster.restart(3);
  cluster.runUntil(() => current(cluster) === "voters 1 2 3 4", 4 * TICKS);
});

/** As `withJoining`; `rooms`: what is known of their disks, free unless it says otherwise. */
function withDisks(rooms: Map<number, DiskRoom>, ...ids: number[]): Cluster {
  const cluster = new Cluster({ overrides: { roomOf: (id) => rooms.get(id) ?? "free" } });
  cluster.elect(1);
  for (const id of ids) cluster.join(id);
  cluster.run(4);
  return cluster;
}

Deno.test("a learner whose disk is full is not made a voter until it has room, by name neither", () => {
  const rooms = new Map<number, DiskRoom>([[4, "reserve"]]);
  const cluster = withDisks(rooms, 4);
  cluster.change([add(4)]);
  for (const room of ["reserve", "none"] as const) {
    rooms.set(4, room);
    cluster.run(3 * TICKS);
    assertEquals(current(cluster), "voters 1 2 3 learners 4", room);
    assertEquals(cluster.raft(1).proposeChange([{ kind: "promote", id: 4 }]), {
      ...{ accepted: false, reason: "full", servers: [4] },
    });
  }
  rooms.delete(4);
  cluster.runUntil(() => current(cluster) === "voters 1 2 3 4", TICKS);
});

Deno.test("a change that would leave no majority with room is refused, unless there is none already", () => {
  const rooms = new Map<number, DiskRoom>([[3, "reserve"]]);
  const cluster = withDisks(rooms, 4);
  const refusal = (changes: MemberChange[]) => {
    const result = cluster.raft(1).proposeChange(changes);
    if (result.accepted) return "accepted";
    return result.reason === "full" ? `full ${result.servers.join()}` : result.reason;
  };
  // Of 1 and 3 only one would have room.
  assertEquals(refusal([{ kind: "remove", id: 2 }]), "full 3");
  // Nobody else has any either: the full ones may go, and others come.
  rooms.set(2, "reserve").set(1, "reserve");
  assertEquals(refusal([add(4)]), "accepted");
  cluster.run(TICKS);
  assertEquals(current(cluster), "voters 1 2 3 4");
  assertEquals(refusal([{ kind: "remove", id: 2 }]), "accepted");
  cluster.run(4);
  assertEquals(current(cluster), "voters 1 3 4");
  // One that can't write anything does not count even then.
  rooms.set(3, "none").set(4, "none");
  assertEquals(refusal([{ kind: "move", id: 3, addresses: new Uint8Array(1) }]), "full 3,4");
});

Deno.test("no learner is made a voter where that would leave too few with room", () => {
  const rooms = new Map<number, DiskRoom>([[3, "reserve"]]);
  const cluster = withDisks(rooms, 4);
  cluster.change([add(4, true)]);
  cluster.run(4);
  // 1, 2 and 4 have room: three of four.
  assertEquals(cluster.raft(1).proposeChange([{ kind: "promote", id: 4 }]).accepted, true);
});

Deno.test("a learner that is replaced begins with nothing, and what its earlier life says counts for nothing", () => {
  const cluster = withJoining(4);
  cluster.change([add(4, true)]);
  cluster.propose("x");
  cluster.run(2 * TICKS);
  const progress = () => leaderOf(cluster.raft(1).state)!.progress.get(4)!;
  const { lastIndex } = cluster.raft(1).state.log;
  assertEquals(progress().matchIndex, lastIndex);
  cluster.crash(4);
  const { incarnation, addresses } = member(4, 2);
  cluster.change([{ kind: "replace", id: 4, incarnation, addresses }]);
  assertEquals([progress().matchIndex, progress().isHeard], [0, false]);
  const index = lastIndex + 1;
  const ack = { kind: "appendResponse", from: 4, to: 1, success: true, index } as const;
  const { term } = cluster.raft(1).state;
  const rest = { term, hintIndex: 0, hintTerm: 0, readRound: 0 };
  cluster.raft(1).step({ ...ack, ...rest }, member(4, 1).incarnation);
  assertEquals(progress().matchIndex, 0);
  // The new one gets all of it, is a learner as the one before, and can be made a voter.
  cluster.join(4, 2);
  cluster.run(4 * TICKS);
  const entries = (id: number) => cluster.raft(id).state.log.entries.map(textOf);
  assertEquals(entries(4), entries(1));
  assertEquals(current(cluster), "voters 1 2 3 learners 4");
  cluster.change([{ kind: "promote", id: 4 }]);
  cluster.run(TICKS);
  assertEquals(current(cluster, 4), "voters 1 2 3 4");
});

Deno.test("a voter is not replaced in one change, nor a learner by itself", () => {
  const cluster = withJoining(4);
  cluster.change([add(4, true)]);
  cluster.run(TICKS);
  const refusal = (id: number, life: number) => {
    const { incarnation, addresses } = member(id, life);
    const result = cluster.raft(1).proposeChange([{ kind: "replace", id, incarnation, addresses }]);
    return result.accepted || result.reason !== "invalid" ? result : result.problem;
  };
  assertEquals(refusal(3, 2), "Server 3 votes: remove it first");
  assertEquals(refusal(4, 1), "Server 4 is a member already");
  assertEquals(refusal(5, 1), "Server 5 is no member");
});
