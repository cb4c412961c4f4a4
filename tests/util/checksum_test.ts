import { assertEquals } from "@std/assert";
import { carriedDifference, checksum } from "../../lib/util/checksum.ts";
import { Random } from "../../lib/util/random.ts";

/** The definition, bit by bit. */
function reference(bytes: Uint8Array, seed: number): number {
  let value = ~seed;
  for (const byte of bytes) {
    value ^= byte;
    for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ (value & 1 ? 0xedb8_8320 : 0);
  }
  return ~value >>> 0;
}

Deno.test("the checksum of the nine digits is the one that the standard names", () => {
  assertEquals(checksum(new TextEncoder().encode("123456789")), 0xcbf4_3926);
  assertEquals(checksum(new Uint8Array(0)), 0);
});

Deno.test("a checksum continues from any seed, however often it is called", () => {
  const random = new Random(1);
  const bytes = new Uint8Array(64);
  // More calls than it takes until the runtime compiles them: Deno 2.4 gets large seeds wrong then.
  for (let i = 0; i < 30_000; i++) {
    const length = random.between(0, 64);
    for (let at = 0; at < length; at++) bytes[at] = random.u32();
    const part = bytes.subarray(0, length);
    const seed = random.chance(0.1) ? 0x7fff_ffff + random.between(0, 1) : random.u32();
    if (checksum(part, seed) !== reference(part, seed)) {
      assertEquals(checksum(part, seed), reference(part, seed), `call ${i}, seed ${seed}`);
    }
  }
});

Deno.test("the checksum of two parts is that of the whole", () => {
  const bytes = Uint8Array.from({ length: 300 }, (_, i) => i * 7);
  for (let cut = 0; cut <= 300; cut++) {
    assertEquals(checksum(bytes.subarray(cut), checksum(bytes.subarray(0, cut))), checksum(bytes));
  }
});

Deno.test("the difference of two checksums is carried over bytes of any number", () => {
  const bytes = new Uint8Array(70_000).map((_, i) => i * 31 + (i >>> 8));
  for (const count of [0, 1, 2, 3, 8, 255, 256, 4_095, 65_537, 70_000]) {
    for (const [a, b] of [[0, 1], [5, 0xffff_ffff], [0x8000_0000, 0x1234_5678]] as const) {
      const after = (seed: number) => checksum(bytes.subarray(0, count), seed);
      assertEquals(carriedDifference((a ^ b) >>> 0, count), (after(a) ^ after(b)) >>> 0);
    }
  }
});
