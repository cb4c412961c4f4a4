import { assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import { startLogging } from "../lib/logging.ts";
import type { LogEvent } from "../lib/node/api.ts";

function written(format: "text" | "json", events: LogEvent[], level: LogEvent["level"] = "info") {
  const lines: string[] = [];
  const log = startLogging({ format, level, write: (line) => lines.push(line) });
  for (const event of events) log(event);
  return lines;
}

const EVENT: LogEvent = {
  level: "info",
  message: "Leads {now}",
  fields: { term: 3, peer: "10.0.0.1:9 b", level: "x" },
};

Deno.test("logging: a JSON line has time, level, message and the fields, flattened", () => {
  const [line] = written("json", [EVENT]);
  const parsed = JSON.parse(line!);
  assertMatch(parsed.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  delete parsed.time;
  assertEquals(parsed, {
    level: "info",
    message: "Leads {now}",
    term: 3,
    peer: "10.0.0.1:9 b",
    level_: "x",
  });
  assertEquals(line!.indexOf("\n"), line!.length - 1);
});

Deno.test("logging: a text line reads as level, message, fields", () => {
  const [line] = written("text", [EVENT]);
  assertMatch(
    line!,
    /^\d\d:\d\d:\d\d\.\d{3} INFO {2}Leads \{now\} {2}term=3 peer="10.0.0.1:9 b" level=x\n$/,
  );
});

Deno.test("logging: control characters are escaped, so that no input forges a line", () => {
  const event: LogEvent = {
    level: "error",
    message: "bad\n12:00 INFO",
    fields: { from: "\x1b[31mred\r\u2028\u202e\x7f\x9b" },
  };
  for (const format of ["text", "json"] as const) {
    const [line] = written(format, [event]);
    assertNotMatch(line!.slice(0, -1), /[\p{Cc}\u2028\u202e]/u);
    assertMatch(line!, /\\u001b\[31mred/);
  }
});

Deno.test("logging: events below the level are dropped", () => {
  const events = (["debug", "info", "warning", "error"] as const).map((level) => ({
    level,
    message: level,
    fields: {},
  }));
  const levels = (level: LogEvent["level"]) =>
    written("json", events, level).map((line) => JSON.parse(line).level);
  assertEquals(levels("debug"), ["debug", "info", "warning", "error"]);
  assertEquals(levels("warning"), ["warning", "error"]);
  assertEquals(levels("error"), ["error"]);
});
