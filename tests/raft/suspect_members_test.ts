/** Suspect servers and changes of members: whom one has to hear that can't know which members it forgot. */
import { assertEquals } from "@std/assert";
import { encodeConfiguration } from "../../lib/raft/configuration_codec.ts";
import { describeMessage } from "../../lib/raft/describe.ts";
import type { Configuration, Entry } from "../../lib/raft/types.ts";
import { Bench, entry } from "./builders.ts";
import { Cluster, makeConfigurationEntry, TICKS } from "./cluster.ts";
import { describeMembers, member } from "./members.ts";

const BEFORE = describeMembers({ voters: [1, 2, 3], learners: [4] });
const JOINT = describeMembers({ voters: [1, 2, 4], votersOutgoing: [1, 2, 3] });
const AFTER = describeMembers({ voters: [1, 2, 4] });

function configurationEntry(index: number, term: number, configuration: Configuration): Entry {
  return { index, term, data: makeConfigurationEntry(encodeConfiguration(configuration)) };
}

/** Server 1, whose log was cut to these configurations, one an entry, of term 1. */
function suspect(...configurations: Configuration[]): Bench {
  const entries = configurations.map((one, i) => configurationEntry(1 + i, 1, one));
  return new Bench([], {
    hardState: { term: 1, votedFor: 0, suspect: true },
    entries,
    founders: [1, 2, 3].map((id) => member(id)),
  });
}

const REFUSAL = { kind: "voteResponse", preVote: true, granted: false } as const;

/** Leader 2 of term 2 sends entries after `prevIndex`; returns the acks of server 1. */
function append(
  bench: Bench,
  prevIndex: number,
  commitIndex: number,
  ...entries: Entry[]
): string[] {
  const prevTerm = bench.state.log.termAt(prevIndex);
  const sent = bench.step({
    ...{ kind: "appendRequest", term: 2, prevIndex, prevTerm, entries, commitIndex },
  });
  return sent.filter(({ kind }) => kind === "appendResponse").map(describeMessage);
}

Deno.test("the cut tail held a joint configuration: its new voter was a learner, and is heard", () => {
  // It has forgotten a vote for 4 in term 3, given by the joint configuration that it does not hold now.
  const bench = suspect(BEFORE);
  bench.step({ ...REFUSAL, from: 3, term: 2 });
  append(bench, 1, 1);
  assertEquals(append(bench, 1, 2, entry(2, 2)), ["1→2 append ok t2 index 2 round 0"]);
  assertEquals(append(bench, 2, 2, entry(3, 2)), ["1→2 append ok t2 index 2 round 0"], "3 counted");
  assertEquals(bench.state.suspect, true);
  // It asks, and learns of the term that it voted in.
  for (let ms = 0; ms < TICKS; ms++) bench.raft.elapse(bench.state.nowMs + 1);
  assertEquals(bench.take().map(describeMessage).filter((text) => text.startsWith("1→4")), [
    "1→4 pre-vote t0 last 0/t0",
  ]);
  bench.step({ ...REFUSAL, from: 4, term: 3 });
  assertEquals([bench.state.term, bench.state.suspect], [3, true]);
});

Deno.test("the cut tail held the configuration after it: both halves of the joint one are heard", () => {
  const bench = suspect(BEFORE, JOINT);
  append(bench, 2, 1);
  bench.step({ ...REFUSAL, from: 4, term: 2 });
  assertEquals(append(bench, 2, 1, entry(3, 2)), ["1→2 append ok t2 index 1 round 0"]);
  bench.step({ ...REFUSAL, from: 3, term: 2 });
  assertEquals(append(bench, 3, 1), ["1→2 append ok t2 index 3 round 0"]);
  assertEquals(bench.state.suspect, true, "nothing of the leader's term is committed");
  append(bench, 3, 3);
  assertEquals(bench.state.suspect, false);
});

Deno.test("a removed voter is gone for ever: suspicion ends by a commit that does without it", () => {
  const bench = suspect(BEFORE, JOINT);
  bench.step({ ...REFUSAL, from: 4, term: 2 });
  append(bench, 2, 1);
  const left = configurationEntry(3, 2, AFTER);
  // In the leader's term, but under the joint configuration: 3 may still matter.
  assertEquals(append(bench, 2, 1, left, entry(4, 2)), ["1→2 append ok t2 index 1 round 0"]);
  assertEquals(bench.state.suspect, true);
  assertEquals(append(bench, 4, 3), ["1→2 append ok t2 index 4 round 0"]);
  assertEquals(bench.state.suspect, false);
});

Deno.test("a leader's commit by the joint configuration does not do without the old voters", () => {
  const bench = suspect(BEFORE);
  bench.step({ ...REFUSAL, from: 4, term: 2 });
  append(bench, 1, 1);
  append(bench, 1, 1, configurationEntry(2, 2, JOINT));
  append(bench, 2, 2);
  assertEquals(bench.state.suspect, true);
  bench.step({ ...REFUSAL, from: 3, term: 2 });
  append(bench, 2, 2);
  assertEquals(bench.state.suspect, false);
});

