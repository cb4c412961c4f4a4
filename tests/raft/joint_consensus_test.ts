/** Changes of voters by joint consensus: thesis chapter 4, figure by figure, and what comes in between. */
import { assert, assertEquals } from "@std/assert";
import { isJoint } from "../../lib/raft/configuration.ts";
import { describeConfiguration } from "../../lib/raft/describe.ts";
import type { MemberChange } from "../../lib/raft/types.ts";
import { message } from "./builders.ts";
import { Cluster, TICKS } from "./cluster.ts";
import { member } from "./members.ts";

const add = (id: number, life = 1): MemberChange => ({
  ...{ kind: "add", ...member(id, life) },
  staysLearner: true,
});
const promote = (id: number): MemberChange => ({ kind: "promote", id });
const remove = (id: number): MemberChange => ({ kind: "remove", id });

/** Servers 1, 2, 3, of which 1 leads and has committed; 4 and 5 are learners that hold all of it. */
function withLearners(...ids: number[]): Cluster {
  const cluster = new Cluster();
  cluster.elect(1);
  for (const id of ids) cluster.join(id);
  if (ids.length > 0) cluster.change(ids.map((id) => add(id)));
  cluster.settle();
  cluster.run(4); // heartbeats carry the commit to all
  return cluster;
}

function currentOf(cluster: Cluster, id: number): string {
  return describeConfiguration(cluster.raft(id).state.configurations.current);
}

/** Runs until `id` holds that configuration, as committed. */
function expectCommitted(cluster: Cluster, id: number, configuration: string): void {
  const { state } = cluster.raft(id);
  cluster.runUntil(() =>
    currentOf(cluster, id) === configuration &&
    state.commitIndex >= state.configurations.currentIndex, 10 * TICKS);
}

function refusalOf(cluster: Cluster, id: number, changes: readonly MemberChange[]): string {
  const result = cluster.raft(id).proposeChange(changes);
  if (result.accepted) return "accepted";
  if (result.reason === "invalid") return result.problem;
  return result.reason === "unreachable" ? `unreachable ${result.missing.join()}` : result.reason;
}

Deno.test("figure 4.2: while a server may go by the old voters and others by the new, only one side elects", () => {
  // The leader goes from 1, 2, 3 to 1, 2, 3, 4, 5; only 4 and 5 get the joint entry.
  const cluster = withLearners(4, 5);
  cluster.cut([1], [2, 3]);
  cluster.change([promote(4), promote(5)]);
  cluster.settle();
  assertEquals(currentOf(cluster, 4), "voters 1 2 3 4 5 outgoing 1 2 3");
  assertEquals(currentOf(cluster, 2), "voters 1 2 3 learners 4 5");
  // 1, 4 and 5 are a majority of the new voters, and none of the old: nothing is committed.
  const { commitIndex } = cluster.raft(1).state;
  cluster.propose("x", 1);
  cluster.settle();
  assertEquals(cluster.raft(1).state.commitIndex, commitIndex);
  // 2 and 3 are a majority of the old voters, and go by these.
  cluster.run(3 * TICKS);
  assert(!cluster.leaders().includes(1), "it heard no majority of the old voters");
  const leader = cluster.leader().state.id;
  assert([2, 3].includes(leader));
  // 1 campaigns by the joint configuration: 4 and 5 would elect it alone, were the new half enough.
  cluster.cut([1, 4, 5], [2, 3]);
  for (const id of [1, 4, 5]) {
    cluster.timeout(id);
    cluster.settle();
  }
  assertEquals(cluster.leaders(), [leader]);
});

