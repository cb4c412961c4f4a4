import { assertEquals, assertStringIncludes } from "@std/assert";
import { barChart } from "../../bench/bar_chart.ts";
import { axisFor, lineChart, shortNumber } from "../../bench/line_chart.ts";
import { ratio, ratioSpreadTable, speedTable } from "../../bench/speed_report.ts";
import type { Cell, Row, SpeedSubject } from "../../bench/speed_subjects.ts";

const cells = (...rates: number[]): Cell[] =>
  rates.map((perSecond) => ({ requests: 1, perSecond, p50Ms: 1, p99Ms: 1, p999Ms: 1 }));

const ROW: Row = {
  title: "SET",
  test: "SET",
  connections: 100,
  pipeline: 1,
  etcdClients: 100,
  wanted: { etcd: 8, redis: 0.7 },
};

Deno.test("a ratio is the median of the rounds' own, and says whether it is what was wanted", () => {
  // The machine is ten times as slow in the second round, and etcd alone in the third.
  const result = {
    row: ROW,
    cells: { etcd: cells(10, 1, 1), redis: cells(100), raftkv: cells(80, 8, 80) },
  };
  assertEquals(ratio(result, "etcd"), 8);
  assertEquals(ratio(result, "redis"), 0.8);
  const raftkv = { name: "raftkv", title: "raftkv" } as SpeedSubject;
  const table = speedTable([result, { row: ROW, cells: { raftkv: cells(1) } }], [raftkv]);
  assertStringIncludes(table, "8.00 (wanted 8)");
  const slow = { row: ROW, cells: { redis: cells(100), raftkv: cells(69) } };
  assertStringIncludes(speedTable([slow], [raftkv]), "0.69 (short of 0.7)");
  assertStringIncludes(ratioSpreadTable([result]), "8.00 to 80.00");
});

Deno.test("a chart of bars is well-formed, and no name can break out of it", () => {
  const svg = barChart({
    title: "<script> & more",
    note: "",
    series: [{ name: "a", colour: "#000000" }],
    groups: [{ title: "one", bars: [{ series: 0, value: 2, label: "two", wanted: 4 }] }],
  });
  assertStringIncludes(svg, "&#60;script&#62; &#38; more");
  const opened = [...svg.matchAll(/<(\w+)(?:>|[^>]*[^/]>)/g)].map((match) => match[1]!).sort();
  const closed = [...svg.matchAll(/<\/(\w+)>/g)].map((match) => match[1]!).sort();
  assertEquals(opened, closed);
});

Deno.test("an axis is linear from zero, or by powers of ten where values lie far apart", () => {
  const near = axisFor([100, 370]);
  assertEquals(near.ticks, [0, 100, 200, 300, 400]);
  assertEquals([near.at(0), near.at(400)], [0, 1]);
  const far = axisFor([3, 2_000]);
  assertEquals(far.ticks, [1, 10, 100, 1_000, 10_000]);
  assertEquals([far.at(1), far.at(100), far.at(10_000)], [0, 0.5, 1]);
  assertEquals(axisFor([0]).ticks, [0]);
});

Deno.test("a chart of lines leaves out what was not measured", () => {
  const svg = lineChart({
    title: "t",
    note: "",
    places: ["1", "2", "3"],
    placesTitle: "n",
    panels: [{ title: "p", lines: [{ name: "SET", colour: "#000000", values: [1, null, 3] }] }],
  });
  assertEquals(svg.match(/<circle /g)?.length, 2);
  assertEquals([1, 1_500, 20_000, 3_000_000].map(shortNumber), ["1", "1.5 k", "20 k", "3 M"]);
});
