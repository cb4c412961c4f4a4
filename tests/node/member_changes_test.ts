/** What whoever asks a server for a change of members is told, and when. */
import { assert, assertEquals } from "@std/assert";
import { MemberChanges } from "../../lib/node/members/member_changes.ts";
import type { Raft } from "../../lib/raft/raft.ts";
import type { MemberChange } from "../../lib/raft/types.ts";
import { Cluster, TICKS } from "../raft/cluster.ts";
import { member } from "../raft/members.ts";

const DEMOTE: readonly MemberChange[] = [{ kind: "demote", id: 3 }];

function changesOf(raft: Raft | null, version = 2): MemberChanges {
  const raftNow = () => raft;
  const moves = () => [];
  return new MemberChanges({
    raftNow,
    clusterVersion: () => version,
    moves,
    scheduleTurn: () => {},
  });
}

function asking(cluster: Cluster, id: number): { changes: MemberChanges; told: string[] } {
  return { changes: changesOf(cluster.raft(id)), told: [] };
}

function ask(cluster: Cluster, { changes, told }: ReturnType<typeof asking>): string | null {
  const refused = changes.propose(DEMOTE, (outcome) => told.push(outcome));
  cluster.processAll();
  return refused?.reason ?? null;
}

Deno.test("a change is told to be committed once its last configuration is, and once", () => {
  const cluster = new Cluster();
  cluster.elect(1);
  cluster.run(4);
  const leader = asking(cluster, 1);
  assertEquals(ask(cluster, leader), null);
  const { configurations, log } = cluster.raft(1).state;
  while (configurations.current.votersOutgoing.length > 0) {
    cluster.deliverAt(0);
    leader.changes.note();
    assertEquals(leader.told, []);
  }
  cluster.run(4);
  cluster.compact(1, cluster.snapshot(1).index);
  assertEquals(log.entries.length, 0);
  for (let i = 0; i < 2; i++) leader.changes.note();
  assertEquals(leader.told, ["committed"]);
});

Deno.test("a server that does not lead, or is asked twice, refuses at once, and tells nothing later", () => {
  const cluster = new Cluster();
  assertEquals(changesOf(null).propose(DEMOTE, () => {}), { reason: "notLeader" });
  cluster.elect(1);
  cluster.run(4);
  const [leader, follower] = [asking(cluster, 1), asking(cluster, 2)];
  assertEquals(ask(cluster, follower), "notLeader");
  assertEquals(ask(cluster, leader), null);
  assertEquals(ask(cluster, leader), "changing");
  cluster.run(4);
  for (const { changes } of [leader, follower]) changes.note();
  assertEquals([leader.told, follower.told], [["committed"], []]);
});

Deno.test("a change that is over, though nobody has looked, is told before the next one begins", () => {
  const cluster = new Cluster();
  cluster.elect(1);
  cluster.run(4);
  const leader = asking(cluster, 1);
  assertEquals(ask(cluster, leader), null);
  cluster.run(4);
  const next: string[] = [];
  const promote: readonly MemberChange[] = [{ kind: "promote", id: 3 }];
  assertEquals(leader.changes.propose(promote, (outcome) => next.push(outcome)), null);
  assertEquals([leader.told, next], [["committed"], []]);
  cluster.processAll();
  cluster.run(4);
  leader.changes.note();
  assertEquals([leader.told, next], [["committed"], ["committed"]]);
});

Deno.test("a change is told to be committed though the leader has begun another one by then", () => {
  const cluster = new Cluster();
  cluster.elect(1);
  cluster.join(4);
  cluster.run(4);
  cluster.isolate(4);
  cluster.change([{ kind: "add", ...member(4) }]);
  cluster.run(4);
  const leader = asking(cluster, 1);
  cluster.cut([1], [2, 3]);
  assertEquals(ask(cluster, leader), null);
  cluster.heal();
  cluster.cut([1], [2, 3]);
  cluster.run(4);
  assertEquals(leader.told, []);
  cluster.heal();
  // Learner 4 keeps up, and is made a voter as soon as there is no other change.
  const { configurations } = cluster.raft(1).state;
  const isNext = () => configurations.current.voters.includes(4);
  for (let ticks = 0; !isNext() && ticks < 2 * TICKS; ticks++) {
    cluster.tick();
    while (!isNext() && cluster.deliverAt(0) !== undefined);
  }
  assert(isNext() && configurations.currentIndex > cluster.raft(1).state.commitIndex);
  leader.changes.note();
  assertEquals(leader.told, ["committed"]);
});

Deno.test("nothing is changed while a member may not be able to read it", () => {
  const cluster = new Cluster();
  cluster.elect(1);
  cluster.run(4);
  const { lastIndex } = cluster.raft(1).state.log;
  const refused = changesOf(cluster.raft(1), 1).propose(DEMOTE, () => {});
  assertEquals(refused, { reason: "clusterVersion" });
  assertEquals(cluster.raft(1).state.log.lastIndex, lastIndex);
});

Deno.test("a leadership that ends interrupts a change, whatever becomes of it", () => {
  const cluster = new Cluster();
  cluster.elect(1);
  cluster.run(4);
  const leader = asking(cluster, 1);
  cluster.isolate(1);
  assertEquals(ask(cluster, leader), null);
  cluster.run(3 * TICKS);
  leader.changes.note();
  assertEquals(leader.told, ["interrupted"]);
});

Deno.test("a leader that removes itself tells that this is committed, though it leads no more", () => {
  const cluster = new Cluster();
  cluster.elect(1);
  cluster.run(4);
  const told: string[] = [];
  const changes = changesOf(cluster.raft(1));
  changes.propose([{ kind: "remove", id: 1 }], (outcome) => told.push(outcome));
  cluster.run(4);
  assertEquals(cluster.raft(1).state.role.kind, "follower");
  changes.note();
  assertEquals(told, ["committed"]);
});
