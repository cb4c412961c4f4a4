import { assert, assertEquals, assertThrows } from "@std/assert";
import { DiskError, DiskFullError } from "../../lib/host/ports.ts";
import { Random } from "../../lib/util/random.ts";
import { SimDisk } from "../sim/sim_disk.ts";
import { settled, takeSnapshot } from "./snapshot_helpers.ts";
import { batch, entry, markSynced, openFormed, persist, seekRoom, vote } from "./helpers.ts";

Deno.test("what was persisted comes back after a clean close", () => {
  const disk = new SimDisk();
  const first = openFormed(disk);
  assertEquals(first.recovered.entries, []);
  assertEquals(first.recovered.hardState, vote(0, 0));
  persist(
    disk,
    first.log,
    batch(vote(1, 1)),
    batch(null, entry(1, 1), entry(2, 1)),
    batch(vote(2, 2), entry(3, 2)),
  );
  first.directory.close();
  const { recovered } = openFormed(disk);
  assertEquals(recovered.entries, [entry(1, 1), entry(2, 1), entry(3, 2)]);
  assertEquals(recovered.hardState, vote(2, 2));
  assertEquals(recovered.cutBytes, 0);
});

Deno.test("a snapshot that ends after a close removes nothing, and the next startup does", () => {
  const disk = new SimDisk();
  const first = openFormed(disk);
  for (let at = 1; at <= 40; at++) {
    persist(disk, first.log, batch(null, entry(at, 1, "x".repeat(400))));
  }
  takeSnapshot(disk, first.directory, { index: 30, term: 1 }, "thirty");
  takeSnapshot(disk, first.directory, { index: 35, term: 1 }, "thirty-five");
  const segments = () => disk.list("1/wal").filter((name) => name.endsWith(".log")).length;
  const before = segments();
  first.log.close();
  first.log.compact(36);
  disk.completeAll();
  assertEquals(segments(), before);
  first.directory.close();
  const { recovered, log } = openFormed(disk);
  assertEquals(recovered.entries.at(-1)?.index, 40);
  log.compact(36);
  disk.completeAll();
  assert(segments() < before, `${segments()} of ${before} segments are left`);
});

Deno.test("an entry at or below the last index replaces the suffix, over segments too", () => {
  const disk = new SimDisk();
  const { log, directory } = openFormed(disk, { segmentBytesMax: 600 });
  for (let index = 1; index <= 20; index++) persist(disk, log, batch(null, entry(index, 1)));
  persist(disk, log, batch(vote(2, 0), entry(5, 2), entry(6, 2)), batch(null, entry(6, 3)));
  directory.close();
  assert(disk.list("1/wal").length > 3);
  const { recovered } = openFormed(disk);
  const expected = [1, 2, 3, 4].map((index) => entry(index, 1));
  assertEquals(recovered.entries, [...expected, entry(5, 2), entry(6, 3)]);
  assertEquals(recovered.hardState, vote(2, 0));
});

Deno.test("a batch larger than a segment gets a segment of its own", () => {
  const disk = new SimDisk();
  const { log } = openFormed(disk, { segmentBytesMax: 600 });
  const large = entry(2, 1, "x".repeat(5000));
  persist(disk, log, batch(null, entry(1, 1)), batch(null, large), batch(null, entry(3, 1)));
  disk.powerLoss(new Random(1));
  const { recovered } = openFormed(disk, { segmentBytesMax: 600 });
  assertEquals(recovered.entries, [entry(1, 1), large, entry(3, 1)]);
});

Deno.test("a batch that needs a new segment tells of each sync on its way, another of none", () => {
  const disk = new SimDisk();
  const { log } = openFormed(disk, { segmentBytesMax: 600 });
  const told: number[] = [];
  for (let index = 1; index <= 12; index++) {
    let syncs = 0;
    const before = disk.list("1/wal").length;
    settled(disk, (done) => log.persist(batch(null, entry(index, 1)), done, () => syncs++));
    assertEquals(syncs, disk.list("1/wal").length > before ? 3 : 0);
    told.push(syncs);
  }
  assert(told.includes(3) && told.includes(0), `${told}`);
});

Deno.test("a log with a gap, or used while it syncs, is a bug and asserted", () => {
  const disk = new SimDisk();
  const { log } = openFormed(disk);
  assertThrows(() => log.persist(batch(null, entry(2, 1)), () => {}), Error, "gap");
  log.persist(batch(null, entry(1, 1)), () => {});
  assertThrows(() => log.persist(batch(null, entry(2, 1)), () => {}), Error, "under way");
});

Deno.test("markSynced writes one marker when idle, and nothing where there is one", () => {
  const disk = new SimDisk();
  const { log } = openFormed(disk);
  persist(disk, log, batch(null, entry(1, 1)));
  const before = log.bytes();
  markSynced(disk, log);
  const once = log.bytes();
  assert(once > before);
  markSynced(disk, log);
  assertEquals(log.bytes(), once);
});

