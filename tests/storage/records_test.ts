import { assert, assertEquals } from "@std/assert";
import { ByteReader, readU32 } from "../../lib/util/bytes.ts";
import {
  checkRecord,
  decodeHardState,
  decodeRecordEntries,
  entriesBytes,
  findMarker,
  HARD_STATE_BYTES,
  MARKER_BYTES,
  readMarker,
  RECORD_HEAD_BYTES,
  RecordWriter,
} from "../../lib/storage/segments/records.ts";
import { entry, vote } from "./helpers.ts";

const GENERATION = 0xfeedbeef;

Deno.test("records take as many bytes as foretold and come back equal", () => {
  const writer = new RecordWriter();
  writer.begin(7);
  const entries = [entry(5, 2), entry(6, 2, ""), entry(7, 3, "long".repeat(99))];
  writer.hardState(vote(2 ** 40, 3, true));
  assertEquals(writer.length, HARD_STATE_BYTES);
  writer.entries(entries);
  assertEquals(writer.length, HARD_STATE_BYTES + entriesBytes(entries));
  const bytes = writer.view().slice();
  const first = checkRecord(bytes, 0, 7);
  assertEquals(first, HARD_STATE_BYTES);
  const second = checkRecord(bytes, first, readU32(bytes, 0));
  assertEquals(second, bytes.length);
  assertEquals(
    decodeHardState(new ByteReader(bytes, RECORD_HEAD_BYTES, first)),
    vote(2 ** 40, 3, true),
  );
  assertEquals(
    decodeRecordEntries(new ByteReader(bytes, first + RECORD_HEAD_BYTES, second)),
    entries,
  );
});

Deno.test("a record counts only after its own predecessor, and nothing counts as a record of zeroes", () => {
  const writer = new RecordWriter();
  writer.begin(7);
  writer.hardState(vote(1, 1));
  const bytes = writer.view().slice();
  assertEquals(checkRecord(bytes, 0, 8), 0);
  assertEquals(checkRecord(bytes, 1, 7), 0);
  assertEquals(checkRecord(new Uint8Array(100), 0, 0), 0);
  assertEquals(checkRecord(new Uint8Array(5), 0, 0), 0);
});

Deno.test("a length that points past the end is refused, however large", () => {
  const writer = new RecordWriter();
  writer.begin(0);
  writer.hardState(vote(1, 1));
  const bytes = writer.view().slice();
  for (const length of [21, 1 << 20, 0xffff_ffff]) {
    bytes.set([length >>> 24, length >>> 16, length >>> 8, length], 4);
    assertEquals(checkRecord(bytes, 0, 0), 0);
  }
});

Deno.test("a marker counts at its own offset, in its own segment, unchanged", () => {
  const writer = new RecordWriter();
  writer.begin(1);
  writer.hardState(vote(1, 1));
  const offset = writer.length;
  writer.marker(GENERATION, offset, true);
  assertEquals(writer.length, offset + MARKER_BYTES);
  const bytes = writer.view().slice();
  assertEquals(readMarker(bytes, offset, GENERATION), {
    synced: offset,
    endOfSegment: true,
    endOfLog: false,
  });
  assertEquals(findMarker(bytes, 0, GENERATION), offset);
  assertEquals(findMarker(bytes, offset + 1, GENERATION), -1);
  assertEquals(readMarker(bytes, offset, GENERATION + 1), null);
  const moved = new Uint8Array(bytes.length + 3);
  moved.set(bytes, 3);
  assertEquals(findMarker(moved, 0, GENERATION), -1);
  for (let at = offset + RECORD_HEAD_BYTES; at < bytes.length; at++) {
    const flipped = bytes.slice();
    flipped[at]! ^= 0x10;
    assertEquals(readMarker(flipped, offset, GENERATION), null, `at ${at}`);
  }
});

Deno.test("a writer starts over with begin and keeps nothing", () => {
  const writer = new RecordWriter();
  writer.begin(1);
  writer.entries([entry(1, 1, "x".repeat(100_000))]);
  const large = writer.length;
  writer.begin(2);
  writer.hardState(vote(1, 0));
  assert(large > 100_000);
  assertEquals(checkRecord(writer.view().slice(), 0, 2), HARD_STATE_BYTES);
});
