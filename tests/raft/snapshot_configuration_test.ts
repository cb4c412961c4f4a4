/** Which configuration rules behind compaction, a restore and a recovery (row 12 of the known bugs). */
import { assertEquals, assertThrows } from "@std/assert";
import { makeConfiguration } from "../../lib/raft/configuration.ts";
import { encodeConfiguration } from "../../lib/raft/configuration_codec.ts";
import { ENVELOPE_BYTES, writeEnvelope } from "../../lib/raft/envelope.ts";
import { type Configuration, type Entry, EntryKind } from "../../lib/raft/types.ts";
import { AssertionError } from "../../lib/util/assert.ts";
import { Bench, entry, log } from "./builders.ts";

const VOTERS = makeConfiguration([1, 2, 3]);
const WIDE = makeConfiguration([1, 2, 3, 4, 5], [6]);

function configurationEntry(index: number, term: number, configuration: Configuration): Entry {
  const payload = encodeConfiguration(configuration);
  const data = new Uint8Array(ENVELOPE_BYTES + payload.length);
  writeEnvelope(data, EntryKind.configuration, 0);
  data.set(payload, ENVELOPE_BYTES);
  return { index, term, data };
}

Deno.test("row 12: configurations survive compaction, and a snapshot gets the one of its position", () => {
  const bench = new Bench([1]);
  const prev = { prevIndex: 1, prevTerm: 1 };
  const later = makeConfiguration([1, 2, 3, 4]);
  const entries = [
    ...[configurationEntry(2, 1, WIDE), entry(3, 1), configurationEntry(4, 1, later)],
    ...[entry(5, 1), configurationEntry(6, 1, VOTERS)],
  ];
  bench.step({ kind: "appendRequest", ...prev, entries, commitIndex: 5 });
  const at = (index: number) => bench.raft.configurationAt(index);
  assertEquals([1, 2, 3, 4, 5, 6].map(at), [VOTERS, WIDE, WIDE, later, later, VOTERS]);
  bench.raft.compact(3);
  assertThrows(() => at(1), AssertionError, "forgotten");
  assertEquals([3, 4, 6].map(at), [WIDE, later, VOTERS]);
  bench.raft.compact(4);
  assertThrows(() => at(3), AssertionError, "forgotten");
  assertEquals(at(5), later);
  // The newest one was never committed and is cut off again.
  const cut = { prevIndex: 5, prevTerm: 1, entries: [entry(6, 2)] };
  bench.step({ kind: "appendRequest", from: 3, term: 2, ...cut });
  assertEquals(bench.state.configurations.current, later);
});

Deno.test("row 12: after a restore nothing of the old log's configurations is left", () => {
  const bench = new Bench([1]);
  const prev = { prevIndex: 1, prevTerm: 1 };
  const entries = [configurationEntry(2, 1, makeConfiguration([1, 7])), entry(3, 1)];
  bench.step({ kind: "appendRequest", ...prev, entries });
  bench.step({ kind: "heartbeat", from: 3, term: 2 });
  assertEquals(bench.raft.restore({ index: 2, term: 2 }, WIDE), true);
  assertEquals(bench.state.configurations.current, WIDE);
  const append = { prevIndex: 2, prevTerm: 2, entries: [entry(3, 2)] };
  bench.step({ kind: "appendRequest", from: 3, term: 2, ...append });
  assertEquals(bench.raft.configurationAt(3), WIDE);
});

Deno.test("a snapshot's configuration rules over recovered entries in front, not over those behind", () => {
  const hardState = { term: 1, votedFor: 0, suspect: false };
  const snapshot = { index: 2, term: 1 };
  const other = makeConfiguration([1, 7]);
  for (const [at, expected] of [[2, WIDE], [3, other]] as const) {
    const entries = log(1).terms(1, 1, 1);
    entries[at - 1] = configurationEntry(at, 1, other);
    const bench = new Bench([], { hardState, snapshot, entries, configuration: WIDE });
    assertEquals(bench.state.configurations.current, expected, `entry ${at}`);
  }
});
