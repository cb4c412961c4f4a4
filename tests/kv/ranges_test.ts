import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  encodeKeyOnly,
  encodeSet,
  ExpiryKind,
  Op,
  RangeFlag,
} from "../../lib/kv/commands/command.ts";
import {
  encodeRange,
  endOfPrefix,
  keyAfter,
  RANGE_BYTES_MAX,
  RANGE_KEYS_MAX,
} from "../../lib/kv/commands/ranges.ts";
import { Result, Status } from "../../lib/kv/commands/result.ts";
import { SnapshotReader } from "../../lib/kv/snapshot_reader.ts";
import { Store } from "../../lib/kv/store.ts";
import { ByteWriter } from "../../lib/util/bytes.ts";
import { Random } from "../../lib/util/random.ts";
import { bytesOf, encodeCommand, Model, type ModelCommand, textOf } from "./model.ts";

interface Page {
  /** Key, value, version and deadline; of keys alone the key. */
  readonly entries: readonly (readonly [string, ...(string | number)[]])[];
  /** The key that the next page comes after. */
  readonly last: string | null;
}

const result = new Result();

function pageOf(store: Store, start: string, end: string, keysMax: number, keysOnly = false): Page {
  const out = new ByteWriter();
  const flags = keysOnly ? RangeFlag.keysOnly : 0;
  encodeRange(out, bytesOf(start), bytesOf(end), keysMax, flags);
  store.read(out.bytes, 0, result);
  assertEquals(result.status, Status.list);
  const { list, listLength, cursor } = result;
  const text = ({ bytes, offset, length }: Result) => textOf(bytes, offset, offset + length);
  const entries: [string, ...(string | number)[]][] = [];
  for (let i = 0; i < listLength - cursor; i += keysOnly ? 1 : 2) {
    const value = list[i + 1]!;
    entries.push(
      keysOnly ? [text(list[i]!)] : [text(list[i]!), text(value), value.version, value.deadlineMs],
    );
  }
  return { entries, last: cursor === 0 ? null : text(list[listLength - 1]!) };
}

/** All pages from `start` to `end`, one after the other. */
function allOf(store: Store, start: string, end: string, keysMax: number, keysOnly = false) {
  const entries: Page["entries"][number][] = [];
  for (let from = start;;) {
    const page = pageOf(store, from, end, keysMax, keysOnly);
    assert(page.entries.length <= keysMax);
    entries.push(...page.entries);
    if (page.last === null) return entries;
    assert(page.last >= from, "a page goes on");
    from = textOf(keyAfter(bytesOf(page.last)));
  }
}

function expected(model: Model, start: string, end: string) {
  const keys = [...model.records.keys()].filter((key) => key >= start && (end === "" || key < end));
  return keys.sort((a, b) => a < b ? -1 : 1).flatMap((key) => {
    const record = model.present(key);
    return record === undefined ? [] : [[key, record.value, record.version, record.deadlineMs]];
  });
}

function restored(store: Store, hashSeed: number, capacityHint: number): Store {
  const snapshot = store.beginSnapshot();
  const out = new ByteWriter();
  while (snapshot.next(out, 4096));
  const reader = new SnapshotReader({ hashSeed, capacityHint }, snapshot.head);
  snapshot.close();
  reader.add(out.copy());
  return reader.finish();
}

const byteString = (minLength: number, maxLength: number) =>
  fc.uint8Array({ minLength, maxLength }).map((bytes) => textOf(bytes));

const keys = fc.oneof(
  { weight: 4, arbitrary: fc.nat(3_000).map((n) => `key:${String(n).padStart(6, "0")}`) },
  { weight: 2, arbitrary: fc.nat(500).map((n) => `user/${n % 7}/${"long".repeat(20)}/${n}`) },
  { weight: 1, arbitrary: byteString(1, 3) },
  { weight: 1, arbitrary: fc.nat(8).map((n) => "a" + "\0".repeat(n)) },
  {
    weight: 1,
    arbitrary: fc.constantFrom("\xff", "\xff\xff", "k".repeat(300), "K".repeat(65_535)),
  },
);

