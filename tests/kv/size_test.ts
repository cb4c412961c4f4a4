import { assert, assertEquals } from "@std/assert";
import { encodeKeyOnly, encodeSet, ExpiryKind, Op } from "../../lib/kv/commands/command.ts";
import { Result, Status } from "../../lib/kv/commands/result.ts";
import { Store } from "../../lib/kv/store.ts";
import { ByteWriter, readU32, writeU32 } from "../../lib/util/bytes.ts";
import { Random } from "../../lib/util/random.ts";

/** Sets and deletes by number, many to an entry, without making objects. */
class Loader {
  readonly store: Store;
  readonly result = new Result();
  readonly #source = new Uint8Array(70_000).fill(0x61);
  readonly #out = new ByteWriter(80_000);

  constructor(store: Store) {
    this.store = store;
  }

  entry(work: () => void): void {
    this.store.beginEntry(this.store.appliedIndex + 1, 1);
    work();
    this.store.endEntry();
  }

  set(n: number, valueBytes: number, expiryMs = 0): void {
    this.#begin(n);
    writeU32(this.#source, 16, n);
    const kind = expiryMs === 0 ? ExpiryKind.never : ExpiryKind.absolute;
    encodeSet(this.#out, kind, expiryMs, this.#source, 0, 16, 16, 16 + valueBytes);
    this.store.applyCommand(this.#out.bytes, 0, this.result);
  }

  delete(n: number): void {
    this.#begin(n);
    encodeKeyOnly(this.#out, Op.delete, this.#source, 0, 16);
    this.store.applyCommand(this.#out.bytes, 0, this.result);
  }

  get(n: number): Result {
    this.#begin(n);
    encodeKeyOnly(this.#out, Op.get, this.#source, 0, 16);
    this.store.read(this.#out.bytes, 0, this.result);
    return this.result;
  }

  #begin(n: number): void {
    writeU32(this.#source, 0, n);
    writeU32(this.#source, 8, Math.imul(n, 0x9e3779b1));
    this.#out.clear();
  }
}

function heldBytes(store: Store): number {
  const { tableBytes, orderBytes, slabBytes, expiryBytes } = store.memory();
  return tableBytes + orderBytes + slabBytes + expiryBytes;
}

Deno.test("a million keys: all found, all scanned once, under 32 bytes over each", () => {
  const store = new Store({ hashSeed: 12 });
  const loader = new Loader(store);
  const count = 1_000_000;
  for (let start = 0; start < count; start += 1000) {
    loader.entry(() => {
      for (let n = start; n < start + 1000; n++) loader.set(n, 16);
    });
  }
  assertEquals([store.keys, store.bytes], [count, count * 32]);
  for (let n = 0; n < count; n++) {
    const result = loader.get(n);
    if (result.status !== Status.found || readU32(result.bytes, result.offset) !== n) {
      assertEquals(n, "found");
    }
  }
  for (let n = count; n < count + 10_000; n++) {
    assertEquals(loader.get(n).status, Status.notFound);
  }
  const seen = new Uint8Array(count);
  let cursor = 0;
  do {
    cursor = store.scan(cursor, 1000, (bytes, start) => {
      seen[readU32(bytes, start)]!++;
    });
  } while (cursor !== 0);
  assert(seen.every((times) => times === 1));
  const over = (heldBytes(store) - store.bytes) / count;
  assert(over < 32, `${over} bytes over a key`);
});

Deno.test("overwrites with other sizes and deletes don't leak: within 1.3 of a fresh load", () => {
  const random = new Random(4);
  const fresh = new Loader(new Store({ hashSeed: 12 }));
  const worn = new Loader(new Store({ hashSeed: 12 }));
  const count = 40_000;
  const finalBytes = Array.from({ length: count }, () => random.between(4, 700));
  finalBytes.fill(60_000, 0, 100);
  const setAll = (loader: Loader, sizeOf: (n: number) => number, step = 1) => {
    for (let n = 0; n < count; n += step) loader.entry(() => loader.set(n, sizeOf(n)));
  };
  setAll(fresh, (n) => finalBytes[n]!);
  setAll(worn, () => random.between(4, 700));
  for (let round = 0; round < 5; round++) {
    setAll(worn, () => random.chance(0.002) ? 50_000 : random.between(4, 200 * (round + 1)));
  }
  setAll(worn, (n) => finalBytes[n]!);
  for (let n = 0; n < count; n += 3) worn.entry(() => worn.delete(n));
  setAll(worn, (n) => finalBytes[n]!, 3);
  assertEquals(worn.store.bytes, fresh.store.bytes);
  const ratio = heldBytes(worn.store) / heldBytes(fresh.store);
  assert(ratio < 1.3, `${ratio} times a fresh load`);

  for (let n = 0; n < count; n++) worn.entry(() => worn.delete(n));
  assertEquals([worn.store.keys, worn.store.bytes], [0, 0]);
  assertEquals(worn.store.digest(), "0".repeat(16));
  const left = heldBytes(worn.store);
  assert(left < 6 << 20, `${left} bytes held by an empty store`);
});

Deno.test("a hundred thousand keys due at once go a hundred an entry, earliest first", () => {
  const loader = new Loader(new Store({ hashSeed: 12 }));
  const { store } = loader;
  const count = 100_000;
  loader.entry(() => {
    for (let n = 0; n < count; n++) loader.set(n, 4, 1000 + n % 7);
  });
  assertEquals(store.nextDeadlineMs(), 1000);
  store.beginEntry(store.appliedIndex + 1, 1003);
  store.endEntry();
  assertEquals(store.keys, count - 100);
  assertEquals(loader.get(4).status, Status.found);
  assertEquals(loader.get(3).status, Status.notFound);
  const bound = store.nextDeadlineMs();
  assert(bound > store.clockMs && bound <= 1004);
  while (store.hasDueKeys()) loader.entry(() => {});
  assertEquals(store.nextDeadlineMs(), 1004);
  let left = 0;
  for (let n = 0; n < count; n++) if (loader.get(n).status === Status.found) left++;
  assertEquals(left, store.keys);
  assertEquals(left, Array.from({ length: count }, (_, n) => n % 7).filter((n) => n > 3).length);
});
