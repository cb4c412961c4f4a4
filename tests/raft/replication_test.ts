/** Windows, bounds, lost and repeated messages, learners, configurations in the log. */
import { assert, assertEquals } from "@std/assert";
import { makeConfiguration } from "../../lib/raft/configuration.ts";
import { encodeConfiguration } from "../../lib/raft/configuration_codec.ts";
import { ENVELOPE_BYTES, writeEnvelope } from "../../lib/raft/envelope.ts";
import { type Configuration, type Entry, EntryKind, type Ready } from "../../lib/raft/types.ts";
import { Bench, disk, entry, message } from "./builders.ts";
import { bytes, Cluster, textOf, TICKS } from "./cluster.ts";
import { leaderOf } from "../../lib/raft/state.ts";
import { setElapsed, tick } from "./time.ts";

function leading(): Bench {
  const bench = new Bench([], { appendBytesMax: 10, appendBytesInFlightMax: 25 });
  bench.lead();
  bench.step({ kind: "appendResponse", from: 2, index: 1 });
  return bench;
}

const ten = bytes("0123456789");
const sentTo2 = (bench: Bench) =>
  bench.take().flatMap((m) => m.kind === "appendRequest" && m.to === 2 ? [m] : []);

Deno.test("appends in flight are bounded by bytes and by number", () => {
  const bench = leading();
  for (let i = 0; i < 6; i++) bench.raft.propose(ten);
  assertEquals(sentTo2(bench).map(({ prevIndex }) => prevIndex), [1, 2, 3]);
  bench.raft.step(message({ kind: "appendResponse", index: 3 }));
  assertEquals(sentTo2(bench).map(({ prevIndex }) => prevIndex), [4, 5]);
  const small = leading();
  for (let i = 0; i < 9; i++) {
    small.raft.propose(bytes("x"));
    small.take();
  }
  assertEquals(leaderOf(small.state)!.progress.get(2)?.inFlight.length, 4);
});

Deno.test("an entry larger than an append's limit travels alone", () => {
  const bench = leading();
  bench.raft.propose(bytes("x".repeat(50)));
  bench.raft.propose(bytes("y"));
  assertEquals(sentTo2(bench).map(({ entries }) => entries.length), [1]);
});

Deno.test("uncommitted bytes are bounded, but one proposal always fits", () => {
  const bench = new Bench([], { uncommittedBytesMax: 15 });
  bench.lead();
  bench.step({ kind: "appendResponse", index: 1 });
  assertEquals(bench.raft.propose(bytes("x".repeat(99))).accepted, true);
  assertEquals(bench.raft.propose(bytes("y")), { accepted: false, reason: "busy" });
  bench.take();
  bench.step({ kind: "appendResponse", index: 2 });
  assertEquals(bench.raft.propose(ten).accepted, true);
  assertEquals(bench.raft.propose(ten), { accepted: false, reason: "busy" });
  assertEquals(bench.raft.propose(bytes("12345")).accepted, true);
  assertEquals(new Bench().raft.propose(ten), { accepted: false, reason: "notLeader" });
});

Deno.test("a full window whose appends are all lost recovers by heartbeats", () => {
  const cluster = new Cluster({ overrides: { appendBytesMax: 1 } });
  cluster.elect(1);
  cluster.isolate(3);
  for (let i = 0; i < 12; i++) {
    cluster.propose(`p${i}`);
    cluster.settle();
  }
  assertEquals(leaderOf(cluster.raft(1).state)!.progress.get(3)?.inFlight.length, 4);
  cluster.heal();
  cluster.run(8);
  assertEquals(cluster.at(3).applied.length, 13);
});

Deno.test("a lost probe is sent again", () => {
  const cluster = new Cluster();
  cluster.cutOneWay(1, 3);
  setElapsed(cluster.raft(3).state, 0);
  cluster.elect(1);
  cluster.heal();
  cluster.run(8);
  assertEquals(cluster.at(3).applied.length, 1);
});

