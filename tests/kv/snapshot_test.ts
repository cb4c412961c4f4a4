import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { ExpiryKind, Op } from "../../lib/kv/commands/command.ts";
import { Result, Status } from "../../lib/kv/commands/result.ts";
import { SnapshotReader } from "../../lib/kv/snapshot_reader.ts";
import { Store } from "../../lib/kv/store.ts";
import { ByteFormatError, ByteReader, ByteWriter } from "../../lib/util/bytes.ts";
import { Random } from "../../lib/util/random.ts";
import { encodeCommand, Model, type ModelCommand, textOf } from "./model.ts";

/** A store and the model, fed with the same random entries. */
class Pair {
  readonly store = new Store({ hashSeed: 21, sweepKeysMax: 2 });
  readonly model = new Model(2);
  readonly #random: Random;
  readonly #keys: number;

  constructor(seed: number, keys: number) {
    this.#random = new Random(seed);
    this.#keys = keys;
  }

  entry(commands: number): void {
    const index = this.store.appliedIndex + 1;
    // Now and then just when the next key is due.
    const nextMs = this.store.nextDeadlineMs();
    const isDue = nextMs !== Infinity && this.#random.chance(0.2);
    const stampMs = isDue ? nextMs : this.store.clockMs + this.#random.between(0, 5);
    this.store.beginEntry(index, stampMs);
    this.model.beginEntry(index, stampMs);
    for (let i = 0; i < commands; i++) {
      const command = this.#command();
      this.store.applyCommand(encodeCommand(command), 0, new Result());
      this.model.apply(command);
    }
    this.store.endEntry();
    this.model.endEntry();
  }

  #command(): ModelCommand {
    const key = `key ${this.#random.between(1, this.#keys)}`;
    if (this.#random.chance(0.25)) return { op: Op.delete, key };
    const value = "v".repeat(this.#random.chance(0.05) ? 70_000 : this.#random.between(0, 90));
    const expiryMs = this.#random.between(1, 60);
    const expiryKind = this.#random.chance(0.5) ? ExpiryKind.relative : ExpiryKind.never;
    return { op: Op.set, key, value, expiryKind, expiryMs };
  }
}

/** The records of a snapshot, by key; none may come twice. */
function recordsOf(bytes: Uint8Array) {
  const records = new Map<string, unknown>();
  const reader = new ByteReader(bytes);
  while (reader.remaining > 0) {
    const keyLength = reader.u16();
    const version = reader.u64();
    const index = reader.u64();
    const deadlineMs = reader.u64();
    const valueLength = reader.u32();
    const key = textOf(reader.copy(keyLength));
    assert(!records.has(key));
    records.set(key, { value: textOf(reader.copy(valueLength)), version, index, deadlineMs });
  }
  return records;
}

Deno.test("a snapshot read in slices has the records of its index, whatever is written meanwhile", () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 1, max: 400 }), fc.nat(3000), (seed, keys, slice) => {
      const pair = new Pair(seed, keys);
      for (let i = 0; i < 12; i++) pair.entry(keys / 8 + 1);
      const expected = new Map(pair.model.records);
      const digest = pair.store.digest();
      const snapshot = pair.store.beginSnapshot();
      const out = new ByteWriter();
      while (snapshot.next(out, slice)) pair.entry(keys / 16 + 1);
      snapshot.close();
      assertEquals(recordsOf(out.copy()), expected);

      const { head } = snapshot;
      assertEquals(head.digest, digest);
      const reader = new SnapshotReader({ hashSeed: 21, sweepKeysMax: 2 }, head);
      reader.add(out.copy());
      const restored = reader.finish();
      assertEquals(restored.digest(), digest);
      assertEquals(restored.digestAt(head.index), digest);
      assertEquals([restored.appliedIndex, restored.clockMs, restored.floor], [
        head.index,
        head.clockMs,
        head.floor,
      ]);
    }),
    { numRuns: 60 },
  );
});

