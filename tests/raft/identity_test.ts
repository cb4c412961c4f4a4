/** A member is an id and an incarnation: what an earlier life of a server says counts for nothing. */
import { assertEquals } from "@std/assert";
import { encodeConfiguration } from "../../lib/raft/configuration_codec.ts";
import { leaderOf } from "../../lib/raft/state.ts";
import type { MemberChange } from "../../lib/raft/types.ts";
import { Bench, disk, entry, message } from "./builders.ts";
import { Cluster, makeConfigurationEntry, TICKS } from "./cluster.ts";
import { describeMembers, incarnation, member } from "./members.ts";

const add = (id: number, life = 1): MemberChange => ({ kind: "add", ...member(id, life) });

/** Server 1 of 1, 2, 3 in their first lives, with its log's terms. */
function bench(terms: number[] = [], suspect = false): Bench {
  const { hardState } = disk(terms, undefined, suspect);
  return new Bench(terms, { hardState, founders: [1, 2, 3].map((id) => member(id)) });
}

const vote = (preVote: boolean, term: number) =>
  message({ kind: "voteResponse", preVote, from: 3, term });

Deno.test("a vote counts for the life of a server that the configuration means", () => {
  const { raft } = bench();
  raft.elapse(100);
  raft.step(vote(true, 1), incarnation(3, 2));
  assertEquals(raft.state.role.kind, "preCandidate");
  raft.step(vote(true, 1), incarnation(3));
  assertEquals(raft.state.role.kind, "candidate");
});

Deno.test("acks, read rounds and signs of life of an earlier server 3 are not those of the new one", () => {
  const server = bench();
  server.lead();
  const { raft, state } = server;
  const ack = message({ kind: "appendResponse", from: 3, index: 1 });
  raft.step(ack, incarnation(3, 2));
  assertEquals(state.commitIndex, 0);
  const round = raft.requestRead();
  raft.step(ack, incarnation(3));
  server.take();
  assertEquals(state.commitIndex, 1);
  const answer = message({ kind: "heartbeatResponse", from: 3, readRound: round });
  raft.step(answer, incarnation(3, 2));
  assertEquals(raft.ready().reads, []);
  // Nobody but the other life answers from here on.
  for (let ms = 1; ms <= 4 * TICKS; ms++) {
    raft.elapse(state.nowMs + 1);
    raft.step(message({ kind: "heartbeatResponse", from: 3 }), incarnation(3, 2));
    server.take();
  }
  assertEquals(state.role.kind === "leader", false);
});

Deno.test("a later term of an earlier life is nobody's business", () => {
  const server = bench();
  server.lead();
  server.raft.step(message({ kind: "heartbeatResponse", from: 3, term: 9 }), incarnation(3, 2));
  assertEquals([server.state.role.kind, server.state.term], ["leader", 1]);
  server.raft.step(message({ kind: "heartbeatResponse", from: 3, term: 9 }), incarnation(3));
  assertEquals(server.state.role.kind, "follower");
});

Deno.test("a suspect server has not heard a member where it heard another life of it", () => {
  const server = bench([1], true);
  const append = message({
    ...{ kind: "appendRequest", prevIndex: 1, prevTerm: 1 },
    ...{ entries: [entry(2, 1)], commitIndex: 2 },
  });
  const refusal = message({ kind: "voteResponse", preVote: true, granted: false, from: 3 });
  for (let i = 0; i < 3; i++) server.raft.step(append, incarnation(2));
  server.raft.step(refusal, incarnation(3, 2));
  server.raft.step(append, incarnation(2));
  assertEquals(server.state.suspect, true);
  server.raft.step(refusal, incarnation(3));
  server.raft.step(append, incarnation(2));
  assertEquals(server.state.suspect, false);
});

