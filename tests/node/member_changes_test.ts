/** What whoever asks a server for a change of members is told, and when. */
import { assertEquals } from "@std/assert";
import { MemberChanges } from "../../lib/node/member_changes.ts";
import type { Raft } from "../../lib/raft/raft.ts";
import type { MemberChange } from "../../lib/raft/types.ts";
import { Cluster, TICKS } from "../raft/cluster.ts";

const DEMOTE: readonly MemberChange[] = [{ kind: "demote", id: 3 }];

function changesOf(raft: Raft | null, version = 2): MemberChanges {
  const raftNow = () => raft;
  return new MemberChanges({ raftNow, clusterVersion: () => version, scheduleTurn: () => {} });
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
