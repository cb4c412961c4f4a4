/** Prometheus's text format (version 0.0.4), made from a table of families. */
import { COARSE_ENDS_MS, type TimeHistogram } from "../util/time_histogram.ts";

/** Labels as they stand between braces, such as `peer="2"`; empty without any. */
export type Labels = string;

/** Null: not known now, so nothing is written. */
export type Samples<T> = T | null | readonly (readonly [Labels, T])[];

interface About {
  readonly name: string;
  readonly help: string;
}

export type Family<C> =
  & About
  & (
    | { readonly type: "gauge" | "counter"; readonly read: (counts: C) => Samples<number> }
    | { readonly type: "histogram"; readonly read: (counts: C) => Samples<TimeHistogram> }
  );

/** A family whose value goes up and down. */
export function gauge<C>(name: string, help: string, read: (c: C) => Samples<number>): Family<C> {
  return { name, help, type: "gauge", read };
}

/** A family whose value only grows. */
export function counter<C>(name: string, help: string, read: (c: C) => Samples<number>): Family<C> {
  return { name, help, type: "counter", read };
}

/** The upper ends of the buckets in seconds, as labels have them. */
const ENDS = COARSE_ENDS_MS.map((endMs) => `le="${endMs / 1_000}"`);

export function pageOf<C>(families: readonly Family<C>[], counts: C): string {
  let page = "";
  for (const family of families) {
    const { name, help, type } = family;
    const body = type === "histogram"
      ? eachOf(family.read(counts), (labels, one) => histogramLines(name, labels, one))
      : eachOf(family.read(counts), (labels, one) => line(name, labels, one));
    if (body !== "") page += `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${body}`;
  }
  return page;
}

function eachOf<T>(samples: Samples<T>, lines: (labels: Labels, one: T) => string): string {
  if (samples === null) return "";
  if (!isList(samples)) return lines("", samples);
  let text = "";
  for (const [labels, one] of samples) text += lines(labels, one);
  return text;
}

function isList<T>(samples: T | readonly (readonly [Labels, T])[]): samples is readonly (readonly [
  Labels,
  T,
])[] {
  return Array.isArray(samples);
}

function line(name: string, labels: Labels, value: number): string {
  return labels === "" ? `${name} ${value}\n` : `${name}{${labels}} ${value}\n`;
}

function histogramLines(name: string, labels: Labels, histogram: TimeHistogram): string {
  const before = labels === "" ? "" : `${labels},`;
  let text = "";
  for (const [at, count] of histogram.coarse().entries()) {
    text += `${name}_bucket{${before}${ENDS[at]!}} ${count}\n`;
  }
  const { count, sumMs } = histogram;
  return `${text}${name}_bucket{${before}le="+Inf"} ${count}\n` +
    line(`${name}_sum`, labels, sumMs / 1_000) + line(`${name}_count`, labels, count);
}