Deno.test("a suspect server that learns of a member's next life has to hear that", () => {
  const server = bench([1], true);
  const refusal = message({ kind: "voteResponse", preVote: true, granted: false, from: 3 });
  server.raft.step(refusal, incarnation(3));
  const configurations = [
    describeMembers({ voters: [1, 2], votersOutgoing: [1, 2, 3] }),
    describeMembers({ voters: [1, 2] }),
    describeMembers({ voters: [1, 2], learners: [3] }, [], 2),
  ];
  const entries = configurations.map((configuration, i) => ({
    ...{ index: 2 + i, term: 1 },
    data: makeConfigurationEntry(encodeConfiguration(configuration)),
  }));
  const append = message({
    ...{ kind: "appendRequest", prevIndex: 1, prevTerm: 1, entries, commitIndex: 4 },
  });
  for (let i = 0; i < 3; i++) server.raft.step(append, incarnation(2));
  assertEquals(server.state.suspect, true);
  server.raft.step(refusal, incarnation(3));
  server.raft.step(append, incarnation(2));
  assertEquals(server.state.suspect, true);
  server.raft.step(refusal, incarnation(3, 2));
  server.raft.step(append, incarnation(2));
  assertEquals(server.state.suspect, false);
});

Deno.test("a replaced server's old self comes back: it is told, and nothing of it counts", () => {
  const cluster = new Cluster();
  cluster.elect(1);
  cluster.run(4);
  // Old 3 is cut off with what it had, and an ack of it is under way.
  cluster.propose("x", 1);
  cluster.deliverAt(cluster.queue.findIndex(({ to }) => to === 3));
  const late = cluster.queue.filter(({ from }) => from === 3);
  assertEquals(late.length, 1);
  const old = cluster.at(3);
  cluster.queue = [];
  cluster.crash(3);
  cluster.change([{ kind: "remove", id: 3 }]);
  cluster.run(4);
  cluster.join(3, 2);
  cluster.isolate(3);
  cluster.change([add(3, 2)]);
  cluster.run(4);
  const { state } = cluster.raft(1);
  // The late ack, of an index that new 3 does not hold.
  cluster.heal();
  cluster.queue.unshift(...late);
  cluster.deliverAt(0);
  assertEquals(leaderOf(state)!.progress.get(3)!.matchIndex, 0);
  // Old 3 starts again, and asks for votes with all that it has.
  old.up = true;
  const request = message({
    ...{ kind: "voteRequest", preVote: true, from: 3, term: old.raft.state.term + 1 },
    ...{ lastIndex: old.raft.state.log.lastIndex, lastTerm: old.raft.state.log.lastTerm },
  });
  for (const to of [1, 2]) {
    const { raft } = cluster.at(to);
    raft.step({ ...request, to }, incarnation(3));
    const answer = raft.ready().messages.find(({ kind }) => kind === "voteResponse");
    if (answer?.kind !== "voteResponse") throw new Error(`Server ${to} does not answer`);
    assertEquals([answer.removed, answer.granted], [true, false]);
    old.raft.step(answer, incarnation(to));
  }
  assertEquals(old.raft.state.removed, true);
  cluster.run(2 * TICKS);
  assertEquals(cluster.at(3).applied.length, cluster.at(1).applied.length);
});

Deno.test("a server whose id the configuration gives to an earlier life is none of its voters", () => {
  const founders = [1, 2, 3].map((id) => member(id));
  const server = new Bench([], { founders, incarnation: incarnation(1, 2) });
  const { raft, state } = server;
  for (let ms = 0; ms < 5 * TICKS; ms++) raft.elapse(state.nowMs + 1);
  assertEquals([state.role.kind, state.term], ["follower", 0]);
  const ask = { kind: "voteRequest", from: 2, term: 1, lastIndex: 5, lastTerm: 1 } as const;
  for (const preVote of [true, false]) {
    raft.step(message({ ...ask, preVote, transfer: !preVote }), incarnation(2));
    const [answer] = server.take();
    assertEquals(answer!.kind === "voteResponse" && answer!.granted, false);
  }
  assertEquals(state.votedFor, 0);
  // The founder itself does both.
  const founder = new Bench([], { founders, incarnation: incarnation(1) });
  for (let ms = 0; ms < 3 * TICKS; ms++) founder.raft.elapse(founder.state.nowMs + 1);
  assertEquals(founder.state.role.kind, "preCandidate");
});

