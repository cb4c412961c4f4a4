/** The table of `bench`, with its ratios, and the chart of it. */
import { barChart } from "./bar_chart.ts";
import { type MachineDescription, machineText } from "./machine.ts";
import { median } from "./median.ts";
import type { Cell, Row, SpeedSubject } from "./speed_subjects.ts";
import { formatCount, formatMs, formatTable } from "./table.ts";

type Name = SpeedSubject["name"];

/** The others' pale, ours strong; to be told apart on white and on black, by most people. */
const COLOURS: Readonly<Record<Name, string>> = {
  etcd: "#8a8f98",
  redis: "#e8832a",
  raftkv: "#2f7ed8",
  lines: "#8cbcf0",
};

export interface RowResult {
  readonly row: Row;
  /** What each subject did, round by round. */
  readonly cells: Readonly<Partial<Record<Name, readonly Cell[]>>>;
}

function medianOf(
  cells: readonly Cell[] | undefined,
  value: (cell: Cell) => number,
): number | null {
  return cells === undefined || cells.length === 0 ? null : median(cells.map(value));
}

/**
 * How many times as fast raftkv was, round by round: both are measured within seconds of each other, so
 * a machine that is slower at some times than at others changes these far less than it changes either.
 */
function ratios({ cells }: RowResult, other: "etcd" | "redis"): number[] {
  const theirs = cells[other] ?? [];
  const rounds = Math.min(theirs.length, cells.raftkv?.length ?? 0);
  const inRound = (_: unknown, i: number) => cells.raftkv![i]!.perSecond / theirs[i]!.perSecond;
  return Array.from({ length: rounds }, inRound);
}

/** The median of the rounds' ratios; null where the other was not measured. */
export function ratio(result: RowResult, other: "etcd" | "redis"): number | null {
  const all = ratios(result, other);
  return all.length === 0 ? null : median(all);
}

function ratioCell(result: RowResult, other: "etcd" | "redis"): string {
  const reached = ratio(result, other);
  const wanted = result.row.wanted[other];
  if (reached === null) return "";
  const digits = reached >= 10 ? 1 : 2;
  if (wanted === undefined) return reached.toFixed(digits);
  return `${reached.toFixed(digits)} (${reached >= wanted ? "wanted" : "short of"} ${wanted})`;
}

/** Throughput side by side, with the ratios. */
export function speedTable(
  results: readonly RowResult[],
  subjects: readonly SpeedSubject[],
): string {
  const head = ["replies/s, medians", ...subjects.map(({ title }) => title), "x etcd", "x redis"];
  const rows = results.map((result) => [
    result.row.title,
    ...subjects.map(({ name }) => {
      const perSecond = medianOf(result.cells[name], (cell) => cell.perSecond);
      if (perSecond === null) return "";
      const clients = name === "etcd" && result.row.pipeline > 1
        ? ` (${formatCount(result.row.etcdClients)} clients)`
        : "";
      return formatCount(perSecond) + clients;
    }),
    ratioCell(result, "etcd"),
    ratioCell(result, "redis"),
  ]);
  return formatTable(head, rows);
}

export function latencyTable(
  results: readonly RowResult[],
  subjects: readonly SpeedSubject[],
): string {
  const head = ["p50 / p99 / p99.9 ms", ...subjects.map(({ title }) => title)];
  const rows = results.map(({ row, cells }) => [
    row.title,
    ...subjects.map(({ name }) => {
      const values = [
        medianOf(cells[name], ({ p50Ms }) => p50Ms),
        medianOf(cells[name], ({ p99Ms }) => p99Ms),
        medianOf(cells[name], ({ p999Ms }) => p999Ms),
      ];
      return values[0] === null ? "" : values.map((value) => formatMs(value!)).join(" / ");
    }),
  ]);
  return formatTable(head, rows);
}

/** How far the rounds lie apart: the lowest and the highest, as shares of the median. */
export function spreadTable(
  results: readonly RowResult[],
  subjects: readonly SpeedSubject[],
): string {
  const head = ["lowest and highest round, % of the median", ...subjects.map(({ title }) => title)];
  const rows = results.map(({ row, cells }) => [
    row.title,
    ...subjects.map(({ name }) => {
      const rates = (cells[name] ?? []).map(({ perSecond }) => perSecond);
      if (rates.length === 0) return "";
      const percent = (rate: number) => `${Math.round(rate / median(rates) * 100)}`;
      return `${percent(Math.min(...rates))} to ${percent(Math.max(...rates))}`;
    }),
  ]);
  return formatTable(head, rows);
}

/** The lowest and the highest of the rounds' ratios. */
export function ratioSpreadTable(results: readonly RowResult[]): string {
  const head = ["lowest and highest round", "x etcd", "x redis"];
  const rows = results.map((result) => [
    result.row.title,
    ...(["etcd", "redis"] as const).map((other) => {
      const all = ratios(result, other);
      return all.length === 0
        ? ""
        : `${Math.min(...all).toFixed(2)} to ${Math.max(...all).toFixed(2)}`;
    }),
  ]);
  return formatTable(head, rows);
}

export function speedChart(
  results: readonly RowResult[],
  subjects: readonly SpeedSubject[],
  machine: MachineDescription,
): string {
  const groups = results.map((result) => ({
    title: result.row.title,
    bars: subjects.flatMap(({ name }, series) => {
      const value = medianOf(result.cells[name], (cell) => cell.perSecond);
      if (value === null) return [];
      const wanted = name === "raftkv" ? wantedRate(result, value) : undefined;
      const note = wanted === undefined ? "" : ` (${Math.round(value / wanted * 100)} % of wanted)`;
      return [{ series, value, label: formatCount(value) + note, wanted }];
    }),
  }));
  return barChart({
    title: "Replies a second, each row on its own scale; the line is what was wanted",
    note: machineText(machine),
    series: subjects.map(({ name, title }) => ({ name: title, colour: COLOURS[name] })),
    groups,
  });
}

/** The rate at which all of this row's wanted ratios would have been reached, `value` being raftkv's. */
function wantedRate(result: RowResult, value: number): number | undefined {
  const shares = (["etcd", "redis"] as const).flatMap((other) => {
    const reached = ratio(result, other);
    const wanted = result.row.wanted[other];
    return reached === null || wanted === undefined ? [] : [reached / wanted];
  });
  return shares.length === 0 ? undefined : value / Math.min(...shares);
}