Deno.test("a restored store continues as the one that it was taken from", () => {
  const pair = new Pair(5, 200);
  for (let i = 0; i < 20; i++) pair.entry(30);
  const snapshot = pair.store.beginSnapshot();
  const out = new ByteWriter();
  while (snapshot.next(out, 1000));
  snapshot.close();
  const reader = new SnapshotReader({ hashSeed: 21, sweepKeysMax: 2 }, snapshot.head);
  reader.add(out.copy());
  const restored = reader.finish();
  const result = new Result();
  for (let i = 1; i <= 300; i++) {
    const command = encodeCommand({ op: Op.set, key: `key ${i}`, value: `${i}` });
    const stampMs = pair.store.clockMs + i % 3;
    for (const store of [pair.store, restored]) {
      store.beginEntry(store.appliedIndex + 1, stampMs);
      store.applyCommand(command, 0, result);
      store.endEntry();
    }
    assertEquals(restored.digest(), pair.store.digest());
    assertEquals(restored.floor, pair.store.floor);
  }
});

Deno.test("a snapshot that is cut, doubled, changed or named wrongly is refused", () => {
  const pair = new Pair(9, 50);
  for (let i = 0; i < 10; i++) pair.entry(10);
  const snapshot = pair.store.beginSnapshot();
  const out = new ByteWriter();
  while (snapshot.next(out, 1 << 20));
  snapshot.close();
  const bytes = out.copy();
  const restore = (bytes: Uint8Array, head = snapshot.head) => {
    const reader = new SnapshotReader({ hashSeed: 21 }, head);
    reader.add(bytes);
    return reader.finish();
  };
  restore(bytes);
  assertThrows(() => restore(bytes.subarray(0, bytes.length - 1)), ByteFormatError);
  assertThrows(() => restore(new Uint8Array()), ByteFormatError, "keys");
  const doubled = new Uint8Array(bytes.length * 2);
  doubled.set(bytes);
  doubled.set(bytes, bytes.length);
  assertThrows(() => restore(doubled), ByteFormatError, "twice");
  const random = new Random(1);
  for (let i = 0; i < 200; i++) {
    const changed = bytes.slice();
    changed[random.between(0, bytes.length - 1)]! ^= 1 << random.between(0, 7);
    assertThrows(() => restore(changed), ByteFormatError);
  }
  assertThrows(() => restore(bytes, { ...snapshot.head, index: 1 }), ByteFormatError);
});

Deno.test("a second snapshot can be taken once the first is closed, even half read", () => {
  const pair = new Pair(2, 300);
  for (let i = 0; i < 10; i++) pair.entry(50);
  const first = pair.store.beginSnapshot();
  first.next(new ByteWriter(), 100);
  assertThrows(() => pair.store.beginSnapshot(), Error, "not closed");
  first.close();
  pair.entry(5);
  const second = pair.store.beginSnapshot();
  const out = new ByteWriter();
  while (second.next(out, 500)) pair.entry(3);
  assertEquals(recordsOf(out.copy()).size, second.head.keys);
  const length = out.length;
  assertEquals(second.next(out, 500), false);
  assertEquals(out.length, length);
  const absent = new Result();
  pair.store.read(encodeCommand({ op: Op.get, key: "none" }), 0, absent);
  assertEquals(absent.status, Status.notFound);
});

Deno.test("a slice without room for any record still has one, so every walk ends", () => {
  const pair = new Pair(5, 40);
  for (let i = 0; i < 12; i++) pair.entry(6);
  const expected = new Map(pair.model.records);
  const snapshot = pair.store.beginSnapshot();
  const out = new ByteWriter();
  let slices = 1;
  while (snapshot.next(out, 0)) {
    assert(++slices <= expected.size + 1, "a slice brought nothing");
  }
  snapshot.close();
  assertEquals(recordsOf(out.copy()), expected);
});
