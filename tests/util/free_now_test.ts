import { assertEquals } from "@std/assert";
import { freeNow } from "../../lib/util/free_now.ts";

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
