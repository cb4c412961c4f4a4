/**
 * By what a follower that lacks much is level soonest: the log's entries, the newest snapshot and the entries
 * after it, or one that is made now and sent as it is made.
 */

/**
 * A byte of a snapshot counts as so many bytes of entries: these leave what the follower has in place. For
 * the processors a byte of a snapshot is less than half the work of one of entries, so for whoever has next
 * to nothing it counts for less.
 */
const ENTRIES_TO_SNAPSHOT = 2;
const ENTRIES_TO_SNAPSHOT_EMPTY = 0.6;
/** A snapshot that is made for a follower counts as so many times its length: this server has work, too. */
const MADE_TIMES = 1.2;
/** Fewer bytes of entries are sent as they are: they are there before a snapshot has begun. */
const ENTRIES_BYTES_MIN = 4_194_304;

export interface Ways {
  /** The follower has next to nothing. */
  readonly isEmpty: boolean;
  /** Of all entries that it lacks. */
  readonly entriesBytes: number;
  /** The newest snapshot, and of these entries those after it; null: there is none that helps. */
  readonly newest: { readonly bytes: number; readonly entriesAfterBytes: number } | null;
  /** About how long a snapshot of all would be; null: none can be sent while it is made. */
  readonly madeBytes: number | null;
}

export function shorterWay(
  { isEmpty, entriesBytes, newest, madeBytes }: Ways,
): "entries" | "newest" | "made" {
  const times = isEmpty ? ENTRIES_TO_SNAPSHOT_EMPTY : ENTRIES_TO_SNAPSHOT;
  const isNewestShort = newest !== null &&
    entriesBytes - newest.entriesAfterBytes >= ENTRIES_BYTES_MIN;
  const byNewest = isNewestShort ? times * newest.bytes + newest.entriesAfterBytes : Infinity;
  const byMade = madeBytes !== null && entriesBytes >= ENTRIES_BYTES_MIN
    ? times * MADE_TIMES * madeBytes
    : Infinity;
  if (Math.min(byNewest, byMade) >= entriesBytes) return "entries";
  return byMade < byNewest ? "made" : "newest";
}
