import { assert, assertEquals } from "@std/assert";
import { makeConfiguration } from "../../lib/raft/configuration.ts";
import { Raft } from "../../lib/raft/raft.ts";
import { isDiskStalled } from "../../lib/raft/state.ts";
import { Bench, message } from "./builders.ts";
import { Cluster, makeOptions, textOf } from "./cluster.ts";
import { tick } from "./time.ts";

Deno.test("three servers elect one leader, replicate, commit and apply", () => {
  const cluster = new Cluster();
  cluster.runUntil(() => cluster.leaders().length === 1);
  cluster.propose("x");
  cluster.propose("y");
  cluster.settle();
  cluster.run(4);
  for (const { applied } of cluster.servers.values()) {
    assertEquals(applied.map(textOf), ["noop", "x", "y"]);
  }
});

Deno.test("a single voter leads at its first tick and commits once its own sync is done", () => {
  const cluster = new Cluster({ voters: [7] });
  cluster.holdDisk(7);
  cluster.tick();
  assertEquals(cluster.leaders(), []);
  cluster.syncDisk(7);
  assertEquals(cluster.leaders(), [7]);
  cluster.propose("x");
  assertEquals(cluster.at(7).applied.length, 0);
  cluster.syncDisk(7);
  cluster.syncDisk(7);
  assertEquals(cluster.at(7).applied.map(textOf), ["noop", "x"]);
  const round = cluster.raft(7).requestRead();
  cluster.process(7);
  assertEquals(cluster.at(7).reads, [{ round, readIndex: 2 }]);
});

Deno.test("a learner's timer runs out without a campaign", () => {
  const bench = new Bench([1], { configuration: makeConfiguration([2, 3], [1]) });
  assertEquals(bench.timeout(), []);
  assertEquals([bench.state.role.kind, bench.state.term], ["follower", 1]);
});

Deno.test("a pre-vote is granted however far the candidate's term is ahead", () => {
  const bench = new Bench([1], { hardState: { term: 1, votedFor: 3, suspect: false } });
  const request = { kind: "voteRequest", preVote: true, lastIndex: 1, lastTerm: 1 } as const;
  const answers = bench.step({ ...request, term: 40 });
  assertEquals(answers.map((m) => m.kind === "voteResponse" && m.granted), [true]);
  assertEquals(bench.state.term, 1);
});

Deno.test("a voter that hears its leader refuses pre-votes and ignores votes, but for a transfer", () => {
  const bench = new Bench();
  bench.step({ kind: "heartbeat" });
  const request = { kind: "voteRequest", from: 3, term: 2 } as const;
  const [preVote] = bench.step({ ...request, preVote: true });
  assertEquals(preVote?.kind === "voteResponse" && preVote.granted, false);
  assertEquals([bench.step(request), bench.state.term], [[], 1]);
  const [vote] = bench.step({ ...request, transfer: true });
  assertEquals(vote?.kind === "voteResponse" && vote.granted, true);
});

Deno.test("a disk that goes on from sync to sync is slow; one sync of an election timeout is a stall", () => {
  const raft = new Raft(makeOptions());
  raft.step(message({ kind: "voteRequest", from: 3, term: 2 }));
  assert(raft.ready().persist !== null);
  const { electionTimeoutMs } = raft.state.options;
  for (let sync = 0; sync < 5; sync++) {
    for (let i = 0; i < electionTimeoutMs; i++) tick(raft);
    assert(!isDiskStalled(raft.state));
    raft.noteDiskProgress();
  }
  for (let i = 0; i <= electionTimeoutMs; i++) tick(raft);
  assert(isDiskStalled(raft.state));
});

Deno.test("who has no room to write its vote does not campaign, and does again once it has", () => {
  const raft = new Raft(makeOptions());
  raft.step(message({ kind: "voteRequest", from: 3, term: 2 }));
  const batch = raft.ready().persist!;
  const { electionTimeoutMs } = raft.state.options;
  for (let i = 0; i < 5 * electionTimeoutMs; i++) {
    raft.noteDiskFull();
    tick(raft);
  }
  assertEquals([raft.state.role.kind, isDiskStalled(raft.state)], ["follower", false]);
  raft.step(message({ kind: "timeoutNow", term: raft.state.term }));
  assertEquals(raft.state.role.kind, "follower");
  raft.advance(batch);
  for (let i = 0; i < 2 * electionTimeoutMs; i++) tick(raft);
  assertEquals(raft.state.role.kind, "preCandidate");
});

Deno.test("a leader whose disk is full still leads, and a majority without it commits", () => {
  const bench = new Bench();
  bench.timeout();
  bench.step({ kind: "voteResponse", preVote: true, granted: true, term: 1 });
  bench.step({ kind: "voteResponse", granted: true, term: 1 });
  assertEquals(bench.state.role.kind, "leader");
  bench.raft.propose(new Uint8Array(20));
  bench.takeHeld();
  const { lastIndex } = bench.state.log;
  const { electionTimeoutMs } = bench.state.options;
  for (let i = 0; i < 5 * electionTimeoutMs; i++) {
    bench.raft.noteDiskFull();
    tick(bench.raft);
    for (const from of [2, 3]) {
      bench.raft.step(message({ kind: "heartbeatResponse", from, term: 1 }));
    }
    bench.takeHeld();
  }
  assertEquals(bench.state.role.kind, "leader");
  for (const from of [2, 3]) {
    bench.raft.step(
      message({ kind: "appendResponse", from, term: 1, success: true, index: lastIndex }),
    );
  }
  assertEquals([bench.state.commitIndex, bench.state.log.durableIndex < lastIndex], [
    lastIndex,
    true,
  ]);
});
