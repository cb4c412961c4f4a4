/**
 * What must not keep a cluster from making progress: every mix of terms and logs (pre-vote's known
 * traps), and links that stay broken for ever. A write has to commit within ten election timeouts.
 */
import { assert, assertEquals } from "@std/assert";
import { disk } from "./builders.ts";
import { Cluster, type Disk, TICKS } from "./cluster.ts";

/** Some leader among `ids` commits a new write; returns the ticks that it took. */
function mustCommit(cluster: Cluster, ids: number[], most = 10 * TICKS): number {
  const proposed = new Set<string>();
  return cluster.runUntil(() => {
    for (const id of ids) {
      const { raft } = cluster.at(id);
      const { term, role } = raft.state;
      if (role.kind !== "leader") continue;
      if (!proposed.has(`${id}/${term}`)) {
        proposed.add(`${id}/${term}`);
        cluster.propose(`w${term}`, id);
      }
      const { log, commitIndex } = raft.state;
      if (commitIndex >= 2 && log.termAt(commitIndex - 1) === term) return true;
    }
    return false;
  }, most);
}

/** Every log that fits a server in `term`, from this small set. */
const LOGS = [[], [1], [1, 1], [1, 2], [1, 1, 1], [1, 3]];

Deno.test("row 15: three servers elect a leader from every mix of terms and logs", () => {
  const servers: Disk[] = [];
  for (const terms of LOGS) {
    for (const term of [1, 2, 3, 7]) {
      if (term >= (terms.at(-1) ?? 0)) servers.push(disk(terms, term));
    }
  }
  let mixes = 0;
  for (const a of servers) {
    for (const b of servers) {
      for (const c of [servers[0]!, servers[9]!, servers.at(-1)!]) {
        const disks = new Map([a, b, c].map((one, i) => [i + 1, { ...one }]));
        const cluster = new Cluster({ disks, seed: mixes });
        cluster.runUntil(() => cluster.leaders().length > 0, 10 * TICKS);
        mixes++;
      }
    }
  }
  assert(mixes > 800);
});

Deno.test("row 15: five servers, three of them up, elect from every mix of terms and lengths", () => {
  const servers = [[], [1], [1, 1], [1, 2]].flatMap((terms) =>
    [2, 5, 6].map((term) => disk(terms, term))
  );
  for (const a of servers) {
    for (const b of servers) {
      for (const c of servers) {
        const cluster = new Cluster({
          voters: [1, 2, 3, 4, 5],
          disks: new Map([a, b, c].map((one, i) => [i + 1, { ...one }])),
        });
        cluster.crash(4);
        cluster.crash(5);
        cluster.runUntil(() => cluster.leaders().length > 0, 15 * TICKS);
      }
    }
  }
});

Deno.test("row 15: two servers, one ahead in term and one in log, elect each other", () => {
  for (const ahead of [2, 3, 9]) {
    const cluster = new Cluster({ disks: new Map([[1, disk([1], ahead)], [2, disk([1, 1], 1)]]) });
    cluster.crash(3);
    cluster.runUntil(() => cluster.leaders().length > 0, 10 * TICKS);
    assertEquals(cluster.leaders(), [2]);
  }
});

Deno.test("row 15: a server ahead in term rejoins a leader that it would not follow", () => {
  const cluster = new Cluster();
  cluster.elect(1);
  cluster.crash(3);
  cluster.at(3).disk.hardState = { term: 9, votedFor: 3, suspect: false };
  cluster.restart(3);
  mustCommit(cluster, [1, 2, 3]);
  cluster.run(4 * TICKS);
  assertEquals(new Set([1, 2, 3].map((id) => cluster.raft(id).state.commitIndex)).size, 1);
});

Deno.test("the leader's death: writes resume within four election timeouts", () => {
  for (let seed = 0; seed < 50; seed++) {
    const cluster = new Cluster({ seed });
    cluster.elect(1);
    cluster.run(4);
    cluster.crash(1);
    mustCommit(cluster, [2, 3], 4 * TICKS);
  }
});

Deno.test("the leader's connection breaks: its followers elect without waiting a full timeout", () => {
  for (let seed = 0; seed < 50; seed++) {
    const cluster = new Cluster({ seed });
    cluster.elect(1);
    cluster.run(4);
    cluster.crash(1);
    for (const id of [2, 3]) cluster.raft(id).peerDisconnected(1);
    assert(mustCommit(cluster, [2, 3], 4 * TICKS) <= 3 * TICKS);
  }
});

