import { assert, assertEquals } from "@std/assert";
import { OutputBuffer } from "../../lib/util/output_buffer.ts";

function fill(buffer: OutputBuffer, count: number, byte = 7): void {
  buffer.writer.raw(new Uint8Array(count).fill(byte));
}

Deno.test("output buffer: what is taken stays as it is while more comes", () => {
  const buffer = new OutputBuffer();
  fill(buffer, 10, 1);
  const first = buffer.take()!;
  fill(buffer, 10, 2);
  assertEquals(buffer.take(), null, "one write at a time");
  assertEquals([...first], Array(10).fill(1));
  buffer.written();
  assertEquals([...buffer.take(4)!], Array(4).fill(2));
  assertEquals(buffer.pendingBytes, 10);
});

Deno.test("output buffer: keeps its memory up to the bound, and gives it back where it is told to", () => {
  const buffer = new OutputBuffer(100_000);
  for (let i = 0; i < 3; i++) {
    fill(buffer, 90_000);
    buffer.take();
    buffer.written();
  }
  assert(buffer.heldBytes >= 90_000, "what fits the bound is used again");
  buffer.giveBack();
  assert(buffer.heldBytes < 1_000);
  fill(buffer, 200_000);
  buffer.take();
  buffer.written();
  assert(buffer.heldBytes < 1_000, "what is larger is not kept");
});

Deno.test("output buffer: giving back keeps what waits", () => {
  const buffer = new OutputBuffer();
  fill(buffer, 2_000, 3);
  buffer.giveBack();
  assertEquals([...buffer.take()!], Array(2_000).fill(3));
});
