/** Numbers, times and lists as people read them. Pure. */

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"] as const;
const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** What stands for a fact that nobody knows. */
export const UNKNOWN = "–";

/** `12,345`. */
export function count(value: number | null): string {
  if (value === null) return UNKNOWN;
  return `${Math.round(value)}`.replace(/\B(?=(\d{3})+$)/g, ",");
}

/** `1.4 MiB`: three digits at most. */
export function bytes(value: number | null): string {
  if (value === null) return UNKNOWN;
  let scaled = value;
  let at = 0;
  while (scaled >= 1_000 && at < UNITS.length - 1) {
    scaled /= 1_024;
    at++;
  }
  return `${at > 0 && scaled < 10 ? scaled.toFixed(1) : Math.round(scaled)} ${UNITS[at]}`;
}

/** How long something takes or has lasted: `4 ms`, `1.2 s`, `3 min 20 s`, `2 d 5 h`. */
export function duration(ms: number): string {
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 9_950) return `${(ms / SECOND_MS).toFixed(1)} s`;
  const wholeMs = Math.round(ms / SECOND_MS) * SECOND_MS;
  if (wholeMs < MINUTE_MS) return `${wholeMs / SECOND_MS} s`;
  if (wholeMs < HOUR_MS) {
    return twoParts(wholeMs, MINUTE_MS, "min", SECOND_MS, "s");
  }
  if (wholeMs < DAY_MS) {
    return twoParts(wholeMs, HOUR_MS, "h", MINUTE_MS, "min");
  }
  return twoParts(wholeMs, DAY_MS, "d", HOUR_MS, "h");
}

function twoParts(ms: number, bigMs: number, big: string, smallMs: number, small: string): string {
  const whole = Math.floor(ms / bigMs);
  const rest = Math.floor((ms % bigMs) / smallMs);
  return rest === 0 ? `${whole} ${big}` : `${whole} ${big} ${rest} ${small}`;
}

/** A time that matters below a millisecond, too: `0.31 ms`. */
export function latency(ms: number | null): string {
  if (ms === null) return UNKNOWN;
  if (ms >= 100 || ms === 0) return duration(ms);
  return `${ms >= 10 ? ms.toFixed(0) : ms.toFixed(2)} ms`;
}

/** `1,234 /s`; small rates with one digit after the point. */
export function rate(perSecond: number | null): string {
  if (perSecond === null) return UNKNOWN;
  return perSecond > 0 && perSecond < 10 ? `${perSecond.toFixed(1)} /s` : `${count(perSecond)} /s`;
}

/** The time of day where the reader is: `14:03:22`. */
export function timeOfDay(wallMs: number): string {
  const date = new Date(wallMs);
  return [date.getHours(), date.getMinutes(), date.getSeconds()]
    .map((part) => `${part}`.padStart(2, "0")).join(":");
}

/** `1`, `1 and 2`, `1, 2 and 3`. */
export function listed(words: readonly (string | number)[]): string {
  if (words.length < 2) return words.join("");
  return `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

/** `server 1`, `servers 1 and 2`. */
export function servers(ids: readonly number[]): string {
  return `${ids.length === 1 ? "server" : "servers"} ${listed(ids)}`;
}

export function capitalized(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