Deno.test("figure 4.8: joint, then new, with no moment at which old or new decide alone", () => {
  const cluster = withLearners(4, 5);
  const joint = cluster.change([promote(4), promote(5), remove(2), remove(3)]);
  assertEquals(currentOf(cluster, 1), "voters 1 4 5 outgoing 1 2 3");
  // The old half is silent: the new one does not commit alone.
  cluster.cut([1, 4, 5], [2, 3]);
  cluster.queue = [];
  cluster.run(2);
  assert(cluster.raft(1).state.commitIndex < joint);
  assert(isJoint(cluster.raft(1).state.configurations.current));
  // And the other way round.
  cluster.heal();
  cluster.cut([1, 2, 3], [4, 5]);
  cluster.run(4);
  assert(cluster.raft(1).state.commitIndex < joint);
  cluster.heal();
  expectCommitted(cluster, 1, "voters 1 4 5");
  // From then on the old half has no say.
  cluster.isolate(2);
  cluster.isolate(3);
  const index = cluster.propose("x", 1);
  cluster.settle();
  assertEquals(cluster.raft(1).state.commitIndex, index);
});

Deno.test("the entry that leaves the old half needs the new one's majority alone", () => {
  const cluster = withLearners(4, 5);
  const joint = cluster.change([promote(4), promote(5), remove(2), remove(3)]);
  cluster.runUntil(() => cluster.raft(1).state.commitIndex >= joint, 4);
  cluster.crash(2);
  cluster.crash(3);
  expectCommitted(cluster, 1, "voters 1 4 5");
});

Deno.test("figure 4.4: a server that is added empty gets the log as a learner, and costs no quorum", () => {
  const cluster = withLearners();
  for (let i = 0; i < 20; i++) cluster.propose(`x${i}`, 1);
  cluster.settle();
  cluster.join(4);
  cluster.cut([4], [1, 2, 3]);
  cluster.change([add(4)]);
  cluster.settle();
  // One of three is down: with 4 as a voter two of four would be no majority.
  cluster.crash(3);
  const index = cluster.propose("y", 1);
  cluster.settle();
  assertEquals(cluster.raft(1).state.commitIndex, index);
  cluster.heal();
  cluster.runUntil(() => cluster.at(4).applied.length === cluster.at(1).applied.length, 2 * TICKS);
  assertEquals(refusalOf(cluster, 4, [add(5)]), "notLeader");
});

Deno.test("figure 4.6: who removed itself and is the only one with that entry can still win", () => {
  const cluster = new Cluster({ voters: [1, 2] });
  cluster.elect(1);
  cluster.run(4);
  const joint = cluster.change([remove(1)]);
  cluster.deliverAt(0); // 2 has the joint entry
  cluster.deliverAt(0); // and 1 knows: it has appended the entry without the old half
  assertEquals(cluster.raft(1).state.commitIndex, joint);
  assertEquals(currentOf(cluster, 1), "voters 2");
  cluster.queue = [];
  cluster.crash(1);
  cluster.restart(1);
  // By the joint configuration 2 needs the vote of 1, whose log is longer.
  cluster.timeout(2);
  cluster.settle();
  assertEquals(cluster.leaders(), []);
  cluster.timeout(1);
  cluster.settle();
  // It leads a cluster that it is no part of, until its entry is committed, and then hands over.
  assertEquals([...cluster.safety.leaders.values()], [1, 1, 2]);
  assertEquals(cluster.leaders(), [2]);
  assertEquals(cluster.raft(1).state.role.kind, "follower");
  assertEquals(currentOf(cluster, 2), "voters 2");
});

Deno.test("figure 4.7: who is about to be removed, and is not heartbeaten any more, disturbs nobody", () => {
  const cluster = withLearners();
  const joint = cluster.change([remove(3)]);
  while (cluster.raft(1).state.commitIndex < joint) cluster.deliverAt(0);
  // The leader goes by the new configuration already; 2 does not have it, and its log is that of 3.
  assertEquals([1, 2, 3].map((id) => currentOf(cluster, id)), [
    ...["voters 1 2", "voters 1 2 outgoing 1 2 3", "voters 1 2 outgoing 1 2 3"],
  ]);
  cluster.queue = [];
  const { term } = cluster.raft(1).state;
  // Its log is good enough for a pre-vote: what keeps 2 from voting is that it hears a leader (§4.2.3).
  for (let i = 0; i < 3; i++) {
    cluster.timeout(3);
    cluster.tick([1]);
    cluster.settle();
  }
  // And so for a vote, had it not asked before.
  cluster.raft(2).step(message({
    ...{ kind: "voteRequest", from: 3, to: 2, term: term + 5 },
    ...{ lastIndex: cluster.raft(3).state.log.lastIndex, lastTerm: term },
  }));
  cluster.process(2);
  cluster.settle();
  assertEquals([cluster.leaders(), cluster.raft(2).state.term], [[1], term]);
  expectCommitted(cluster, 1, "voters 1 2");
});

