import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { ByteWriter } from "../../lib/util/bytes.ts";
import { Int64, readI64, writeI64 } from "../../lib/util/int64.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function parse(text: string): Int64 | null {
  const bytes = encoder.encode(`<${text}>`);
  const value = new Int64();
  return value.parse(bytes, 1, bytes.length - 1) ? value : null;
}

function show(value: Int64): string {
  const out = new ByteWriter(1);
  value.write(out);
  return decoder.decode(out.view());
}

const int64s = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });

Deno.test("every 64-bit number is read and written as itself", () => {
  fc.assert(fc.property(int64s, (n) => {
    const value = parse(`${n}`)!;
    assertEquals(show(value), `${n}`);
    const bytes = new Uint8Array(10);
    writeI64(bytes, 1, value);
    const again = new Int64();
    readI64(bytes, 1, again);
    assertEquals([again.high, again.low], [value.high, value.low]);
    assertEquals(value.isNegative, n < 0n);
  }));
  for (
    const n of [0, 1, -1, 9999, 10_000, -10_000, 2 ** 32, -(2 ** 32), 2 ** 53 - 1, 1 - 2 ** 53]
  ) {
    const value = new Int64();
    value.set(n);
    assertEquals(show(value), `${n}`);
    assertEquals(value.toNumber(), n);
  }
});

Deno.test("what is no number, or out of range, is refused", () => {
  const wrong = ["", "-", "+1", "01", "-0", "-01", " 1", "1 ", "1.0", "1e3", "a", "--1", "0x1"];
  for (const text of wrong) assertEquals(parse(text), null, text);
  assertEquals(show(parse("9223372036854775807")!), "9223372036854775807");
  assertEquals(show(parse("-9223372036854775808")!), "-9223372036854775808");
  assertEquals(parse("9223372036854775808"), null);
  assertEquals(parse("-9223372036854775809"), null);
  assertEquals(parse("9999999999999999999"), null);
  assertEquals(parse("10000000000000000000"), null);
});

Deno.test("sums are exact, and refused beyond 64 bits", () => {
  fc.assert(fc.property(int64s, int64s, (a, b) => {
    const sum = parse(`${a}`)!;
    const fits = sum.add(parse(`${b}`)!);
    assertEquals(fits, BigInt.asIntN(64, a + b) === a + b);
    assertEquals(show(sum), `${fits ? a + b : a}`);
  }));
});

Deno.test("the opposite of a number", () => {
  fc.assert(fc.property(int64s, (n) => {
    const value = parse(`${n}`)!;
    assertEquals(value.isSmallest, n === -(2n ** 63n));
    value.negate();
    assertEquals(show(value), `${BigInt.asIntN(64, -n)}`);
  }));
});
