import { assertEquals } from "@std/assert";
import { checksum } from "../../lib/util/checksum.ts";
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
