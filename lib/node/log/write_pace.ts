/**
 * Slows writes down by delay, never to less than half of what they were: for a follower that would lose the
 * files of the log that it still needs. Who waits for replies writes less then; others wait a little.
 */

/** No write waits longer for this. */
const DELAY_MS_MAX = 100;
/** The rate that is taken as a measure is that of so long. */
const MEASURE_MS = 1_000;

export class WritePace {
  #share = 1;
  /** The next entries may go into the log then. */
  #nextMs = 0;
  /** While nothing is slowed down; 0 before it is known. */
  #bytesPerMs = 0;
  #bytes = 0;
  #sinceMs = 0;

  /** Of the writes there were, such a share continues; 1: all. */
  limit(share: number, nowMs: number): void {
    if (share < 1 && this.#share === 1) this.#measure(nowMs);
    if (share === 1 && this.#share < 1) this.#begin(nowMs);
    this.#share = share;
    if (share === 1) this.#nextMs = 0;
  }

  /** 1 while nothing is slowed down. */
  get share(): number {
    return this.#share;
  }

  /** Until then what was gathered waits. */
  get nextMs(): number {
    return this.#nextMs;
  }

  /** Bytes of writes went into the log. */
  proposed(bytes: number, nowMs: number): void {
    this.#bytes += bytes;
    if (this.#share < 1) {
      const waitsMs = bytes / (this.#bytesPerMs * this.#share);
      this.#nextMs = nowMs + Math.min(DELAY_MS_MAX, waitsMs);
    } else if (nowMs - this.#sinceMs >= MEASURE_MS) {
      this.#measure(nowMs);
      this.#begin(nowMs);
    }
  }

  #measure(nowMs: number): void {
    const lastedMs = nowMs - this.#sinceMs;
    // A moment's rate says little, and so does that of a pause between writes, unless there is no other.
    const saysLittle = lastedMs < MEASURE_MS / 10 || lastedMs > MEASURE_MS * 2;
    if (saysLittle && this.#bytesPerMs > 0) return;
    this.#bytesPerMs = Math.max(1, this.#bytes / Math.max(1, lastedMs));
  }

  #begin(nowMs: number): void {
    this.#bytes = 0;
    this.#sinceMs = nowMs;
  }
}
