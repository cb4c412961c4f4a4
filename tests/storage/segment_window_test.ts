/** What a window says of a segment is what the whole segment says. */
import { assert, assertEquals } from "@std/assert";
import { Random } from "../../lib/util/random.ts";
import { checkRecord, findMarker, RecordWriter } from "../../lib/storage/segments/records.ts";
import { SegmentWindow } from "../../lib/storage/recovery/segment_window.ts";
import type { DiskFile } from "../../lib/host/ports.ts";
import { SimDisk } from "../sim/sim_disk.ts";
import { entry, vote } from "./helpers.ts";

const GENERATION = 77;
const START = 104;

interface Made {
  readonly file: DiskFile;
  readonly bytes: Uint8Array;
  /** Where records begin, each with the checksum that it continues. */
  readonly records: { readonly offset: number; readonly chain: number }[];
}

/** Records of all kinds and sizes, some longer than the windows below, and zeroes after them. */
function make(random: Random): Made {
  const writer = new RecordWriter();
  writer.begin(5);
  const records: { offset: number; chain: number }[] = [];
  for (let i = 0; i < 12; i++) {
    const offset = START + writer.length;
    records.push({ offset, chain: writer.chain });
    const kind = random.between(0, 2);
    if (kind === 0) writer.marker(GENERATION, offset, false);
    else if (kind === 1) writer.hardState(vote(i + 1, 2));
    else writer.entries([entry(i + 1, 1, "S".repeat(random.between(0, 700)))]);
  }
  const bytes = new Uint8Array(START + writer.length + random.between(0, 900));
  bytes.set(writer.view(), START);
  const file = new SimDisk().open("segment", { create: true });
  file.write(0, bytes);
  file.truncate(bytes.length);
  return { file, bytes, records };
}

Deno.test("records and markers are found through a window of any size, wherever they begin", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const { file, bytes, records } = make(new Random(seed));
    for (const windowBytes of [64, 100, 256, 4096]) {
      const window = new SegmentWindow(file, bytes.length, new Uint8Array(windowBytes));
      const note = `seed ${seed}, window ${windowBytes}`;
      for (const { offset, chain } of records) {
        const end = window.checkRecord(offset, chain);
        assert(end > offset, note);
        assertEquals(end, checkRecord(bytes, offset, chain), note);
        assertEquals(window.checkRecord(offset, chain + 1), 0, note);
        assertEquals(window.view(offset, end - offset), bytes.subarray(offset, end), note);
      }
      for (let from = 0; from < bytes.length; from += 7) {
        const expected = findMarker(bytes, from, GENERATION);
        assertEquals(window.findMarker(from, bytes.length, GENERATION), expected, note);
        assertEquals(window.checkRecord(from, 9), checkRecord(bytes, from, 9), note);
      }
    }
  }
});

Deno.test("the last byte that is not zero is found at any place", () => {
  const size = 700;
  const file = new SimDisk().open("segment", { create: true });
  file.truncate(size);
  const window = () => new SegmentWindow(file, size, new Uint8Array(64));
  assertEquals(window().usedEnd(0), 0);
  assertEquals(window().usedEnd(33), 33);
  for (let at = 0; at < size; at++) {
    file.write(at, Uint8Array.of(1));
    assertEquals(window().usedEnd(0), at + 1);
    assertEquals(window().usedEnd(Math.min(at + 1, size)), at + 1);
    assertEquals(window().usedEnd(Math.max(0, at - 3)), at + 1);
    file.write(at, Uint8Array.of(0));
  }
});