Deno.test("a leader that is removed leads until that is committed, does not count itself, and hands over", () => {
  const cluster = withLearners();
  cluster.holdDisk(2);
  cluster.holdDisk(3);
  cluster.change([remove(1)]);
  cluster.settle();
  cluster.syncDisk(2);
  cluster.settle();
  // 1 and 2 are a majority of the old voters; of the new ones 2 alone is none.
  const { state } = cluster.raft(1);
  assert(state.commitIndex < state.configurations.currentIndex);
  cluster.syncDisk(3);
  cluster.settle();
  assertEquals(currentOf(cluster, 1), "voters 2 3");
  cluster.syncDisk(2);
  cluster.settle();
  assert(state.commitIndex < state.configurations.currentIndex, "its own disk counted");
  assertEquals(state.role.kind, "leader");
  cluster.holdDisk(2, false);
  cluster.holdDisk(3, false);
  const ticks = cluster.runUntil(() => cluster.leaders().some((id) => id !== 1), TICKS);
  assert(ticks <= 2, `the handover took ${ticks} ticks`);
  assertEquals(state.role.kind, "follower");
  // Nobody tells it of the new leader, and its clients are sent there.
  assertEquals([state.leaderId, state.successorId], [0, cluster.leaders().find((id) => id !== 1)!]);
  cluster.run(6 * TICKS);
  assertEquals(cluster.raft(1).state.role.kind, "follower");
  assertEquals(cluster.safety.leaders.size, 2, "it disturbed the others");
});

Deno.test("a leader that is removed steps down even where nobody can take over", () => {
  const cluster = withLearners();
  cluster.change([remove(1)]);
  const { state } = cluster.raft(1);
  const leaving = () => currentOf(cluster, 1) === "voters 2 3";
  cluster.runUntil(() => leaving() && state.commitIndex >= state.configurations.currentIndex, 4);
  cluster.runUntil(() => state.role.kind === "follower", 2 * TICKS);
});

Deno.test("a removed server is quiet once it is told, and its campaigns disturb nobody before", () => {
  const cluster = withLearners(4);
  cluster.isolate(3);
  cluster.change([remove(3)]);
  expectCommitted(cluster, 1, "voters 1 2 learners 4");
  cluster.propose("x", 1);
  cluster.run(4);
  const { term } = cluster.raft(1).state;
  for (let i = 0; i < 5; i++) cluster.timeout(3);
  cluster.heal();
  cluster.settle();
  cluster.run(2 * TICKS);
  assertEquals(cluster.leader().state.term, term);
  assertEquals(cluster.raft(3).state.removed, true);
  assertEquals(
    cluster.at(3).events.at(-1)!.reason,
    "server 1 knows that this one was removed",
  );
  cluster.takeSent();
  cluster.run(5 * TICKS);
  assertEquals(cluster.takeSent().filter(({ from }) => from === 3), []);
  // Added again, with the same data, it follows like any other.
  cluster.change([add(3)]);
  cluster.run(2 * TICKS);
  assertEquals(cluster.raft(3).state.removed, false);
  assertEquals(cluster.raft(3).state.commitIndex, cluster.raft(1).state.commitIndex);
});

Deno.test("a server that sleeps while the members change does not tell newcomers that they were removed", () => {
  const cluster = withLearners();
  cluster.isolate(3);
  cluster.join(4);
  cluster.change([add(4)]);
  cluster.run(4);
  cluster.change([promote(4)]);
  cluster.run(2 * TICKS);
  assertEquals(currentOf(cluster, 1), "voters 1 2 3 4");
  cluster.heal();
  cluster.cut([1], [2, 3, 4]);
  cluster.crash(1);
  // 3 knows of no 4, and its vote is needed: 2, 3 and 4 are three of four.
  cluster.elect(4);
  cluster.run(4);
  assertEquals(currentOf(cluster, 3), "voters 1 2 3 4");
});

