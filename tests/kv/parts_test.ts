import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { shortChecksum, viewChecksum } from "../../lib/kv/memory/content_checksum.ts";
import { fromPosition, hashBytes, HashKey, toPosition } from "../../lib/kv/memory/hash.ts";
import { largeCapacity } from "../../lib/kv/memory/large_buffers.ts";
import {
  compareKeys,
  RecordHead,
  recordKeyLength,
  recordKeyStart,
} from "../../lib/kv/memory/record.ts";
import {
  CLASS_BYTES,
  LARGE_CLASS,
  sizeClass,
  SLOT_BYTES_MAX,
} from "../../lib/kv/memory/size_classes.ts";
import { NO_REF, Slabs } from "../../lib/kv/memory/slabs.ts";
import { PAGE_SLOTS, Table } from "../../lib/kv/memory/table.ts";
import { Random } from "../../lib/util/random.ts";
import { textOf } from "./model.ts";

Deno.test("a size class is the smallest that holds a record, and wastes little", () => {
  for (let bytes = 1; bytes <= SLOT_BYTES_MAX; bytes++) {
    const slotClass = sizeClass(bytes);
    const slotBytes = CLASS_BYTES[slotClass]!;
    assert(slotBytes >= bytes && slotBytes % 4 === 0);
    assert(slotBytes - bytes < Math.max(4, bytes / 16), `${bytes} bytes in ${slotBytes}`);
    if (slotClass > 0) assert(CLASS_BYTES[slotClass - 1]! < bytes);
  }
  assertEquals(sizeClass(SLOT_BYTES_MAX + 1), LARGE_CLASS);
  for (const bytes of [SLOT_BYTES_MAX + 1, 100_000, 1 << 20, (1 << 20) + 1, 17_000_000]) {
    const capacity = largeCapacity(bytes);
    assert(capacity >= bytes && capacity < bytes * 1.07);
  }
});

Deno.test("the checksum computed here is the native one, for any range", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(10), (bytes, start) => {
    const from = Math.min(start, bytes.length);
    assertEquals(shortChecksum(bytes, from, bytes.length), viewChecksum(bytes.subarray(from)));
  }));
});

Deno.test("a record's head comes back as written, at every width of its numbers", () => {
  const edges = [1, 0xff, 0x100, 0xffff, 0x1_0000, 0xff_ffff, 0x100_0000, 2 ** 32 - 1, 2 ** 32];
  const wide = [...edges, 2 ** 40 - 1, 2 ** 40, 2 ** 48 - 1, 2 ** 48, Number.MAX_SAFE_INTEGER];
  const bytes = new Uint8Array(64);
  const written = new RecordHead();
  const read = new RecordHead();
  for (const keyLength of [1, 255, 256, 65_535]) {
    for (const valueLength of [0, ...edges.filter((edge) => edge < 2 ** 31)]) {
      for (const version of wide) {
        for (const index of wide) {
          for (const hasDeadline of [false, true]) {
            written.prepare(keyLength, valueLength, version, index, hasDeadline);
            written.checksum = -version | 0;
            bytes.fill(0xee);
            written.write(bytes, 3);
            read.read(bytes, 3);
            if (read.version !== version || read.index !== index) assertEquals(read, written);
            if (read.keyLength !== keyLength || read.checksum !== written.checksum) {
              assertEquals(read, written);
            }
            if (read.valueLength !== valueLength || read.hasDeadline !== hasDeadline) {
              assertEquals(read, written);
            }
            if (recordKeyStart(bytes, 3) !== 3 + written.keyAt) assertEquals(read, written);
            if (recordKeyLength(bytes, 3) !== keyLength) assertEquals(read, written);
          }
        }
      }
    }
  }
  written.prepare(16, 100, 1, 1, false);
  assertEquals(written.keyAt, 11);
});

Deno.test("keys compare as their bytes do, a prefix first", () => {
  fc.assert(fc.property(
    fc.uint8Array({ max: 3, maxLength: 5 }),
    fc.uint8Array({ max: 3, maxLength: 5 }),
    (a, b) => {
      const order = compareKeys(a, 0, a.length, b, 0, b.length);
      const textA = textOf(a);
      const textB = textOf(b);
      assertEquals(Math.sign(order), textA < textB ? -1 : textA > textB ? 1 : 0);
    },
  ));
});

