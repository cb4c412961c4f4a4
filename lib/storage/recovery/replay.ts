/** What a log's records add up to, replayed in order. */
import { type Entry, type HardState } from "../../raft/types.ts";
import { LogIndex } from "../wal/log_index.ts";

export class LogReplay {
  hardState: HardState;
  /** Where they are, those that are not kept too. */
  readonly index: LogIndex;
  /** Contiguous, from `entriesFrom` on. */
  entries: Entry[] = [];
  /** The log begins here. */
  readonly firstIndex: number;
  /** The first index whose entry is kept: `firstIndex` or later. */
  entriesFrom: number;
  /** Term of the entry before `entriesFrom`. */
  previousTerm: number;
  /** The index that the next appended entry has. */
  nextIndex: number;
  /** The term of the last entry. */
  lastTerm: number;

  /** A log whose first entry will be `firstIndex`, after one of `previousTerm`. */
  constructor(firstIndex: number, previousTerm: number, hardState: HardState) {
    this.firstIndex = firstIndex;
    this.entriesFrom = firstIndex;
    this.previousTerm = previousTerm;
    this.nextIndex = firstIndex;
    this.lastTerm = previousTerm;
    this.hardState = hardState;
    this.index = new LogIndex({ index: firstIndex - 1, term: previousTerm });
  }

  /** The term of the entry at `index`, or -1 where the log does not say. */
  termAt(index: number): number {
    if (index >= this.nextIndex || index < this.entriesFrom - 1) return -1;
    return index === this.entriesFrom - 1
      ? this.previousTerm
      : this.entries[index - this.entriesFrom]!.term;
  }

  /** The entries so far are not wanted: a snapshot has them, or those that will replace them. */
  dropAll(): void {
    this.entries = [];
    this.entriesFrom = this.nextIndex;
    this.previousTerm = this.lastTerm;
  }

  /**
   * Appends `batch`, replacing the suffix from its first index on. Returns what is wrong where it
   * does not fit; the checksums were right then, so whoever wrote it was.
   *
   * Where older files were removed, a batch may begin before `firstIndex`: those entries once replaced
   * a suffix that began in a file which is gone. They are in the snapshot that allowed the removal, and
   * are skipped. So are the entries that `dropAll` dropped.
   */
  append(batch: readonly Entry[]): string | null {
    const first = batch[0];
    if (first === undefined) return "a record of entries holds none";
    const isCompacted = this.firstIndex > 1;
    if (first.index < (isCompacted ? 1 : this.firstIndex) || first.index > this.nextIndex) {
      return `entry ${first.index} does not follow entry ${this.nextIndex - 1}`;
    }
    if (first.index < this.nextIndex) {
      this.entries.length = Math.max(0, first.index - this.entriesFrom);
      this.lastTerm = this.#termBefore(first.index);
    }
    for (const entry of batch) {
      if (entry.term < this.lastTerm) {
        return `entry ${entry.index} of term ${entry.term} follows one of term ${this.lastTerm}`;
      }
      this.lastTerm = entry.term;
      if (entry.index >= this.entriesFrom) this.entries.push(entry);
      else this.previousTerm = entry.term;
    }
    this.nextIndex = first.index + batch.length;
    return null;
  }

  /** The term before an entry that replaces the log's suffix; 0 if it is not known. */
  #termBefore(index: number): number {
    if (index < this.entriesFrom) return 0;
    return index === this.entriesFrom ? this.previousTerm : this.entries.at(-1)!.term;
  }
}
