/**
 * Random walks in which servers are replaced under their id, each new life with an empty log that begins with the
 * founders' configuration, and earlier lives come back in their place: see membership_walk.ts.
 */
import { assert, assertEquals } from "@std/assert";
import { Cluster, TICKS } from "./cluster.ts";
import { MembershipWalk } from "./membership_walk.ts";
import { member } from "./members.ts";

Deno.test("200 random walks in which lives of servers come and go: never two leaders, never two histories", () => {
  const sums = { changes: 0, replaced: 0, swaps: 0, elections: 0 };
  for (let seed = 2_001; seed <= 2_200; seed++) {
    const walk = new MembershipWalk(seed, { livesReturn: true });
    try {
      for (let i = 0; i < 1_500; i++) walk.step();
      walk.recover();
    } catch (error) {
      throw new Error(`seed ${seed}: ${error instanceof Error ? error.stack : error}`);
    }
    sums.changes += walk.changes;
    sums.replaced += walk.replaced;
    sums.swaps += walk.swaps;
    sums.elections += walk.quorums.elections;
  }
  const text = JSON.stringify(sums);
  assert(sums.changes > 500 && sums.replaced > 100 && sums.swaps > 500, text);
  assert(sums.elections > 400, text);
});

/** 1 founded it alone; 2 and 3 have joined, old 1 was removed, and new 1 has nothing but the founders. */
function replacedFounder(): Cluster {
  const cluster = new Cluster({ voters: [1] });
  cluster.elect(1);
  for (const id of [2, 3]) cluster.join(id, 1, true);
  cluster.change([2, 3].map((id) => ({ kind: "add", ...member(id) })));
  cluster.runUntil(() => cluster.raft(1).state.configurations.current.voters.length === 3);
  cluster.run(4);
  cluster.change([{ kind: "remove", id: 1 }]);
  cluster.runUntil(() => cluster.leaders().some((id) => id !== 1));
  cluster.run(4);
  cluster.crash(1);
  cluster.join(1, 2, true);
  return cluster;
}

Deno.test("the only founder, in its next life and with an empty log, elects nobody: itself neither", () => {
  const cluster = replacedFounder();
  const { term } = cluster.leader().state;
  // It takes itself for nobody's voter, with nobody to ask and nobody to tell it.
  cluster.isolate(1);
  cluster.run(6 * TICKS);
  assertEquals(cluster.raft(1).state.role.kind, "follower");
  assertEquals([cluster.raft(1).state.term, cluster.leader().state.term], [0, term]);
  cluster.heal();
  cluster.change([{ kind: "add", ...member(1, 2) }]);
  cluster.runUntil(() => cluster.leader().state.configurations.current.voters.length === 3);
  cluster.run(2 * TICKS);
  assertEquals(cluster.leader().state.term, term);
  // As a member it campaigns as any other.
  cluster.crash(cluster.leader().state.id);
  cluster.elect(1);
});

Deno.test("its earlier life comes back: it does not lead what it led, and takes nothing in the place of the new", () => {
  const cluster = replacedFounder();
  cluster.change([{ kind: "add", ...member(1, 2) }]);
  cluster.runUntil(() => cluster.leader().state.configurations.current.voters.length === 3);
  cluster.run(2 * TICKS);
  const { term, commitIndex } = cluster.leader().state;
  cluster.swap(1, 1);
  cluster.restart(1);
  cluster.run(6 * TICKS);
  assertEquals([cluster.leader().state.term, cluster.leader().state.id === 1], [term, false]);
  cluster.propose("x");
  cluster.run(4);
  // Of 1, 2 and 3 there are 2 and 3 alone, and each of them is needed.
  cluster.crash(cluster.servers.get(2)!.raft.state.role.kind === "leader" ? 3 : 2);
  cluster.propose("y");
  cluster.run(4);
  assertEquals(cluster.leader().state.commitIndex, commitIndex + 1);
  // The new life has never been away but for this.
  cluster.swap(1, 2);
  cluster.run(2 * TICKS);
  cluster.runUntil(() => cluster.leaders().length > 0, 10 * TICKS);
  cluster.run(2 * TICKS);
  assert(cluster.leader().state.commitIndex >= commitIndex + 2);
});
