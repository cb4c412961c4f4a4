/** Entries that left memory, read from the files: over borders, after replacements, damage, and removal. */
import { assert, assertEquals } from "@std/assert";
import type { EntriesRequest, Entry } from "../../lib/raft/types.ts";
import type { DataDirectory } from "../../lib/storage/data_directory.ts";
import { DataDirectoryError } from "../../lib/storage/errors.ts";
import type { LogStorage } from "../../lib/storage/types.ts";
import { Random } from "../../lib/util/random.ts";
import { SimDisk } from "../sim/sim_disk.ts";
import { batch, entry, openFormed, persist, segmentPath } from "./helpers.ts";
import { takeSnapshot } from "./snapshot_helpers.ts";

const EVERYTHING = 1_000_000;

interface Answer {
  readonly error: Error | null;
  readonly entries: readonly Entry[] | null;
}

function begin(log: LogStorage, request: Partial<EntriesRequest>): { answer: Answer | null } {
  const told: { answer: Answer | null } = { answer: null };
  const whole = { follower: 2, fromIndex: 0, toIndex: 1, bytesMax: EVERYTHING, ...request };
  log.reader.read(whole, (error, entries) => told.answer = { error, entries });
  assertEquals(told.answer, null, "answered from within the call");
  return told;
}

function read(disk: SimDisk, log: LogStorage, request: Partial<EntriesRequest>): Answer {
  const told = begin(log, request);
  disk.completeAll();
  return told.answer!;
}

/** Reads all from `fromIndex` to `toIndex` by as many requests as it takes. */
function readAll(
  disk: SimDisk,
  log: LogStorage,
  fromIndex: number,
  toIndex: number,
  bytesMax: number,
): Entry[] {
  const all: Entry[] = [];
  for (let from = fromIndex; from < toIndex;) {
    const { error, entries } = read(disk, log, { fromIndex: from, toIndex, bytesMax });
    if (error !== null || entries === null || entries.length < 2) {
      throw new Error(`Nothing to be read from ${from} on: ${error}`);
    }
    all.push(...(all.length === 0 ? entries : entries.slice(1)));
    from = entries.at(-1)!.index;
  }
  return all;
}

/** Entries 1 to `count`, one a batch, over several segments of 4 KiB. */
function filled(count: number) {
  const disk = new SimDisk();
  const { log, directory } = openFormed(disk);
  const entries = Array.from({ length: count }, (_, at) => entry(at + 1, 1, "x".repeat(300)));
  for (const one of entries) persist(disk, log, batch(null, one));
  return { disk, directory, log, entries };
}

Deno.test("read: from the beginning, and from the middle, over borders of segments", () => {
  const { disk, log, entries } = filled(60);
  assert(disk.exists(segmentPath(4)), "the log has several segments");
  const all = readAll(disk, log, 0, 60, EVERYTHING);
  assertEquals(all[0], { index: 0, term: 0, data: new Uint8Array(0) });
  assertEquals(all.slice(1), entries);
  for (let from = 1; from < 60; from++) {
    assertEquals(readAll(disk, log, from, 60, 1), entries.slice(from - 1), `from ${from}`);
  }
  const { entries: some } = read(disk, log, { fromIndex: 3, toIndex: 5 });
  assertEquals(some, entries.slice(2, 5));
});

Deno.test("read: never beyond the last entry wanted, and nothing that is not there", () => {
  const { disk, log } = filled(10);
  assertEquals(read(disk, log, { fromIndex: 10, toIndex: 12 }), { error: null, entries: null });
  assertEquals(read(disk, log, { fromIndex: 30, toIndex: 32 }), { error: null, entries: null });
  assertEquals([log.reader.reaches(0), log.reader.reaches(1), log.reader.reaches(10)], [
    true,
    true,
    true,
  ]);
});