Deno.test("an only voter of an earlier life does not make its next one a leader", () => {
  const founders = [member(1)];
  const next = new Bench([], { founders, incarnation: incarnation(1, 2) }, [1]);
  for (let ms = 0; ms < 3 * TICKS; ms++) next.raft.elapse(next.state.nowMs + 1);
  assertEquals(next.state.role.kind, "follower");
  const same = new Bench([], { founders, incarnation: incarnation(1) }, [1]);
  for (let ms = 0; ms < 3 * TICKS; ms++) same.raft.elapse(same.state.nowMs + 1);
  assertEquals(same.state.role.kind === "follower", false);
});

Deno.test("the next life of a server votes and campaigns once it was added and made a voter", () => {
  const founders = [1, 2, 3].map((id) => member(id));
  const server = new Bench([], { founders, incarnation: incarnation(1, 2) });
  const { raft, state } = server;
  const others = { ...describeMembers({ voters: [2, 3] }) };
  const again = describeMembers({ voters: [1, 2, 3] });
  const members = [member(1, 2), ...again.members.slice(1)];
  const configurations = [
    describeMembers({ voters: [2, 3], votersOutgoing: [1, 2, 3] }),
    others,
    { ...others, learners: [1], members },
    { ...others, voters: [1, 2, 3], votersOutgoing: [2, 3], members },
    { ...again, members },
  ];
  const entries = configurations.map((configuration, i) => ({
    ...{ index: 1 + i, term: 1 },
    data: makeConfigurationEntry(encodeConfiguration(configuration)),
  }));
  raft.step(message({ kind: "appendRequest", entries, commitIndex: 5 }), incarnation(2));
  server.take();
  assertEquals(state.commitIndex, 5);
  for (let ms = 0; ms < 3 * TICKS; ms++) raft.elapse(state.nowMs + 1);
  assertEquals(state.role.kind, "preCandidate");
});

Deno.test("a server whose log names its next life does not campaign, and its own vote is not that one's", () => {
  const founders = [1, 2, 3].map((id) => member(id));
  const server = new Bench([], { founders, incarnation: incarnation(1) });
  const { raft, state } = server;
  const without = describeMembers({ voters: [2, 3] });
  const again = describeMembers({ voters: [1, 2, 3] });
  const members = [member(1, 2), ...again.members.slice(1)];
  const configurations = [
    describeMembers({ voters: [2, 3], votersOutgoing: [1, 2, 3] }),
    without,
    { ...without, learners: [1], members },
    { ...without, voters: [1, 2, 3], votersOutgoing: [2, 3], members },
    { ...again, members },
  ];
  const entries = configurations.map((configuration, i) => ({
    ...{ index: 1 + i, term: 1 },
    data: makeConfigurationEntry(encodeConfiguration(configuration)),
  }));
  // From a leader that has just begun, and does not know yet what is committed: nor does this one.
  raft.step(message({ kind: "appendRequest", entries, commitIndex: 0 }), incarnation(2));
  server.take();
  assertEquals([state.commitIndex, state.configurations.currentIndex], [0, 5]);
  for (let ms = 0; ms < 3 * TICKS; ms++) raft.elapse(state.nowMs + 1);
  // Whoever added the next life knew the removal of this one to be committed: nobody needs it.
  raft.step(message({ kind: "voteResponse", preVote: true, term: 2, from: 2 }), incarnation(2));
  server.take();
  raft.step(message({ kind: "voteResponse", term: 2, from: 2 }), incarnation(2));
  assertEquals(state.role.kind, "follower");
});
