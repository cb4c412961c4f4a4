import { assertEquals } from "@std/assert";
import { Bench, message } from "./builders.ts";
import { bytes, Cluster, makeOptions, textOf, TICKS } from "./cluster.ts";
import { incarnation, member } from "./members.ts";

Deno.test("the leadership goes to the named server, although the old leader lives", () => {
  const cluster = new Cluster();
  const leader = cluster.elect(1);
  assertEquals(leader.transferLeadership(3), true);
  cluster.settle();
  assertEquals([cluster.leaders(), leader.state.term], [[3], 2]);
});

Deno.test("without a name it goes to whoever holds the most", () => {
  const cluster = new Cluster();
  const leader = cluster.elect(1);
  cluster.cut([1], [2]);
  cluster.propose("x");
  cluster.settle();
  cluster.heal();
  assertEquals(leader.transferLeadership(), true);
  cluster.settle();
  assertEquals(cluster.leaders(), [3]);
});

Deno.test("followers, unknown targets, learners and the server itself are refused", () => {
  const cluster = new Cluster({ learners: [9] });
  const leader = cluster.elect(1);
  assertEquals([1, 4, 9].map((id) => leader.transferLeadership(id)), [false, false, false]);
  assertEquals(cluster.raft(2).transferLeadership(3), false);
  const alone = new Cluster({ voters: [1] });
  alone.tick();
  assertEquals(alone.raft(1).transferLeadership(), false);
});

Deno.test("proposals are refused meanwhile, and taken again after an election timeout", () => {
  const cluster = new Cluster();
  const leader = cluster.elect(1);
  cluster.crash(3);
  leader.transferLeadership(3);
  assertEquals(leader.propose(bytes("x")), { accepted: false, reason: "transferring" });
  cluster.run(TICKS);
  assertEquals(leader.propose(bytes("x")).accepted, true);
});

Deno.test("the order to campaign waits for the commit of what clients asked for", () => {
  const cluster = new Cluster();
  const leader = cluster.elect(1);
  // Server 2 has it, and no majority: the leader's own sync, or server 3, is still awaited.
  cluster.cut([1], [3]);
  cluster.holdDisk(1);
  cluster.propose("x");
  cluster.settle();
  assertEquals(leader.transferLeadership(2), true);
  cluster.settle();
  assertEquals([cluster.leaders(), cluster.at(1).applied.length], [[1], 1]);
  cluster.syncDisk(1);
  cluster.settle();
  assertEquals(cluster.at(1).applied.map(textOf).slice(0, 2), ["noop", "x"]);
  cluster.holdDisk(1, false);
  cluster.settle();
  assertEquals(cluster.leaders(), [2]);
});

/** How many ms after the order to hand over server 2 campaigns, while the leader's disk stands still. */
function msUntilOrder(electionTimeoutMs: number): number {
  const cluster = new Cluster({ overrides: { electionTimeoutMs } });
  const leader = cluster.elect(1);
  cluster.cut([1], [3]);
  cluster.holdDisk(1);
  cluster.propose("x");
  cluster.settle();
  assertEquals(leader.transferLeadership(2), true);
  for (let ms = 1; ms <= electionTimeoutMs; ms++) {
    cluster.run(1);
    if (cluster.raft(2).state.role.kind !== "follower") return ms;
  }
  return Infinity;
}

Deno.test("a disk that stands still keeps the leadership no longer than half of an election timeout", () => {
  assertEquals(msUntilOrder(TICKS), TICKS / 2);
});

Deno.test("where an election timeout is long, a disk that stands still keeps the leadership for three heartbeats", () => {
  assertEquals(msUntilOrder(10 * TICKS), 3 * makeOptions().heartbeatIntervalMs);
});

Deno.test("only the current leader may order a server to campaign", () => {
  const bench = new Bench();
  bench.step({ kind: "heartbeat", from: 3 });
  bench.step({ kind: "timeoutNow", from: 2 });
  assertEquals(bench.state.role.kind, "follower");
  bench.step({ kind: "timeoutNow", from: 3, term: 0 });
  assertEquals(bench.state.role.kind, "follower");
  bench.step({ kind: "timeoutNow", from: 3 });
  assertEquals([bench.state.role.kind, bench.state.term], ["candidate", 2]);
});

Deno.test("without a name it never goes to a server that died, whatever the time since a quorum check", () => {
  for (const dead of [2, 3]) {
    for (let ticks = 0; ticks < 2 * TICKS; ticks++) {
      const cluster = new Cluster();
      const leader = cluster.elect(1);
      cluster.propose("x");
      cluster.settle();
      cluster.crash(dead);
      // Two heartbeats tell; until then both may be alive.
      cluster.run(2 * leader.state.options.heartbeatIntervalMs + ticks);
      assertEquals(leader.transferLeadership(), true);
      cluster.settle();
      assertEquals(cluster.leaders(), [5 - dead], `${dead} died ${ticks} ticks before`);
    }
  }
});

