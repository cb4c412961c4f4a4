/** The paper's Figure 8: an entry of an old term on a majority is not committed yet (§5.4.2). */
import { assertEquals } from "@std/assert";
import { disk } from "./builders.ts";
import { Cluster } from "./cluster.ts";
import { leaderOf } from "../../lib/raft/state.ts";
import { setElapsed } from "./time.ts";

/** State (c) of the figure: S1 led term 2, S5 term 3, and S1 is about to lead again. */
function stateB(): Cluster {
  const cluster = new Cluster({
    voters: [1, 2, 3, 4, 5],
    disks: new Map([
      [1, disk([1, 2], 3)],
      [2, disk([1, 2], 3)],
      [3, disk([1], 3)],
      [4, disk([1], 3)],
      [5, disk([1, 3], 3)],
    ]),
  });
  cluster.crash(5);
  return cluster;
}

function logOf(cluster: Cluster, id: number): number[] {
  return cluster.raft(id).state.log.entries.map(({ term }) => term);
}

/** S1 leads term 4 and its log reaches 1, 2 and 3, but the no-op of term 4 reaches nobody. */
function stateC(): Cluster {
  const cluster = stateB();
  const leader = cluster.raft(1);
  // Messages are cut to one entry, so that 2/t2 can travel without the no-op.
  cluster.timeout(1);
  while (leader.state.role.kind !== "leader") cluster.deliverAt(0);
  cluster.queue = [];
  for (const [to, prevIndex] of [[2, 2], [3, 1]] as const) {
    cluster.raft(to).step({
      ...{ kind: "appendRequest", from: 1, to, term: 4, prevIndex, prevTerm: prevIndex },
      ...{ entries: [leader.state.log.at(2)].slice(prevIndex - 2 === 0 ? 1 : 0) },
      ...{ commitIndex: 0, readRound: 0 },
    });
    cluster.process(to);
  }
  for (const message of cluster.queue.splice(0)) {
    if (message.kind === "appendResponse") leader.step(message);
  }
  return cluster;
}

Deno.test("Figure 8 (c): an entry of term 2 on a majority does not commit by counting", () => {
  const cluster = stateC();
  const { state } = cluster.raft(1);
  assertEquals([logOf(cluster, 1), logOf(cluster, 2), logOf(cluster, 3)], [[1, 2, 4], [1, 2], [
    1,
    2,
  ]]);
  assertEquals([
    leaderOf(state)!.progress.get(2)?.matchIndex,
    leaderOf(state)!.progress.get(3)?.matchIndex,
  ], [2, 2]);
  assertEquals(state.commitIndex, 0);
});

Deno.test("Figure 8 (d): so S5 may replace it, and nothing committed is lost", () => {
  const cluster = stateC();
  cluster.crash(1);
  cluster.queue = [];
  cluster.restart(5);
  // Its first campaign only tells it the term that S1 had reached, the second one wins.
  for (const id of [2, 3, 4]) setElapsed(cluster.raft(id).state, 10);
  for (let campaigns = 0; campaigns < 2; campaigns++) {
    cluster.timeout(5);
    cluster.settle();
  }
  assertEquals(cluster.leaders(), [5]);
  cluster.restart(1);
  cluster.run(6);
  for (const id of [1, 2, 3, 4, 5]) assertEquals(logOf(cluster, id).slice(0, 2), [1, 3]);
});

Deno.test("Figure 8 (e): with an entry of term 4 on a majority, all before it is committed too", () => {
  const cluster = stateC();
  cluster.run(4);
  assertEquals(cluster.raft(1).state.commitIndex, 3);
  cluster.crash(1);
  cluster.restart(5);
  for (const id of [2, 3, 4, 5]) setElapsed(cluster.raft(id).state, 10);
  cluster.timeout(5);
  cluster.settle();
  assertEquals(cluster.raft(5).state.role.kind === "leader", false);
  cluster.runUntil(() => cluster.leaders().length === 1, 400);
  cluster.run(6);
  assertEquals(logOf(cluster, 5).slice(0, 3), [1, 2, 4]);
});
