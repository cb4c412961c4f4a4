/** Spare segments: how many there are, that they never stand in anybody's way, and that none is left. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { type DiskFile, DiskFullError } from "../../lib/host/ports.ts";
import { listSegments } from "../../lib/storage/recovery/scan_log.ts";
import { SNAPSHOT_RESERVE_FILE } from "../../lib/storage/reserves/snapshot_reserve.ts";
import { SPARE_SUFFIX } from "../../lib/storage/segments/spare_segments.ts";
import { Random } from "../../lib/util/random.ts";
import { SimCrash, SimDisk } from "../sim/sim_disk.ts";
import { batch, entry, openFormed, persist, refusal, seekRoom, vote } from "./helpers.ts";
import { lastScan, makeRecycled, reopen, SIZES, spares } from "./recycled_helpers.ts";
import { settled, takeSnapshot } from "./snapshot_helpers.ts";

/** A server that writes large entries, and takes its snapshots when it is told to. */
class Writer {
  readonly disk = new SimDisk();
  readonly opened = openFormed(this.disk, { ...SIZES, reserveBytes: 16_000 });
  index = 0;

  constructor() {
    persist(this.disk, this.opened.log, batch(vote(1, 1)));
  }

  upTo(index: number): void {
    while (this.index < index) {
      persist(this.disk, this.opened.log, batch(null, entry(++this.index, 1, "v".repeat(900))));
    }
  }

  takeSnapshot(): void {
    takeSnapshot(
      this.disk,
      this.opened.directory,
      { index: this.index, term: 1 },
      "x".repeat(1000),
    );
  }

  /** Asks for it; it takes place when the disk completes. */
  compact(): void {
    this.opened.log.compact(this.index + 1);
  }
}

/** Two snapshots, and much of the log before the older one. */
function readyToCompact(entries = 100): Writer {
  const writer = new Writer();
  for (const index of [entries, 2 * entries]) {
    writer.upTo(index);
    writer.takeSnapshot();
  }
  return writer;
}

/** Refuses the first `count` names of spares. */
function refuseNames(disk: SimDisk, count = Infinity): { refused: number } {
  const rename = disk.renameLater.bind(disk);
  const told = { refused: 0 };
  disk.renameLater = (from, to, done) => {
    if (!to.endsWith(SPARE_SUFFIX) || told.refused >= count) return rename(from, to, done);
    told.refused++;
    disk.later("names", from, () => done(new DiskFullError("no room for a name")));
  };
  return told;
}

Deno.test("spares are recycled before the reserve when the disk is full, and survive a restart", () => {
  const server = makeRecycled();
  const { disk, log } = server;
  while (spares(disk).length === 0) server.write();
  disk.hasGreedyNeighbour = true;
  const had = spares(disk).length;
  const { path } = lastScan(disk);
  while (lastScan(disk).path === path) server.write();
  assertEquals([lastScan(disk).head.recycled, spares(disk).length < had], [true, true]);
  assert(log.hasRoom(), "the reserve was used");
  disk.hasGreedyNeighbour = false;
  disk.capacityBytes = Infinity;
  while (spares(disk).length === 0) server.write();
  const left = spares(disk);
  disk.kill();
  const again = reopen(disk);
  assertEquals(spares(disk), left);
  assertEquals(again.recovered.entries.at(-1), server.entries.at(-1));
  assert(again.log.bytes() > left.length * SIZES.segmentBytesMax);
});

Deno.test("a batch longer than every file gets the room of spares, one try after the other", () => {
  const server = makeRecycled();
  const { disk, log } = server;
  while (spares(disk).length === 0) server.write();
  disk.capacityBytes = disk.usedBytes() + 2_000;
  const large = entry(server.entries.length + 1, 1, "x".repeat(20_500));
  assertThrows(() => persist(disk, log, batch(null, large)), DiskFullError);
  persist(disk, log, batch(null, large));
  assert(disk.exists("1/reserve"), "the reserve was used");
});

Deno.test("a snapshot that finds the disk full gets the spares' room the next time", () => {
  const server = makeRecycled();
  const { disk, directory, entries } = server;
  while (spares(disk).length === 0) server.write();
  server.write();
  assert(spares(disk).length > 0, "they were used up");
  disk.capacityBytes = disk.usedBytes();
  const position = { index: entries.length, term: 1 };
  let said: Error | null = null;
  // Longer than the reserve, which is one of the snapshots before.
  const bytes = disk.contents(`1/snapshot/${SNAPSHOT_RESERVE_FILE}`).length + 10_000;
  const take = () => takeSnapshot(disk, directory, position, "x".repeat(bytes), 60_000);
  try {
    take();
  } catch (error) {
    said = error as Error;
  }
  assert(said instanceof DiskFullError, String(said));
  disk.completeAll();
  take();
  assertEquals(directory.snapshots.list()[0], position);
});

