/**
 * Large buffers that are used again: a new one is zeroed first, its pages come from the system one by one,
 * and the collector has to find out that it is done with.
 */
import { freeNow } from "./free_now.ts";

/** What lies unused at any time, at the most. */
const SPARE_BYTES_MAX = 16_777_216;
/** Once nobody has asked for so long, all of it is given up. */
const QUIET_MS = 1_000;
/** Lengths come in so many steps to each doubling: whoever asks for a little more each time gets the same. */
const STEPS_PER_DOUBLING = 8;

export class SpareBuffers {
  /** The one that was used last is at the end. */
  readonly #spares: Uint8Array[] = [];
  #bytes = 0;
  #wasUsed = false;
  #usedMs = 0;

  /** Bytes that lie unused. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A buffer of `length` bytes; what it holds is undefined. */
  take(length: number): Uint8Array {
    this.#wasUsed = true;
    const capacity = roundedUp(length);
    for (let i = this.#spares.length - 1; i >= 0; i--) {
      const spare = this.#spares[i]!;
      if (spare.length < length || spare.length > 2 * capacity) continue;
      this.#spares.splice(i, 1);
      this.#bytes -= spare.length;
      return spare.subarray(0, length);
    }
    return new Uint8Array(capacity).subarray(0, length);
  }

  /** Takes back what `take` gave, whole; whoever gives it must not touch it any more. */
  give({ buffer }: Uint8Array): void {
    const spare = new Uint8Array(buffer);
    if (spare.length > SPARE_BYTES_MAX) return freeNow(spare);
    while (this.#bytes + spare.length > SPARE_BYTES_MAX) this.#drop();
    this.#spares.push(spare);
    this.#bytes += spare.length;
  }

  /** It is `nowMs`. */
  elapse(nowMs: number): void {
    if (this.#wasUsed) this.#usedMs = nowMs;
    this.#wasUsed = false;
    if (nowMs - this.#usedMs < QUIET_MS) return;
    while (this.#spares.length > 0) this.#drop();
  }

  #drop(): void {
    const oldest = this.#spares.shift()!;
    this.#bytes -= oldest.length;
    freeNow(oldest);
  }
}

function roundedUp(length: number): number {
  const step = Math.max(1, (1 << (31 - Math.clz32(length))) / STEPS_PER_DOUBLING);
  return Math.ceil(length / step) * step;
}