Deno.test("row 9: an answered heartbeat never raises matchIndex over a tail that differs", () => {
  const bench = new Bench([1, 1]);
  bench.lead();
  for (const from of [2, 3]) bench.step({ kind: "heartbeatResponse", from, term: 2 });
  assertEquals([2, 3].map((id) => leaderOf(bench.state)!.progress.get(id)?.matchIndex), [0, 0]);
  tick(bench.raft);
  tick(bench.raft);
  const commits = bench.take().flatMap((m) => m.kind === "heartbeat" ? [m.commitIndex] : []);
  assertEquals([commits, bench.state.commitIndex], [[0, 0], 0]);
});

Deno.test("row 7: a heartbeat's commit covers only what that follower holds", () => {
  const cluster = new Cluster();
  cluster.elect(1);
  cluster.cut([1], [3]);
  cluster.propose("x");
  cluster.settle();
  cluster.heal();
  cluster.takeSent();
  cluster.tick([1]);
  cluster.tick([1]);
  const commits = cluster.takeSent().flatMap((m) =>
    m.kind === "heartbeat" ? [[m.to, m.commitIndex]] : []
  );
  assertEquals(commits, [[2, 2], [3, 1]]);
});

Deno.test("row 4: answers of an older term count for nothing", () => {
  const bench = new Bench([1]);
  bench.lead();
  bench.step({ kind: "appendResponse", term: 1, index: 2 });
  bench.step({ kind: "appendResponse", from: 3, term: 1, index: 2 });
  assertEquals(bench.state.commitIndex, 0);
  const candidate = new Bench([3]);
  candidate.timeout();
  candidate.step({ kind: "voteResponse", preVote: true, term: 4 });
  candidate.step({ kind: "voteResponse", term: 3 });
  assertEquals(candidate.state.role.kind, "candidate");
});

Deno.test("row 10: an answer that comes after the leadership is lost changes nothing", () => {
  const bench = new Bench();
  bench.lead();
  bench.step({ kind: "heartbeat", from: 3, term: 2 });
  bench.step({ kind: "appendResponse", from: 2, term: 2, index: 1 });
  assertEquals([bench.state.role.kind, bench.state.commitIndex], ["follower", 0]);
});

Deno.test("a follower that claims more than the leader's log is not believed", () => {
  const bench = new Bench();
  bench.lead();
  bench.step({ kind: "appendResponse", index: 99 });
  assertEquals(bench.state.commitIndex, 0);
});

Deno.test("messages for others, from itself and from strangers are harmless", () => {
  const bench = new Bench();
  bench.lead();
  bench.step({ kind: "heartbeat", to: 7, term: 99 });
  bench.step({ kind: "heartbeat", from: 1, term: 99 });
  bench.step({ kind: "appendResponse", from: 42, index: 1 });
  assertEquals([bench.state.role.kind, bench.state.term, bench.state.commitIndex], [
    "leader",
    1,
    0,
  ]);
});

Deno.test("learners get the log but neither vote nor campaign nor count", () => {
  const cluster = new Cluster({ voters: [1, 2, 3], learners: [4, 5] });
  cluster.run(6 * TICKS);
  assertEquals([4, 5].map((id) => cluster.raft(id).state.role.kind), ["follower", "follower"]);
  const leader = cluster.leader().state.id;
  cluster.cut([leader], [1, 2, 3].filter((id) => id !== leader));
  const index = cluster.propose("x", leader);
  cluster.settle();
  assertEquals(cluster.raft(4).state.log.lastIndex, index);
  assert(cluster.raft(leader).state.commitIndex < index);
});

function configurationEntry(index: number, term: number, configuration: Configuration): Entry {
  const payload = encodeConfiguration(configuration);
  const data = new Uint8Array(ENVELOPE_BYTES + payload.length);
  writeEnvelope(data, EntryKind.configuration, 0);
  data.set(payload, ENVELOPE_BYTES);
  return { index, term, data };
}

Deno.test("row 12: a configuration rules once appended, and is rolled back when cut off", () => {
  const bench = new Bench([1]);
  const wide = makeConfiguration([1, 2, 3, 4], [5]);
  const prev = { prevIndex: 1, prevTerm: 1 };
  const entries = [configurationEntry(2, 1, wide), entry(3, 1)];
  bench.step({ kind: "appendRequest", term: 1, ...prev, entries });
  assertEquals(bench.state.configurations.current, wide);
  bench.step({ kind: "appendRequest", from: 3, term: 2, ...prev, entries: [entry(2, 2)] });
  assertEquals(bench.state.configurations.current, makeConfiguration([1, 2, 3]));
});

