import { assertEquals, assertNotStrictEquals, assertStrictEquals } from "@std/assert";
import { Action, BatchPool } from "../../lib/wire/command_batch.ts";

Deno.test("a batch that was given back is lent again, and empty", () => {
  const pool = new BatchPool();
  const batch = pool.take();
  batch.bytes.u8(1);
  batch.add(Action.read, 0, 0);
  pool.give(batch);
  assertStrictEquals(pool.take(), batch);
  assertEquals([batch.count, batch.bytes.length], [0, 0]);
  assertNotStrictEquals(pool.take(), batch);
});

Deno.test("a batch that grew large gives up its buffer, which the next large command gets", () => {
  const pool = new BatchPool();
  const grown = pool.take();
  grown.bytes.reserve(100_000);
  const { buffer } = grown.bytes.bytes;
  pool.give(grown);
  assertEquals([grown.bytes.bytes.length, pool.spares.bytes], [4_096, 100_000]);
  const large = pool.take(90_000);
  assertStrictEquals(large, grown);
  assertStrictEquals(large.bytes.bytes.buffer, buffer);
  pool.give(large);
  assertEquals([large.bytes.bytes.length, pool.spares.bytes], [4_096, 100_000]);
  pool.spares.elapse(1_000);
  assertEquals(pool.spares.bytes, 100_000);
  pool.spares.elapse(2_000);
  assertEquals(pool.spares.bytes, 0);
});

Deno.test("no more batches than a busy server needs are kept", () => {
  const pool = new BatchPool();
  const many = Array.from({ length: 300 }, () => pool.take());
  for (const batch of many) pool.give(batch);
  const again = new Set(Array.from({ length: 300 }, () => pool.take()));
  assertEquals(many.filter((batch) => again.has(batch)).length, 256);
});
