/**
 * One change of members after the other, and a crash at every step of it: after each message that is delivered,
 * of each server, which stays away for a while or comes back at once. `Safety` and `JointQuorums` watch; then
 * all agree on one configuration, which is not joint, and on what is committed.
 */
import { assert, assertEquals } from "@std/assert";
import { isJoint, memberIds } from "../../lib/raft/configuration.ts";
import { describeConfiguration } from "../../lib/raft/describe.ts";
import type { MemberChange } from "../../lib/raft/types.ts";
import { Cluster, textOf, TICKS } from "./cluster.ts";
import { JointQuorums } from "./joint_quorums.ts";
import { member } from "./members.ts";

const learn = (id: number): MemberChange => ({
  ...{ kind: "add", ...member(id) },
  staysLearner: true,
});

interface Case {
  readonly voters: readonly number[];
  readonly change: readonly MemberChange[];
  /** What may come of it: all or nothing. */
  readonly outcomes: readonly string[];
}

const CASES: Readonly<Record<string, Case>> = {
  "two learners become voters, and two voters go": {
    voters: [1, 2, 3],
    change: [
      { kind: "promote", id: 4 },
      { kind: "promote", id: 5 },
      { kind: "remove", id: 2 },
      { kind: "remove", id: 3 },
    ],
    outcomes: ["voters 1 2 3 learners 4 5", "voters 1 4 5"],
  },
  "the leader goes": {
    voters: [1, 2, 3],
    change: [{ kind: "remove", id: 1 }],
    outcomes: ["voters 1 2 3 learners 4 5", "voters 2 3 learners 4 5"],
  },
  "a voter becomes a learner in the place of one that votes": {
    voters: [1, 2, 3],
    change: [{ kind: "demote", id: 3 }, { kind: "promote", id: 4 }],
    outcomes: ["voters 1 2 3 learners 4 5", "voters 1 2 4 learners 3 5"],
  },
  "one becomes three": {
    voters: [1],
    change: [{ kind: "promote", id: 4 }, { kind: "promote", id: 5 }],
    outcomes: ["voters 1 learners 4 5", "voters 1 4 5"],
  },
};

/** 1 leads; 4 and 5 are learners that hold all. */
function begin({ voters }: Case): Cluster {
  const cluster = new Cluster({ voters, quorums: new JointQuorums() });
  cluster.elect(1);
  for (const id of [4, 5]) cluster.join(id);
  cluster.change([learn(4), learn(5)]);
  cluster.run(4);
  return cluster;
}

/** Lets time pass, tick by tick, and counts what is delivered; true where `most` is reached. */
function deliver(cluster: Cluster, most: number, ticks: number): boolean {
  for (let count = 0, tick = 0; count < most; count++) {
    while (cluster.queue.length === 0) {
      if (tick++ >= ticks) return false;
      cluster.tick();
    }
    cluster.deliverAt(0);
  }
  return true;
}

/** False where the change was over before step `steps`. */
function crashAt(one: Case, steps: number, victim: number, stays: boolean, note: string): boolean {
  const cluster = begin(one);
  const index = cluster.propose("before", 1);
  cluster.change(one.change, 1);
  if (!deliver(cluster, steps, 4)) return false;
  const wasCommitted = cluster.raft(1).state.commitIndex > index;
  cluster.crash(victim);
  for (const { id, up, raft } of cluster.servers.values()) {
    if (up && id !== victim) raft.peerDisconnected(victim);
  }
  if (!stays) cluster.restart(victim);
  cluster.run(3 * TICKS);
  if (stays) cluster.restart(victim);
  const isSettled = () => {
    const leader = cluster.leaders().at(-1);
    if (leader === undefined) return false;
    const { configurations, commitIndex } = cluster.raft(leader).state;
    return !isJoint(configurations.current) && configurations.currentIndex <= commitIndex;
  };
  cluster.runUntil(isSettled, 20 * TICKS);
  cluster.run(2 * TICKS);
  cluster.runUntil(isSettled, 20 * TICKS);
  cluster.propose("after");
  cluster.run(4);
  const { current } = cluster.leader().state.configurations;
  const text = describeConfiguration(current);
  assert(one.outcomes.includes(text), `${note}: ${text}`);
  if (wasCommitted) assertEquals(text, one.outcomes[1], `${note}: it was committed`);
  for (const id of memberIds(current)) {
    const known = describeConfiguration(cluster.raft(id).state.configurations.current);
    assertEquals(known, text, `${note}: server ${id}`);
    const texts = cluster.at(id).applied.map(textOf);
    assertEquals(texts.at(-1), "after", `${note}: server ${id}`);
  }
  return true;
}

for (const [what, one] of Object.entries(CASES)) {
  Deno.test(`a crash at each step of a joint change: ${what}`, () => {
    let most = 0;
    for (const victim of new Set([...one.voters, 4, 5])) {
      for (const stays of [true, false]) {
        for (let steps = 0;; steps++) {
          const note = `${victim} ${stays ? "away" : "back"} after ${steps} messages`;
          if (!crashAt(one, steps, victim, stays, note)) break;
          most = Math.max(most, steps);
        }
      }
    }
    assert(most >= 10, `only ${most} steps`);
  });
}
