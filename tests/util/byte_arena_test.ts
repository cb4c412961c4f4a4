import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { ByteArena } from "../../lib/util/byte_arena.ts";

Deno.test("byte arena: copies hold what was copied, whatever is copied after them", () => {
  const size = fc.oneof(fc.nat(300), fc.integer({ min: 32_000, max: 33_000 }), fc.nat(300_000));
  fc.assert(
    fc.property(fc.array(fc.record({ size, start: fc.nat(50) }), { maxLength: 60 }), (wanted) => {
      const arena = new ByteArena();
      const copies: Uint8Array[] = [];
      const source = new Uint8Array(300_050);
      wanted.forEach(({ size, start }, i) => {
        source.fill(i + 1);
        const copy = arena.copy(source, start, start + size);
        assertEquals(copy.length, size);
        copies.push(copy);
      });
      source.fill(0);
      copies.forEach((copy, i) => {
        assertEquals(copy.every((byte) => byte === i + 1), true, `copy ${i} was changed`);
      });
    }),
    { numRuns: 50 },
  );
});

Deno.test("byte arena: a whole buffer is copied too, and an empty one", () => {
  const arena = new ByteArena();
  assertEquals(arena.copy(Uint8Array.of(1, 2, 3)), Uint8Array.of(1, 2, 3));
  assertEquals(arena.copy(new Uint8Array(0)).length, 0);
});