Deno.test("transfer: an order that was lost with its connection is given again once the target is heard again", () => {
  const cluster = new Cluster();
  const leader = cluster.elect(1);
  cluster.settle();
  cluster.cut([1], [2]);
  leader.transferLeadership(2);
  cluster.settle(); // the order is lost
  leader.peerDisconnected(2);
  cluster.raft(2).peerDisconnected(1);
  cluster.heal();
  cluster.settle();
  for (let ticks = 0; ticks < TICKS && cluster.leaders()[0] !== 2; ticks++) cluster.run(1);
  assertEquals(cluster.leaders(), [2]);
});

Deno.test("transfer: who catches up once the time is over is not ordered any more, late as that is noticed", () => {
  for (const [lateMs, orders] of [[-1, 1], [0, 0], [5 * TICKS, 0]] as const) {
    const bench = new Bench([1]);
    bench.lead();
    const { state, raft } = bench;
    const { term, log } = state;
    bench.step({ kind: "appendResponse", from: 2, term, success: true, index: log.lastIndex });
    bench.step({ kind: "heartbeatResponse", from: 3, term });
    assertEquals(raft.transferLeadership(3), true);
    // A frame comes in before the late timer, by which proposals are taken again.
    raft.noteTime(state.nowMs + state.options.electionTimeoutMs + lateMs);
    const sent = bench.step({
      kind: "appendResponse",
      from: 3,
      term,
      success: true,
      index: log.lastIndex,
    });
    assertEquals(sent.filter(({ kind }) => kind === "timeoutNow").length, orders);
  }
});

const SUSPICION = { kind: "voteResponse", preVote: true, granted: false, suspect: true } as const;

Deno.test("transfer: never to a server that is suspect, as it would ignore the order", () => {
  const cluster = new Cluster();
  const leader = cluster.elect(1);
  cluster.run(4);
  // 2 can't hear 3, so it stays suspect; of the two it answers first.
  cluster.crash(2);
  leader.peerDisconnected(2);
  cluster.restart(2, true);
  cluster.cut([2], [3]);
  cluster.run(TICKS);
  assertEquals(leader.transferLeadership(2), false);
  assertEquals(leader.propose(bytes("x")).accepted, true);
  cluster.settle();
  assertEquals(leader.transferLeadership(), true);
  cluster.settle();
  assertEquals(cluster.leaders(), [3]);
  cluster.crash(1);
  assertEquals(cluster.leader().transferLeadership(2), false);
});

Deno.test("transfer: to one that was suspect once it is sound, though nobody reads or changes anything", () => {
  const cluster = new Cluster();
  const leader = cluster.elect(1);
  cluster.crash(3);
  cluster.run(4);
  cluster.crash(2);
  leader.peerDisconnected(2);
  cluster.restart(2, true);
  cluster.run(TICKS / 2);
  assertEquals([cluster.raft(2).state.suspect, leader.transferLeadership()], [true, true]);
  // 3, which is dead, was the only choice.
  cluster.run(TICKS);
  cluster.restart(3);
  cluster.runUntil(() => !cluster.raft(2).state.suspect, 2 * TICKS);
  cluster.run(4);
  assertEquals(leader.transferLeadership(2), true);
  cluster.settle();
  assertEquals(cluster.leaders(), [2]);
});

Deno.test("transfer: given up where its target turns out to be suspect", () => {
  const bench = new Bench([1]);
  bench.lead();
  const { raft, state } = bench;
  bench.step({ kind: "heartbeatResponse", from: 3, term: state.term });
  assertEquals(raft.transferLeadership(3), true);
  bench.step({ ...SUSPICION, from: 2, term: state.term });
  assertEquals(raft.propose(bytes("x")), { accepted: false, reason: "transferring" });
  bench.step({ ...SUSPICION, from: 3, term: state.term });
  assertEquals(raft.propose(bytes("x")).accepted, true);
});

Deno.test("transfer: a server that is named has to answer, in the life that the configuration means", () => {
  const bench = new Bench([1], { founders: [1, 2, 3].map((id) => member(id)) });
  bench.lead();
  const { raft, state } = bench;
  const answer = message({ kind: "heartbeatResponse", from: 3, term: state.term });
  raft.step(answer, incarnation(3, 2));
  assertEquals(raft.transferLeadership(3), false);
  raft.step(answer, incarnation(3));
  assertEquals(raft.transferLeadership(3), true);
  raft.elapse(state.nowMs + state.options.electionTimeoutMs);
  raft.peerDisconnected(3);
  assertEquals(raft.transferLeadership(3), false);
});
