import { assertEquals } from "@std/assert";
import { LogPace } from "../../lib/node/log_pace.ts";

/** When `what` may be said, asked every `everyMs` for `forMs`, with what was left out. */
function said(pace: LogPace, fromMs: number, forMs: number, everyMs: number): [number, number][] {
  const lines: [number, number][] = [];
  for (let nowMs = fromMs; nowMs < fromMs + forMs; nowMs += everyMs) {
    const unsaid = pace.ask("x", nowMs);
    if (unsaid !== null) lines.push([nowMs, unsaid]);
  }
  return lines;
}

Deno.test("log pace: a few times at once, then after pauses that double, up to a minute", () => {
  const times = said(new LogPace(), 0, 600_000, 500);
  assertEquals(times.slice(0, 8), [
    [0, 0],
    [500, 0],
    [1_000, 0],
    [1_500, 0],
    [2_000, 0],
    [3_000, 1],
    [5_000, 3],
    [9_000, 7],
  ]);
  assertEquals(times.length, 19);
  assertEquals(times.at(-1)![0] - times.at(-2)![0], 60_000);
  const left = times.reduce((sum, [, unsaid]) => sum + unsaid, 0);
  assertEquals(left + times.length, (times.at(-1)![0] / 500) + 1, "all are counted");
});

Deno.test("log pace: what has not happened for a minute, or is over, is news again", () => {
  const pace = new LogPace();
  said(pace, 0, 100_000, 500);
  assertEquals(pace.ask("y", 100_000), 0, "each has its own");
  assertEquals(said(pace, 159_500, 2_000, 500).length, 4);
  said(pace, 162_000, 10_000, 100);
  pace.forget("x");
  assertEquals(said(pace, 172_000, 2_000, 500).length, 4);
});
