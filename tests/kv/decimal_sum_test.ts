import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { addDecimals, DecimalProblem } from "../../lib/kv/commands/decimal_sum.ts";
import { ByteWriter } from "../../lib/util/bytes.ts";

const encoder = new TextEncoder();

function add(a: string, b: string): string | DecimalProblem {
  const out = new ByteWriter(8);
  const [left, right] = [encoder.encode(a), encoder.encode(b)];
  const problem = addDecimals(left, 0, left.length, right, 0, right.length, out);
  return problem === DecimalProblem.none ? new TextDecoder().decode(out.view()) : problem;
}

Deno.test("decimal sums are exact", () => {
  const sums: [string, string, string][] = [
    ["0.1", "0.2", "0.3"],
    ["10.50", "0.1", "10.6"],
    ["3.0", "0", "3"],
    ["5.0e3", "2.0e2", "5200"],
    ["1e-3", "1E+3", "1000.001"],
    ["-0.5", "0.5", "0"],
    ["-1", "0.25", "-0.75"],
    ["+.5", "5.", "5.5"],
    ["0.00000000000000001", "0", "0.00000000000000001"],
    ["0.000000000000000005", "0", "0.00000000000000001"],
    ["0.000000000000000004", "0", "0"],
    ["99.999999999999999995", "0", "100"],
    ["123456789012345678901234567890", "1", "123456789012345678901234567891"],
  ];
  for (const [a, b, sum] of sums) {
    assertEquals(add(a, b), sum);
    assertEquals(add(b, a), sum);
  }
});

Deno.test("decimal sums of fractions are those of whole numbers", () => {
  const cents = fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n });
  const text = (n: bigint) => `${n}e-4`;
  const shown = (n: bigint) => {
    const digits = `${n < 0 ? -n : n}`.padStart(5, "0");
    const fraction = digits.slice(-4).replace(/0+$/, "");
    const whole = `${n < 0 ? "-" : ""}${digits.slice(0, -4)}`;
    return fraction === "" ? whole : `${whole}.${fraction}`;
  };
  fc.assert(fc.property(cents, cents, (a, b) => {
    assertEquals(add(text(a), text(b)), shown(a + b));
  }));
});

Deno.test("what is no decimal number is refused", () => {
  for (
    const text of ["", "-", "+", ".", "e5", "1e", "1e+", "1.2.3", "abc", "1 ", " 1", "0x1", "nan"]
  ) {
    assertEquals(add("1", text), DecimalProblem.notNumber, JSON.stringify(text));
    assertEquals(add(text, "1"), DecimalProblem.notNumber, JSON.stringify(text));
  }
  assertEquals(add("1", "1".repeat(401)), DecimalProblem.notNumber);
  for (const text of ["inf", "-INF", "Infinity", "1e309", "1e99999999999", "1".repeat(311)]) {
    assertEquals(add("1", text), DecimalProblem.infinite, text);
  }
  assertEquals(add("9".repeat(309), "1"), DecimalProblem.infinite);
});
