/** Under load, appends go to those that commit soonest first (lib/raft/thrifty_appends.ts). */
import { assertEquals } from "@std/assert";
import type { Message } from "../../lib/raft/types.ts";
import { Bench, message } from "./builders.ts";
import { bytes, Cluster } from "./cluster.ts";
import { leaderOf } from "../../lib/raft/state.ts";
import { tick } from "./time.ts";

/** Server 1 leads term 1; `first` answered its first entry before the others. */
function leading(first: 2 | 3, overrides = {}): Bench {
  const bench = new Bench([], { thriftyAppends: true, heartbeatIntervalMs: 5, ...overrides });
  bench.lead();
  for (const from of [first, 5 - first]) bench.step({ kind: "appendResponse", from, index: 1 });
  bench.take();
  return bench;
}

/** The first entry behind a tick has gone to both, and server 3 has answered it. */
function underLoad(overrides = {}): Bench {
  const bench = leading(3, overrides);
  tick(bench.raft);
  propose(bench);
  bench.step({ kind: "appendResponse", from: 3, index: 2 });
  return bench;
}

/** Who is sent which entries. */
const sent = (messages: readonly Message[]) =>
  messages.flatMap((m) =>
    m.kind === "appendRequest" ? [[m.to, ...m.entries.map(({ index }) => index)]] : []
  );

function propose(bench: Bench): number[][] {
  assertEquals(bench.raft.propose(bytes("x")).accepted, true);
  return sent(bench.take());
}

Deno.test("behind a tick the first entry goes to all, what follows to whoever was quickest", () => {
  const bench = leading(3);
  tick(bench.raft);
  assertEquals(propose(bench), [[2, 2], [3, 2]]);
  bench.step({ kind: "appendResponse", from: 3, index: 2 });
  assertEquals(propose(bench), [[3, 3]]);
  bench.step({ kind: "appendResponse", from: 3, index: 3 });
  assertEquals(bench.state.commitIndex, 3, "a majority is enough");
  assertEquals(propose(bench), [[3, 4]]);
  tick(bench.raft);
  assertEquals(sent(bench.take()), [], "it waits for an entry to share the message with");
  assertEquals(propose(bench), [[2, 3, 4, 5], [3, 5]]);
});

Deno.test("where no entry follows, the second tick sends what was deferred", () => {
  const bench = underLoad();
  propose(bench);
  tick(bench.raft);
  assertEquals(sent(bench.take()), []);
  tick(bench.raft);
  assertEquals(sent(bench.take()), [[2, 3]]);
});

Deno.test("an answer behind a tick does not use up what is for the next new entry", () => {
  const bench = underLoad();
  assertEquals(propose(bench), [[3, 3]]);
  tick(bench.raft);
  assertEquals(sent(bench.step({ kind: "appendResponse", from: 3, index: 3 })), []);
  assertEquals(propose(bench), [[2, 3, 4], [3, 4]]);
  bench.step({ kind: "appendResponse", from: 2, index: 4 });
  assertEquals(propose(bench), [[2, 5]], "who was quicker is sent to first from then on");
});

Deno.test("whoever commits first is sent to first from then on", () => {
  const bench = leading(3);
  tick(bench.raft);
  propose(bench);
  bench.step({ kind: "appendResponse", from: 2, index: 2 });
  assertEquals(propose(bench), [[2, 3]]);
});

Deno.test("what the quickest does not answer the others commit", () => {
  const cluster = new Cluster({ overrides: { thriftyAppends: true } });
  const leader = cluster.elect(1);
  cluster.run(3);
  const [quickest] = leaderOf(leader.state)!.thrifty.fastVoters;
  cluster.propose("a");
  cluster.settle();
  cluster.cut([1], [quickest!]);
  cluster.propose("b");
  const { lastIndex } = leader.state.log;
  cluster.run(3);
  assertEquals(leader.state.commitIndex, lastIndex);
  assertEquals(leaderOf(leader.state)!.thrifty.fastVoters, [2, 3].filter((id) => id !== quickest));
});

Deno.test("nobody is deferred where the quickest is lost, or was never known", () => {
  const bench = underLoad();
  bench.raft.peerDisconnected(3);
  assertEquals(propose(bench).map(([to]) => to), [2, 3]);
});

Deno.test("of five servers the two quickest are sent to first", () => {
  const voters = [1, 2, 3, 4, 5];
  const cluster = new Cluster({
    voters,
    overrides: { thriftyAppends: true, heartbeatIntervalMs: 5 },
  });
  const leader = cluster.elect(1);
  cluster.cut([1], [3, 4]);
  cluster.run(3);
  cluster.propose("a");
  cluster.settle();
  cluster.heal();
  assertEquals(leaderOf(leader.state)!.thrifty.fastVoters, [2, 5]);
  cluster.takeSent();
  cluster.propose("b");
  assertEquals(sent(cluster.takeSent()).map(([to]) => to), [2, 5]);
});

Deno.test("many bytes are deferred no longer", () => {
  const bench = underLoad({ uncommittedBytesMax: 1e6, appendBytesMax: 1e6 });
  assertEquals(propose(bench), [[3, 3]]);
  bench.raft.propose(new Uint8Array(262_144));
  assertEquals(sent(bench.take()), [[2, 3, 4], [3, 4]]);
});

Deno.test("whoever shall lead next is sent all at once", () => {
  const bench = underLoad();
  propose(bench);
  bench.raft.transferLeadership(2);
  assertEquals(sent(bench.take()), [[2, 3]]);
});

Deno.test("a follower that catches up is sent the next window with each answer, in no tick's time", () => {
  const bench = leading(3, { appendBytesMax: 1, appendsInFlightMax: 2 });
  tick(bench.raft);
  for (const text of ["a", "b", "c", "d"]) bench.raft.propose(bytes(text));
  assertEquals(sent(bench.take()), [[2, 2], [2, 3], [3, 2], [3, 3]]);
  bench.raft.step(message({ kind: "appendResponse", from: 3, index: 3 }));
  assertEquals(sent(bench.take()), [[3, 4], [3, 5]]);
  bench.raft.step(message({ kind: "appendResponse", from: 2, index: 3 }));
  assertEquals(sent(bench.take()), [[2, 4], [2, 5]], "it was not sent what all were due");
});

Deno.test("what was deferred and has left memory since is asked of the files, without a new entry", () => {
  const bench = underLoad();
  propose(bench);
  bench.step({ kind: "appendResponse", from: 2, index: 2 });
  bench.step({ kind: "appendResponse", from: 3, index: 3 });
  bench.raft.compact(3);
  const modeOf2 = () => leaderOf(bench.state)!.progress.get(2)!.mode;
  tick(bench.raft);
  bench.take();
  assertEquals(modeOf2(), "replicate");
  tick(bench.raft);
  bench.take();
  assertEquals(modeOf2(), "snapshot", "there are no files here, which was found by asking");
});
