/** Which of several copies is the best to take. Pure. */
import { table } from "../output/table.ts";
import { countText } from "../output/units.ts";
import { type Copy, damageOf } from "./copy.ts";
import { listed } from "./copy_text.ts";

/** A copy, or why nothing can be made of it. */
export type Candidate =
  | { readonly directory: string; readonly copy: Copy; readonly why: null }
  | { readonly directory: string; readonly copy: null; readonly why: string };

export interface Comparison {
  readonly best: Copy | null;
  /** A table, then one sentence a line. */
  readonly text: string;
}

/**
 * Raft's rule for votes (paper §5.4.1): a log whose last entry has the higher term is the more up to
 * date, of equal terms the longer one. A candidate needed a majority whose logs are not more up to date
 * than its own, so of all copies that are left this one has the most of what was acknowledged. Damaged
 * ones come after all that are sound.
 */
export function compareCopies(candidates: readonly Candidate[]): Comparison {
  const copies = candidates.map(({ copy }) => copy).filter((copy) => copy !== null);
  const clusters = new Set(copies.map(({ formation }) => formation.clusterId));
  const sorted = [...copies].sort(better);
  const best = clusters.size === 1 ? sorted[0]! : null;
  const rows = candidates.map(({ directory, copy, why }) =>
    copy === null ? [directory, "-", "-", "-", "-", "-", why] : rowOf(copy)
  );
  const columns = [
    { title: "DIRECTORY" },
    { title: "SERVER", right: true },
    { title: "CLUSTER" },
    { title: "LAST TERM", right: true },
    { title: "LAST ENTRY", right: true },
    { title: "COMMITTED", right: true },
    { title: "STATE" },
  ];
  const said = sentences(copies, sorted, clusters.size);
  return { best, text: table(columns, rows) + "\n" + said.map((line) => `${line}\n`).join("") };
}

function rowOf(copy: Copy): string[] {
  const { directory, identity, formation, last, state } = copy;
  return [
    directory,
    `${identity.serverId}`,
    formation.clusterId.slice(0, 8),
    `${last.term}`,
    countText(last.index),
    countText(state.snapshot?.position.index ?? 0),
    stateOf(copy),
  ];
}

function stateOf(copy: Copy): string {
  const damage = damageOf(copy);
  if (damage !== null) return `damaged: ${damage}`;
  const { hardState, tornBytes } = copy.state;
  if (tornBytes > 0) return "suspect: its end was torn by a crash";
  return hardState.suspect ? "suspect: torn by a crash once, or made by restore" : "sound";
}

/** Negative where `a` is better. */
function better(a: Copy, b: Copy): number {
  const damaged = (copy: Copy) => damageOf(copy) === null ? 0 : 1;
  return damaged(a) - damaged(b) || b.last.term - a.last.term || b.last.index - a.last.index;
}

function sentences(copies: readonly Copy[], sorted: readonly Copy[], clusters: number): string[] {
  const best = sorted[0];
  if (best === undefined) {
    return ["None of these can be taken: STATE says why not."];
  }
  if (clusters > 1) {
    return [
      "These are of different clusters (COMMITTED and LAST ENTRY can't be compared): give the " +
      "directories of one.",
    ];
  }
  const { index, term } = best.last;
  const equal = sorted.filter((copy) => better(copy, best) === 0);
  const what = `entry ${countText(index)} of term ${term}`;
  const lines = [
    equal.length > 1
      ? `Take any of ${equal.map(({ directory }) => directory).join(", ")}: all end with ${what}.`
      : copies.length === 1
      ? `Take ${best.directory}, which ends with ${what}: it is the only one.`
      : `Take ${best.directory}: it ends with ${what}, and no other sound one goes further.`,
  ];
  const further = sorted.find((copy) =>
    copy.last.term > term || (copy.last.term === term && copy.last.index > index)
  );
  if (further !== undefined) {
    lines.push(
      `${further.directory} goes further, to entry ${countText(further.last.index)} of term ` +
        `${further.last.term}, but is damaged: what it has beyond can be salvaged by hand only.`,
    );
  }
  const had = best.voters;
  const absent = had.filter((id) => !copies.some(({ identity }) => identity.serverId === id));
  if (absent.length > 0) {
    lines.push(
      `The cluster has ${listed(had, "server")}; of ${listed(absent, "server")} there ` +
        `is no copy among these. If one is left, compare it too: it may hold more.`,
    );
  }
  return lines;
}
