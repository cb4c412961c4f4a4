/**
 * Recycled segments: what follows the log's end are stale bytes of older ones, and nothing of
 * them may ever count. What tells a torn tail from a clean one there is a marker, not zeroes.
 */
import { assert, assertEquals } from "@std/assert";
import { DiskFullError } from "../../lib/host/ports.ts";
import { inspectDirectory } from "../../lib/storage/inspection/inspect.ts";
import {
  MARKER_BYTES,
  RECORD_HEAD_BYTES,
  RecordWriter,
} from "../../lib/storage/segments/records.ts";
import { scanLog } from "../../lib/storage/recovery/scan_log.ts";
import type { SegmentScan } from "../../lib/storage/recovery/scan_records.ts";
import {
  headChecksum,
  SEGMENT_HEAD_BYTES,
  segmentGeneration,
} from "../../lib/storage/segments/segment_head.ts";
import { Random } from "../../lib/util/random.ts";
import { SimDisk } from "../sim/sim_disk.ts";
import { SECTOR_BYTES } from "../sim/sim_inode.ts";
import { livesThrough, remainsOf } from "./crashes.ts";
import { batch, entry, persist, refusal, vote } from "./helpers.ts";
import {
  lastHead,
  lastScan,
  makeRecycled,
  OWNER,
  RecyclingServer,
  reopen,
  spares,
} from "./recycled_helpers.ts";
import { contentsOf, settled, takeSnapshot } from "./snapshot_helpers.ts";

const PAGE_BYTES = 4096;

/** Opens it; null where it is refused. */
function tryReopen(disk: SimDisk) {
  let opened: ReturnType<typeof reopen> | null = null;
  const said = refusal(() => opened = reopen(disk));
  if (said !== null) assert(said.length > 60, said);
  return opened as ReturnType<typeof reopen> | null;
}

Deno.test("old segments are recycled, and their stale records never count", () => {
  const server = new RecyclingServer(new SimDisk());
  let recycled = 0;
  let written = 0;
  for (let i = 0; i < 700; i++) {
    const before = lastHead(server.disk).sequence;
    server.write(1 + i % 3);
    const head = lastHead(server.disk);
    if (head.sequence !== before) {
      written++;
      if (head.recycled) recycled++;
    }
    if (i % 7 !== 0) continue;
    const copy = server.disk.clone();
    copy.powerLoss(new Random(i));
    const { recovered } = reopen(copy);
    assertEquals(recovered.cutBytes, 0);
    assertEquals(recovered.hardState, vote(1, 1));
    const from = server.entries.length - recovered.entries.length;
    assertEquals(recovered.entries, server.entries.slice(from));
  }
  assert(recycled > 10 && recycled > written * 0.6, `${recycled} of ${written} segments`);
});

Deno.test("a recycled segment ends with stale bytes, and says where its records end", () => {
  const { disk } = makeRecycled();
  const { path, end, usedEnd } = lastScan(disk);
  assertEquals(usedEnd, end);
  const bytes = disk.contents(path);
  const page = Math.ceil((end + MARKER_BYTES) / PAGE_BYTES) * PAGE_BYTES;
  assert(page < bytes.length - PAGE_BYTES);
  assert(bytes.subarray(end, end + MARKER_BYTES).some((byte) => byte !== 0));
  assert(bytes.subarray(end + MARKER_BYTES, page).every((byte) => byte === 0));
  assert(bytes.subarray(page).some((byte) => byte !== 0), "there are no stale bytes");
  assertEquals(bytes[8], 2, "the format's version");
});

