/** What a log's records add up to, replayed in order. */
import { type Entry, type HardState } from "../raft/types.ts";

export class LogReplay {
  hardState: HardState;
  /** Contiguous, from `firstIndex` on. */
  readonly entries: Entry[] = [];
  readonly firstIndex: number;
  readonly #previousTerm: number;

  /** A log whose first entry will be `firstIndex`, behind one of `previousTerm`. */
  constructor(firstIndex: number, previousTerm: number, hardState: HardState) {
    this.firstIndex = firstIndex;
    this.#previousTerm = previousTerm;
    this.hardState = hardState;
  }

  /** The index that the next appended entry has. */
  get nextIndex(): number {
    return this.firstIndex + this.entries.length;
  }

  /** The term of the last entry. */
  get lastTerm(): number {
    return this.entries.at(-1)?.term ?? this.#previousTerm;
  }

  /**
   * Appends `batch`, replacing the suffix from its first index on. Returns what is wrong where it
   * does not fit; the checksums were right then, so whoever wrote it was.
   */
  append(batch: readonly Entry[]): string | null {
    const first = batch[0];
    if (first === undefined) return "a record of entries holds none";
    if (first.index < this.firstIndex || first.index > this.nextIndex) {
      return `entry ${first.index} does not follow entry ${this.nextIndex - 1}`;
    }
    this.entries.length = first.index - this.firstIndex;
    for (const entry of batch) {
      if (entry.term < this.lastTerm) {
        return `entry ${entry.index} of term ${entry.term} follows one of term ${this.lastTerm}`;
      }
      this.entries.push(entry);
    }
    return null;
  }
}
