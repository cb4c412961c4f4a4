import { assert, assertEquals } from "@std/assert";
import { SpareBuffers } from "../../lib/util/spare_buffers.ts";

const MIB = 1_048_576;

Deno.test("spare buffers: one that was given back serves lengths down to half of its own", () => {
  const spares = new SpareBuffers();
  const first = spares.take(65_536);
  assertEquals([first.length, spares.bytes], [65_536, 0]);
  spares.give(first);
  assertEquals(spares.bytes, 65_536);
  const isFirst = ({ buffer }: Uint8Array) => buffer === first.buffer;
  assertEquals([isFirst(spares.take(28_000)), isFirst(spares.take(65_537))], [false, false]);
  const second = spares.take(32_768);
  assertEquals([isFirst(second), second.length, spares.bytes], [true, 32_768, 0]);
  spares.give(second);
  assertEquals([isFirst(spares.take(65_536)), spares.bytes], [true, 0]);
});

Deno.test("spare buffers: whoever asks for a little more each time gets the same one, mostly", () => {
  const spares = new SpareBuffers();
  const buffers = new Set<ArrayBufferLike>();
  for (let length = 32_768; length <= MIB; length += 100) {
    const buffer = spares.take(length);
    assertEquals(buffer.length, length);
    assert(buffer.buffer.byteLength <= length * 1.125);
    buffers.add(buffer.buffer);
    spares.give(buffer);
  }
  // Five doublings in eight steps each, and what is asked for first.
  assertEquals(buffers.size, 41);
});

Deno.test("spare buffers: at most 16 MiB lie unused, those used last", () => {
  const spares = new SpareBuffers();
  const taken = Array.from({ length: 20 }, () => spares.take(MIB));
  for (const buffer of taken) spares.give(buffer);
  assertEquals(spares.bytes, 16 * MIB);
  assertEquals(taken.map(({ length }) => length > 0), [
    ...new Array(4).fill(false),
    ...new Array(16).fill(true),
  ]);
  spares.give(spares.take(17 * MIB));
  assertEquals(spares.bytes, 16 * MIB);
});

Deno.test("spare buffers: all are given up once nobody has asked for a second", () => {
  const spares = new SpareBuffers();
  spares.give(spares.take(MIB));
  spares.elapse(10_000);
  spares.elapse(10_999);
  assertEquals(spares.bytes, MIB);
  spares.give(spares.take(MIB));
  spares.elapse(11_000);
  spares.elapse(11_999);
  assertEquals(spares.bytes, MIB);
  spares.elapse(12_000);
  assertEquals(spares.bytes, 0);
});
