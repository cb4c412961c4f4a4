import { assertEquals } from "@std/assert";
import { LogTrimmer } from "../../lib/node/snapshots/log_trimmer.ts";
import { writeEnvelope } from "../../lib/raft/envelope.ts";
import { EntryKind } from "../../lib/raft/types.ts";
import { Bench, message } from "../raft/builders.ts";

const ENTRY_BYTES = 100;

/** An only server that holds ten entries, all committed; each has a buffer of its own. */
function committed() {
  const entries = Array.from({ length: 10 }, (_, i) => {
    const data = new Uint8Array(ENTRY_BYTES);
    writeEnvelope(data, EntryKind.commands, 0);
    return { index: i + 1, term: 1, data };
  });
  const hardState = { term: 1, votedFor: 1, suspect: false };
  const bench = new Bench([], { entries, hardState }, [1]);
  for (let i = 0; i < 100 && bench.state.commitIndex < 10; i++) {
    bench.raft.elapse(bench.raft.state.nowMs + 1);
    bench.take();
  }
  assertEquals(bench.state.commitIndex >= 10, true);
  return { bench, entries };
}

Deno.test("trimmer: drops the oldest entries down to its bound, and frees their buffers", () => {
  const { bench, entries } = committed();
  const trimmer = new LogTrimmer(4 * ENTRY_BYTES, 10 * ENTRY_BYTES);
  trimmer.trim(bench.raft, 10);
  assertEquals(bench.state.log.firstIndex, 7);
  assertEquals(trimmer.bytes, 4 * ENTRY_BYTES);
  const lengths = entries.map((entry) => entry.data.length);
  assertEquals(lengths, [0, 0, 0, 0, 0, 0, 100, 100, 100, 100]);
});

Deno.test("trimmer: leaves what was not applied, and what is little too much", () => {
  const { bench, entries } = committed();
  new LogTrimmer(8 * ENTRY_BYTES, 10 * ENTRY_BYTES).trim(bench.raft, 10);
  assertEquals(bench.state.log.firstIndex, 1);
  new LogTrimmer(0, 10 * ENTRY_BYTES).trim(bench.raft, 3);
  assertEquals(bench.state.log.firstIndex, 4);
  assertEquals(entries.map((entry) => entry.data.length > 0).indexOf(true), 3);
});

Deno.test("trimmer: frees nothing while a message that may carry entries waits to be taken", () => {
  const { bench, entries } = committed();
  const request = message({ kind: "appendRequest", entries: entries.slice(0, 3) });
  bench.state.output.messages.push(request);
  new LogTrimmer(0, 10 * ENTRY_BYTES).trim(bench.raft, 10);
  assertEquals(bench.state.log.firstIndex, 11);
  assertEquals(entries.every((entry) => entry.data.length === ENTRY_BYTES), true);
});
