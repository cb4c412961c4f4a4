/**
 * Whether a sync is worth blocking the event loop for.
 *
 * Handing a sync to another thread and waiting for its completion takes as long again as the sync itself
 * on a quick disk. But a disk that stalls must not keep the server from answering. So a sync that somebody
 * waits for may block only while all of the last ones were quick: a disk that becomes slow blocks the
 * event loop for one sync, and then not again until it has been quick for a while.
 */
/** What a quick sync takes at most. */
const QUICK_MS = 4;
/** How many in a row have to be quick. */
const QUICK_SYNCS = 8;

export class SyncPace {
  #quickSyncs = 0;

  /** True where the disk has been quick for a while. */
  get isQuick(): boolean {
    return this.#quickSyncs >= QUICK_SYNCS;
  }

  /** A sync took so long, with the way to another thread and back where it took that. */
  note(tookMs: number): void {
    if (tookMs > QUICK_MS) this.#quickSyncs = 0;
    else if (this.#quickSyncs < QUICK_SYNCS) this.#quickSyncs++;
  }
}