type Step =
  | { readonly kind: "write"; readonly command: ModelCommand }
  /** Many keys at once, that share what comes before a number. */
  | { readonly kind: "many"; readonly stem: string; readonly from: number; readonly count: number }
  | { readonly kind: "drop"; readonly stem: string; readonly from: number; readonly count: number }
  | { readonly kind: "time"; readonly ms: number }
  | { readonly kind: "flush" | "restore" }
  | {
    readonly kind: "read";
    readonly start: string;
    readonly end: string;
    readonly keysMax: number;
  };

const stems = fc.constantFrom("key:", "user/3/", "", "\xff", "deep/".repeat(30));
const write = fc.record({
  key: keys,
  value: byteString(0, 6),
  ttlMs: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 40 })),
  isDelete: fc.boolean(),
}).map(({ key, value, ttlMs, isDelete }): Step => ({
  kind: "write",
  command: isDelete ? { op: Op.delete, key } : {
    op: Op.set,
    key,
    value,
    expiryKind: ttlMs === 0 ? ExpiryKind.never : ExpiryKind.relative,
    expiryMs: ttlMs,
  },
}));
const many = fc.record({
  kind: fc.constantFrom("many" as const, "many" as const, "drop" as const),
  stem: stems,
  from: fc.nat(3_000),
  count: fc.integer({ min: 1, max: 1_500 }),
});
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: write },
    { weight: 3, arbitrary: many },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("time" as const), ms: fc.nat(30) }) },
    {
      weight: 1,
      arbitrary: fc.constantFrom({ kind: "flush" } as Step, { kind: "restore" } as Step),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant("read" as const),
        start: fc.oneof(keys, fc.constant("")),
        end: fc.oneof(keys, fc.constant("")),
        keysMax: fc.integer({ min: 1, max: RANGE_KEYS_MAX }),
      }),
    },
  ),
  { maxLength: 40 },
);

/** A store of some table size, beside the model and another store of another size. */
class Trial {
  readonly model = new Model(3);
  stores = [
    new Store({ hashSeed: 9, sweepKeysMax: 3 }),
    new Store({ hashSeed: 9, sweepKeysMax: 3, capacityHint: 5_000 }),
  ];

  run(step: Step): void {
    switch (step.kind) {
      case "write":
        return this.entry(this.model.clockMs, [step.command]);
      case "many":
      case "drop": {
        const op = step.kind === "many" ? Op.set : Op.delete;
        // In an order of their own, not that of the keys.
        const numbers = Array.from({ length: step.count }, (_, i) => i * 7_919 % step.count);
        const key = (n: number) => `${step.stem}${String(step.from + n).padStart(6, "0")}`;
        return this.entry(
          this.model.clockMs,
          numbers.map((n) => ({ op, key: key(n), value: "v" })),
        );
      }
      case "time":
        return this.entry(this.model.clockMs + step.ms, []);
      case "flush":
        for (const key of this.model.records.keys()) {
          this.model.floor = Math.max(this.model.floor, this.model.records.get(key)!.version);
        }
        this.model.records.clear();
        return this.flush();
      case "restore":
        this.stores = this.stores.map((store, i) => restored(store, 9, i * 5_000));
        return;
      case "read":
        return this.compare(step.start, step.end, step.keysMax);
    }
  }

  entry(stampMs: number, commands: readonly ModelCommand[]): void {
    this.model.beginEntry(this.model.index + 1, stampMs);
    for (const command of commands) this.model.apply(command);
    this.model.endEntry();
    for (const store of this.stores) {
      store.beginEntry(store.appliedIndex + 1, stampMs);
      for (const command of commands) store.applyCommand(encodeCommand(command), 0, result);
      store.endEntry();
    }
  }

  flush(): void {
    this.model.beginEntry(this.model.index + 1, this.model.clockMs);
    for (const store of this.stores) {
      store.beginEntry(store.appliedIndex + 1, this.model.clockMs);
      store.applyCommand(Uint8Array.of(0, 0, 0, 8, Op.flush, 0, 0, 0), 0, result);
      store.endEntry();
    }
  }

