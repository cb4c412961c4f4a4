/**
 * Where the log's entries are in its segments, run by run: so that entries that left memory can be read
 * without walking a segment from its beginning. A run is some records of one segment that follow each
 * other. An entry that was replaced is in a run no more, though its record is still in the file.
 */
import type { SnapshotPosition } from "../../raft/types.ts";

/** A run ends once it is longer; a single record may be longer still. */
const RUN_BYTES = 65_536;

export interface Run {
  /** Of the segment. */
  readonly path: string;
  /** Of its first record. */
  readonly offset: number;
  /** After its last record. */
  end: number;
  /** The checksum of the record before the first. */
  readonly chain: number;
  readonly firstIndex: number;
  /** The last entry in it that counts. */
  lastIndex: number;
  /** Entries at its end were replaced: others stand there now, so it does not grow. */
  isCut: boolean;
  /** Its segment was removed, or is on its way out: what is read there means nothing. */
  isGone: boolean;
  /** Bytes of all runs before it. */
  readonly bytesBefore: number;
}

/** A record of entries in a segment. */
type EntriesPlace = Pick<Run, "path" | "offset" | "end" | "chain" | "firstIndex" | "lastIndex">;

export class LogIndex {
  /** Ascending; each continues where the one before ends. */
  #runs: Run[] = [];
  /** The position before the first entry, where its term is known. */
  #beginning: SnapshotPosition | null;
  #bytes = 0;

  /** A log without entries, which begins after `beginning`. */
  constructor(beginning: SnapshotPosition) {
    this.#beginning = beginning;
  }

  /** The log starts again after `beginning`. */
  restart(beginning: SnapshotPosition): void {
    for (const run of this.#runs) run.isGone = true;
    this.#runs = [];
    this.#beginning = beginning;
  }

  /** A record was written, or found. It replaces the log's end from its first index on. */
  note(place: EntriesPlace): void {
    const { path, offset, end, firstIndex, lastIndex } = place;
    const runs = this.#runs;
    let last = runs.at(-1);
    while (last !== undefined && last.firstIndex >= firstIndex) {
      runs.pop();
      last = runs.at(-1);
    }
    if (last !== undefined && last.lastIndex >= firstIndex) {
      last.lastIndex = firstIndex - 1;
      last.isCut = true;
    }
    if (this.#beginning !== null && this.#beginning.index >= firstIndex) this.#beginning = null;
    if (last?.path === path && !last.isCut && end - last.offset <= RUN_BYTES) {
      this.#bytes += end - last.end;
      last.end = end;
      last.lastIndex = lastIndex;
      return;
    }
    runs.push({ ...place, isCut: false, isGone: false, bytesBefore: this.#bytes });
    this.#bytes += end - offset;
  }

  /** These segments, the oldest ones, are not the log's any more. */
  dropSegments(paths: ReadonlySet<string>): void {
    this.#dropFirst(this.#runs.findIndex(({ path }) => !paths.has(path)));
  }

  /** Up to this entry nothing can be read any more. */
  dropUpTo(index: number): void {
    this.#dropFirst(this.#runs.findIndex(({ lastIndex }) => lastIndex > index));
  }

  /** `kept`: the first that stays; -1: none. */
  #dropFirst(kept: number): void {
    const count = kept < 0 ? this.#runs.length : kept;
    if (count === 0) return;
    for (const run of this.#runs.splice(0, count)) run.isGone = true;
    this.#beginning = null;
  }

  /** True where the term at `index` can be told, and all entries after it can be read. */
  reaches(index: number): boolean {
    return index === this.#beginning?.index || index >= (this.#runs[0]?.firstIndex ?? Infinity);
  }

  /** The term at `index`, where that is where the log begins; else null. */
  termAtBeginning(index: number): number | null {
    return index === this.#beginning?.index ? this.#beginning.term : null;
  }

  /**
   * The runs of one segment that hold `fromIndex` and what follows it, up to `toIndex` or about `bytesMax`
   * bytes; at least one run, unless `fromIndex` is in none.
   */
  find(fromIndex: number, toIndex: number, bytesMax: number): Run[] {
    const first = this.#at(fromIndex);
    const start = this.#runs[first];
    if (start === undefined || start.firstIndex > fromIndex) return [];
    const found = [start];
    for (let at = first + 1; at < this.#runs.length; at++) {
      const run = this.#runs[at]!;
      if (run.firstIndex > toIndex || run.path !== start.path) break;
      if (run.end - start.offset > bytesMax) break;
      found.push(run);
    }
    return found;
  }

  /** Of all runs there ever were. */
  get writtenBytes(): number {
    return this.#bytes;
  }

  /** Bytes of the log after `index`, to a run. */
  bytesAfter(index: number): number {
    const run = this.#runs[this.#at(index + 1)];
    return run === undefined ? 0 : this.#bytes - run.bytesBefore;
  }

  /** Where the first run is that ends at `index` or later. */
  #at(index: number): number {
    let low = 0;
    let high = this.#runs.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#runs[middle]!.lastIndex < index) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
