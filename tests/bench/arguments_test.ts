import { assertEquals, assertThrows } from "@std/assert";
import { parseFaults } from "../../bench/failover.ts";
import { parseMix, parseTargets } from "../../bench/load.ts";
import { median } from "../../bench/median.ts";
import { electionsIn } from "../../bench/stability.ts";
import { formatCount, formatTable } from "../../bench/table.ts";

Deno.test("flags of the benchmarks are parsed, or refused by name", () => {
  assertEquals(parseMix("100:0"), 1);
  assertEquals(parseMix("1:3"), 0.25);
  for (const mix of ["0:0", "half", "1:-1", ""]) assertThrows(() => parseMix(mix), Error, "--mix");
  assertEquals(parseTargets("127.0.0.1:9000,localhost:1"), [
    { hostname: "127.0.0.1", port: 9000 },
    { hostname: "localhost", port: 1 },
  ]);
  assertThrows(() => parseTargets("9000"), Error, "--target");
  assertEquals(parseFaults("kill,drop"), ["kill", "drop"]);
  assertThrows(() => parseFaults("kill,pull"), Error, "--faults");
});

Deno.test("the median is a value of the list that half do not exceed", () => {
  assertEquals(median([5]), 5);
  assertEquals(median([100, 9, 10]), 10);
  assertEquals(median([4, 3, 2, 1]), 2);
});

Deno.test("elections are read from a server's log, other lines left alone", () => {
  const log = [
    "not JSON",
    '{"time":"T1","level":"info","message":"Serving","term":7}',
    '{"time":"T2","level":"info","message":"Now leader, was candidate","term":3,"leader":2}',
    '{"time":"T3","level":"info","message":"Now follower, was leader","term":4}',
    "",
  ].join("\n");
  assertEquals(electionsIn(log, 2), [{ term: 3, server: 2, time: "T2" }]);
});

Deno.test("tables line up, and counts have their thousands apart", () => {
  assertEquals([0, 999, 1_000, 1_234_567.6].map(formatCount), ["0", "999", "1,000", "1,234,568"]);
  assertEquals(
    formatTable(["load", "n"], [["set", "5"], ["get, long", "12,345"]]),
    [
      "load            n",
      "---------  ------",
      "set             5",
      "get, long  12,345",
    ].join("\n"),
  );
});
