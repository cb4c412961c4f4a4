import { assertEquals } from "@std/assert";
import {
  commandLength,
  encodeKeyOnly,
  encodeSet,
  ExpiryKind,
  Op,
} from "../../lib/kv/commands/command.ts";
import { Result } from "../../lib/kv/commands/result.ts";
import { Store } from "../../lib/kv/store.ts";
import { ByteWriter } from "../../lib/util/bytes.ts";

const text = new TextEncoder();

function entryOf(keys: readonly string[], value: string): ByteWriter {
  const out = new ByteWriter();
  for (const key of keys) {
    const source = text.encode(key + value);
    encodeSet(out, ExpiryKind.never, 0, source, 0, key.length, key.length, source.length);
  }
  return out;
}

function applyEntry(store: Store, entry: ByteWriter, looksAhead: boolean): void {
  const result = new Result();
  store.beginEntry(store.appliedIndex + 1, 1);
  let lookedAt = looksAhead ? 0 : Infinity;
  for (let at = 0; at < entry.length; at += commandLength(entry.bytes, at)) {
    if (at >= lookedAt) lookedAt = store.lookAhead(entry.bytes, at, entry.length);
    store.applyCommand(entry.bytes, at, result);
  }
  store.endEntry();
}

Deno.test("prefetch: goes over up to sixteen commands and comes to the start of the next", () => {
  const store = new Store({ hashSeed: 5 });
  const keys = Array.from({ length: 20 }, (_, i) => `key${i}`);
  const entry = entryOf(keys, "value");
  const starts = [0];
  while (starts.at(-1)! < entry.length) {
    starts.push(starts.at(-1)! + commandLength(entry.bytes, starts.at(-1)!));
  }
  assertEquals(store.lookAhead(entry.bytes, 0, starts[3]!), starts[3], "no further than its end");
  assertEquals(store.lookAhead(entry.bytes, 0, entry.length), starts[16]);
  assertEquals(store.lookAhead(entry.bytes, starts[16]!, entry.length), starts[20]);
});

Deno.test("prefetch: a command without a key is passed over", () => {
  const store = new Store({ hashSeed: 5 });
  const out = new ByteWriter();
  encodeKeyOnly(out, Op.flush, new Uint8Array(0), 0, 0);
  const entry = entryOf(["a"], "1");
  out.raw(entry.view());
  assertEquals(store.lookAhead(out.bytes, 0, out.length), out.length);
});

Deno.test("prefetch: entries come to the same contents with it and without", () => {
  const stores = [new Store({ hashSeed: 7 }), new Store({ hashSeed: 7 })] as const;
  for (let round = 0; round < 60; round++) {
    const keys = Array.from({ length: 50 }, (_, i) => `k${(round * 37 + i * 11) % 700}`);
    // Records at the end of their slab, large ones of their own, and sizes that change.
    const entry = entryOf(keys, "v".repeat([1, 300, 5_000, 70_000][round % 4]!));
    applyEntry(stores[0], entry, true);
    applyEntry(stores[1], entry, false);
    assertEquals(stores[0].digest(), stores[1].digest());
  }
  assertEquals(stores[0].keys, stores[1].keys);
});