  compare(start: string, end: string, keysMax: number): void {
    const wanted = expected(this.model, start, end);
    const first = this.stores.map((store) => pageOf(store, start, end, keysMax));
    assertEquals(first[0], first[1]);
    for (const store of this.stores) {
      assertEquals(allOf(store, start, end, keysMax), wanted);
      assertEquals(allOf(store, start, end, keysMax, true), wanted.map(([key]) => [key]));
    }
  }
}

Deno.test("ranges: as a sorted model has them, over deletes, expiry, flushes and snapshots; the same for tables of any size", () => {
  fc.assert(
    fc.property(steps, (steps) => {
      const trial = new Trial();
      for (const step of steps) trial.run(step);
      trial.compare("", "", RANGE_KEYS_MAX);
    }),
    { numRuns: 60 },
  );
});

Deno.test("ranges: what is deleted leaves the order, one at a time and many at once, and can come back", () => {
  const trial = new Trial();
  const both = (...steps: Step[]) => {
    for (const step of steps) {
      trial.run(step);
      trial.compare("", "", 7);
    }
  };
  const one = (command: ModelCommand): Step => ({ kind: "write", command });
  both(...["b", "a", "c"].map((key) => one({ op: Op.set, key, value: key })));
  both(one({ op: Op.delete, key: "a" }), one({ op: Op.set, key: "a", value: "again" }));
  for (const key of ["c", "a", "b"]) both(one({ op: Op.delete, key }));
  for (const stem of ["key:", "user/3/"]) {
    both({ kind: "many", stem, from: 0, count: 1_200 }, {
      kind: "drop",
      stem,
      from: 300,
      count: 600,
    });
  }
  both({ kind: "many", stem: "key:", from: 500, count: 200 }, { kind: "restore" });
  both({ kind: "drop", stem: "key:", from: 0, count: 1_500 });
});

/** Sets and deletes many keys, an entry for each hundred. */
class Filler {
  readonly store = new Store({ hashSeed: 3 });
  readonly #out = new ByteWriter();
  #inEntry = 0;

