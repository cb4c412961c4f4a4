/** Where the bands of the logs are drawn. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { bandOf, Growth, placeOf, roundUp, scaleOf, ticksOf } from "../../page/bands.ts";

const level = (index: number) => (
  { lastIndex: index, commitIndex: index, appliedIndex: index, durableIndex: index }
);

Deno.test("bands: level logs end at the same place, a little before the right edge", () => {
  const scale = scaleOf([level(1_000), level(1_000)], 0, null);
  const { last, committed, applied, durable, outside } = bandOf(level(1_000), scale);
  assertEquals([committed, applied, durable], [last, last, last]);
  assert(last > 0.94 && last < 1 && outside === 0);
});

Deno.test("bands: last, committed, applied and durable each end where they are", () => {
  const ends = { lastIndex: 100, commitIndex: 95, appliedIndex: 90, durableIndex: 92 };
  const band = bandOf(ends, { from: 80, to: 120 });
  assertEquals([band.last, band.committed, band.applied, band.durable], [0.5, 0.375, 0.25, 0.3]);
});

Deno.test("bands: the scale takes in who is behind; one that is not heard may be outside", () => {
  const behind = level(400);
  const scale = scaleOf([level(1_000), behind], 0, null);
  assert(placeOf(400, scale) > 0);
  assertEquals(scaleOf([level(1_000)], 0, null).from, 980);
  assertEquals(bandOf(behind, scaleOf([level(1_000)], 0, null)).outside, 580);
});

Deno.test("bands: the scale does not jump to and fro as the pace changes a little", () => {
  let scale = scaleOf([level(10_000)], 900, null);
  const widths = new Set<number>();
  for (const growth of [900, 780, 810, 760, 830]) {
    scale = scaleOf([level(10_000)], growth, scale);
    widths.add(Math.round(scale.to - scale.from));
  }
  assertEquals(widths.size, 1);
  const calm = scaleOf([level(10_000)], 100, scale);
  assert(calm.to - calm.from < (scale.to - scale.from) / 2);
});

Deno.test("bands: every place is on the band, in the order of the indexes", () => {
  const index = fc.integer({ min: 0, max: 2 ** 50 });
  fc.assert(fc.property(index, index, index, fc.integer({ min: 0, max: 10 ** 7 }), (a, b, c, g) => {
    const scale = scaleOf([level(a), level(b)], g, null);
    assert(scale.from < scale.to);
    const [low, high] = [Math.min(b, c), Math.max(b, c)];
    const places = [placeOf(low, scale), placeOf(high, scale)];
    assert(places[0]! >= 0 && places[0]! <= places[1]! && places[1]! <= 1);
    const ticks = ticksOf(scale);
    assert(ticks.length <= 15, `${ticks.length}`);
    for (const tick of ticks) assert(tick >= 0 && tick >= scale.from && tick <= scale.to);
  }));
});

Deno.test("bands: round numbers and growth", () => {
  assertEquals([1, 3, 20, 21, 60, 999].map(roundUp), [1, 5, 20, 50, 100, 1_000]);
  const growth = new Growth();
  assertEquals(growth.note(0, 100), 0);
  assertEquals(growth.note(1_000, 150), 500);
  for (let at = 2; at <= 30; at++) growth.note(at * 1_000, 150 + at);
  assertEquals(Math.round(growth.note(31_000, 181)), 10);
  // Another cluster, or a log that was cut.
  assertEquals(growth.note(32_000, 5), 0);
});