Deno.test("hashes depend on the seed, the bytes and the length, and spread evenly", () => {
  const key = new HashKey(1);
  const other = new HashKey(2);
  const bytes = new Uint8Array(16);
  const buckets = new Int32Array(256);
  for (let i = 0; i < 65_536; i++) {
    bytes[3] = i;
    bytes[9] = i >> 8;
    buckets[toPosition(hashBytes(key, bytes, 0, 16)) >>> 24]!++;
  }
  // 256 expected in each bucket; 6 standard deviations.
  assert(buckets.every((count) => Math.abs(count - 256) < 96));
  assert(hashBytes(key, bytes, 0, 16) !== hashBytes(other, bytes, 0, 16));
  const zeros = new Uint8Array(32);
  const ofLengths = new Set(Array.from(zeros, (_, length) => hashBytes(key, zeros, 0, length)));
  assertEquals(ofLengths.size, 32);
  for (const position of [0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1]) {
    assertEquals(toPosition(fromPosition(position)), position);
  }
  assert(toPosition(-5) < toPosition(3));
});

Deno.test("the table holds what it was given, in the order of hashes, while it grows and shrinks", () => {
  fc.assert(
    fc.property(fc.nat(), fc.constantFrom(0, 5000), fc.boolean(), (seed, hint, isCrowded) => {
      const random = new Random(seed);
      const table = new Table(hint);
      const refs = new Map<number, number>();
      // Crowded: all in a 256th of the hash space, so that groups split unevenly.
      const draw = () => isCrowded ? (random.u32() >>> 8) | 0 : random.u32() | 0;
      const check = () => {
        const seen: number[] = [];
        let position = 0;
        while (position < 2 ** 32 && table.next(fromPosition(position))) {
          const hash = table.words[table.at]!;
          assertEquals(table.words[table.at + PAGE_SLOTS], refs.get(hash));
          seen.push(hash);
          position = toPosition(hash) + 1;
        }
        assertEquals(seen, [...refs.keys()].sort((a, b) => a - b));
        assertEquals(table.length, refs.size);
      };
      for (const phase of [6000, -5000, 3000, -4000]) {
        for (let i = 0; i < phase; i++) {
          const hash = draw();
          if (refs.has(hash)) continue;
          for (table.seek(hash); table.isFull(); table.seek(hash)) table.grow();
          table.insertHere(hash, i);
          refs.set(hash, i);
        }
        const keys = [...refs.keys()];
        for (let i = phase; i < 0 && keys.length > 0; i++) {
          const hash = keys.pop()!;
          table.seekRef(hash, refs.get(hash)!);
          table.removeHere();
          refs.delete(hash);
        }
        check();
      }
    }),
    { numRuns: 8 },
  );
});

Deno.test("the table keeps entries of equal hash side by side", () => {
  const table = new Table();
  for (let i = 0; i < 200; i++) {
    for (const hash of [42, -42, i * 1_000_003 | 0]) {
      for (table.seek(hash); table.isFull(); table.seek(hash)) table.grow();
      table.insertHere(hash, i);
    }
  }
  for (const hash of [42, -42]) {
    for (let i = 0; i < 200; i++) table.seekRef(hash, i);
  }
});

Deno.test("slots stay dense: what is unused is rounding and one page of a class", () => {
  const random = new Random(3);
  const slabs = new Slabs();
  const sizes = [3, 20, 48, 100, 296, 1000, 1500, 4096, 5000, 30_000, 40_000];
  const held: { ref: number; size: number; id: number }[] = [];
  const tag = (ref: number, id: number) => {
    const view = new DataView(slabs.bytesOf(ref).buffer);
    view.setUint32(slabs.offsetOf(ref), id);
  };
  for (let step = 0; step < 20_000; step++) {
    if (held.length < 1000 || random.chance(0.5)) {
      const size = random.pick(sizes);
      const ref = slabs.take(size);
      tag(ref, step);
      held.push({ ref, size, id: step });
    } else {
      const at = random.between(0, held.length - 1);
      const gone = held[at]!;
      held[at] = held[held.length - 1]!;
      held.pop();
      const movedFrom = slabs.release(gone.ref, gone.size);
      const moved = held.find((record) => record.ref === movedFrom);
      assertEquals(moved !== undefined, movedFrom !== NO_REF);
      if (moved) moved.ref = gone.ref;
    }
  }
  assertEquals(new Set(held.map((record) => record.ref)).size, held.length);
  for (const { ref, id } of held) {
    const view = new DataView(slabs.bytesOf(ref).buffer);
    assertEquals(view.getUint32(slabs.offsetOf(ref)), id);
  }
  while (held.length > 0) {
    const gone = held.pop()!;
    const movedFrom = slabs.release(gone.ref, gone.size);
    const moved = held.find((record) => record.ref === movedFrom);
    if (moved) moved.ref = gone.ref;
  }
  assertEquals(slabs.usedBytes(), 0);
  assert(slabs.heldBytes() <= 4 << 20, "empty slabs are given back, but for a few");
});
