import { assertEquals } from "@std/assert";
import { Cluster, textOf } from "./cluster.ts";

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
