import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { bucketOf, COARSE_ENDS_MS, TimeHistogram } from "../../lib/util/time_histogram.ts";

Deno.test("histogram: each coarse bucket has what took no longer", () => {
  const times = fc.array(fc.double({ min: 0, max: 40_000, noNaN: true }), { maxLength: 50 });
  fc.assert(fc.property(times, (tookMs) => {
    const histogram = new TimeHistogram();
    for (const one of tookMs) histogram.observe(one);
    const coarse = histogram.coarse();
    // The logarithm may put a time that is an end, but for rounding, on either side.
    for (const [i, endMs] of COARSE_ENDS_MS.entries()) {
      const least = tookMs.filter((one) => one <= endMs * (1 - 1e-9)).length;
      const most = tookMs.filter((one) => one <= endMs * (1 + 1e-9)).length;
      assert(least <= coarse[i]! && coarse[i]! <= most);
    }
    assertEquals(histogram.count, tookMs.length);
  }));
});

Deno.test("histogram: times that are none, or out of all bounds, are counted somewhere", () => {
  for (const tookMs of [-1, 0, NaN, 2 ** -4]) assertEquals(bucketOf(tookMs), 0);
  assertEquals(bucketOf(Infinity), bucketOf(1e12));
});

Deno.test("histogram: a percentile is that of the last one to two minutes", () => {
  const histogram = new TimeHistogram();
  histogram.rotate(0);
  assertEquals(histogram.recentPercentileMs(0.99), null);
  for (let i = 0; i < 98; i++) histogram.observe(1);
  for (let i = 0; i < 2; i++) histogram.observe(100);
  assertEquals(histogram.recentPercentileMs(0.98), 1);
  const p99Ms = histogram.recentPercentileMs(0.99)!;
  assert(p99Ms >= 100 && p99Ms < 119, `${p99Ms}`);
  histogram.rotate(60_000);
  histogram.observe(1);
  assertEquals(histogram.recentPercentileMs(0.99), p99Ms);
  histogram.rotate(119_000);
  assertEquals(histogram.recentPercentileMs(0.99), p99Ms);
  histogram.rotate(120_000);
  assertEquals(histogram.recentPercentileMs(0.99), 1);
  // After a standstill nothing from before it is recent.
  histogram.rotate(500_000);
  assertEquals(histogram.recentPercentileMs(0.99), null);
  histogram.observe(1e9);
  assertEquals(histogram.recentPercentileMs(0.5), 16_384);
});
