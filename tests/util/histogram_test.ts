import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { bucketOf, Histogram, upperEndOf } from "../../lib/util/histogram.ts";

const microseconds = () => fc.integer({ min: 0, max: 0xffff_ffff });

Deno.test("a bucket holds its upper end, and the next value opens the next bucket", () => {
  for (let bucket = 0; bucket < 3_327; bucket++) {
    assertEquals(bucketOf(upperEndOf(bucket)), bucket);
    assertEquals(bucketOf(upperEndOf(bucket) + 1), bucket + 1);
  }
  assertEquals(upperEndOf(3_327), 0xffff_ffff);
});

Deno.test("a bucket's upper end is less than 0.8 % above each of its values", () => {
  fc.assert(fc.property(microseconds(), (us) => {
    const end = upperEndOf(bucketOf(us));
    assert(end >= us && end - us <= us / 127, `${us} is counted as up to ${end}`);
  }));
});

Deno.test("quantiles agree with a sorted list, to a bucket's width", () => {
  const durations = fc.array(microseconds(), { minLength: 1, maxLength: 200 });
  const fractions = fc.constantFrom(0, 0.25, 0.5, 0.9, 0.99, 0.999, 1);
  fc.assert(fc.property(durations, fractions, (list, fraction) => {
    const histogram = new Histogram();
    for (const us of list) histogram.record(us / 1_000);
    const sorted = [...list].sort((a, b) => a - b);
    const exact = sorted[Math.max(1, Math.ceil(fraction * list.length)) - 1]!;
    const us = histogram.quantileMs(fraction) * 1_000;
    assert(us >= exact - 0.001 && us <= exact + exact / 127 + 0.001, `${us} for ${exact}`);
    assert(us <= sorted.at(-1)! + 0.001);
  }));
});

Deno.test("adding two histograms is recording into one", () => {
  const durations = fc.array(microseconds(), { maxLength: 50 });
  fc.assert(fc.property(durations, durations, (first, second) => {
    const [a, b, both] = [new Histogram(), new Histogram(), new Histogram()];
    for (const us of first) a.record(us / 1_000);
    for (const us of second) b.record(us / 1_000);
    for (const us of [...first, ...second]) both.record(us / 1_000);
    a.add(b);
    assertEquals(a.summary(), both.summary());
  }));
});

Deno.test("an empty histogram has zeroes, and impossible durations are clamped", () => {
  const histogram = new Histogram();
  assertEquals(histogram.summary(), {
    count: 0,
    meanMs: 0,
    p50Ms: 0,
    p99Ms: 0,
    p999Ms: 0,
    maxMs: 0,
  });
  histogram.record(-0.5);
  assertEquals(histogram.quantileMs(1), 0);
  histogram.record(1e12);
  assertEquals(histogram.quantileMs(1), 0xffff_ffff / 1_000);
});
