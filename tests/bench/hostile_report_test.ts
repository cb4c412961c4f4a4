/** What the table of bench:hostile says, and when it says that all is well. */
import { assertEquals, assertThrows } from "@std/assert";
import { faultsOf, formatResults, type Round, summarize } from "../../bench/hostile_report.ts";

function round(withoutP99Ms: number, withP99Ms: number, more: Partial<Round> = {}): Round {
  const againP99Ms = withoutP99Ms;
  return { withoutP99Ms, againP99Ms, withP99Ms, grownBytes: 1_024 ** 2, count: 100, ...more };
}

Deno.test("a ratio is that of the columns beside it, whichever rounds these come from", () => {
  // A stall in one stretch without them: of the rounds' own ratios the middle one is 0.9.
  const result = summarize("idle", [round(70, 10), round(10, 9), round(10, 30)], true);
  assertEquals([result.withoutP99Ms, result.withP99Ms, result.ratio], [10, 10, 1]);
  assertEquals(result.ratios, [10 / 70, 0.9, 3]);
  const cells = formatResults([result]).split("\n")[2]!.split(/ {2,}/);
  const shown = ["idle", "100", "10.0", "10.0", "10.0", "1.00", "1.00", "0.14 to 3.00"];
  assertEquals(cells, [...shown, "1 MiB", "kept", "-"]);
});

Deno.test("a ratio is to both stretches without them; where those differ nothing is told", () => {
  const result = summarize("idle", [round(10, 18, { againP99Ms: 14 })], true);
  assertEquals([result.noise, result.ratio, faultsOf(result)], [1.4, 1.5, []]);
  for (const againP99Ms of [6, 16]) {
    assertEquals(faultsOf(summarize("idle", [round(10, 10, { againP99Ms })], true)), ["noise"]);
  }
});

Deno.test("two rounds have none in the middle: the smaller one of both is no median", () => {
  const { message } = assertThrows(() => summarize("idle", [round(70, 10), round(10, 30)], true));
  assertEquals(message, "--rounds: 2 is even, and a median needs a round in the middle");
});

Deno.test("it is not well where one bound is passed", () => {
  const result = summarize("idle", [round(10, 15), round(10, 15), round(10, 90)], true);
  assertEquals(faultsOf(result), []);
  assertEquals(faultsOf({ ...result, isKept: false }), ["leader"]);
  assertEquals(faultsOf(summarize("idle", [round(10, 15.1)], true)), ["p99"]);
  const grown = { grownBytes: 128 * 1_024 ** 2 + 1 };
  const rounds = [round(10, 10), round(10, 10, grown), round(10, 10)];
  assertEquals(faultsOf(summarize("idle", rounds, true)), ["memory"]);
});