Deno.test("a flipped bit in a recycled segment is refused, makes suspect, or is in its stale bytes", () => {
  const { disk, entries } = makeRecycled();
  const { path, end } = lastScan(disk);
  const outcomes = { refused: 0, suspect: 0, harmless: 0 };
  for (let at = 0; at < disk.contents(path).length; at += at < end + MARKER_BYTES ? 3 : 61) {
    const copy = disk.clone();
    copy.corrupt(path, (bytes) => {
      bytes[at]! ^= 1 << (at % 8);
      return bytes;
    });
    const opened = tryReopen(copy);
    if (opened === null) {
      outcomes.refused++;
      continue;
    }
    const { recovered } = opened;
    const missing = entries.length - recovered.entries.length;
    recovered.entries.forEach((one) => assertEquals(one, entries[one.index - 1], `at ${at}`));
    const isSuspect = recovered.hardState.suspect;
    if (isSuspect) outcomes.suspect++;
    else {
      outcomes.harmless++;
      assert(at >= end + MARKER_BYTES, `${missing} entries are gone without a word at ${at}`);
      assertEquals(recovered.entries.at(-1), entries.at(-1));
    }
  }
  assert(outcomes.refused > 300 && outcomes.suspect > 50 && outcomes.harmless > 100);
});

Deno.test("a batch that was torn in a recycled segment is cut, and leaves the server suspect", () => {
  const server = makeRecycled();
  const { disk, log, entries } = server;
  const { path, end: offset } = lastScan(disk);
  const before = disk.contents(path);
  const fresh = [0, 1, 2, 3].map((ahead) => server.next(ahead));
  const after = offset + MARKER_BYTES + 4 * 240;
  persist(disk, log, batch(null, ...fresh));
  const full = disk.contents(path);
  assertEquals(lastScan(disk).path, path);
  const end = lastScan(disk).end + MARKER_BYTES;
  assert(end > after - 200);
  const check = (change: (bytes: Uint8Array) => void, note: string) => {
    const copy = disk.clone();
    copy.corrupt(path, (bytes) => {
      change(bytes);
      return bytes;
    });
    const isLike = (other: Uint8Array, from: number, to: number) =>
      copy.contents(path).subarray(from, to).every((byte, at) => byte === other[from + at]);
    const hasBatch = isLike(full, offset, end - MARKER_BYTES);
    const hasOldEnd = isLike(before, offset, offset + MARKER_BYTES);
    const hasNewEnd = isLike(full, end - MARKER_BYTES, end);
    const hasNewBody = isLike(full, end - MARKER_BYTES + RECORD_HEAD_BYTES, end);
    const { recovered } = reopen(copy);
    const expected = hasBatch ? [...entries, ...fresh] : entries;
    assertEquals(recovered.entries.at(-1), expected.at(-1), note);
    // The new end after the old one: what is between is gone, and may have been durable.
    const isClean = hasBatch ? hasNewEnd : hasOldEnd && !hasNewBody;
    assertEquals(recovered.hardState.suspect, !isClean, note);
    // And it stays clean after that, whatever was there.
    copy.kill();
    assertEquals(reopen(copy).recovered.cutBytes, 0, note);
  };
  for (let cut = offset; cut <= end; cut++) {
    check((bytes) => bytes.set(before.subarray(cut), cut), `the first bytes, up to ${cut}`);
    check((bytes) => bytes.set(before.subarray(0, cut)), `the last bytes, from ${cut}`);
    check((bytes) => bytes.fill(0, cut, end), `zeroes from ${cut}`);
  }
});

/** Crashes the start on `disk` at each of its operations; returns how often the next one was suspect. */
function suspectAfterCrashes(disk: SimDisk, seeds: number): { tried: number; suspect: number } {
  const count = { tried: 0, suspect: 0 };
  for (let operation = 1, finished = false; !finished; operation++) {
    for (let seed = 0; seed < seeds; seed++) {
      const copy = disk.clone();
      finished = livesThrough(copy, operation, () => reopen(copy));
      copy.powerLoss(new Random(seed));
      count.tried++;
      if (reopen(copy).recovered.hardState.suspect) count.suspect++;
    }
  }
  return count;
}