Deno.test("read: what was replaced is not read, in one segment or another, before or after a restart", () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = new Random(seed);
    const disk = new SimDisk();
    let { log, directory } = openFormed(disk);
    let entries: Entry[] = [];
    let term = 1;
    for (let i = 0; i < 60; i++) {
      const replaces = random.chance(0.2) && entries.length > 0;
      if (replaces) {
        entries = entries.slice(
          0,
          random.between(Math.max(0, entries.length - 20), entries.length),
        );
        term++;
      }
      const added: Entry[] = [];
      for (let k = random.between(1, 6); k > 0; k--) {
        const index = entries.length + added.length + 1;
        added.push(entry(index, term, `${term}${"y".repeat(random.between(0, 400))}`));
      }
      persist(disk, log, batch(null, ...added));
      entries.push(...added);
      if (random.chance(0.05)) {
        directory.close();
        disk.completeAll();
        ({ log, directory } = openFormed(disk));
      }
      const from = random.between(0, entries.length - 1);
      const bytesMax = random.pick([1, 2_000, EVERYTHING]);
      const all = readAll(disk, log, from, entries.length, bytesMax);
      assertEquals(all.slice(1), entries.slice(from), `seed ${seed}, round ${i}`);
      assertEquals(all[0]!.term, from === 0 ? 0 : entries[from - 1]!.term);
    }
    directory.close();
  }
});

Deno.test("read: a damaged record is found, whatever byte of it, and up to there nothing is read again", () => {
  const { disk: whole, entries } = filled(40);
  const path = segmentPath(2);
  let damaged = 0;
  for (let at = 110; at < 4_096; at += 97) {
    const disk = whole.clone();
    const { log } = openFormed(disk);
    disk.corrupt(path, (bytes) => {
      bytes[at]! ^= 1;
      return bytes;
    });
    for (let from = 0; from < 40;) {
      const { error, entries: found } = read(disk, log, {
        fromIndex: from,
        toIndex: 40,
        bytesMax: 1,
      });
      if (found === null) {
        damaged++;
        assertEquals(error instanceof DataDirectoryError, true);
        assertEquals(error?.message.slice(0, path.length), path);
        assertEquals(log.reader.reaches(from), false);
        break;
      }
      const last = found.at(-1)!.index;
      assertEquals(found.slice(from === 0 ? 1 : 0), entries.slice(Math.max(0, from - 1), last));
      from = last;
    }
  }
  // Markers between two runs are not read at all.
  assert(damaged >= 35, `${damaged}`);
});

Deno.test("read: a file that the disk does not give is told like a damaged one, and what comes after it is read", () => {
  for (const harm of ["read", "open", "cut"] as const) {
    const { disk, log, entries } = filled(40);
    const path = segmentPath(2);
    const last = () => log.reader.reaches(30);
    assertEquals([log.reader.reaches(2), last()], [true, true]);
    if (harm === "open") disk.vanish(path);
    else if (harm === "cut") disk.corrupt(path, (bytes) => bytes.subarray(0, 100));
    else disk.faults.readFails = (one) => one === path;
    let from = 0;
    let told = read(disk, log, { fromIndex: from, toIndex: 40, bytesMax: 1 });
    while (told.entries !== null) {
      from = told.entries.at(-1)!.index;
      told = read(disk, log, { fromIndex: from, toIndex: 40, bytesMax: 1 });
    }
    assert(from > 5 && from < 20, `${harm}: up to ${from}`);
    const { error } = told;
    assert(error instanceof DataDirectoryError && error.message.includes(path), `${error}`);
    // Up to there nothing is read again; the segments after it are whole.
    assertEquals([log.reader.reaches(2), log.reader.reaches(from), last()], [false, false, true]);
    assertEquals(read(disk, log, { fromIndex: from, toIndex: 40 }), { error: null, entries: null });
    assertEquals(readAll(disk, log, 30, 40, EVERYTHING), entries.slice(29));
  }
});

Deno.test("read: a file that went while it was to be read is no damage, whatever the disk says", () => {
  const { disk, directory, log } = filled(60);
  const { held } = holdReads(disk);
  const told = begin(log, { fromIndex: 1, toIndex: 40 });
  takeSnapshots(disk, directory, 48, 50);
  log.compact(51);
  disk.completeAll();
  disk.faults.readFails = () => true;
  held[0]!();
  assertEquals(told.answer, { error: null, entries: null });
});

/** Reads that are asked for wait in `held`; those after `release` don't. */
function holdReads(disk: SimDisk): { readonly held: (() => void)[]; release(): void } {
  const held: (() => void)[] = [];
  const later = disk.later.bind(disk);
  disk.later = (kind, path, run) => {
    if (kind === "read") held.push(run);
    else later(kind, path, run);
  };
  return { held, release: () => disk.later = later };
}

/** Two snapshots, so that the log before the older one is not needed. */
function takeSnapshots(disk: SimDisk, directory: DataDirectory, ...indexes: number[]): void {
  for (const index of indexes) takeSnapshot(disk, directory, { index, term: 1 }, `at ${index}`);
}