Deno.test("a disk with no room for a spare's name loses the segment, and continues", () => {
  const server = makeRecycled();
  const { disk } = server;
  const rename = disk.renameLater.bind(disk);
  let refused = 0;
  disk.renameLater = (from, to, done) => {
    if (!to.endsWith(SPARE_SUFFIX)) return rename(from, to, done);
    refused++;
    disk.later("names", from, () => done(new DiskFullError("no room for a name")));
  };
  const before = listSegments(disk, "1/wal")[0]!;
  for (let i = 0; i < 200; i++) server.write();
  assert(refused > 0 && listSegments(disk, "1/wal")[0]! > before);
  assertEquals(spares(disk), []);
  disk.powerLoss(new Random(7));
  assertEquals(reopen(disk).recovered.entries.at(-1), server.entries.at(-1));
});

Deno.test("a snapshot that can't even be created has one given up", () => {
  const { disk, opened, index } = readyToCompact();
  opened.log.compact(index + 1);
  disk.completeAll();
  const had = spares(disk).length;
  assert(had > 0);
  const open = disk.open.bind(disk);
  disk.open = (path, how) => {
    if (how?.create === true && path.includes("/snapshot/")) throw new DiskFullError("no room");
    return open(path, how);
  };
  let said: unknown = null;
  try {
    opened.directory.snapshots.receive({ index: index + 1, term: 1 }, 100);
  } catch (error) {
    said = error;
  }
  assert(said instanceof DiskFullError, String(said));
  disk.completeAll();
  assertEquals(spares(disk).length, had - 1);
});

Deno.test("on a full disk every file is kept, the reserve is made of one, and others go with time", () => {
  const writer = readyToCompact();
  const { disk, opened: { log } } = writer;
  disk.capacityBytes = disk.usedBytes();
  disk.hasGreedyNeighbour = true;
  writer.upTo(writer.index + 12);
  assert(!log.hasRoom(), "the reserve was not used");
  const segments = listSegments(disk, "1/wal").length;
  writer.compact();
  disk.completeAll();
  const left = listSegments(disk, "1/wal").length;
  assertEquals(spares(disk).length, segments - left);
  seekRoom(disk, log, 20_000);
  assert(log.hasRoom(), "spare segments are no room");
  assert(disk.contents("1/reserve").length >= 16_000);
  writer.compact();
  disk.completeAll();
  assert(spares(disk).length <= listSegments(disk, "1/wal").length, `${spares(disk)}`);
});

Deno.test("never more of them than the log has segments", () => {
  const writer = readyToCompact(600);
  writer.compact();
  writer.disk.completeAll();
  const counts = () => [listSegments(writer.disk, "1/wal").length, spares(writer.disk).length];
  assert(counts()[1]! > 20, `${counts()}`);
  for (let i = 0; i < 4; i++) {
    writer.upTo(writer.index + 20);
    writer.takeSnapshot();
    writer.compact();
    writer.disk.completeAll();
  }
  assert(counts()[1]! <= counts()[0]!, `${counts()}`);
});

Deno.test("nor after a received snapshot", () => {
  const { disk, opened: { log, directory }, index } = readyToCompact(600);
  log.compact(index + 1);
  disk.completeAll();
  const position = { index: index + 500, term: 3 };
  takeSnapshot(disk, directory, position, "another state");
  settled(disk, (done) => log.restart(position, done));
  disk.completeAll();
  assertEquals([listSegments(disk, "1/wal").length, spares(disk).length], [1, 1]);
});

Deno.test("bytes are counted once, those of spares too", () => {
  const writer = readyToCompact();
  const { disk, opened: { log } } = writer;
  const before = log.bytes();
  writer.compact();
  assert(log.bytes() <= before, `${before} before, ${log.bytes()} with one on its way`);
  disk.completeAll();
  while (!lastScan(disk).head.recycled) writer.upTo(writer.index + 1);
  const { end, length } = { end: lastScan(disk).end, length: SIZES.segmentBytesMax };
  assert(end < length && spares(disk).length > 0);
  const names = listSegments(disk, "1/wal");
  const reserveBytes = 16_000;
  const most = (names.length + spares(disk).length) * length + reserveBytes;
  assert(log.bytes() <= most && log.bytes() > most - names.length * 1_200, `${log.bytes()}`);
});

