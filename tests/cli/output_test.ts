/** What is printed: escaping, tables, units, records, progress. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { visible, visibleText } from "../../lib/cli/output/escape.ts";
import { Progress, progressLine } from "../../lib/cli/output/progress.ts";
import { type KeyRecord, parseRecord, recordLine } from "../../lib/cli/output/records.ts";
import { clip, table, widthOf } from "../../lib/cli/output/table.ts";
import {
  bytesText,
  countText,
  msText,
  secondsText,
  watchPosition,
} from "../../lib/cli/output/units.ts";
import { parseDurationMs } from "../../lib/util/duration.ts";

const encoder = new TextEncoder();

Deno.test("visible: text stays, everything else can be told and orders no terminal", () => {
  const cases: Record<string, string> = {
    "hello": "hello",
    "Grüße 世界 🎉": "Grüße 世界 🎉",
    "a\nb\r\tc\\": "a\\nb\\r\\tc\\\\",
    "\x1b[31mred": "\\x1b[31mred",
    "\u202eevil": "\\xe2\\x80\\xaeevil",
    "\u009b": "\\xc2\\x9b",
    "\ufeffx": "\\xef\\xbb\\xbfx",
  };
  for (const [text, shown] of Object.entries(cases)) assertEquals(visibleText(text), shown);
  assertEquals(visible(new Uint8Array([0, 0x41, 0xff, 0x80])), "\\x00A\\xff\\x80");
});

Deno.test("visible: no two values look the same, and none holds a control character", () => {
  const seen = new Map<string, string>();
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 8 }), (bytes) => {
      const shown = visible(bytes);
      assert(!/[\p{Cc}\p{Cf}]/u.test(shown), shown);
      const before = seen.get(shown);
      assert(before === undefined || before === bytes.join(), `${before} and ${bytes.join()}`);
      seen.set(shown, bytes.join());
    }),
    { numRuns: 5_000 },
  );
});

Deno.test("table: columns are as wide as what a terminal shows", () => {
  assertEquals(widthOf("世界"), 4);
  assertEquals(widthOf("e\u0301"), 1);
  assertEquals(
    table([{ title: "KEY" }, { title: "N", right: true }, { title: "X" }], [["世", "1", "a"], [
      "abc",
      "100",
      "",
    ]]),
    "KEY    N  X\n世     1  a\nabc  100\n",
  );
  assertEquals(clip("hello world", 8), "hello w…");
  assertEquals(clip("世界世界", 6), "世界…");
  assertEquals(clip("short", 8), "short");
});

Deno.test("units", () => {
  assertEquals([0, 1023, 1536, 123 * 1024 ** 2, 5 * 1024 ** 4].map(bytesText), [
    "0 B",
    "1023 B",
    "1.5 KiB",
    "123 MiB",
    "5.0 TiB",
  ]);
  assertEquals([0, 0.254, 12.34, 123.4, 1234, 12345].map(msText), [
    "0 ms",
    "0.25 ms",
    "12.3 ms",
    "123 ms",
    "1.23 s",
    "12.3 s",
  ]);
  assertEquals([5, 65, 3_600, 90_000].map(secondsText), ["5s", "1m05s", "1h00m", "1d01h"]);
  assertEquals([1, 1234, 1234567].map(countText), ["1", "1,234", "1,234,567"]);
  assertEquals(["500ms", "2", "1.5s", "2m", "1h", "7d", "0"].map(parseDurationMs), [
    500,
    2_000,
    1_500,
    120_000,
    3_600_000,
    604_800_000,
    0,
  ]);
  for (const text of ["", "s", "-1s", "1w", "1 s", "1e3", "0x10", "99999999999999d"]) {
    assertThrows(() => parseDurationMs(text), Error, "is no duration");
  }
});

Deno.test("records: every byte of keys and values comes back, and so does the time to live", () => {
  const record = fc.record({
    key: fc.uint8Array({ minLength: 1, maxLength: 20 }),
    value: fc.uint8Array({ maxLength: 200 }),
    ttlMs: fc.option(fc.integer({ min: 1, max: 2 ** 40 })),
  });
  fc.assert(fc.property(record, ({ key, value, ttlMs }) => {
    const line = recordLine({ key, value, ttlMs, version: 7 });
    assertEquals(line.split("\n").length, 2);
    const back = parseRecord(line);
    assertEquals([back.key, back.value, back.ttlMs], [key, value, ttlMs]);
  }));
  const all = Uint8Array.from({ length: 70_000 }, (_, at) => at % 256);
  assertEquals(parseRecord(recordLine({ key: all, value: all, ttlMs: null })).value, all);
});

Deno.test("records: text is readable, what is no text is base64", () => {
  const line = (key: string | number[], value: string | number[]) => {
    const bytes = (one: string | number[]) =>
      typeof one === "string" ? encoder.encode(one) : new Uint8Array(one);
    const record: KeyRecord = { key: bytes(key), value: bytes(value), version: 3, ttlMs: 0 };
    return recordLine(record);
  };
  // A key in its last millisecond is there all the same.
  assertEquals(line("a", "Grüße\n"), '{"key":"a","value":"Grüße\\n","version":3,"ttlMs":1}\n');
  assertEquals(line([255], ""), '{"key64":"/w==","value":"","version":3,"ttlMs":1}\n');
  // A byte order mark is data.
  assertEquals(parseRecord(line("\ufeffa", "\ufeff")).value, encoder.encode("\ufeff"));
});

Deno.test("records: a line that is none is refused with what is wrong with it", () => {
  const cases: Record<string, string> = {
    "": "no JSON",
    "[1]": "no object such as",
    '{"key":"a"}': "it has to have one of value and value64",
    '{"key":"a","key64":"YQ==","value":""}': "it has to have one of key and key64",
    '{"key":"","value":""}': "the key is empty",
    '{"key":1,"value":""}': "key is no string",
    '{"key":"a","value64":"***"}': "value64 is no base64",
    '{"key":"a","value":"","ttl":1}': 'unknown field "ttl"; known are key',
    '{"key":"a","value":"","ttlMs":0}': "ttlMs is no whole number",
    '{"key":"a","value":"","ttlMs":1.5}': "ttlMs is no whole number",
    '{"key":"\\ud800","value":""}': "half of a character stands alone",
  };
  for (const [line, why] of Object.entries(cases)) {
    assertThrows(() => parseRecord(line), Error, why);
  }
});

Deno.test("progress: bar, rate and time left; without a size, the time that passed", () => {
  const at = { elapsedMs: 10_000, unit: "keys" };
  assertEquals(
    progressLine(12_345, 0.25, 3_210, at),
    "[######                  ]  25 %  12,345 keys  3,210/s  30s left",
  );
  assertEquals(progressLine(5, null, 1, at), "5 keys  1/s  10s");
  assertEquals(progressLine(5, 7, 1, at), "[########################] 100 %  5 keys  1/s");
});

Deno.test("progress: nothing is written where there is no terminal, and no more than ten times a second", () => {
  for (const isShown of [true, false]) {
    let text = "";
    let nowMs = 0;
    const progress = new Progress({
      isShown,
      write: (more) => void (text += more),
      columns: () => 40,
      nowMs: () => nowMs,
      unit: "keys",
    });
    for (; nowMs < 1_000; nowMs++) progress.show(nowMs, nowMs / 1_000);
    progress.clear();
    assertEquals(text.split("\r").length - 1, isShown ? 11 : 0);
    for (const line of text.split("\r\x1b[K")) assert(widthOf(line) < 40, line);
  }
});

Deno.test("a watch's position is a revision, or what an event shows", () => {
  for (const text of ["0", "17", `17@${"0a".repeat(16)}`]) assertEquals(watchPosition(text), text);
  for (const text of ["", "x", "-1", "17@", "17@abc", "1.5"]) {
    assertThrows(
      () => watchPosition(text),
      Error,
      "no position as events show it, and no revision",
    );
  }
});
