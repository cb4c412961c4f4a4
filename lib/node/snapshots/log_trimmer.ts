/**
 * Keeps the log in memory short: applied entries are dropped, oldest first. Some bytes of them stay, for
 * followers that lag a little; one that lags more gets what the files have, or a snapshot.
 */
import { freeNow } from "../../util/free_now.ts";
import type { Raft } from "../../raft/raft.ts";

export class LogTrimmer {
  readonly #bytesKept: number;
  #bytes: number;

  /** `bytes`: of the entries that the log holds at startup. */
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

  /** True where there is so much that some is to be dropped. */
  get isDue(): boolean {
    // A quarter more may stay, so that entries are dropped seldom, and many at a time.
    return this.#bytes > this.#bytesKept * 1.25;
  }

  /** Drops what is too much; looks at each entry once. */
  trim(raft: Raft, appliedIndex: number): void {
    if (!this.isDue) return;
    const { log } = raft.state;
    const last = Math.min(appliedIndex, log.durableIndex);
    // Nobody uses entries any more that are applied and durable, except messages of the core that were
    // not taken yet: where there are any, the collector frees the dropped entries.
    const givesUp = raft.state.output.messages.length === 0;
    const dropped: Uint8Array[] = [];
    let index = log.firstIndex - 1;
    while (index < last && this.#bytes > this.#bytesKept) {
      const { data } = log.at(++index);
      this.#bytes -= data.length;
      if (givesUp) dropped.push(data);
    }
    if (index >= log.firstIndex) raft.compact(index);
    for (const data of dropped) freeNow(data);
  }
}
