/** Tables for a terminal, and results as JSON files. */
import type { LatencySummary } from "../lib/util/histogram.ts";

/** Columns as wide as their widest cell; the first is aligned left, the others right. */
export function formatTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => (row[column] ?? "").length)));
  const line = (row: readonly string[]) =>
    widths.map((width, column) => {
      const cell = row[column] ?? "";
      return column === 0 ? cell.padEnd(width) : cell.padStart(width);
    }).join("  ").trimEnd();
  const rule = widths.map((width) => "-".repeat(width)).join("  ");
  return [line(head), rule, ...rows.map(line)].join("\n");
}

/** How long sets took, a row for each time that is compared; in ms. */
export function formatLatencies(rows: readonly (readonly [string, LatencySummary])[]): string {
  return formatTable(
    ["", "sets", "p50", "p99", "p99.9", "max"],
    rows.map(([name, { count, p50Ms, p99Ms, p999Ms, maxMs }]) => [
      name,
      formatCount(count),
      ...[p50Ms, p99Ms, p999Ms, maxMs].map(formatMs),
    ]),
  );
}

/** Three significant digits for small times, whole milliseconds for long ones. */
export function formatMs(milliseconds: number): string {
  if (milliseconds >= 100) return milliseconds.toFixed(0);
  return milliseconds >= 10 ? milliseconds.toFixed(1) : milliseconds.toFixed(2);
}

/** `12345` as `12,345`. */
export function formatCount(count: number): string {
  return Math.round(count).toString().replace(/\B(?=(\d{3})+$)/g, ",");
}

/** What a result needs to be compared with another one. */
function describeMachine(): Record<string, string | number> {
  return {
    deno: Deno.version.deno,
    v8: Deno.version.v8,
    os: `${Deno.build.os} ${Deno.osRelease()}`,
    cpus: navigator.hardwareConcurrency,
    time: new Date().toISOString(),
  };
}

/** Writes `{ benchmark, machine, … }` to `path`, where one is given. */
export function writeJson(path: string | undefined, benchmark: string, result: object): void {
  if (path === undefined) return;
  const json = { benchmark, machine: describeMachine(), ...result };
  Deno.writeTextFileSync(path, JSON.stringify(json, null, 2) + "\n");
  console.log(`\nWritten to ${path}`);
}
