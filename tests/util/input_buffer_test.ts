import { assert, assertEquals, assertThrows } from "@std/assert";
import { InputBuffer } from "../../lib/util/input_buffer.ts";
import { Random } from "../../lib/util/random.ts";
import { SpareBuffers } from "../../lib/util/spare_buffers.ts";

function put(input: InputBuffer, count: number, minimum = 1): void {
  for (let left = count; left > 0;) {
    const free = input.space(minimum);
    const size = Math.min(left, free.length);
    free.fill(7, 0, size);
    input.commit(size);
    left -= size;
  }
}

Deno.test("input buffer: what goes in comes out in order, however it is read and consumed", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = new Random(seed);
    const input = new InputBuffer(300, 16);
    let written = 0;
    let read = 0;
    for (let step = 0; step < 200; step++) {
      if (!input.full && random.chance(0.6)) {
        const free = input.space(random.between(1, 400));
        assert(free.length >= 1);
        const count = random.between(0, Math.min(free.length, 300 - input.length));
        for (let i = 0; i < count; i++) free[i] = written++;
        input.commit(count);
      } else {
        const count = random.between(0, input.length);
        for (let i = 0; i < count; i++) assertEquals(input.bytes[input.start + i], read++ & 0xff);
        input.consume(count);
      }
      assertEquals(input.length, written - read);
      assert(input.bytes.length <= 300);
    }
  }
});

Deno.test("input buffer: never grows beyond its maximum, and says when it is full", () => {
  const input = new InputBuffer(1000, 64);
  put(input, 1000);
  assertEquals([input.length, input.full, input.bytes.length], [1000, true, 1000]);
  assertThrows(() => input.space(1), Error, "full at 1000 bytes");
  input.consume(1);
  assertEquals(input.space(50).length, 1);
});

Deno.test("input buffer: an announced megabyte that never comes costs nothing", () => {
  const input = new InputBuffer(2_000_000, 1024);
  put(input, 20, 1_000_000);
  assertEquals(input.bytes.length, 1024);
  put(input, 1000, 1_000_000);
  assert(input.bytes.length <= 4096);
});

Deno.test("input buffer: is small until a read fills it, then has room for more", () => {
  const input = new InputBuffer(2_000_000, 1024);
  put(input, 1023);
  input.consume(1023);
  assertEquals([input.bytes.length, input.space().length], [1024, 1024]);
  put(input, 1024);
  input.consume(1024);
  assertEquals([input.space().length, input.bytes.length], [8192, 8192]);
});

Deno.test("input buffer: the largest size is for who fills the middle one often, and goes in steps", () => {
  const input = new InputBuffer(2_000_000, 1024);
  const read = (count: number) => {
    put(input, count);
    input.consume(count);
    return input.space().length;
  };
  assertEquals(read(1024), 8_192);
  // One that is short between two that are full, as where a burst takes two reads.
  for (let full = 1; full < 16; full++) assertEquals([read(8_192), read(500)], [8_192, 8_192]);
  assertEquals(read(8_192), 24_576);
  assertEquals(read(24_576), 24_576);
  for (let reads = 1; reads < 64; reads++) assertEquals(read(8_191), 24_576);
  assertEquals(read(8_192), 24_576);
  for (let reads = 1; reads < 64; reads++) assertEquals(read(8_191), 24_576);
  assertEquals(read(1), 8_192);
  for (let reads = 1; reads < 64; reads++) assertEquals(read(1_023), 8_192);
  assertEquals(read(1), 1_024);
});

Deno.test("input buffer: gives back what a long command took, and is small after short ones", () => {
  const input = new InputBuffer(2_000_000, 1024);
  put(input, 1_500_000, 1_000_000);
  assert(input.bytes.length >= 1_500_000);
  input.consume(1_499_999);
  input.consume(1);
  assertEquals([input.bytes.length, input.start, input.end], [8192, 0, 0]);
  for (let reads = 1; reads <= 64; reads++) {
    assertEquals(input.bytes.length, 8192);
    put(input, 1023);
    input.consume(1023);
  }
  assertEquals([input.bytes.length, input.start, input.end], [1024, 0, 0]);
});

