/**
 * Keeps the log in memory short: applied entries are dropped, oldest first, down to some bytes that
 * followers which lag a little are served from. One that lags more gets a snapshot.
 */
import type { Raft } from "../raft/raft.ts";

export class LogTrimmer {
  readonly #bytesKept: number;
  #bytes: number;

  /** `bytes`: of the entries that the log holds at the start. */
  constructor(bytesKept: number, bytes: number) {
    this.#bytesKept = bytesKept;
    this.#bytes = bytes;
  }

  /** Bytes of applied entries that are held. */
  get bytes(): number {
    return this.#bytes;
  }

  noteApplied(bytes: number): void {
    this.#bytes += bytes;
  }

  /** The log was emptied. */
  reset(): void {
    this.#bytes = 0;
  }

  /** Drops what is too much, up to `indexMax` at the most; looks at each entry once. */
  trim(raft: Raft, appliedIndex: number, indexMax: number): void {
    // A quarter more is let through, so that dropping is seldom and its cost spread.
    if (this.#bytes <= this.#bytesKept * 1.25) return;
    const { log } = raft.state;
    const last = Math.min(appliedIndex, log.durableIndex, indexMax);
    let index = log.firstIndex - 1;
    while (index < last && this.#bytes > this.#bytesKept) {
      index++;
      this.#bytes -= log.at(index).data.length;
    }
    if (index >= log.firstIndex) raft.compact(index);
  }
}