Deno.test("a server that has forgotten a change confirms no read of a leader that slept through an election", () => {
  const cluster = new Cluster();
  cluster.elect(1);
  cluster.run(4);
  const before = { ...cluster.at(3).disk };
  // 4 takes the place of 2.
  cluster.join(4);
  cluster.change([{ kind: "add", ...member(4) }]);
  const votersOf1 = () => cluster.raft(1).state.configurations.current.voters.join();
  cluster.runUntil(() => votersOf1() === "1,2,3,4");
  cluster.run(4);
  cluster.change([{ kind: "remove", id: 2 }]);
  cluster.runUntil(() => votersOf1() === "1,3,4");
  cluster.run(4);
  // 1 sleeps; 4 leads by the vote of 3, and commits x with it.
  cluster.isolate(1);
  cluster.elect(4);
  cluster.propose("x", 4);
  cluster.settle();
  cluster.crash(4);
  cluster.crash(3);
  // 3 loses all that it wrote since: votes, entries and configurations.
  Object.assign(cluster.at(3).disk, before);
  cluster.heal();
  cluster.restart(3, true);
  cluster.raft(1).peerDisconnected(3);
  // Heartbeats come to it, and entries don't, such as on a disk without room for them.
  const talk = () => {
    cluster.processAll();
    while (cluster.queue.length > 0) {
      const { kind, to } = cluster.queue[0]!;
      if (kind === "appendRequest" && to === 3) cluster.queue.shift();
      else cluster.deliverAt(0);
    }
  };
  talk();
  cluster.tick([1, 3]);
  talk();
  cluster.tick([1, 3]);
  talk();
  assertEquals([...cluster.raft(3).state.heardSinceStart.keys()], [1, 2], "all that it knows of");
  const roundsBefore = cluster.at(1).reads.length;
  cluster.raft(1).requestRead();
  talk();
  assertEquals(cluster.raft(1).state.role.kind, "leader");
  assertEquals(cluster.at(1).reads.slice(roundsBefore), []);
});

Deno.test("a server that lags does not take a newcomer's question for that of a removed one", () => {
  const entries = [configurationEntry(1, 1, describeMembers({ voters: [1, 2, 3], learners: [5] }))];
  const bench = new Bench([], { hardState: { term: 1, votedFor: 0, suspect: false }, entries });
  bench.step({ kind: "heartbeat", commitIndex: 1 });
  const question = { kind: "voteRequest", preVote: true, from: 4, term: 0 } as const;
  assertEquals(bench.step(question).map(describeMessage), ["1→4 pre-vote refused t1"]);
  // Whoever asks for a vote names its log, and one that is shorter knows less.
  assertEquals(bench.step({ ...question, term: 2 }).map(describeMessage), [
    "1→4 pre-vote refused t1 removed",
  ]);
});

Deno.test("all servers of both halves are suspect: they elect somebody, half by half", () => {
  for (const lost of [[1, 2, 3], [1, 2, 3, 4, 5]]) {
    const cluster = new Cluster();
    cluster.elect(1);
    for (const id of [4, 5]) cluster.join(id);
    cluster.change([4, 5].map((id) => ({ kind: "add", ...member(id), staysLearner: true })));
    cluster.run(4);
    cluster.change([{ kind: "promote", id: 4 }, { kind: "promote", id: 5 }, {
      kind: "remove",
      id: 3,
    }]);
    cluster.deliverAt(0);
    for (const id of [1, 2, 3, 4, 5]) cluster.crash(id);
    cluster.queue = [];
    for (const id of [1, 2, 3, 4, 5]) cluster.restart(id, lost.includes(id));
    cluster.runUntil(() => cluster.leaders().length > 0, 10 * TICKS);
    cluster.run(4 * TICKS);
    const ids = cluster.leader().state.configurations.current.voters;
    cluster.runUntil(() => ids.every((id) => !cluster.raft(id).state.suspect), 10 * TICKS);
  }
});

Deno.test("a report of suspicion that is lost is made again: its server is not taken for sound", () => {
  const cluster = new Cluster();
  const leader = cluster.elect(1);
  cluster.run(4);
  cluster.crash(3);
  cluster.crash(2);
  leader.peerDisconnected(2);
  cluster.restart(2, true);
  // It is reached before it reaches anybody: the first that it says is lost.
  cluster.cutOneWay(2, 1);
  cluster.run(2);
  cluster.heal();
  const isSuspect = () => leader.leader!.progress.get(2)!.isSuspect;
  cluster.runUntil(isSuspect, 2 * TICKS);
  const result = leader.proposeChange([{ kind: "demote", id: 3 }]);
  assertEquals(result, { accepted: false, reason: "unreachable", missing: [2, 3] });
  // It hears 3, and is sound: that is found out, and the change is begun.
  cluster.restart(3);
  cluster.runUntil(() => !isSuspect(), 4 * TICKS);
  assertEquals(leader.proposeChange([{ kind: "demote", id: 3 }]).accepted, true);
});

Deno.test("a server that comes to be suspect in the middle of a term is taken for that as soon as it says so", () => {
  const cluster = new Cluster();
  const leader = cluster.elect(1);
  cluster.run(4);
  const { progress } = leader.leader!;
  for (let i = 0; i < 3; i++) {
    cluster.crash(3);
    cluster.crash(2);
    leader.peerDisconnected(2);
    cluster.restart(2, true);
    cluster.run(2);
    assertEquals([leader.state.term, progress.get(2)!.isSuspect], [1, true], `time ${i}`);
    cluster.restart(3);
    cluster.runUntil(() => !progress.get(2)!.isSuspect, 4 * TICKS);
  }
});
