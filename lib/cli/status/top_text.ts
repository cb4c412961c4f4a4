/** One picture of `raftkv top`: roles, rates since the picture before, lag, latencies. Pure. */
import { type Column, table, transposed, widestLine, wrap } from "../output/table.ts";
import { bytesText, countText, msText } from "../output/units.ts";
import type { ClusterNow } from "./ask_all.ts";
import { type ClusterView, roleOf, type ServerRow } from "./cluster_view.ts";

/** What rates are counted from. */
export interface Sample {
  readonly atMs: number;
  readonly servers: ReadonlyMap<
    number,
    { readonly uptimeMs: number; readonly writes: number; readonly reads: number }
  >;
}

export function sampleOf({ view }: Pick<ClusterNow, "view">, atMs: number): Sample {
  const servers = new Map<number, { uptimeMs: number; writes: number; reads: number }>();
  for (const { id, facts, heard } of view.rows) {
    if (id === null || facts === null || heard !== null) continue;
    const { uptimeMs, writesTotal: writes, readsTotal: reads } = facts;
    servers.set(id, { uptimeMs, writes, reads });
  }
  return { atMs, servers };
}

const COLUMNS: readonly Column[] = [
  { title: "SERVER", right: true },
  { title: "ROLE" },
  { title: "WRITES/S", right: true },
  { title: "READS/S", right: true },
  { title: "WRITE P99", right: true },
  { title: "READ P99", right: true },
  { title: "FSYNC P99", right: true },
  { title: "LAG", right: true },
  { title: "CLIENTS", right: true },
  { title: "KEYS", right: true },
  { title: "MEMORY", right: true },
];
const UNKNOWN = "-";

/**
 * Where the table is wider than `columns`, servers stand beside each other instead; sentences continue on
 * the next line.
 */
export function topText(
  view: ClusterView,
  before: Sample | null,
  now: Sample,
  time: Date,
  columns: number,
): string {
  const leader = view.leaderId === null ? "no leader" : `leader ${view.leaderId}`;
  const term = view.leaderTerm === null ? "" : `, term ${view.leaderTerm}`;
  const clock = time.toISOString().slice(0, 19).replace("T", " ");
  const head = `raftkv top  ${clock} UTC  ${leader}${term}`;
  const rows = view.rows.map((row) => cells(row, before, now));
  let text = table(COLUMNS, rows);
  if (widestLine(text) > columns) text = transposed(COLUMNS, rows);
  const lines = (sentences: readonly string[]) =>
    sentences.flatMap((one) => wrap(one, columns)).map((line) => `${line}\n`).join("");
  const findings = lines(view.findings);
  return `${lines([head])}\n${text}` + (findings === "" ? "" : `\n${findings}`);
}

function cells(row: ServerRow, before: Sample | null, now: Sample): string[] {
  const { id, facts, follower } = row;
  const ms = (value: number | null | undefined) =>
    value === null || value === undefined ? UNKNOWN : msText(value);
  const count = (value: number | null | undefined) =>
    value === undefined || value === null ? UNKNOWN : countText(value);
  const rates = ratesOf(id, before, now);
  return [
    id === null ? "?" : String(id),
    roleOf(row) ?? "no answer",
    rates === null ? UNKNOWN : countText(rates.writes),
    rates === null ? UNKNOWN : countText(rates.reads),
    ms(facts?.writeP99Ms),
    ms(facts?.readP99Ms),
    ms(facts?.fsyncP99Ms),
    count(follower?.lagEntries),
    count(facts?.connections),
    count(facts?.keys),
    facts === null || facts.memoryBytes === null ? UNKNOWN : bytesText(facts.memoryBytes),
  ];
}

/** Null where there is nothing to count from: the first picture, or another process since. */
function ratesOf(
  id: number | null,
  before: Sample | null,
  now: Sample,
): { writes: number; reads: number } | null {
  if (id === null || before === null) return null;
  const [then, is] = [before.servers.get(id), now.servers.get(id)];
  if (then === undefined || is === undefined || is.uptimeMs < then.uptimeMs) return null;
  const seconds = (is.uptimeMs - then.uptimeMs) / 1_000;
  if (seconds <= 0) return null;
  return { writes: (is.writes - then.writes) / seconds, reads: (is.reads - then.reads) / seconds };
}
