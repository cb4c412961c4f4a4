/** Zeroes ahead of the log's end: there for batches that need them, and never in anybody's way. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { type DiskFile, DiskFullError } from "../../lib/host/ports.ts";
import { Preallocation } from "../../lib/storage/wal/preallocation.ts";
import { SimDisk } from "../sim/sim_disk.ts";
import { batch, entry, openFormed, persist } from "./helpers.ts";

const MIB = 1_048_576;

/** A file that only says what was written to it. */
function recorder(isFull = false): { file: DiskFile; writes: [offset: number, count: number][] } {
  const writes: [number, number][] = [];
  const write = (offset: number, bytes: Uint8Array) => {
    if (isFull) throw new DiskFullError("no room");
    assertEquals(bytes.every((byte) => byte === 0), true);
    writes.push([offset, bytes.length]);
  };
  return { file: { path: "log", write } as unknown as DiskFile, writes };
}

Deno.test("preallocation: one step of zeroes serves many batches, and ends with the segment", () => {
  const { file, writes } = recorder();
  const room = new Preallocation(64 * MIB);
  const length = 2_200_000;
  for (let offset = 0; offset + 15_000 <= length; offset += 15_000) {
    room.before(file, offset, length, 15_000, 100);
  }
  // With each step the last of the batches that it was for has no room after it.
  const step = 65 * 15_000;
  assertEquals(writes, [[0, step], [step, 64 * 15_000], [129 * 15_000, length - 129 * 15_000]]);
  room.begin();
  room.before(file, 15_000, length, 15_000, 100);
  assertEquals(writes.at(-1), [15_000, step]);
});

Deno.test("preallocation: small batches get fewer zeroes, large ones no more than 1 MiB", () => {
  const { file, writes } = recorder();
  const room = new Preallocation(64 * MIB);
  room.before(file, 10_000, 4 * MIB, 100, 50);
  room.before(file, 100_000, 4 * MIB, 131_072, 50);
  assertEquals(writes, [[10_000, 65_636], [100_000, MIB + 131_072]]);
});

Deno.test("preallocation: the largest batches get what follows them alone, when they are written", () => {
  const { file, writes } = recorder();
  const room = new Preallocation(64 * MIB);
  assertEquals(room.before(file, 5_000, 4 * MIB, 131_073, 50), 0);
  assertEquals(writes, []);
  room.after(file, 5_000 + 131_073, 4 * MIB, 50);
  assertEquals(writes, [[5_000 + 131_073, 50]]);
});

Deno.test("preallocation: of small segments a part only, but what is sure to be needed always", () => {
  const { file, writes } = recorder();
  const room = new Preallocation(640_000);
  room.before(file, 1_000, 640_000, 500, 100);
  assertEquals(writes, [[1_000, 10_500]]);
  room.before(file, 11_450, 640_000, 50, 20_000);
  assertEquals(writes.at(-1), [11_500, 20_000]);
});

Deno.test("preallocation: on a full disk what is needed is asked for alone, and its absence is told", () => {
  const full = recorder(true);
  const room = new Preallocation(64 * MIB);
  const fails = () => room.before(full.file, 10_000, MIB, 10_000, 200);
  assertThrows(fails, DiskFullError);
  const { file, writes } = recorder();
  room.before(file, 10_000, MIB, 10_000, 200);
  room.before(file, 20_000, 4 * MIB, 200_000, 200);
  assertEquals(writes, [[10_000, 10_200], [20_200, 200_000]]);
});

Deno.test("preallocation: a startup after batches that had zeroes written for them is clean", () => {
  const disk = new SimDisk();
  const { log } = openFormed(disk, { segmentBytesMax: 65_536 });
  for (let index = 1; index <= 5; index++) {
    persist(disk, log, batch(null, entry(index, 1, "v".repeat(3_000))));
  }
  const [end, length] = [5 * 3_000, 65_536];
  const used = disk.usedBytes();
  assert(used > end && used < length, `${used} bytes are used`);
  disk.kill();
  const { recovered } = openFormed(disk, { segmentBytesMax: 65_536 });
  assertEquals([recovered.cutBytes, recovered.entries.length], [0, 5]);
});

Deno.test("the example at the head of preallocation.ts is what happens", () => {
  const { file, writes } = recorder();
  const preallocation = new Preallocation(64 * MIB);
  const steps: number[] = [];
  for (let n = 1, at = 104; n <= 132; n++, at += 500) {
    if (preallocation.before(file, at, 64 * MIB, 500, 176) > 0) steps.push(n);
  }
  assertEquals(steps, [1, 132]);
  assertEquals(writes.map(([from, count]) => [from, from + count]), [[104, 66_140], [
    66_140,
    131_640,
  ]]);
});
