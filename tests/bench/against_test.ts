/** Ratios of two checkouts: paired round by round, with their quartiles. */
import { assertEquals } from "@std/assert";
import { ratioText } from "../../bench/against.ts";
import { quartiles } from "../../bench/median.ts";

const measured = (perSecond: number) => ({
  requests: 1,
  perSecond,
  p50Ms: 1,
  p99Ms: 1,
  p999Ms: 1,
  leader: { cpuUs: 1, writtenBytes: 1, waits: 1 },
  followers: { cpuUs: 1, writtenBytes: 1, waits: 1 },
});

Deno.test("quartiles are values of the sample, the median the one in the middle", () => {
  assertEquals(quartiles([5, 1, 4, 2, 3]), [2, 3, 4]);
  assertEquals(quartiles([7]), [7, 7, 7]);
});

Deno.test("a ratio is taken within each round before the median is", () => {
  // The machine was ten times as fast in the second round: medians of rates would say 2.
  const pairs = [
    { ours: measured(100), theirs: measured(200) },
    { ours: measured(2_000), theirs: measured(1_000) },
    { ours: measured(90), theirs: measured(90) },
  ];
  assertEquals(ratioText(pairs, ({ perSecond }) => perSecond), "1.00 [0.50, 2.00]");
});
