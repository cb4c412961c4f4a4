/**
 * What the end of a segment's records means: the log continues, a crash tore it, or it is damaged.
 *
 * The table has the rows of docs/data-directory.md, "Torn tail or damage", in the same order; startup
 * and inspection both decide by it. tests/storage/classify_tail_test.ts shows that every combination of
 * facts that can occur matches exactly one row.
 */
import { broken } from "../../util/assert.ts";

/** The facts about the place where a segment's records end: after the last one that continues the chain. */
export interface TailFacts {
  /** The segment was made of an older file, so bytes after its records are no evidence by themselves. */
  readonly isRecycled: boolean;
  /**
   * `closed`: the last record is the marker of the segment's end. `ended`: a marker of the log's end
   * stands at this place, in a recycled segment. `open`: neither.
   */
  readonly ending: "closed" | "ended" | "open";
  /**
   * What was found from this place on. `proof`: a marker of this segment which says that this place was
   * synced. `marker`: another marker of this segment. `bytes`: something other than zeroes.
   * `unread`: nothing is looked for after the marker of the segment's end.
   */
  readonly after: "proof" | "marker" | "bytes" | "zeroes" | "unread";
  /**
   * The next segment. `none`: this one is the last. `gap`: it is not there, but a later one is.
   * `unreadable`: its head does not check out, or its size is not the one in its head. `unused`: it is
   * the last one and has no records. `used`: any other.
   */
  readonly next: "none" | "gap" | "unreadable" | "unused" | "used";
  /**
   * A file that is not in the log has the head of a later segment than the log has (lost_end.ts). Asked
   * only where nothing else says that there is more: the segment is not closed, and `next` is `none` or
   * `unused`.
   */
  readonly isLaterProven: boolean;
}

/**
 * `continued`: the log continues in the next segment. `clean`: it ends here. `torn`: it ends here, and
 * what follows is what is left of a write that a crash interrupted; it is cut off, and the server is
 * suspect. `damaged`: bytes that were durable are missing or changed.
 */
export type TailVerdict = "continued" | "clean" | "torn" | "damaged";

export interface TailRow {
  /** The first column in docs/data-directory.md. */
  readonly name: string;
  readonly verdict: TailVerdict;
  /** The next segment was made and never used: it is no part of the log, and startup takes it away. */
  readonly dropsNext: boolean;
  /** The values of each fact that the row is for. */
  readonly facts: { readonly [Fact in keyof TailFacts]: readonly TailFacts[Fact][] };
}

const ANY = [false, true] as const;
const NOT_CLOSED = ["open", "ended"] as const;
const NO_PROOF = ["marker", "bytes", "zeroes"] as const;

export const TAIL_ROWS: readonly TailRow[] = [
  row("closed, and continued", "continued", {
    isRecycled: ANY,
    ending: ["closed"],
    after: ["unread"],
    next: ["used"],
    isLaterProven: [false],
  }),
  row("closed, and not continued", "damaged", {
    isRecycled: ANY,
    ending: ["closed"],
    after: ["unread"],
    next: ["none", "gap"],
    isLaterProven: [false],
  }),
  row("a marker proves more", "damaged", {
    isRecycled: ANY,
    ending: NOT_CLOSED,
    after: ["proof"],
    next: ["none", "gap", "unreadable", "unused", "used"],
    isLaterProven: ANY,
  }),
  row("before an unreadable segment", "damaged", {
    isRecycled: ANY,
    ending: ["closed", "open", "ended"],
    after: ["unread", ...NO_PROOF],
    next: ["unreadable"],
    isLaterProven: [false],
  }),
  row("open, before more of the log", "damaged", {
    isRecycled: ANY,
    ending: NOT_CLOSED,
    after: NO_PROOF,
    next: ["gap", "used"],
    isLaterProven: [false],
  }),
  row("open, and a later segment is proven", "damaged", {
    isRecycled: ANY,
    ending: NOT_CLOSED,
    after: NO_PROOF,
    next: ["none"],
    isLaterProven: [true],
  }),
  row("before an unused segment, and a later one is proven", "damaged", {
    isRecycled: ANY,
    ending: NOT_CLOSED,
    after: NO_PROOF,
    next: ["unused"],
    isLaterProven: [true],
  }, true),
  ...lastRows("", "none"),
  ...lastRows("before an unused segment: ", "unused"),
];

/** The rows of a tail that nothing proves to be damaged, at the end of the log. */
function lastRows(prefix: string, next: "none" | "unused"): TailRow[] {
  const last = { next: [next], isLaterProven: [false] } as const;
  const dropsNext = next === "unused";
  return [
    row(`${prefix}zeroes in a new segment`, "clean", {
      isRecycled: [false],
      ending: ["open"],
      after: ["zeroes"],
      ...last,
    }, dropsNext),
    row(`${prefix}bytes in a new segment`, "torn", {
      isRecycled: [false],
      ending: ["open"],
      after: ["marker", "bytes"],
      ...last,
    }, dropsNext),
    row(`${prefix}the log's end in a recycled segment`, "clean", {
      isRecycled: [true],
      ending: ["ended"],
      after: ["bytes"],
      ...last,
    }, dropsNext),
    row(`${prefix}a later marker in a recycled segment`, "torn", {
      isRecycled: [true],
      ending: NOT_CLOSED,
      after: ["marker"],
      ...last,
    }, dropsNext),
    row(`${prefix}no end in a recycled segment`, "torn", {
      isRecycled: [true],
      ending: ["open"],
      after: ["bytes"],
      ...last,
    }, dropsNext),
  ];
}

/** The one row that `facts` meet. */
export function classifyTail(facts: TailFacts): TailRow {
  return TAIL_ROWS.find((one) => meets(facts, one)) ??
    broken(`No row for a segment's tail: ${JSON.stringify(facts)}`);
}

export function meets(facts: TailFacts, { facts: row }: TailRow): boolean {
  return row.isRecycled.includes(facts.isRecycled) && row.ending.includes(facts.ending) &&
    row.after.includes(facts.after) && row.next.includes(facts.next) &&
    row.isLaterProven.includes(facts.isLaterProven);
}

function row(
  name: string,
  verdict: TailVerdict,
  facts: TailRow["facts"],
  dropsNext = false,
): TailRow {
  return { name, verdict, dropsNext, facts };
}