Deno.test("input buffer: moves what it holds to the front rather than grow", () => {
  const input = new InputBuffer(2_000, 100);
  put(input, 90);
  input.consume(80);
  assertEquals(input.space(60).length, 90);
  assertEquals([input.start, input.end, input.bytes.length], [0, 10, 100]);
});

Deno.test("input buffer: wrong counts are refused", () => {
  const input = new InputBuffer(100, 10);
  assertThrows(() => input.commit(11), Error, "Cannot commit 11 bytes");
  assertThrows(() => input.consume(1), Error, "Cannot consume 1 bytes");
  assertThrows(() => new InputBuffer(5, 10), Error, "Cannot make an input buffer");
  assertThrows(() => new InputBuffer(5, 0), Error, "Cannot make an input buffer");
});

Deno.test("input buffer: the next command as long as one before is read in one piece, in the same memory", () => {
  const spares = new SpareBuffers();
  const input = new InputBuffer(2_000_000, 1024, spares);
  put(input, 1024);
  put(input, 98_976, 98_976);
  const { buffer } = input.bytes;
  input.consume(100_000);
  // On its way it was in a shorter one.
  const shorter = 32_768;
  assertEquals([input.bytes.length, input.heldBytes], [8192, 8192]);
  assertEquals(spares.bytes, shorter + buffer.byteLength);
  put(input, 2000);
  const space = input.space(98_000);
  assertEquals([space.length, input.bytes.buffer === buffer], [98_000, true]);
  assertEquals([input.heldBytes, spares.bytes], [buffer.byteLength + 8192, shorter]);
  assertEquals(input.bytes.subarray(0, 2000), new Uint8Array(2000).fill(7));
  // No longer one than has come before.
  assert(input.space(1_000_000).length <= 98_000);
});

Deno.test("input buffer: that a shared buffer is full says nothing of what a connection needs of its own", () => {
  const spares = new SpareBuffers();
  const input = new InputBuffer(2_000_000, 8192, spares);
  const fill = (held = 0) => {
    if (held > 0) put(input, held);
    input.commit(input.space(held === 0 ? 1 : 100_000).length);
    input.consume(input.length);
    return input.space().length;
  };
  assertEquals(fill(), 65_536);
  for (let full = 1; full < 16; full++) assertEquals(fill(), 65_536);
  for (let commands = 0; commands < 20; commands++) assertEquals(fill(40_000), 65_536);
  assert(spares.bytes > 0);
  assertEquals([fill(), input.heldBytes], [196_608, 196_608]);
  const own = input.bytes.buffer;
  put(input, 196_608, 196_608);
  input.consume(196_608);
  assertEquals([input.bytes.buffer === own, input.heldBytes], [true, 196_608]);
});

Deno.test("input buffer: a connection that sends little is believed no announced length again", () => {
  const input = new InputBuffer(2_000_000, 1024, new SpareBuffers());
  put(input, 1024);
  put(input, 98_976, 98_976);
  input.consume(100_000);
  for (let reads = 1; reads <= 64; reads++) {
    put(input, 1023);
    input.consume(1023);
  }
  put(input, 1000);
  assert(input.space(98_000).length <= 3000);
});

Deno.test("input buffer: with shared memory, too, what goes in comes out in order", () => {
  const spares = new SpareBuffers();
  const inputs = [1, 2, 3].map(() => ({
    input: new InputBuffer(400_000, 1024, spares),
    written: 0,
    read: 0,
  }));
  const random = new Random(17);
  for (let step = 0; step < 3_000; step++) {
    const one = inputs[random.between(0, 2)]!;
    const { input } = one;
    if (!input.full && random.chance(0.6)) {
      const free = input.space(random.between(1, 150_000));
      const count = random.between(0, Math.min(free.length, 400_000 - input.length));
      for (let i = 0; i < count; i++) free[i] = one.written++ * 7;
      input.commit(count);
    } else {
      const count = random.chance(0.5) ? input.length : random.between(0, input.length);
      const at = [0, count >> 1, count - 1].filter((i) => i >= 0 && i < count);
      for (const i of at) assertEquals(input.bytes[input.start + i], ((one.read + i) * 7) & 0xff);
      one.read += count;
      input.consume(count);
    }
    assertEquals(input.length, one.written - one.read);
  }
});