Deno.test("a failed sync is reported once, and the log refuses all further use", () => {
  const disk = new SimDisk();
  const { log, directory } = openFormed(disk);
  persist(disk, log, batch(null, entry(1, 1)));
  disk.faults.syncFails = () => true;
  assertThrows(() => persist(disk, log, batch(null, entry(2, 1))), DiskError);
  disk.faults.syncFails = undefined;
  assertThrows(() => log.persist(batch(null, entry(2, 1)), () => {}), Error, "disk failed");
  assertThrows(() => log.markSynced(() => {}), Error, "disk failed");
  assertThrows(() => log.seekRoom(0), Error, "disk failed");
  directory.close();
});

Deno.test("what a failed sync left in the page cache alone is made durable before it is trusted", () => {
  const disk = new SimDisk();
  const { log } = openFormed(disk);
  const long = entry(2, 3, "long".repeat(500));
  persist(disk, log, batch(null, entry(1, 1)));
  disk.faults.syncFails = () => true;
  assertThrows(() => persist(disk, log, batch(vote(3, 2), long)), DiskError);
  disk.faults.syncFails = undefined;
  disk.kill();
  const second = openFormed(disk);
  assertEquals(second.recovered.entries, [entry(1, 1), long]);
  disk.powerLoss(new Random(1));
  const third = openFormed(disk);
  assertEquals(third.recovered.entries, [entry(1, 1), long]);
  assertEquals(third.recovered.hardState, vote(3, 2));
});

Deno.test("a write error ends the log as a failed sync does", () => {
  const disk = new SimDisk();
  const { log } = openFormed(disk);
  disk.faults.writeFails = () => true;
  assertThrows(() => persist(disk, log, batch(null, entry(1, 1))), DiskError);
  assertThrows(() => log.persist(batch(null, entry(1, 1)), () => {}), Error, "disk failed");
});

Deno.test("a full disk: the reserve carries on, then the batch is refused, then it heals", () => {
  const disk = new SimDisk();
  const { log } = openFormed(disk, { segmentBytesMax: 65_536, reserveBytes: 8192 });
  persist(disk, log, batch(null, entry(1, 1)));
  assert(log.hasRoom());
  disk.capacityBytes = disk.usedBytes();
  let index = 2;
  persist(disk, log, batch(null, entry(index++, 1, "x".repeat(3000))));
  assert(!log.hasRoom());
  seekRoom(disk, log, 20_000);
  assert(!log.hasRoom());
  persist(disk, log, batch(null, entry(index++, 1, "x".repeat(3000))));
  const refused = batch(vote(9, 9), entry(index, 1, "y".repeat(6000)));
  assertThrows(() => persist(disk, log, refused), DiskFullError);
  assert(!log.hasRoom());
  // Small things still fit, and go where the refused batch would have been.
  persist(disk, log, batch(vote(2, 2)), batch(null, entry(index, 2)));
  const copy = disk.clone();
  copy.powerLoss(new Random(2));
  copy.capacityBytes = Infinity;
  assertEquals(openFormed(copy).recovered.cutBytes, 0);
  disk.capacityBytes = Infinity;
  seekRoom(disk, log, 40_000);
  assert(log.hasRoom());
  persist(disk, log, batch(null, entry(index + 1, 2, "z".repeat(6000))));
  disk.powerLoss(new Random(3));
  const { recovered, log: again } = openFormed(disk, {
    segmentBytesMax: 65_536,
    reserveBytes: 8192,
  });
  assertEquals(recovered.entries.length, index + 1);
  assertEquals(recovered.entries[index - 1], entry(index, 2));
  assertEquals(recovered.hardState, vote(2, 2));
  assert(again.hasRoom());
});

Deno.test("a disk that fills up at any sector never costs what was acknowledged", () => {
  for (let sectors = 0; sectors < 60; sectors++) {
    const disk = new SimDisk();
    const small = { segmentBytesMax: 2000, reserveBytes: 1024 };
    const { log } = openFormed(disk, small);
    disk.capacityBytes = disk.usedBytes() + sectors * 512;
    const kept: number[] = [];
    let next = 1;
    for (let i = 0; i < 30; i++) {
      try {
        persist(disk, log, batch(vote(i + 1, 1), entry(next, i + 1, "x".repeat(i * 40))));
        kept.push(i + 1);
        next++;
      } catch (error) {
        assert(error instanceof DiskFullError, String(error));
      }
    }
    if (sectors < 20) assert(kept.length < 30, "the disk never filled up");
    disk.capacityBytes = Infinity;
    seekRoom(disk, log, 20_000);
    assert(log.hasRoom());
    persist(disk, log, batch(vote(50, 2), entry(next, 50)));
    disk.powerLoss(new Random(sectors));
    const { recovered } = openFormed(disk, small);
    assertEquals(recovered.entries.map(({ term }) => term), [...kept, 50]);
    assertEquals(recovered.hardState.term, 50);
  }
});
