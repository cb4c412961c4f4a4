/** The leadership is moved because somebody wants it: only to a server that will do. */
import { assertEquals } from "@std/assert";
import type { MoveResult } from "../../lib/raft/raft.ts";
import type { ServerId } from "../../lib/raft/types.ts";
import { Cluster, TICKS } from "./cluster.ts";
import { member } from "./members.ts";

/** Servers 1, 2, 3, of which 1 leads, and the others have answered; `full` of them have no room. */
function led(...full: ServerId[]): Cluster {
  const roomOf = (id: ServerId) => full.includes(id) ? "none" : "free";
  const cluster = new Cluster({ overrides: { roomOf } });
  cluster.elect(1);
  cluster.run(4);
  return cluster;
}

function move(cluster: Cluster, to: ServerId | null): MoveResult {
  return cluster.raft(1).moveLeadership(to);
}

function unfit(...reasons: [ServerId, string][]): unknown {
  const servers = reasons.map(([id, reason]) => ({ id, reason }));
  return { accepted: false, reason: "unfit", unfit: servers };
}

Deno.test("move: the server that was asked for leads, or the best one", () => {
  for (const to of [2, 3]) {
    const cluster = led();
    assertEquals(move(cluster, to), { accepted: true, target: to });
    cluster.settle();
    assertEquals(cluster.leaders(), [to]);
  }
  const cluster = led();
  cluster.cut([1], [2]);
  cluster.propose("x");
  cluster.settle();
  cluster.heal();
  assertEquals(move(cluster, null), { accepted: true, target: 3 });
  cluster.settle();
  assertEquals(cluster.leaders(), [3]);
});

Deno.test("move: not to a learner, nor a stranger, nor from a server that follows", () => {
  const cluster = new Cluster({ learners: [9] });
  cluster.elect(1);
  cluster.run(4);
  assertEquals(move(cluster, 9), unfit([9, "noVoter"]));
  assertEquals(move(cluster, 7), unfit([7, "noVoter"]));
  assertEquals(cluster.raft(2).moveLeadership(3), {
    accepted: false,
    reason: "notLeader",
  });
  const alone = new Cluster({ voters: [1] });
  alone.tick();
  assertEquals(alone.raft(1).moveLeadership(null), unfit());
  assertEquals(cluster.raft(1).leader!.transfer, null);
});

Deno.test("move: not to a voter of the old half that is about to leave", () => {
  const cluster = led();
  cluster.cut([1], [2, 3]); // the change stays joint
  const result = cluster.raft(1).proposeChange([{ kind: "remove", id: 3 }]);
  assertEquals(result.accepted, true);
  assertEquals(move(cluster, 3), unfit([3, "noVoter"]));
});

Deno.test("move: not to one that does not answer, for as long as a transfer would take", () => {
  const cluster = led();
  cluster.crash(3);
  cluster.run(TICKS);
  assertEquals(move(cluster, 3), unfit([3, "unreachable"]));
  // The other one does.
  assertEquals(move(cluster, null), { accepted: true, target: 2 });
});

Deno.test("move: not to one that is suspect", () => {
  const cluster = led();
  cluster.raft(1).leader!.progress.get(3)!.isSuspect = true;
  assertEquals(move(cluster, 3), unfit([3, "suspect"]));
});

Deno.test("move: not to one that lacks more than can be on its way at once", () => {
  const cluster = led();
  cluster.holdDisk(3);
  for (let i = 0; i < 4; i++) {
    cluster.propose("x".repeat(900));
    cluster.settle();
  }
  assertEquals(cluster.raft(1).leader!.progress.get(3)!.mode, "replicate");
  // 3,600 bytes go, of 4,000; then one more is too much.
  assertEquals(move(cluster, 3), { accepted: true, target: 3 });
  cluster.run(2 * TICKS);
  cluster.propose("x".repeat(900));
  cluster.settle();
  assertEquals(move(cluster, 3), unfit([3, "behind"]));
});

Deno.test("move: not to one that needs entries that left memory, or a snapshot", () => {
  const cluster = led();
  cluster.isolate(3);
  for (let i = 0; i < 3; i++) cluster.propose(`x${i}`);
  cluster.settle();
  cluster.raft(1).compact(cluster.snapshot(1).index);
  cluster.heal();
  // It answers, and was not sent what it lacks yet.
  const { progress } = cluster.raft(1).leader!;
  progress.get(3)!.isHeard = true;
  progress.get(3)!.silentHeartbeats = 0;
  assertEquals(move(cluster, 3), unfit([3, "behind"]));
});

Deno.test("move: to one that was just connected to once it is known what it has", () => {
  const cluster = led();
  cluster.crash(3);
  cluster.raft(1).peerDisconnected(3);
  cluster.propose("x");
  cluster.settle();
  cluster.restart(3);
  // Its answer to a heartbeat is the first that comes of it.
  const { progress } = cluster.raft(1).leader!;
  progress.get(3)!.isHeard = true;
  progress.get(3)!.silentHeartbeats = 0;
  assertEquals(move(cluster, 3), unfit([3, "probed"]));
  cluster.run(4);
  assertEquals(move(cluster, 3), { accepted: true, target: 3 });
});

Deno.test("move: not to one whose disk is full", () => {
  assertEquals(move(led(3), 3), unfit([3, "noRoom"]));
  assertEquals(move(led(3), null), { accepted: true, target: 2 });
});

Deno.test("move: where nobody will do, each is told with its reason", () => {
  const cluster = led(2);
  cluster.crash(3);
  cluster.run(TICKS);
  assertEquals(move(cluster, null), unfit([2, "noRoom"], [3, "unreachable"]));
});

Deno.test("move: one at a time, and given up after an election timeout", () => {
  const cluster = led();
  cluster.crash(3); // a moment ago: nobody can know
  assertEquals(move(cluster, 3), { accepted: true, target: 3 });
  assertEquals(move(cluster, 2), { accepted: false, reason: "transferring", target: 3 });
  cluster.run(TICKS);
  assertEquals([cluster.leaders(), cluster.raft(1).leader!.transfer], [[1], null]);
});

Deno.test("move: a new voter can be asked for as any other", () => {
  const cluster = led();
  cluster.join(4);
  cluster.change([{ kind: "add", ...member(4) }]);
  cluster.run(4 * TICKS);
  assertEquals(move(cluster, 4), { accepted: true, target: 4 });
  cluster.settle();
  assertEquals(cluster.leaders(), [4]);
});
