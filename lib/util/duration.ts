/** Spans of time as people write them. */

const DURATION_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  "": 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** `500ms`, `1.5s`, `2m`, `3h`, `7d`; a bare number is seconds. @throws {Error} where it is none. */
export function parseDurationMs(text: string): number {
  const [, number, unit] = /^(\d{1,12}(?:\.\d{1,6})?)(ms|s|m|h|d|)$/.exec(text) ?? [];
  const ms = Math.round(Number(number) * (DURATION_MS[unit ?? "?"] ?? NaN));
  if (Number.isSafeInteger(ms)) return ms;
  throw new Error(`${JSON.stringify(text)} is no duration, such as 500ms, 5s, 2m, 1h or 7d`);
}

/** The same, and more than nothing. */
export function parseSomeDurationMs(text: string): number {
  const ms = parseDurationMs(text);
  if (ms > 0) return ms;
  throw new Error(`${JSON.stringify(text)} is no time at all: give at least 1ms`);
}