Deno.test("suspicion of a recycled segment outlasts crashes at every step of the start", () => {
  const { disk, entries } = makeRecycled();
  const { path, end } = lastScan(disk);
  disk.corrupt(path, (bytes) => bytes.fill(0x77, end, end + 300));
  assertEquals(reopen(disk.clone()).recovered.entries.at(-1), entries.at(-1));
  const { tried, suspect } = suspectAfterCrashes(disk, 20);
  assert(tried > 100 && suspect === tried, `laundered ${tried - suspect} times of ${tried}`);
});

Deno.test("it does where nothing but the end after it shows that a batch was torn", () => {
  // Near, in the page that startup writes, and far after it.
  for (const payloadBytes of [900, 9_000]) {
    for (let shift = 0; shift < SECTOR_BYTES; shift += 56) {
      const server = makeRecycled();
      const { disk, log, entries } = server;
      while (lastScan(disk).end % PAGE_BYTES > 1_200) server.write();
      const aligned = entry(entries.length + 1, 1, "a".repeat(600 + shift));
      persist(disk, log, batch(null, aligned));
      const { path, end } = lastScan(disk);
      const before = disk.contents(path);
      persist(disk, log, batch(null, entry(aligned.index + 1, 1, "b".repeat(payloadBytes))));
      assertEquals(lastScan(disk).path, path);
      const sectorEnd = Math.ceil((end + MARKER_BYTES) / SECTOR_BYTES) * SECTOR_BYTES;
      disk.corrupt(path, (bytes) => {
        bytes.set(before.subarray(end, sectorEnd), end);
        return bytes;
      });
      const { tried, suspect } = suspectAfterCrashes(disk, 12);
      assert(tried > 40 && suspect === tried, `${tried - suspect} of ${tried}, shift ${shift}`);
      // Once the start is over, nothing of the torn batch is taken for another one.
      const copy = disk.clone();
      reopen(copy);
      copy.kill();
      assertEquals(reopen(copy).recovered.cutBytes, 0);
    }
  }
});

Deno.test("a power loss in the start on a log that was closed cleanly makes nobody suspect", () => {
  for (let shift = 0; shift < SECTOR_BYTES; shift += 24) {
    const { disk, log, entries, directory } = makeRecycled();
    persist(disk, log, batch(null, entry(entries.length + 1, 1, "c".repeat(200 + shift))));
    directory.close();
    const { tried, suspect } = suspectAfterCrashes(disk, 10);
    assert(tried > 40 && suspect === 0, `${suspect} of ${tried}, shift ${shift}`);
  }
});

Deno.test("a segment with records is not taken for one that was never used", () => {
  const { disk } = makeRecycled();
  const segments = scanLog(disk, "1/wal", OWNER, { index: 0, term: 0 }).segments;
  const [before, last] = segments.slice(-2) as [SegmentScan, SegmentScan];
  // The file before does not say any more that it has a successor, and this one looks new but for one
  // marker further on.
  disk.corrupt(before.path, (bytes) => bytes.fill(0, before.end - MARKER_BYTES, before.end));
  const writer = new RecordWriter();
  writer.begin(headChecksum(OWNER, last.head));
  const generation = segmentGeneration(OWNER, last.head.sequence);
  writer.endOfLog(generation, SEGMENT_HEAD_BYTES, SEGMENT_HEAD_BYTES);
  disk.corrupt(last.path, (bytes) => {
    bytes.set(writer.view().subarray(0, MARKER_BYTES), SEGMENT_HEAD_BYTES);
    return bytes;
  });
  const said = refusal(() => reopen(disk.clone()));
  assert(said?.includes("breaks off"), said ?? "it started");
});