Deno.test("read: files that go while they are read, and are written over, are no damage", () => {
  const { disk, directory, log, entries } = filled(60);
  const { held, release } = holdReads(disk);
  const told = begin(log, { fromIndex: 1, toIndex: 40 });
  takeSnapshots(disk, directory, 48, 50);
  log.compact(51);
  disk.completeAll();
  for (let index = 61; index < 160; index++) {
    const one = entry(index, 1, "z".repeat(300));
    entries.push(one);
    persist(disk, log, batch(null, one));
  }
  assertEquals([held.length, told.answer], [1, null]);
  held[0]!();
  assertEquals(told.answer, { error: null, entries: null });
  assertEquals(log.reader.reaches(1), false);
  release();
  assertEquals(readAll(disk, log, 80, 150, 1_000), entries.slice(79, 150));
});

Deno.test("compaction keeps what followers need, up to a bound, and nothing of that on a full disk", () => {
  const needed = (bytesMax: number, fromIndex = 5) => {
    const { disk, directory, log } = filled(100);
    takeSnapshots(disk, directory, 90, 95);
    log.compact(96, { fromIndex, bytesMax });
    disk.completeAll();
    return { disk, log, directory };
  };
  const { log, disk } = needed(EVERYTHING);
  assertEquals([log.reader.reaches(5), log.reader.reaches(89)], [true, true]);
  log.compact(96, { fromIndex: 60, bytesMax: EVERYTHING });
  disk.completeAll();
  assertEquals([log.reader.reaches(30), log.reader.reaches(60)], [false, true]);
  log.compact(96);
  disk.completeAll();
  assertEquals([log.reader.reaches(60), log.reader.reaches(91)], [false, true]);

  const bounded = needed(10_000).log;
  assertEquals([bounded.reader.reaches(60), bounded.reader.reaches(75)], [false, true]);

  const full = needed(EVERYTHING);
  full.disk.capacityBytes = full.disk.usedBytes();
  for (let index = 101; full.log.hasRoom(); index++) {
    persist(full.disk, full.log, batch(null, entry(index, 1, "x".repeat(300))));
  }
  full.log.compact(96, { fromIndex: 5, bytesMax: EVERYTHING });
  full.disk.completeAll();
  assertEquals([full.log.reader.reaches(5), full.log.reader.reaches(89)], [false, false]);
});

Deno.test("a full disk: what is kept for followers goes first, and sets are not refused for it", () => {
  const { disk, directory, log } = filled(100);
  takeSnapshots(disk, directory, 90, 95);
  log.compact(96, { fromIndex: 5, bytesMax: EVERYTHING });
  disk.completeAll();
  const keptBytes = disk.usedBytes();
  disk.capacityBytes = keptBytes;
  for (let index = 101; index < 150; index++) {
    persist(disk, log, batch(null, entry(index, 1, "x".repeat(300))));
    assertEquals(log.hasRoom(), true, `entry ${index}`);
  }
  assertEquals(log.reader.reaches(5), false);
  const recovered = openAgain(disk);
  assertEquals(recovered.entries.at(-1)?.index, 149);
  assert(recovered.entries[0]!.index <= 91, "its own part of the log is all there");
});

Deno.test("a full disk: once the log has begun anew, nothing of it is given up", () => {
  const { disk, directory, log } = filled(100);
  takeSnapshots(disk, directory, 90, 95);
  log.compact(96, { fromIndex: 5, bytesMax: EVERYTHING });
  disk.completeAll();
  takeSnapshots(disk, directory, 200);
  let error: Error | null | undefined;
  log.restart({ index: 200, term: 1 }, (told) => error = told);
  disk.completeAll();
  assertEquals(error, null);
  for (let index = 201; index < 240; index++) {
    persist(disk, log, batch(null, entry(index, 1, "x".repeat(300))));
  }
  disk.capacityBytes = disk.usedBytes();
  for (let index = 240; log.hasRoom(); index++) {
    persist(disk, log, batch(null, entry(index, 1, "x".repeat(300))));
  }
  assertEquals([log.reader.reaches(200), openAgain(disk).entries[0]?.index], [true, 201]);
});

/** What the next process finds. */
function openAgain(disk: SimDisk) {
  disk.kill();
  disk.capacityBytes = Infinity;
  return openFormed(disk).recovered;
}
