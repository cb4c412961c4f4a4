/**
 * Nobody ticks the core: it says when it is to be called next, and that is enough. Two clusters live
 * through the same things, one called each millisecond, one at its deadlines alone: they do the same.
 */
import { assert, assertEquals } from "@std/assert";
import type { Raft } from "../../lib/raft/raft.ts";
import type { Message } from "../../lib/raft/types.ts";
import { Random } from "../../lib/util/random.ts";
import { Bench } from "./builders.ts";
import { bytes, Cluster, TICKS } from "./cluster.ts";
import { setElapsed, tick } from "./time.ts";

interface Seen {
  readonly sent: Message[];
  readonly applied: number[];
  readonly roles: string[];
}

/** Lets `steps` ms pass in a world drawn from `seed`; `pass` is told each server once a ms. */
function live(seed: number, steps: number, pass: (raft: Raft, nowMs: number) => void): Seen[] {
  const random = new Random(seed);
  const ids = [1, 2, 3, 4, 5].slice(0, random.pick([1, 2, 3, 3, 5]));
  const cluster = new Cluster({ voters: ids, seed, overrides: { thriftyAppends: true } });
  const seen: Seen[] = [];
  for (let nowMs = 1; nowMs <= steps; nowMs++) {
    for (const id of ids) {
      const server = cluster.at(id);
      if (!server.up) continue;
      pass(server.raft, nowMs);
      cluster.snapshots.tick(server);
      cluster.process(id);
    }
    const id = random.pick(ids);
    const dice = random.unit();
    if (dice < 0.3) cluster.raft(id).propose(bytes(`p${nowMs}`));
    else if (dice < 0.4) cluster.raft(id).requestRead();
    else if (dice < 0.42) cluster.isolate(id);
    else if (dice < 0.46) cluster.heal();
    else if (dice < 0.49) cluster.holdDisk(id, random.chance(0.3));
    else if (dice < 0.5) cluster.raft(id).transferLeadership();
    else if (dice < 0.51) cluster.raft(id).peerDisconnected(random.pick(ids));
    cluster.processAll();
    // What is left of the queue comes a millisecond later.
    for (let left = random.between(0, 20); left > 0 && cluster.queue.length > 0; left--) {
      cluster.deliverAt(0);
    }
    seen.push({
      sent: cluster.takeSent(),
      applied: ids.map((one) => cluster.at(one).applied.length),
      roles: ids.map((one) =>
        `${cluster.raft(one).state.role.kind} ${cluster.raft(one).state.term}`
      ),
    });
  }
  return seen;
}

Deno.test("being called at the deadlines alone does all that being called each millisecond does", () => {
  let calls = 0;
  let elections = 0;
  for (let seed = 1; seed <= 30; seed++) {
    const steps = 1_500;
    const ticked = live(seed, steps, (raft, nowMs) => raft.elapse(nowMs));
    const woken = live(seed, steps, (raft, nowMs) => {
      raft.noteTime(nowMs);
      if (raft.nextDeadlineMs() > nowMs) return;
      calls++;
      raft.elapse(nowMs);
    });
    for (let at = 0; at < steps; at++) {
      assertEquals(woken[at], ticked[at], `seed ${seed} differs at ${at + 1} ms`);
    }
    elections += new Set(ticked.flatMap(({ roles }) =>
      roles.filter((role) => /^leader/.test(role))
    ))
      .size;
  }
  assert(elections > 200, `only ${elections} terms were led`);
  assert(calls > 1_000, `only ${calls} deadlines`);
});

Deno.test("after what was due is done, the next deadline is later: nobody is called without end", () => {
  for (let seed = 1; seed <= 20; seed++) {
    live(seed, 1_000, (raft, nowMs) => {
      raft.elapse(nowMs);
      const { role } = raft.state;
      const isAlone = raft.state.configurations.current.voters.length === 1;
      if (isAlone && role.kind !== "leader") return; // runs again as soon as its vote is durable
      assert(
        raft.nextDeadlineMs() > nowMs,
        `${role.kind} of seed ${seed} is due again at ${nowMs}`,
      );
    });
  }
});