Deno.test("the configuration in a recovered log rules over the first one", () => {
  const other = makeConfiguration([1, 7, 8], [9]);
  const bench = new Bench([1], { entries: [entry(1, 1), configurationEntry(2, 1, other)] });
  bench.timeout();
  assertEquals(
    bench.raft.state.configurations.current.voters,
    [1, 7, 8],
  );
  bench.step({ kind: "voteResponse", preVote: true, from: 7, term: 2 });
  bench.step({ kind: "voteResponse", from: 8, term: 2 });
  assertEquals([...leaderOf(bench.state)!.progress.keys()], [7, 8, 9]);
});

Deno.test("where the leader's terms are in files alone, a long tail that differs takes few questions", () => {
  const length = 200;
  const disks = new Map([
    [1, disk(new Array(length).fill(1))],
    [2, disk([1])],
    [3, disk([1])],
  ]);
  let refusals = 0;
  const onReady = (_: unknown, { messages }: Ready) => {
    for (const one of messages) {
      if (one.kind === "appendResponse" && !one.success && one.from === 1) refusals++;
    }
  };
  const cluster = new Cluster({ voters: [1, 2, 3], disks, onReady });
  cluster.isolate(1);
  cluster.elect(2);
  while (cluster.raft(2).state.log.lastIndex < length + 20) {
    cluster.propose("x", 2);
    cluster.settle();
  }
  // In another term it begins to look at the end of its log, where server 1's terms tell it nothing.
  cluster.crash(2);
  cluster.restart(2);
  cluster.elect(2);
  cluster.settle();
  cluster.trim(2, length + 20);
  cluster.heal();
  cluster.runUntil(() => cluster.raft(1).state.commitIndex >= length + 20);
  const texts = [1, 2].map((id) => cluster.at(id).applied.map(textOf).join(" "));
  assertEquals(texts[0], texts[1]);
  assert(refusals >= 2 && refusals <= 12, `${refusals} refusals`);
});

Deno.test("what was read for a follower that has accepted it meanwhile is not kept", () => {
  const bench = new Bench([]);
  bench.hasFiles = true;
  bench.lead();
  for (const text of ["x", "y"]) bench.raft.propose(bytes(text));
  bench.step({ kind: "appendResponse", from: 3, index: 3 });
  const entries = bench.state.log.slice(1, 2, Infinity);
  bench.raft.compact(2);
  bench.raft.step(message({ kind: "appendResponse", from: 2, index: 1 }));
  const [request] = bench.takeReady().entriesNeeded;
  assertEquals([request?.fromIndex, request?.toIndex], [1, 2]);
  bench.step({ kind: "appendResponse", from: 2, index: 3 });
  bench.raft.entriesRead(request!, entries);
  bench.take();
  const { matchIndex, ahead, reading } = leaderOf(bench.state)!.progress.get(2)!;
  assertEquals([matchIndex, ahead.length, reading], [3, 0, null]);
});

Deno.test("a follower is handed what somebody waits for first: its batch, and then what it is to apply", () => {
  const bench = new Bench([1], {});
  const append = { kind: "appendRequest", prevIndex: 1, prevTerm: 1, commitIndex: 2 } as const;
  bench.raft.step(message({ ...append, entries: [entry(2, 1), entry(3, 1)] }));
  const first = bench.raft.ready();
  assertEquals([first.persist?.entries.length, first.committed], [2, []]);
  assertEquals([bench.raft.hasReady(), bench.raft.hasCommitted], [true, true]);
  // However long the sync takes.
  assertEquals(bench.raft.ready().committed.map(({ index }) => index), [1, 2]);
  assertEquals(bench.raft.hasReady(), false);
  bench.raft.advance(first.persist!);
  // With nothing to write it is handed out at once.
  bench.raft.step(message({ kind: "heartbeat", commitIndex: 3 }));
  assertEquals(bench.raft.ready().committed.map(({ index }) => index), [3]);
});
