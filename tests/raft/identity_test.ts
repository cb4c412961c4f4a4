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
