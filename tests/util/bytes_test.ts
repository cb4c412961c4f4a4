import { assert, assertEquals } from "@std/assert";
import { ByteWriter } from "../../lib/util/bytes.ts";

Deno.test("ByteWriter: free empties every view, and it can be written to again", () => {
  const writer = new ByteWriter();
  writer.raw(new Uint8Array(1_000).fill(7));
  const view = writer.view();
  writer.free();
  assertEquals([view.length, writer.length, writer.bytes.length], [0, 0, 0]);
  writer.u16(0x0102);
  assertEquals([...writer.copy()], [1, 2]);
  // An empty one has no buffer of its own: others must not lose theirs with it.
  new ByteWriter(0).free();
  const other = new ByteWriter(0);
  other.u8(3);
  assertEquals([...other.copy()], [3]);
});

Deno.test("ByteWriter: grown tightly it keeps its bytes, and no more room than a quarter", () => {
  const writer = new ByteWriter();
  for (let i = 0; i < 5_000; i++) {
    writer.reserveTightly(4);
    const old = writer.bytes;
    writer.u32(i);
    assertEquals(writer.bytes, old);
    assert(writer.bytes.length <= Math.max(256, writer.length * 1.25 + 1));
  }
  const bytes = writer.view();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let i = 0; i < 5_000; i++) assertEquals(view.getUint32(4 * i), i);
  writer.reserveTightly(100_000);
  assertEquals(bytes.length, 0);
});
