import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { ExpiryKind, Op } from "../../lib/kv/commands/command.ts";
import { Result, Status } from "../../lib/kv/commands/result.ts";
import { Store } from "../../lib/kv/store.ts";
import { AssertionError } from "../../lib/util/assert.ts";
import { bytesOf, encodeCommand, Model, type ModelCommand, textOf } from "./model.ts";

/** Applies a command and puts the store's answer as the model would. */
function apply(store: Store, command: ModelCommand) {
  const result = new Result();
  const bytes = encodeCommand(command);
  if (command.op === Op.get || command.op === Op.getm) store.read(bytes, 0, result);
  else store.applyCommand(bytes, 0, result);
  return answerOf(result);
}

function answerOf(result: Result) {
  if (result.status === Status.stored) return { status: result.status, version: result.version };
  if (result.status !== Status.found) return { status: result.status };
  const { version, deadlineMs, bytes, offset, length } = result;
  const value = textOf(bytes, offset, offset + length);
  return { status: result.status, value, version, deadlineMs };
}

function expectedOf(model: Model, command: ModelCommand) {
  const result = model.apply(command);
  if (result.status !== Status.found) return result;
  const { value, version, deadlineMs } = result.record;
  return { status: result.status, value, version, deadlineMs };
}

function set(key: string, value = "", expiryKind: ExpiryKind = ExpiryKind.never, expiryMs = 0) {
  return { op: Op.set, key, value, expiryKind, expiryMs };
}

/** One entry with one command. */
function entry(store: Store, stampMs: number, command?: ModelCommand) {
  store.beginEntry(store.appliedIndex + 1, stampMs);
  const answer = command === undefined ? undefined : apply(store, command);
  store.endEntry();
  return answer;
}

interface Entry {
  /** `AT_DEADLINE`: just when the next key is due. */
  readonly stampMs: number;
  readonly commands: readonly ModelCommand[];
}

const AT_DEADLINE = -1;

/** The stamp that an entry has on this store: at what is due next, where there is anything. */
function stampOn(store: Store, { stampMs }: Entry): number {
  if (stampMs !== AT_DEADLINE) return stampMs;
  const nextMs = store.nextDeadlineMs();
  return nextMs < Number.MAX_SAFE_INTEGER ? nextMs : store.clockMs;
}

const byteString = (minLength: number, maxLength: number) =>
  fc.uint8Array({ minLength, maxLength }).map((bytes) => textOf(bytes));

/** Few keys, so that commands meet; names that trip objects up, and arbitrary bytes. */
const keys = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom("a", "b", "c", "ab", "\0", "\xff", "__proto__") },
  { weight: 3, arbitrary: fc.nat(40).map((n) => `key-${n}`) },
  { weight: 1, arbitrary: fc.constantFrom("constructor", "toString", "k".repeat(300)) },
  { weight: 1, arbitrary: byteString(1, 12) },
  { weight: 1, arbitrary: fc.constant("K".repeat(65_535)) },
);

const values = fc.oneof(
  { weight: 6, arbitrary: byteString(0, 20) },
  { weight: 3, arbitrary: fc.nat(3000).map((n) => "v".repeat(n)) },
  { weight: 1, arbitrary: fc.nat(100_000).map((n) => "w".repeat(n)) },
);

const expiries = fc.oneof(
  fc.constant({ expiryKind: ExpiryKind.never, expiryMs: 0 }),
  fc.record({ expiryKind: fc.constant(ExpiryKind.relative), expiryMs: fc.nat(30) }),
  fc.record({ expiryKind: fc.constant(ExpiryKind.absolute), expiryMs: fc.nat(200) }),
  fc.constant({ expiryKind: ExpiryKind.relative, expiryMs: Number.MAX_SAFE_INTEGER }),
);

const commands: fc.Arbitrary<ModelCommand> = fc.oneof(
  { weight: 5, arbitrary: build(Op.set) },
  { weight: 3, arbitrary: build(Op.cas) },
  { weight: 2, arbitrary: keys.map((key) => ({ op: Op.delete, key })) },
  { weight: 2, arbitrary: keys.map((key) => ({ op: Op.get, key })) },
);

function build(op: Op): fc.Arbitrary<ModelCommand> {
  return fc.record({ key: keys, value: values, expiry: expiries, version: fc.nat(6) })
    .map(({ expiry, ...rest }) => ({ op, ...rest, ...expiry }));
}

const entries: fc.Arbitrary<Entry[]> = fc.array(
  fc.record({
    stampMs: fc.oneof(fc.nat(100), fc.nat(1000), fc.constant(AT_DEADLINE)),
    commands: fc.array(commands, { maxLength: 12 }),
  }),
  { maxLength: 25 },
);

