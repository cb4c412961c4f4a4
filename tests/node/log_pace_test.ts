import { assert, assertEquals } from "@std/assert";
import { LogPace } from "../../lib/node/reports/log_pace.ts";
import { PacedLog } from "../../lib/node/reports/paced_log.ts";
import type { LogEvent } from "../../lib/node/api.ts";

/** When `what` may be said, asked every `everyMs` for `forMs`, with what was left out. */
function said(pace: LogPace, fromMs: number, forMs: number, everyMs: number): [number, number][] {
  const lines: [number, number][] = [];
  for (let nowMs = fromMs; nowMs < fromMs + forMs; nowMs += everyMs) {
    const omitted = pace.ask("x", nowMs);
    if (omitted !== null) lines.push([nowMs, omitted]);
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
  const left = times.reduce((sum, [, omitted]) => sum + omitted, 0);
  assertEquals(left + times.length, (times.at(-1)![0] / 500) + 1, "all are counted");
});

Deno.test("log pace: what has not happened for a minute is news again", () => {
  const pace = new LogPace();
  said(pace, 0, 100_000, 500);
  assertEquals(pace.ask("y", 100_000), 0, "each has its own");
  assertEquals(said(pace, 159_500, 2_000, 500).length, 4);
});

Deno.test("paced log: the last of what changes fast is logged in the end, with how many were omitted", () => {
  const events: LogEvent[] = [];
  const log = new PacedLog({ log: (event) => events.push(event) });
  const say = (message: string, nowMs: number) => {
    log.log("peer 2", { level: "info", message, fields: { peer: 2 } }, nowMs);
    log.elapse(nowMs);
  };
  let nowMs = 0;
  for (; nowMs < 3_600_000; nowMs += 200) say(nowMs % 400 === 0 ? "up" : "down", nowMs);
  const before = events.length;
  assert(before > 20 && before < 2 * (5 + 6 + 60), `${before} lines in an hour`);
  assertEquals(events[0], { level: "info", message: "up", fields: { peer: 2 } });
  for (const untilMs = nowMs + 600_000; nowMs < untilMs; nowMs += 10) log.elapse(nowMs);
  assertEquals(events.length <= before + 1, true);
  assertEquals(events.at(-1)!.message, "down");
  const omitted = events.reduce((sum, { fields }) => sum + Number(fields.omitted ?? 0), 0);
  assert(omitted + events.length <= 18_000 && omitted + events.length > 17_500, `${omitted}`);
});
