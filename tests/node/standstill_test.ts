import { assertEquals, assertMatch } from "@std/assert";
import type { ProcessUse } from "../../lib/host/ports.ts";
import type { LogEvent } from "../../lib/node/api.ts";
import { Standstill } from "../../lib/node/reports/standstill.ts";

const TICK_MS = 10;

function setUp() {
  const events: LogEvent[] = [];
  const bench = {
    events,
    nowMs: 5,
    wallMs: 1_000_000,
    use: { cpuMs: 0, diskMs: 0, longestDiskCall: "" } as ProcessUse,
    asked: 0,
  };
  const clock = { monotonicMs: () => bench.nowMs, wallMs: () => bench.wallMs };
  const watch = new Standstill({
    clock,
    host: {
      log: (event) => events.push(event),
      use: () => {
        bench.asked++;
        return bench.use;
      },
    },
    electionTimeoutMs: 300,
  });
  const pass = (ms: number, wallMs = ms) => {
    bench.nowMs += ms;
    bench.wallMs += wallMs;
    watch.woken(bench.nowMs);
    watch.expect(bench.nowMs + TICK_MS, bench.nowMs);
  };
  pass(0);
  return { bench, watch, pass };
}

Deno.test("standing still: for how long, and nothing where it is woken a little late", () => {
  const { bench, watch, pass } = setUp();
  for (const ms of [10, 10, 12, 19, 150, 309, 10]) pass(ms);
  assertEquals(bench.events, []);
  pass(6_010);
  assertEquals(bench.events.map(({ level, message }) => [level, message]), [
    ["warning", "This server stood still"],
  ]);
  assertEquals(bench.events[0]!.fields.stoodStillMs, 6_000);
  assertEquals(watch.totalMs(bench.nowMs), 140 + 299 + 6_000);
  // What it was not woken after yet counts, too.
  assertEquals(watch.totalMs(bench.nowMs + 510), 140 + 299 + 6_500);
});

Deno.test("standing still: why, by what the process used meanwhile", () => {
  const { bench, pass } = setUp();
  const reasonAfter = (use: Partial<ProcessUse>) => {
    bench.use = { ...bench.use, ...use };
    pass(1_010);
    return bench.events.splice(0).map(({ fields }) => fields);
  };
  const stopped = { stoodStillMs: 1_000, cpuMs: 3, diskMs: 0 };
  assertEquals(reasonAfter({ cpuMs: 3 }), [
    { ...stopped, reason: "its process was stopped, or the machine gave it no processor" },
  ]);
  const busy = { stoodStillMs: 1_000, cpuMs: 950, diskMs: 40 };
  assertEquals(reasonAfter({ cpuMs: 953, diskMs: 40 }), [
    { ...busy, reason: "it was computing, or collecting garbage" },
  ]);
  const [fields] = reasonAfter({ cpuMs: 960, diskMs: 990, longestDiskCall: "sync /d/1 (900 ms)" });
  assertMatch(`${fields!.reason}`, /^the disk held it up, .* this call: sync \/d\/1 \(900 ms\)$/);
});

Deno.test("standing still: a machine that slept is told by the wall clock, which continues", () => {
  const { bench, pass } = setUp();
  pass(10, 900);
  pass(10, -5_000);
  assertEquals(bench.events, []);
  pass(10, 3_600_010);
  assertEquals(bench.events.map(({ message, fields }) => [message, fields]), [
    ["The machine slept, or its clock was set forward", { aheadMs: 3_600_000 }],
  ]);
});

Deno.test("standing still again and again is logged less and less often", () => {
  const { bench, pass } = setUp();
  for (let i = 0; i < 3_600; i++) pass(1_000);
  assertEquals(bench.events.length < 80, true, `${bench.events.length} lines`);
});

Deno.test("standing still: what was computed shortly before is not taken for the reason", () => {
  const { bench, pass } = setUp();
  pass(75); // asked for here
  bench.use = { ...bench.use, cpuMs: 70 }; // all of the next 70 ms
  for (let i = 0; i < 7; i++) pass(10);
  pass(320);
  const { cpuMs, reason } = bench.events[0]!.fields;
  assertEquals([cpuMs, reason], [
    70,
    "its process was stopped, or the machine gave it no processor",
  ]);
});

Deno.test("standing still: what the process uses is asked for four times an election timeout, however often it is woken", () => {
  const { bench, pass } = setUp();
  bench.asked = 0;
  for (let i = 0; i < 600; i++) pass(5); // ten election timeouts
  assertEquals(bench.asked, 40);
});