Deno.test("an election timeout waits longer by a standstill, once; a vote is granted by real time", () => {
  const bench = new Bench([]);
  const { raft, state } = bench;
  raft.step({
    kind: "heartbeat",
    from: 2,
    to: 1,
    term: 1,
    commitIndex: 0,
    readRound: 0,
  });
  const deadlineMs = raft.nextDeadlineMs();
  // Stopped from before the deadline until long after it: nobody was silent whom it could have heard.
  raft.noteTime(deadlineMs + 50);
  raft.noteStandstill(60);
  assertEquals(raft.nextDeadlineMs(), deadlineMs + 60);
  raft.step({
    kind: "voteRequest",
    from: 3,
    to: 1,
    term: 2,
    preVote: true,
    lastIndex: 0,
    lastTerm: 0,
    transfer: false,
  });
  const answer = raft.ready().messages.find((message) => message.kind === "voteResponse");
  assert(answer?.kind === "voteResponse" && answer.granted, "it still claims to hear a leader");
  raft.elapse(deadlineMs + 59);
  assertEquals(state.role.kind, "follower");
  raft.elapse(deadlineMs + 60);
  assertEquals(state.role.kind, "preCandidate");
});

Deno.test("what arrives before the deadline is looked at, though late, keeps the leader", () => {
  const bench = new Bench([]);
  const { raft, state } = bench;
  const heartbeat = { kind: "heartbeat", from: 2, to: 1, term: 1, commitIndex: 0, readRound: 0 };
  raft.step(heartbeat as Message);
  const lateMs = raft.nextDeadlineMs() + 500;
  raft.noteTime(lateMs);
  raft.noteStandstill(500);
  raft.step(heartbeat as Message);
  raft.elapse(lateMs);
  assertEquals([state.role.kind, state.leaderId], ["follower", 2]);
  // And the leader that really is gone is missed after its time, not after that and the standstill.
  assert(raft.nextDeadlineMs() < lateMs + 2 * TICKS);
});

Deno.test("a deadline that lies in the past is no reason to campaign before time is told to pass", () => {
  const bench = new Bench([]);
  setElapsed(bench.state, 5 * TICKS);
  bench.raft.step({ kind: "heartbeat", from: 2, to: 1, term: 1, commitIndex: 0, readRound: 0 });
  tick(bench.raft);
  assertEquals(bench.state.role.kind, "follower");
});

Deno.test("a deadline that what arrived after a standstill has set is not moved by that standstill", () => {
  const bench = new Bench([]);
  const { raft } = bench;
  const heartbeat = { kind: "heartbeat", from: 2, to: 1, term: 1, commitIndex: 0, readRound: 0 };
  raft.step(heartbeat as Message);
  raft.noteTime(60_000);
  raft.step(heartbeat as Message); // read before the late timer
  const deadlineMs = raft.nextDeadlineMs();
  raft.noteStandstill(59_000);
  assertEquals(raft.nextDeadlineMs(), deadlineMs);
});

/** A leader of three whose followers have answered. */
function followedLeader(): Bench {
  const bench = new Bench([1]);
  bench.lead();
  const { term, log } = bench.state;
  for (const from of [2, 3]) {
    bench.step({ kind: "appendResponse", from, term, success: true, index: log.lastIndex });
  }
  return bench;
}

/** Server 3 campaigns; whether the leader grants that or steps down for it. */
function givesWay(bench: Bench, preVote: boolean): boolean {
  const { term, log: { lastIndex, lastTerm } } = bench.state;
  const request = { kind: "voteRequest", from: 3, term: term + 1, preVote, lastIndex, lastTerm };
  const sent = bench.step(request as Parameters<Bench["step"]>[0]);
  return bench.state.role.kind !== "leader" ||
    sent.some((message) => message.kind === "voteResponse" && message.granted);
}

Deno.test("a leader that is late for its check of the quorum gives way to nobody's campaign", () => {
  for (const preVote of [true, false]) {
    const bench = followedLeader();
    const { heardMs, options } = bench.state;
    bench.raft.noteTime(heardMs + options.electionTimeoutMs); // a frame comes in before the alarm
    assertEquals(givesWay(bench, preVote), false);
  }
});

Deno.test("nor does one whose check a standstill has moved, while its followers answer", () => {
  for (const preVote of [true, false]) {
    const bench = followedLeader();
    const { heardMs, term, options: { electionTimeoutMs } } = bench.state;
    const halfMs = Math.ceil(electionTimeoutMs / 2);
    bench.raft.noteTime(heardMs + 1 + halfMs);
    bench.raft.noteStandstill(halfMs);
    for (let ms = halfMs + 1; ms < electionTimeoutMs + 2; ms++) {
      bench.raft.elapse(heardMs + ms);
      for (const from of [2, 3]) {
        bench.step({ kind: "heartbeatResponse", from, term, readRound: 0 });
      }
    }
    assertEquals(givesWay(bench, preVote), false);
  }
});
