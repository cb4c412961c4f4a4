/** The table of `raftkv status`. Pure. */
import { type Column, table, transposed, widestLine } from "../output/table.ts";
import { bytesText, countText, msText } from "../output/units.ts";
import { visibleText } from "../output/escape.ts";
import { type ClusterView, roleOf, type ServerRow } from "./cluster_view.ts";

const COLUMNS: readonly Column[] = [
  { title: "SERVER", right: true },
  { title: "ADDRESS" },
  { title: "VERSION" },
  { title: "ROLE" },
  { title: "TERM", right: true },
  { title: "APPLIED", right: true },
  { title: "LAG", right: true },
  { title: "LAG BYTES", right: true },
  { title: "LAG TIME", right: true },
  { title: "KEYS", right: true },
  { title: "MEMORY", right: true },
  { title: "DISK", right: true },
  { title: "FSYNC P99", right: true },
  { title: "PROBLEMS" },
];
const UNKNOWN = "-";

/**
 * The table, and below it, a line each: facts that are not the server's own word of now, and what is not
 * as it should be. Where the table is wider than `columns`, servers stand beside each other instead.
 */
export function statusText(view: ClusterView, columns: number): string {
  const rows = view.rows.map(cells);
  let text = table(COLUMNS, rows);
  if (widestLine(text) > columns) text = transposed(COLUMNS, rows);
  return text + notes(view).map((line) => `${line}\n`).join("");
}

function cells(row: ServerRow): string[] {
  const { facts, follower } = row;
  const number = (value: number | null | undefined) =>
    value === null || value === undefined ? UNKNOWN : countText(value);
  const bytes = (value: number | null | undefined) =>
    value === null || value === undefined ? UNKNOWN : bytesText(value);
  const ms = (value: number | null | undefined) =>
    value === null || value === undefined ? UNKNOWN : msText(value);
  return [
    row.id === null ? "?" : String(row.id),
    row.address,
    facts === null ? UNKNOWN : visibleText(facts.version),
    roleText(row),
    number(facts?.term),
    number(facts?.appliedIndex),
    number(follower?.lagEntries),
    bytes(follower?.lagBytes),
    ms(follower?.lagMs),
    number(facts?.keys),
    bytes(facts?.memoryBytes),
    bytes(facts?.diskBytes),
    ms(facts?.fsyncP99Ms),
    problemsText(row),
  ];
}

/** The line below the table says how old what others heard is. */
function roleText(row: ServerRow): string {
  const role = roleOf(row);
  if (role === null) return UNKNOWN;
  return row.follower?.mode === "snapshot" ? `${role} (gets a snapshot)` : role;
}

function problemsText({ failure, facts, heard }: ServerRow): string {
  if (failure !== null) return "no answer";
  if (heard !== null || facts === null) return UNKNOWN;
  const kinds = new Set(facts.problems.map(({ kind }) => visibleText(kind)));
  return [...kinds].join(", ") || UNKNOWN;
}

function notes(view: ClusterView): string[] {
  const lines = [""];
  if (view.leaderId !== null) {
    lines.push(`leader: server ${view.leaderId}, term ${view.leaderTerm}`);
  }
  if (view.clusterId !== null) {
    const leader = view.rows.find(({ id }) => id === view.leaderId)?.facts ?? null;
    const version = leader === null ? "" : `, version ${leader.clusterVersion}`;
    lines.push(`cluster: ${visibleText(view.clusterId)}${version}`);
    const waits = leader?.clusterVersionWaits ?? null;
    if (waits !== null) lines.push(`cluster version waits: ${visibleText(waits)}`);
  }
  for (const { id, heard } of view.rows) {
    if (heard === null) continue;
    lines.push(`* server ${id}: as server ${heard.byServer} heard it ${msText(heard.ageMs)} ago`);
  }
  if (view.findings.length === 0) lines.push("no problems");
  else lines.push("problems:", ...view.findings.map((one) => `  ${one}`));
  return lines;
}
