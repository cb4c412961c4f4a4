/** When the snapshots' reserves count as too short, and how much of them a batch gets on a full disk. */
import { assert, assertEquals } from "@std/assert";
import {
  SNAPSHOT_RESERVE_FILES,
  SnapshotReserves,
} from "../../lib/storage/reserves/snapshot_reserves.ts";
import type { LogStorage } from "../../lib/storage/types.ts";
import { SimDisk } from "../sim/sim_disk.ts";
import { batch, entry, openFormed, persist, vote } from "./helpers.ts";

const MEBIBYTE = 1_048_576;
const SIZES = { segmentBytesMax: 6_000, reserveBytes: 16_384 };

/** The disk is full from now on; entries, until the log's own reserve is used up. */
function fillUp(disk: SimDisk, log: LogStorage): void {
  disk.capacityBytes = disk.usedBytes();
  let index = 1;
  for (let error: Error | null = null; error === null;) {
    const two = [1, 2].map((n) => entry(index + n, 1, "d".repeat(100)));
    log.persist(batch(null, ...two), (failure) => error = failure);
    disk.completeAll();
    if (error === null) index += 2;
  }
}

/** Bytes of all reserves of snapshots. */
function reserved(disk: SimDisk): number {
  return SNAPSHOT_RESERVE_FILES.map((name) => `1/snapshot/${name}`)
    .reduce((sum, path) => sum + (disk.exists(path) ? disk.contents(path).length : 0), 0);
}

Deno.test("snapshot reserves: on a disk that has room again a piece that the snapshots' reserves gave up stops no sets", () => {
  const disk = new SimDisk();
  disk.copiesOnWrite = true;
  let opened = openFormed(disk, SIZES);
  persist(disk, opened.log, batch(vote(1, 1), entry(1, 1)));
  let nowMs = 0;
  /** So many looks for room while the store's snapshot would have `bytes`; how many found none. */
  const looks = (bytes: number, count: number) => {
    let without = 0;
    for (let i = 0; i < count; i++) {
      nowMs += 100;
      opened.directory.snapshots.keepReserve(bytes, nowMs);
      opened.log.seekRoom(nowMs);
      disk.completeAll();
      if (!opened.log.hasRoom()) without++;
    }
    return without;
  };
  looks(30 * MEBIBYTE, 3_000);
  fillUp(disk, opened.log);
  disk.kill();
  opened = openFormed(disk, SIZES);
  for (let i = 0; i < 3; i++) persist(disk, opened.log, batch(vote(10 + i, 2)));
  disk.capacityBytes = Infinity;
  looks(30 * MEBIBYTE, 1_000); // it recovers
  let without = 0;
  for (let bytes = 30 * MEBIBYTE; bytes < 36 * MEBIBYTE; bytes += 50_000) {
    without += looks(bytes, 1);
  }
  assertEquals(without, 0, "looks that found no room on an empty disk");
});

Deno.test("snapshot reserves: reserves that were too short, and then not needed, are not short when they are needed again", () => {
  const disk = new SimDisk();
  disk.makeDirectory("1");
  disk.makeDirectory("1/snapshot");
  const reserves = new SnapshotReserves(disk, "1/snapshot", 16 * MEBIBYTE, () => {}, () => false);
  reserves.start();
  let nowMs = 0;
  const shortTicks = (bytes: number, snapshots: number) => {
    let short = 0;
    for (let i = 0; i < 1_000; i++) {
      reserves.keep(bytes, snapshots, nowMs += 10);
      if (reserves.isShort) short++;
      disk.completeAll();
    }
    return short;
  };
  disk.capacityBytes = disk.usedBytes() + 12 * MEBIBYTE;
  assert(shortTicks(5 * MEBIBYTE, 0) > 0, "three are wanted, and there is room for less than two");
  disk.capacityBytes = Infinity;
  shortTicks(5 * MEBIBYTE, 2);
  assertEquals(shortTicks(5 * MEBIBYTE, 1), 0);
});

Deno.test("snapshot reserves: one vote beside a greedy neighbour gives away one piece of the snapshots' reserves at most", () => {
  const disk = new SimDisk();
  disk.copiesOnWrite = true;
  const opened = openFormed(disk, SIZES);
  persist(disk, opened.log, batch(vote(1, 1), entry(1, 1)));
  for (let nowMs = 0; nowMs < 300_000; nowMs += 100) {
    opened.directory.snapshots.keepReserve(10 * MEBIBYTE, nowMs);
    disk.completeAll();
  }
  fillUp(disk, opened.log);
  disk.hasGreedyNeighbour = true;
  for (let term = 2; term < 12; term++) {
    const before = reserved(disk);
    assert(before > 10 * MEBIBYTE, `${before} bytes are left`);
    opened.log.persist(batch(vote(term, 2)), () => {});
    disk.completeAll();
    const given = before - reserved(disk);
    assert(given <= MEBIBYTE, `${given} bytes are gone with one vote`);
  }
});