Deno.test("a log leaves no gap where a spare's name finds no room", () => {
  let crashes = 0;
  let refused = 0;
  for (let operation = 1, finished = false; !finished; operation++) {
    for (let seed = 0; seed < 8; seed++) {
      const writer = readyToCompact();
      const { disk } = writer;
      const told = refuseNames(disk, 1);
      disk.crashAtOperation = disk.operations + operation;
      try {
        writer.compact();
        disk.completeAll();
        finished = true;
      } catch (error) {
        if (!(error instanceof SimCrash)) throw error;
        crashes++;
      }
      disk.powerLoss(new Random(seed));
      const left = listSegments(disk, "1/wal");
      const hasGap = left.some((one, i) => i > 0 && one !== left[i - 1]! + 1);
      assert(!hasGap, `operation ${operation}, seed ${seed}: ${left}`);
      refused += told.refused;
    }
  }
  assert(refused > crashes / 2, `${refused}`);
  assert(crashes > 40, `${crashes}`);
});

Deno.test("a spare that can't be overwritten is removed, and the segment becomes a new file", () => {
  const server = makeRecycled();
  const { disk } = server;
  while (spares(disk).length === 0) server.write();
  disk.faults.writeFails = (path) => {
    if (path.endsWith(SPARE_SUFFIX)) throw new DiskFullError("no room");
    return false;
  };
  const { path } = lastScan(disk);
  while (lastScan(disk).path === path) server.write();
  assertEquals([lastScan(disk).head.recycled, spares(disk)], [false, []]);
});

/** `file`, of whose next write above 96 bytes only 60 find room. */
function withShortWrite(file: DiskFile, isFull: { next: boolean }): DiskFile {
  return {
    path: file.path,
    size: () => file.size(),
    read: (offset, into) => file.read(offset, into),
    readLater: (offset, into, done) => file.readLater(offset, into, done),
    write(offset, bytes) {
      if (!isFull.next || bytes.length <= 96) return file.write(offset, bytes);
      isFull.next = false;
      file.write(offset, bytes.subarray(0, 60));
      throw new DiskFullError("no room");
    },
    writeLater: (offset, bytes, done) => file.writeLater(offset, bytes, done),
    truncate: (size) => file.truncate(size),
    truncateLater: (size, done) => file.truncateLater(size, done),
    sync: (done) => file.sync(done),
    syncNow: () => file.syncNow(),
    close: () => file.close(),
  };
}

Deno.test("an end of a segment of which a part found no room is no end", () => {
  for (let operation = 1; operation < 16; operation++) {
    for (let seed = 0; seed < 8; seed++) {
      const { disk, entries } = makeRecycled();
      const { path, head } = lastScan(disk);
      disk.kill();
      const isFull = { next: false };
      const open = disk.open.bind(disk);
      disk.open = (name, how) => {
        const file = open(name, how);
        return name === path ? withShortWrite(file, isFull) : file;
      };
      const { log } = reopen(disk);
      isFull.next = true;
      disk.crashAtOperation = disk.operations + operation;
      const large = entry(entries.length + 1, 1, "x".repeat(head.length - 2_000));
      try {
        log.persist(batch(null, large), () => {});
        disk.completeAll();
      } catch (error) {
        if (!(error instanceof SimCrash)) throw error;
      }
      disk.powerLoss(new Random(seed));
      assertEquals(refusal(() => reopen(disk)), null, `operation ${operation}, seed ${seed}`);
    }
  }
});

Deno.test("startup continues to remove what the last run had begun to remove", () => {
  const writer = readyToCompact();
  const { disk, opened: { directory, log } } = writer;
  const before = listSegments(disk, "1/wal").length;
  log.compact(writer.index + 1);
  directory.close();
  disk.completeAll();
  assert(listSegments(disk, "1/wal").length > before - 2, "it was all removed at once");
  const next = reopen(disk);
  disk.completeAll();
  const left = listSegments(disk, "1/wal").length;
  assert(left < before - 2, `${before} segments, ${left} after startup`);
  assertEquals(next.recovered.cutBytes, 0);
  disk.kill();
  assertEquals(reopen(disk).recovered.snapshot?.position.index, writer.index);
});