Deno.test("2015: nothing is changed before an entry of the leader's own term is committed", () => {
  // Four servers; 1 adds a change that only it holds, 2 another one, and 1 comes back.
  const cluster = new Cluster({ voters: [1, 2, 3, 4] });
  cluster.elect(1);
  cluster.run(4);
  cluster.cut([1], [2, 3, 4]);
  cluster.change([remove(4)], 1);
  cluster.settle();
  const other = cluster.elect(2);
  cluster.heal();
  cluster.cut([1, 3, 4], [2]);
  cluster.crash(2);
  cluster.restart(2);
  assertEquals(other.state.role.kind, "leader");
  cluster.heal();
  const again = cluster.elect(2);
  assertEquals(again.state.log.termAt(again.state.commitIndex), again.state.term);
  // A leader whose first entry is under way is asked too early.
  cluster.run(4);
  cluster.holdDisk(2);
  for (const id of [1, 3, 4]) cluster.holdDisk(id);
  cluster.raft(2).transferLeadership(3);
  cluster.process(2);
  while (cluster.raft(3).state.role.kind !== "leader") {
    cluster.settle();
    for (const id of [3, 1, 4]) cluster.syncDisk(id);
  }
  assertEquals(refusalOf(cluster, 3, [remove(4)]), "newTerm");
  for (const id of [1, 2, 3, 4]) cluster.holdDisk(id, false);
  cluster.run(4);
  assertEquals(refusalOf(cluster, 3, [remove(4)]), "accepted");
});

Deno.test("one change at a time", () => {
  const cluster = withLearners(4, 5);
  cluster.change([promote(4)]);
  assertEquals(refusalOf(cluster, 1, [promote(5)]), "changing");
  while (currentOf(cluster, 1) !== "voters 1 2 3 4 learners 5") cluster.deliverAt(0);
  assertEquals(refusalOf(cluster, 1, [promote(5)]), "changing");
  cluster.run(4);
  assertEquals(refusalOf(cluster, 1, [promote(5)]), "accepted");
});

Deno.test("a change is refused where it is wrong, in words", () => {
  const cluster = withLearners(4);
  const refused = (...changes: MemberChange[]) => refusalOf(cluster, 1, changes);
  assertEquals(refused(), "Nothing is to be changed");
  assertEquals(refused(remove(9)), "Server 9 is no member");
  assertEquals(refused(add(2)), "Server 2 is a member already");
  assertEquals(
    refused(add(2, 2)),
    "Server 2 is a member with an earlier data directory: remove that first",
  );
  assertEquals(refused(remove(2), add(2, 2)), "Server 2 is named twice in one change");
  assertEquals(refused(promote(3)), "Server 3 votes already");
  assertEquals(refused({ kind: "demote", id: 4 }), "Server 4 is a learner already");
  assertEquals(refused(remove(1), remove(2), remove(3)), "A configuration needs a voter");
  assertEquals(cluster.raft(1).state.configurations.versions.length, 2);
});

Deno.test("a change that leaves less than a majority within reach is refused, naming who is missing", () => {
  const cluster = withLearners(4);
  cluster.crash(3);
  cluster.run(2 * TICKS);
  assertEquals(refusalOf(cluster, 1, [remove(2)]), "unreachable 3");
  assertEquals(refusalOf(cluster, 1, [remove(3)]), "accepted");
});

Deno.test("learners and addresses change in one entry, and a demoted voter learns once its half is left", () => {
  const cluster = withLearners(4);
  const index = cluster.change([{ kind: "move", id: 2, addresses: new Uint8Array([7]) }]);
  cluster.run(4);
  const { configurations, log } = cluster.raft(1).state;
  assertEquals([configurations.currentIndex, log.lastIndex], [index, index]);
  assertEquals(configurations.current.members[1]!.addresses, new Uint8Array([7]));
  cluster.change([{ kind: "demote", id: 3 }]);
  assertEquals(currentOf(cluster, 1), "voters 1 2 outgoing 1 2 3 learners 4 to learn 3");
  cluster.run(4);
  assertEquals(currentOf(cluster, 1), "voters 1 2 learners 3 4");
  cluster.timeout(3);
  assertEquals(cluster.raft(3).state.role.kind, "follower", "a learner campaigns");
  cluster.change([remove(4)]);
  cluster.run(4);
  assertEquals(currentOf(cluster, 1), "voters 1 2 learners 3");
});

