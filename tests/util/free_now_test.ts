import { assertEquals, assertThrows } from "@std/assert";
import { freeNow, hold, release } from "../../lib/util/free_now.ts";

Deno.test("freeNow: empties every view of a buffer that the bytes are all of", () => {
  const bytes = new Uint8Array(100_000);
  const other = new Int32Array(bytes.buffer);
  freeNow(bytes);
  assertEquals([bytes.length, other.length, bytes[0]], [0, 0, undefined]);
  freeNow(bytes);
});

Deno.test("freeNow: leaves a buffer alone that holds other bytes, too", () => {
  const shared = new Uint8Array(100);
  freeNow(shared.subarray(0, 99));
  freeNow(shared.subarray(1));
  assertEquals(shared.length, 100);
});

Deno.test("freeNow: what is held stays until nobody holds it", () => {
  const bytes = new Uint8Array(100_000).fill(7);
  hold(bytes);
  hold(bytes);
  freeNow(bytes);
  assertEquals([bytes.length, bytes[99_999]], [100_000, 7]);
  release(bytes);
  assertEquals(bytes.length, 100_000);
  release(bytes);
  assertEquals(bytes.length, 0);
});

Deno.test("freeNow: what was held, and not given up meanwhile, is nobody's concern", () => {
  const bytes = new Uint8Array(100);
  hold(bytes);
  release(bytes);
  assertEquals(bytes.length, 100);
  assertThrows(() => release(bytes), Error, "nobody holds");
  freeNow(bytes);
  assertEquals(bytes.length, 0);
});