Deno.test("a broken connection to a living leader deposes nobody", () => {
  const cluster = new Cluster({ voters: [1, 2, 3, 4, 5] });
  const leader = cluster.elect(1);
  cluster.run(4);
  cluster.raft(2).peerDisconnected(1);
  leader.peerDisconnected(2);
  cluster.run(3 * TICKS);
  assertEquals([cluster.leaders(), leader.state.term], [[1], 1]);
});

Deno.test("topology quorum-loss: the one server that reaches a majority takes over", () => {
  const cluster = new Cluster({ voters: [1, 2, 3, 4, 5] });
  cluster.elect(1);
  cluster.run(4);
  // Everybody talks to 3 alone; the leader 1 keeps that one link.
  for (const a of [1, 2, 4, 5]) cluster.cut([a], [1, 2, 4, 5].filter((b) => b !== a));
  mustCommit(cluster, [3]);
});

Deno.test("topology chain: in B–A–C, whoever led, a write commits", () => {
  for (const first of [1, 2, 3]) {
    const cluster = new Cluster({ seed: first });
    cluster.elect(first);
    cluster.run(4);
    cluster.cut([2], [3]);
    mustCommit(cluster, [1, 2, 3]);
    const { term } = cluster.leader().state;
    cluster.run(10 * TICKS);
    assertEquals(cluster.leader().state.term, term, "the leadership must not flap");
  }
});

Deno.test("topology bridge: an old leader that reaches one server alone does not hold it (row 16)", () => {
  const cluster = new Cluster({ voters: [1, 2, 3, 4, 5] });
  cluster.elect(1);
  cluster.run(4);
  cluster.cut([1], [3, 4, 5]);
  cluster.cut([2], [5]);
  mustCommit(cluster, [2, 3, 4, 5]);
  assert(cluster.leader().state.id !== 1);
});

Deno.test("topology send-only: a leader that hears nobody gives way (row 16)", () => {
  const cluster = new Cluster();
  cluster.elect(1);
  cluster.run(4);
  cluster.cutOneWay(2, 1);
  cluster.cutOneWay(3, 1);
  mustCommit(cluster, [2, 3]);
});

Deno.test("topology receive-only: a leader that reaches nobody is replaced", () => {
  const cluster = new Cluster();
  cluster.elect(1);
  cluster.run(4);
  cluster.cutOneWay(1, 2);
  cluster.cutOneWay(1, 3);
  mustCommit(cluster, [2, 3]);
});

Deno.test("topology flapping: five servers where 1 and 2 each miss the other side settle", () => {
  const cluster = new Cluster({ voters: [1, 2, 3, 4, 5] });
  cluster.elect(1);
  cluster.run(4);
  cluster.cut([1], [2, 5]);
  cluster.cut([2], [1, 4]);
  mustCommit(cluster, [1, 2, 3, 4, 5]);
  cluster.run(5 * TICKS);
  const { term } = cluster.leader().state;
  cluster.run(20 * TICKS);
  assert(cluster.leader().state.term <= term + 1, "the leadership must not flap");
});

Deno.test("topology slow disk: a leader whose sync hangs gives way (row 24)", () => {
  const cluster = new Cluster();
  cluster.elect(1);
  cluster.run(4);
  cluster.holdDisk(1);
  cluster.propose("x");
  mustCommit(cluster, [2, 3]);
  assertEquals(cluster.raft(1).state.role.kind, "follower");
});

Deno.test("a single voter goes on leading however slow its disk is", () => {
  const cluster = new Cluster({ voters: [1] });
  cluster.tick();
  cluster.holdDisk(1);
  cluster.propose("x");
  cluster.run(5 * TICKS);
  assertEquals(cluster.leaders(), [1]);
});

Deno.test("constrained election: the only server with a majority has an old log: stalls, safely", () => {
  const cluster = new Cluster({ voters: [1, 2, 3, 4, 5] });
  cluster.elect(1);
  cluster.isolate(3);
  cluster.propose("x");
  cluster.settle();
  cluster.heal();
  for (const a of [1, 2, 4, 5]) cluster.cut([a], [1, 2, 4, 5].filter((b) => b !== a));
  // The leader may still reach 3; cut that too before it can bring 3 up to date.
  cluster.cut([1], [3]);
  const { term } = cluster.raft(3).state;
  cluster.run(30 * TICKS);
  assert(cluster.raft(3).state.term <= term + 1, "terms must not explode");
  assertEquals(cluster.leaders().filter((id) => cluster.raft(id).state.term > term), []);
  // Once a server with the whole log gets a second link, it recovers.
  cluster.cuts.delete("2>4");
  cluster.cuts.delete("4>2");
  mustCommit(cluster, [2, 3, 4, 5], 5 * TICKS);
});
