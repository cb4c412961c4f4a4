/** What a scan comes across, damaged or not. */
import { type Entry, EntryKind, type HardState, NOBODY, type ServerId } from "../../raft/types.ts";
import type { SegmentHead } from "../segments/segment_head.ts";

/** The most that was seen anywhere: what a server with a damaged log may have promised. */
export class Seen {
  term = 0;
  /** A vote in `term`, or nobody where none was seen. */
  votedFor: ServerId = NOBODY;
  lastIndex = 0;
  /** Of the log's configurations those that were not replaced, in order. */
  readonly configurations: Entry[] = [];

  hardState({ term, votedFor }: HardState): void {
    this.#term(term);
    if (term === this.term && votedFor !== NOBODY) this.votedFor = votedFor;
  }

  entry(index: number, term: number): void {
    this.#term(term);
    this.lastIndex = Math.max(this.lastIndex, index);
  }

  /** A record's entries, each after the one before. */
  entries(entries: readonly Entry[]): void {
    const [first, last] = [entries[0], entries.at(-1)];
    if (first === undefined || last === undefined) return;
    this.entry(last.index, last.term);
    const known = this.configurations;
    while ((known.at(-1)?.index ?? 0) >= first.index) known.pop();
    for (const one of entries) if (one.data[0] === EntryKind.configuration) known.push(one);
  }

  head(head: SegmentHead): void {
    this.hardState(head.hardState);
    this.entry(head.firstIndex - 1, head.previousTerm);
  }

  #term(term: number): void {
    if (term <= this.term) return;
    this.term = term;
    this.votedFor = NOBODY;
  }
}
