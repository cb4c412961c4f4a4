/** Numbers for people. Pure. */
import { parseSomeDurationMs } from "../../util/duration.ts";

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** `1536` as `1.5 KiB`. */
export function bytesText(bytes: number): string {
  let unit = 0;
  let value = bytes;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

/** `12345` as `12,345`. */
export function countText(count: number): string {
  return Math.round(count).toString().replace(/\B(?=(\d{3})+$)/g, ",");
}

/** `1 key`, `2 keys`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${countText(count)} ${count === 1 ? one : many}`;
}

/** Three significant digits for short times: `0.25 ms`, `12.3 ms`, `1.20 s`. */
export function msText(ms: number): string {
  if (ms === 0) return "0 ms";
  if (ms >= 1_000) return `${(ms / 1_000).toFixed(ms >= 10_000 ? 1 : 2)} s`;
  return `${ms.toFixed(ms >= 100 ? 0 : ms >= 10 ? 1 : 2)} ms`;
}

/** Whole seconds as `45s`, `3m05s`, `2h03m`, `4d02h`. */
export function secondsText(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  const two = (n: number) => String(n).padStart(2, "0");
  if (s < 60) return `${s}s`;
  if (s < 3_600) return `${Math.floor(s / 60)}m${two(s % 60)}s`;
  if (s < 86_400) return `${Math.floor(s / 3_600)}h${two(Math.floor(s / 60) % 60)}m`;
  return `${Math.floor(s / 86_400)}d${two(Math.floor(s / 3_600) % 24)}h`;
}

const DAY_MS = 86_400_000;
const TIMER_DAYS_MAX = 24;

/** The same for a timer: those of JavaScript end at 2^31 - 1 ms, which is in the 25th day. */
export function parseTimerMs(text: string): number {
  const ms = parseSomeDurationMs(text);
  if (ms <= TIMER_DAYS_MAX * DAY_MS) return ms;
  throw new Error(`${JSON.stringify(text)} is too long: at most ${TIMER_DAYS_MAX}d`);
}

/** A watch's position as it is shown, or a revision. @throws {Error} where it is neither. */
export function watchPosition(text: string): string {
  if (/^\d{1,16}(@[0-9a-f]{32})?$/.test(text)) return text;
  throw new Error(`${JSON.stringify(text)} is no position as events show it, and no revision`);
}

/** A whole number from `low` to `high`. @throws {Error} where it is none. */
export function wholeNumberIn(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = /^-?\d{1,16}$/.test(text) ? Number(text) : NaN;
    if (Number.isSafeInteger(value) && value >= low && value <= high) return value;
    throw new Error(`${JSON.stringify(text)} is no whole number from ${low} to ${high}`);
  };
}
