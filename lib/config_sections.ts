/** The forms that sections of the cluster file have, with what is said where one has another. */
import * as v from "valibot";
import { isContents } from "./util/file_names.ts";
import type { Ranges } from "./config_ranges.ts";

export function wholeNumber(low: number, high: number, what: string) {
  const meant = `is no ${what} (${low} to ${high})`;
  return v.pipe(
    v.number(meant),
    v.check((n) => Number.isSafeInteger(n) && n >= low && n <= high, meant),
  );
}

export function pathOf(meant: string) {
  return v.pipe(
    v.string(meant),
    v.check((path) => path.length > 0 && path.length <= 4_096 && !path.includes("\0"), meant),
    v.check((path) => !isContents(path), meant),
  );
}

export function unitOf(key: string): string {
  if (key.endsWith("Ms")) return "whole number of milliseconds";
  return /Bytes/.test(key) ? "whole number of bytes" : "whole number";
}

/** An object that knows exactly `entries`. Valibot lets a list pass for an object: refused first. */
export function section<T extends v.ObjectEntries>(entries: T, what: string) {
  const meant = `is no ${what} (an object with ${Object.keys(entries).join(", ")})`;
  return v.pipe(
    v.unknown(),
    v.check((input) => typeof input === "object" && input !== null && !Array.isArray(input), meant),
    v.strictObject(entries),
  );
}

/** A section of numbers, each optional with its default; `more`: further keys, without one. */
export function numbers<T extends object>(
  ranges: Ranges<T>,
  defaults: T,
  what: string,
  more: v.ObjectEntries = {},
) {
  const entries: v.ObjectEntries = { ...more };
  for (const key of Object.keys(ranges) as (keyof T & string)[]) {
    const [low, high] = ranges[key];
    entries[key] = v.optional(wholeNumber(low, high, unitOf(key)), defaults[key] as number);
  }
  return v.optional(section(entries, what), {});
}