Deno.test("a power loss at any operation of a life that writes over its segments loses nothing", () => {
  const start = makeRecycled();
  let operation = 0;
  let recycled = 0;
  for (let finished = false; !finished; operation++) {
    const disk = start.disk.clone();
    const entries = start.entries.slice();
    let acknowledged = entries.length;
    finished = livesThrough(disk, operation + 1, () => {
      const { log, directory, recovered } = reopen(disk);
      assertEquals(recovered.cutBytes, 0);
      for (let i = 0; i < 130; i++) {
        const fresh = entry(entries.length + 1, 1, `${i} again `.repeat(30));
        entries.push(fresh);
        persist(disk, log, batch(null, fresh));
        acknowledged = fresh.index;
        if (fresh.index % 40 !== 0) continue;
        const position = { index: fresh.index, term: 1 };
        takeSnapshot(disk, directory, position, contentsOf(entries, fresh.index), 4_000);
        log.compact(fresh.index + 1);
        disk.completeAll();
      }
    });
    for (const { remains, note } of remainsOf(disk, operation, 3)) {
      const { recovered } = reopen(remains);
      const { entries: found, hardState, snapshot } = recovered;
      for (const one of found) assertEquals(one, entries[one.index - 1], note);
      const last = found.at(-1)?.index ?? snapshot?.position.index ?? 0;
      assert(last === acknowledged || last === acknowledged + 1, `${last}, ${note}`);
      // Suspect it may be where a batch was under way, and where its tail was torn.
      assertEquals(hardState, vote(1, 1, recovered.cutBytes > 0), note);
      if (lastHead(remains).recycled) recycled++;
    }
  }
  assert(operation > 300 && recycled > 300, `${operation} operations, ${recycled} recycled`);
});

Deno.test("a write that finds no room in a recycled segment leaves the log's end where it was", () => {
  const server = makeRecycled();
  const { disk, log, entries } = server;
  const { path, end } = lastScan(disk);
  // A file system that needs room to overwrite, and has some again later.
  let refusals = Infinity;
  disk.faults.writeFails = (name) => {
    if (name === path && refusals-- > 0) throw new DiskFullError("no room");
    return false;
  };
  const told: (Error | null)[] = [];
  log.persist(batch(null, server.next()), (error) => told.push(error));
  disk.completeAll();
  assert(told[0] instanceof DiskFullError && !log.hasRoom());
  const copy = disk.clone();
  assertEquals(lastScan(copy).end, end);
  assertEquals(reopen(copy).recovered.hardState, vote(1, 1));
  // The batch, and what would take it back.
  refusals = 1;
  log.persist(batch(null, server.next()), (error) => told.push(error));
  disk.completeAll();
  assertEquals(lastScan(disk).usedEnd, lastScan(disk).end);
  refusals = 0;
  persist(disk, log, batch(null, server.next()));
  disk.kill();
  const { recovered } = reopen(disk);
  assertEquals([recovered.cutBytes, recovered.hardState.suspect], [0, false]);
  assertEquals(recovered.entries.at(-1)?.index, entries.length + 1);
});

Deno.test("a received snapshot restarts the log in a spare, and what was in it never counts", () => {
  const server = makeRecycled();
  const { disk, log, directory } = server;
  while (spares(disk).length === 0) server.write();
  const position = { index: server.entries.length + 500, term: 3 };
  takeSnapshot(disk, directory, position, "another state");
  settled(disk, (done) => log.restart(position, done));
  assert(lastHead(disk).recycled);
  persist(disk, log, batch(vote(4, 2), entry(position.index + 1, 4)));
  disk.powerLoss(new Random(3));
  const { recovered } = reopen(disk);
  assertEquals(recovered.entries, [entry(position.index + 1, 4)]);
  assertEquals(recovered.hardState, vote(4, 2));
});

Deno.test("an inspection finds nothing wrong with recycled segments, and lists their records", () => {
  const server = makeRecycled();
  const { disk } = server;
  while (spares(disk).length === 0) server.write();
  const report = inspectDirectory(disk, "1", { records: true });
  assertEquals(report.problems, []);
  assertEquals(report.log?.tornBytes, 0);
  assertEquals(report.log?.lastIndex, server.entries.length);
  assertEquals(report.records!.filter(({ kind }) => kind === "damaged" || kind === "unknown"), []);
  assert(report.notes.some((note) => note.includes("is a spare, kept to be recycled")));
  assert(report.records!.at(-1)!.text.endsWith("the log's end"));
});
