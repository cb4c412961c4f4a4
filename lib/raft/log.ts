/**
 * The log in memory: the entries that are not compacted away, with two marks for storage.
 *
 *   snapshot.index ≤ durableIndex ≤ submittedIndex ≤ lastIndex
 *
 * `submittedIndex`: up to here entries were given to storage. `durableIndex`: up to here storage
 * reported that they are synced. A truncation pulls both back, so a replaced entry never counts as durable.
 *
 * `snapshot` is the position before the first entry. A snapshot covers it; the newest snapshot
 * may lie further on, since some entries that it covers are kept for followers that lag a little.
 * Terms before it are unknown: `termAt` says so, and never passes for a term that could match.
 */
import { assert, broken } from "../util/assert.ts";
import type { Entry, SnapshotPosition } from "./types.ts";

/** What `termAt` says of an index that the log does not hold; no entry ever has this term. */
export const NO_TERM = -1;

export class RaftLog {
  snapshot: SnapshotPosition;
  /** `entries[i]` has the index `snapshot.index + 1 + i`. Shared with whoever got them: immutable. */
  readonly entries: Entry[];
  submittedIndex: number;
  durableIndex: number;

  /** `entries` are as recovered, so they are durable. They may begin before the snapshot's end. */
  constructor(snapshot: SnapshotPosition, entries: readonly Entry[]) {
    const first = entries[0];
    const isInside = first !== undefined && first.index <= snapshot.index;
    this.snapshot = isInside ? positionInFront(first) : snapshot;
    this.entries = [];
    this.submittedIndex = this.durableIndex = this.snapshot.index;
    this.append(isInside && first.index === this.snapshot.index ? entries.slice(1) : entries);
    this.submittedIndex = this.durableIndex = this.lastIndex;
    const { index, term } = snapshot;
    assert(
      this.termAt(index) === term,
      `Recovered entries up to ${this.lastIndex} don't hold the snapshot's ${index}/t${term}`,
    );
  }

  get firstIndex(): number {
    return this.snapshot.index + 1;
  }

  get lastIndex(): number {
    return this.snapshot.index + this.entries.length;
  }

  get lastTerm(): number {
    return this.entries.at(-1)?.term ?? this.snapshot.term;
  }

  /** The entry at `index`, which must be in the log. */
  at(index: number): Entry {
    const entry = this.entries[index - this.firstIndex];
    if (entry === undefined) broken(`No entry ${index} in ${this.firstIndex}..${this.lastIndex}`);
    return entry;
  }

  /** The term at `index`; 0 before the first entry ever; `NO_TERM` where it isn't known. */
  termAt(index: number): number {
    if (index === this.snapshot.index) return this.snapshot.term;
    return this.entries[index - this.firstIndex]?.term ?? NO_TERM;
  }

  /** Appends entries that follow the last one. */
  append(entries: readonly Entry[]): void {
    let { lastIndex, lastTerm } = this;
    for (const entry of entries) {
      if (entry.index !== lastIndex + 1 || entry.term < lastTerm) {
        broken(`Entry ${entry.index}/t${entry.term} cannot follow ${lastIndex}/t${lastTerm}`);
      }
      this.entries.push(entry);
      lastIndex = entry.index;
      lastTerm = entry.term;
    }
  }

  /** Drops the entries up to `index`, which stays known with its term. */
  compact(index: number): void {
    if (index <= this.snapshot.index) return;
    assert(
      index <= this.durableIndex,
      `Cannot compact to ${index}: the log is durable up to ${this.durableIndex} only`,
    );
    const term = this.termAt(index);
    this.entries.splice(0, index - this.snapshot.index);
    this.snapshot = { index, term };
  }

  /** Starts again after `position`, the end of an installed and durable snapshot. */
  restart(position: SnapshotPosition): void {
    this.entries.length = 0;
    this.snapshot = position;
    this.submittedIndex = this.durableIndex = position.index;
  }

  /** Drops the entry at `from` and all after it. The caller has checked that none is committed. */
  truncate(from: number): void {
    assert(from >= this.firstIndex, `Cannot truncate at ${from}: the snapshot covers it`);
    this.entries.length = Math.min(this.entries.length, from - this.firstIndex);
    this.submittedIndex = Math.min(this.submittedIndex, from - 1);
    this.durableIndex = Math.min(this.durableIndex, from - 1);
  }

  /**
   * Entries `from..to`, both included, as many as fit into `maxBytes` of data; always at least one
   * where there is one, so that an entry above the limit still travels.
   */
  slice(from: number, to = this.lastIndex, maxBytes = Infinity): Entry[] {
    const start = from - this.firstIndex;
    if (start < 0) broken(`Entry ${from} was asked for, the log begins with ${this.firstIndex}`);
    let end = start;
    const limit = Math.min(this.entries.length, to - this.firstIndex + 1);
    for (let bytes = 0; end < limit; end++) {
      bytes += this.entries[end]!.data.length;
      if (bytes > maxBytes && end > start) break;
    }
    return this.entries.slice(start, end);
  }

  /** RequestVote's comparison (paper §5.4.1): the later last term wins, then the longer log. */
  isUpToDate(lastIndex: number, lastTerm: number): boolean {
    if (lastTerm !== this.lastTerm) return lastTerm > this.lastTerm;
    return lastIndex >= this.lastIndex;
  }

  /**
   * The greatest index at most `index` with a term at most `term` (both sides use it to skip whole
   * terms after a refusal, paper §5.3). Terms never fall along the log, so it halves. Where no index
   * of the log is such a one it says `snapshot.index`: whoever asks there learns whether it matches.
   */
  lastIndexWithTermAtMost(index: number, term: number): number {
    let low = this.snapshot.index;
    let high = Math.max(low, Math.min(index, this.lastIndex));
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.termAt(middle) <= term) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** The entries that storage has not been given yet; they count as given from now on. */
  submit(): Entry[] {
    const entries = this.slice(this.submittedIndex + 1);
    this.submittedIndex = this.lastIndex;
    return entries;
  }

  /**
   * Storage synced `entries`. Some may have been replaced here meanwhile: an entry counts only where
   * this log still has the same term at its index (then all before it are the same too).
   */
  markDurable(entries: readonly Entry[]): void {
    for (let i = entries.length - 1; i >= 0; i--) {
      const entry = entries[i]!;
      if (this.termAt(entry.index) !== entry.term) continue;
      this.durableIndex = Math.max(this.durableIndex, entry.index);
      this.submittedIndex = Math.max(this.submittedIndex, this.durableIndex);
      return;
    }
  }
}

/** What a log whose first kept entry is `first` begins after: known only before entry 1. */
function positionInFront(first: Entry): SnapshotPosition {
  return first.index === 1 ? { index: 0, term: 0 } : { index: first.index, term: first.term };
}