Deno.test("whoever comes to lead leaves a joint configuration, however far it had come", () => {
  // Who has synced the joint entry when the leader dies: nobody but it, one more, all.
  for (const holders of [[], [2], [4], [2, 4], [2, 3, 4, 5]]) {
    const cluster = withLearners(4, 5);
    for (const id of [2, 3, 4, 5]) if (!holders.includes(id)) cluster.cutOneWay(1, id);
    cluster.change([promote(4), promote(5), remove(3)]);
    cluster.settle();
    cluster.crash(1);
    cluster.heal();
    cluster.runUntil(() => cluster.leaders().some((id) => id !== 1), 10 * TICKS);
    cluster.run(4);
    cluster.restart(1);
    cluster.run(2 * TICKS);
    const held = holders.length > 1 || holders.includes(2);
    const leader = cluster.leader().state.id;
    const current = currentOf(cluster, leader);
    const isOld = current === "voters 1 2 3 learners 4 5";
    assert(isOld || current === "voters 1 2 4 5", `${holders}: ${current}`);
    if (holders.length > 1) assertEquals(isOld, false, `${holders}: what was committed is gone`);
    if (!held) assertEquals(isOld || holders.includes(4), true);
    for (const id of [1, 2]) assertEquals(currentOf(cluster, id), current, `${holders}`);
  }
});

Deno.test("a change that a new leader overwrites is taken back, by those too that held it", () => {
  const cluster = withLearners(4);
  cluster.cut([1, 4], [2, 3]);
  cluster.change([promote(4)]);
  cluster.settle();
  assertEquals(currentOf(cluster, 4), "voters 1 2 3 4 outgoing 1 2 3");
  cluster.elect(2);
  cluster.propose("x", 2);
  cluster.settle();
  cluster.heal();
  cluster.run(2 * TICKS);
  for (const id of [1, 2, 3, 4]) assertEquals(currentOf(cluster, id), "voters 1 2 3 learners 4");
  assertEquals(cluster.raft(4).state.role.kind, "follower");
  assertEquals(cluster.safety.leaders.size, 2);
});

Deno.test("a read round under way ends by whoever is left when members go", () => {
  const cluster = new Cluster({ voters: [1, 2] });
  cluster.elect(1);
  cluster.run(4);
  cluster.change([remove(2)]);
  cluster.deliverAt(0); // 2 has the joint entry
  const round = cluster.raft(1).requestRead();
  cluster.process(1);
  const isForRound = ({ kind }: { kind: string }) => kind.startsWith("heartbeat");
  cluster.queue = cluster.queue.filter((message) => !isForRound(message));
  cluster.crash(2);
  cluster.settle();
  assertEquals(currentOf(cluster, 1), "voters 1");
  assertEquals(cluster.at(1).reads.map((read) => read.round), [round]);
});

Deno.test("a suspect voter is none that a change can rest on, before it is known to be sound", () => {
  const cluster = new Cluster({ voters: [1, 2, 3, 4, 5] });
  cluster.elect(1);
  cluster.run(4);
  for (const id of [4, 5]) cluster.crash(id);
  cluster.restart(4, true);
  cluster.run(4 * TICKS);
  // 4 can't hear 5. With 1 and 2 alone nothing would be committed, the change included.
  assertEquals(refusalOf(cluster, 1, [remove(3)]), "unreachable 4,5");
  assertEquals(refusalOf(cluster, 1, [remove(5)]), "accepted");
  expectCommitted(cluster, 1, "voters 1 2 3 4");
  cluster.runUntil(() => !cluster.raft(4).state.suspect, 4 * TICKS);
  assertEquals(refusalOf(cluster, 1, [remove(3)]), "accepted");
  expectCommitted(cluster, 1, "voters 1 2 4");
});