  set(key: string, value = ""): void {
    const bytes = bytesOf(key + value);
    this.#out.clear();
    encodeSet(this.#out, 0, 0, bytes, 0, key.length, key.length, bytes.length);
    this.#apply();
  }

  delete(key: string): void {
    this.#out.clear();
    encodeKeyOnly(this.#out, Op.delete, bytesOf(key), 0, key.length);
    this.#apply();
  }

  done(): Store {
    if (this.#inEntry > 0) this.store.endEntry();
    this.#inEntry = 0;
    return this.store;
  }

  #apply(): void {
    if (this.#inEntry++ === 0) this.store.beginEntry(this.store.appliedIndex + 1, 1);
    this.store.applyCommand(this.#out.bytes, 0, result);
    if (this.#inEntry === 100) this.done();
  }
}

const SHAPES: Readonly<Record<string, (n: number) => string>> = {
  "numbers in their order": (n) => `key:${String(n).padStart(12, "0")}`,
  "numbers in no order": (n) => `key:${String(n * 7_919 % 200_003).padStart(12, "0")}`,
  "the same long beginning": (n) => `${"x".repeat(200)}${n * 7_919 % 200_003}`,
  "one byte of difference early": (n) => `${String.fromCharCode(n % 251)}${"y".repeat(40)}${n}`,
  "zeros at the end": (n) => {
    const stem = Math.floor(n / 9);
    return String.fromCharCode(1 + stem % 250, 1 + Math.floor(stem / 250)) + "\0".repeat(n % 9);
  },
};

for (const [name, keyOf] of Object.entries(SHAPES)) {
  Deno.test(`ranges: 100,000 keys, ${name}: each once and in order, after half are deleted too`, () => {
    const filler = new Filler();
    const all = new Set<string>();
    for (let n = 0; n < 100_000; n++) {
      const key = keyOf(n);
      all.add(key);
      filler.set(key);
    }
    const sorted = () => [...all].sort((a, b) => a < b ? -1 : 1).map((key) => [key]);
    assertEquals(allOf(filler.done(), "", "", 1_000, true), sorted());
    const random = new Random(5);
    for (const key of [...all]) {
      if (random.between(0, 9) === 0) continue;
      all.delete(key);
      filler.delete(key);
    }
    assertEquals(allOf(filler.done(), "", "", 1_000, true), sorted());
    assert(filler.store.memory().orderBytes < 1_000_000, "buckets with few keys are joined");
  });
}

Deno.test("ranges: at most 14 bytes a key at 10^6 keys, in their order and in none", () => {
  for (const factor of [1, 7_919]) {
    const filler = new Filler();
    const count = 1_000_003;
    for (let n = 0; n < count; n++) {
      filler.set(`key:${String(n * factor % count).padStart(12, "0")}`);
    }
    const store = filler.done();
    assertEquals(store.keys, count);
    assert(store.memory().orderBytes / count <= 14, `${store.memory().orderBytes / count} bytes`);
  }
});

Deno.test("ranges: keys of equal hash are in order", () => {
  // Among so many keys hundreds have the hash of another one; the test below sees that the seed matters.
  const filler = new Filler();
  const hashes = new Map<number, string>();
  let shared = 0;
  const all: string[] = [];
  for (let n = 0; n < 300_000; n++) {
    const key = `k${n}`;
    const hash = filler.store.hashOf(bytesOf(key), 0, key.length);
    const other = hashes.get(hash);
    if (other !== undefined) {
      shared++;
      all.push(other, key);
    }
    hashes.set(hash, key);
  }
  assert(shared >= 3, `${shared} pairs`);
  for (const key of all) filler.set(key, "v");
  const sorted = () => [...all].sort((a, b) => a < b ? -1 : 1).map((key) => [key]);
  assertEquals(allOf(filler.done(), "", "", 2, true), sorted());
  filler.delete(all.shift()!);
  assertEquals(allOf(filler.done(), "", "", 2, true), sorted());
});

Deno.test("ranges: a page ends at its bytes, and has its first key however long that is", () => {
  const filler = new Filler();
  for (let n = 0; n < 10; n++) filler.set(`k${n}`, "v".repeat(300_000));
  filler.set("l", "v".repeat(3_000_000));
  const store = filler.done();
  const page = pageOf(store, "", "", 100);
  assertEquals([page.entries.length, page.last], [Math.floor(RANGE_BYTES_MAX / 300_002), "k2"]);
  assertEquals(pageOf(store, "l", "", 100), {
    entries: [["l", "v".repeat(3_000_000), 1, 0]],
    last: null,
  });
  assertEquals(pageOf(store, "k9", "", 100).last, "k9");
  assertEquals(pageOf(store, "", "", 100, true).entries.length, 11);
});

Deno.test("ranges: thousands of due keys in the way take pages of their own, which show nothing", () => {
  const store = new Store({ hashSeed: 1, sweepKeysMax: 1 });
  store.beginEntry(1, 1);
  for (let n = 0; n < 5_000; n++) {
    const key = `a${String(n).padStart(5, "0")}`;
    const expiry = { expiryKind: ExpiryKind.relative, expiryMs: 10 };
    store.applyCommand(encodeCommand({ op: Op.set, key, value: "", ...expiry }), 0, result);
  }
  store.applyCommand(encodeCommand({ op: Op.set, key: "b", value: "" }), 0, result);
  store.endEntry();
  store.beginEntry(2, 100);
  store.endEntry();
  const page = pageOf(store, "", "", 1_000);
  assertEquals([page.entries.length, page.last], [0, "a02000"]);
  assertEquals(allOf(store, "", "", 1_000, true), [["b"]]);
});

Deno.test("the end of a prefix", () => {
  assertEquals(endOfPrefix(bytesOf("ab")), bytesOf("ac"));
  assertEquals(endOfPrefix(bytesOf("a\xff\xff")), bytesOf("b"));
  assertEquals(endOfPrefix(bytesOf("\xff")), new Uint8Array(0));
  assertEquals(endOfPrefix(bytesOf("")), new Uint8Array(0));
});