/** All records of a store, by key, as a client would read them, in the order of a scan. */
function scanAll(store: Store, step: number): string[] {
  const found: string[] = [];
  let cursor = 0;
  do {
    cursor = store.scan(cursor, step, (bytes, start, length) => {
      found.push(textOf(bytes, start, start + length));
    });
  } while (cursor !== 0);
  return found;
}

Deno.test("answers, floor, clock and contents are those of the plain model", () => {
  fc.assert(
    fc.property(entries, fc.integer({ min: 1, max: 5 }), (entries, sweepKeysMax) => {
      const model = new Model(sweepKeysMax);
      const store = new Store({ hashSeed: 7, sweepKeysMax });
      for (const [i, drawn] of entries.entries()) {
        const { commands } = drawn;
        const stampMs = stampOn(store, drawn);
        store.beginEntry(i + 1, stampMs);
        model.beginEntry(i + 1, stampMs);
        for (const command of commands) {
          assertEquals(apply(store, command), expectedOf(model, command));
        }
        store.endEntry();
        model.endEntry();
        assertEquals(store.floor, model.floor);
        assertEquals(store.clockMs, model.clockMs);
        assertEquals(store.keys, model.records.size);
        assertEquals(store.hasDueKeys(), model.hasDueKeys());
        assertEquals(store.nextDeadlineMs(), model.nextDeadlineMs());
        let bytes = 0;
        for (const [key, record] of model.records) bytes += key.length + record.value.length;
        assertEquals(store.bytes, bytes);
        const present = [...model.records.keys()].filter((key) => model.present(key)).sort();
        assertEquals(scanAll(store, 3).sort(), present);
      }
      for (const key of model.records.keys()) {
        assertEquals(apply(store, { op: Op.getm, key }), expectedOf(model, { op: Op.getm, key }));
      }
    }),
    { numRuns: 200 },
  );
});

Deno.test("stores of other sizes agree on digests, sweeps and the order of a scan", () => {
  fc.assert(
    fc.property(entries, (entries) => {
      const small = new Store({ hashSeed: 99, sweepKeysMax: 2 });
      const large = new Store({ hashSeed: 99, sweepKeysMax: 2, capacityHint: 50_000 });
      for (const drawn of entries) {
        const { commands } = drawn;
        const stampMs = stampOn(small, drawn);
        for (const store of [small, large]) {
          store.beginEntry(store.appliedIndex + 1, stampMs);
          for (const command of commands) apply(store, command);
          store.endEntry();
        }
        assertEquals(small.digest(), large.digest());
        assertEquals(small.keys, large.keys);
        assertEquals(scanAll(small, 1), scanAll(large, 4));
      }
      for (let index = 1; index <= entries.length; index++) {
        assertEquals(small.digestAt(index), large.digestAt(index));
      }
    }),
    { numRuns: 60 },
  );
});

Deno.test("keys that are due at once are swept in the order of their bytes, a few an entry", () => {
  const store = new Store({ hashSeed: 1, sweepKeysMax: 3 });
  const names = ["b", "a", "ab", "\xff", "B", "\0", "aa"];
  store.beginEntry(1, 1000);
  for (const name of names) apply(store, set(name, "x", ExpiryKind.relative, 10));
  store.endEntry();
  assertEquals(store.nextDeadlineMs(), 1010);
  const held: number[] = [];
  const left: string[] = [];
  while (held.length === 0 || store.hasDueKeys()) {
    entry(store, 1010);
    held.push(store.keys);
    left.push(scanAll(store, 10).join());
  }
  assertEquals(held, [4, 1, 0]);
  assertEquals(left, ["", "", ""]);
  assertEquals(store.nextDeadlineMs(), Infinity);
});

Deno.test("a due key that is created again raises the floor first, and is a new key", () => {
  const store = new Store({ hashSeed: 1, sweepKeysMax: 1 });
  entry(store, 10, set("a", "1", ExpiryKind.absolute, 15));
  for (let i = 0; i < 6; i++) entry(store, 10, set("z", "1", ExpiryKind.absolute, 20));
  store.beginEntry(8, 30);
  assertEquals(apply(store, { op: Op.get, key: "z" }), { status: Status.notFound });
  assertEquals(apply(store, { op: Op.delete, key: "z" }), { status: Status.notFound });
  const cas = { op: Op.cas, key: "z", value: "2" };
  assertEquals(apply(store, { ...cas, version: 6 }), { status: Status.notFound });
  assertEquals(store.floor, 0);
  assertEquals(apply(store, { ...cas, version: 0 }), { status: Status.stored, version: 7 });
  assertEquals(store.floor, 6);
  store.endEntry();
  assertEquals(store.keys, 1);
});

