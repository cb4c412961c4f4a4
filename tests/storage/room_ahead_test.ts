/** Zeroes ahead of the log's end: there for batches that need them, and never in anybody's way. */
import { assert, assertEquals } from "@std/assert";
import { type DiskFile, DiskFullError } from "../../lib/host/ports.ts";
import { RoomAhead } from "../../lib/storage/room_ahead.ts";
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

Deno.test("room ahead: one step of zeroes serves many batches, and ends with the segment", () => {
  const { file, writes } = recorder();
  const room = new RoomAhead(64 * MIB);
  const length = 2_200_000;
  for (let offset = 15_000; offset < length; offset += 15_000) {
    room.behind(file, offset, length, 15_000);
  }
  const step = 64 * 15_000;
  const second = 15_000 + step + 15_000;
  const third = second + step + 15_000;
  assertEquals(writes, [[15_000, step], [second, step], [third, length - third]]);
  room.begin();
  room.behind(file, 15_000, length, 15_000);
  assertEquals(writes.at(-1), [15_000, step]);
});

Deno.test("room ahead: small batches get fewer zeroes, large ones no more than 1 MiB, the largest none", () => {
  const { file, writes } = recorder();
  const room = new RoomAhead(64 * MIB);
  room.behind(file, 10_000, 4 * MIB, 100);
  room.behind(file, 100_000, 4 * MIB, 131_072);
  room.behind(file, 2 * MIB, 4 * MIB, 131_073);
  assertEquals(writes, [[10_000, 65_536], [100_000, MIB]]);
});

Deno.test("room ahead: of small segments a part only", () => {
  const { file, writes } = recorder();
  new RoomAhead(640_000).behind(file, 1_000, 640_000, 500);
  assertEquals(writes, [[1_000, 10_000]]);
});

Deno.test("room ahead: a full disk is no failure, and is not asked again at once", () => {
  const full = recorder(true);
  const room = new RoomAhead(64 * MIB);
  room.behind(full.file, 10_000, MIB, 10_000);
  const { file, writes } = recorder();
  room.behind(file, 20_000, MIB, 10_000);
  assertEquals(writes, []);
});

Deno.test("room ahead: a start behind batches that had zeroes written for them is clean", () => {
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
