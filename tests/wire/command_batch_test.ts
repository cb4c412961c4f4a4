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

Deno.test("neither batches that grew large nor more than a busy server needs are kept", () => {
  const pool = new BatchPool();
  const large = pool.take();
  large.bytes.reserve(100_000);
  pool.give(large);
  assertNotStrictEquals(pool.take(), large);
  const many = Array.from({ length: 300 }, () => pool.take());
  for (const batch of many) pool.give(batch);
  const again = new Set(Array.from({ length: 300 }, () => pool.take()));
  assertEquals(many.filter((batch) => again.has(batch)).length, 256);
});