Deno.test("a version never comes back for a key, over deletes and expiry", () => {
  fc.assert(
    fc.property(entries, (entries) => {
      const store = new Store({ hashSeed: 3, sweepKeysMax: 2 });
      const seen = new Map<string, number>();
      for (const drawn of entries) {
        store.beginEntry(store.appliedIndex + 1, stampOn(store, drawn));
        for (const command of drawn.commands) {
          const answer = apply(store, command);
          if (answer.status !== Status.stored) continue;
          assert(answer.version! > (seen.get(command.key) ?? 0));
          seen.set(command.key, answer.version!);
        }
        store.endEntry();
      }
    }),
    { numRuns: 60 },
  );
});

Deno.test("the digest differs where any bit of a record does, and is zero without records", () => {
  const digestOf = (key: string, value: string, index = 1, deadlineMs = 77_000, writes = 1) => {
    const store = new Store({ hashSeed: 5 });
    while (store.appliedIndex < index - writes) entry(store, 1);
    for (let i = 0; i < writes; i++) {
      entry(store, 1, set(key, value, ExpiryKind.absolute, deadlineMs));
    }
    return store.digest();
  };
  const key = "key-of-16-bytes!";
  for (const value of ["", "short", "long".repeat(40)]) {
    const plain = digestOf(key, value);
    const seen = new Set([plain]);
    const differs = (digest: string) => {
      assert(!seen.has(digest));
      seen.add(digest);
    };
    const flips = (text: string) =>
      Array.from({ length: text.length * 8 }, (_, bit) => {
        const bytes = bytesOf(text);
        bytes[bit >> 3]! ^= 1 << (bit & 7);
        return textOf(bytes);
      });
    for (const flipped of flips(key)) differs(digestOf(flipped, value));
    for (const flipped of flips(value)) differs(digestOf(key, flipped));
    for (let bit = 0; bit < 50; bit++) {
      const deadlineMs = 77_000 + 2 ** bit;
      differs(digestOf(key, value, 1, deadlineMs));
    }
    differs(digestOf(key, value, 2));
    differs(digestOf(key, value, 2, 77_000, 2));
    differs(digestOf(key + value.slice(0, 1), value.slice(1) + "x"));
    assertEquals(digestOf(key, value), plain);
  }
  const store = new Store({ hashSeed: 5 });
  const empty = store.digest();
  assertEquals(empty, "0".repeat(16));
  entry(store, 1, set("a", "b"));
  entry(store, 1, { op: Op.delete, key: "a" });
  assertEquals(store.digest(), empty);
});

Deno.test("the digests of the last hundreds of entries are remembered, older ones are not", () => {
  const store = new Store({ hashSeed: 5 });
  const digests: string[] = [store.digest()];
  for (let i = 1; i <= 700; i++) {
    entry(store, i, set(`k${i % 10}`, `${i}`));
    digests.push(store.digest());
  }
  assertEquals(store.digestAt(700), digests[700]!);
  assertEquals(store.digestAt(400), digests[400]!);
  assertEquals(store.digestAt(100), null);
  assertEquals(store.digestAt(701), null);
});

Deno.test("values and keys at the limits are kept byte for byte", () => {
  const store = new Store({ hashSeed: 2 });
  for (const length of [0, 1, 63, 64, 65, 255, 256, 65_535, 65_536, 1 << 20, 16 << 20]) {
    const value = new Uint8Array(length);
    for (let i = 0; i < length; i++) value[i] = i * 31 + length;
    const source = new Uint8Array(25 + 65_535 + length);
    const small = encodeCommand({ op: Op.set, key: "K".repeat(65_535) });
    source.set(small);
    source.set(value, small.length);
    new DataView(source.buffer).setUint32(0, small.length + length);
    const result = new Result();
    store.beginEntry(store.appliedIndex + 1, 0);
    store.applyCommand(source, 0, result);
    store.endEntry();
    store.read(encodeCommand({ op: Op.get, key: "K".repeat(65_535) }), 0, result);
    assertEquals(result.length, length);
    const stored = result.bytes.subarray(result.offset, result.offset + length);
    assert(stored.every((byte, i) => byte === value[i]));
    assertEquals(store.bytes, 65_535 + length);
  }
});

Deno.test("entries out of order and commands outside an entry are refused", () => {
  const store = new Store({ hashSeed: 2 });
  assertThrows(() => store.beginEntry(2, 0), AssertionError, "Cannot apply entry 2");
  assertThrows(() => apply(store, set("a")), AssertionError, "outside an entry");
  store.beginEntry(1, 0);
  assertThrows(() => store.beginEntry(2, 0), AssertionError, "not ended");
  const read = encodeCommand({ op: Op.get, key: "a" });
  assertThrows(() => store.applyCommand(read, 0, new Result()), AssertionError, "reads");
});
