/**
 * Buffers of their own for records that are too large for a slot. Capacities come in sixteen steps
 * to each doubling, so a freed one fits another record; a few are kept for that, the rest is
 * given back at once.
 */

import { freeNow } from "../../util/free_now.ts";

/** What may lie unused at any time: this, or a sixteenth of what is in use. */
const SPARE_BYTES_MIN = 2 * 1024 * 1024;
const STEPS_PER_DOUBLING = 16;

export class LargeBuffers {
  /** By number; a free number has an empty buffer. */
  readonly buffers: Uint8Array[] = [];
  usedBytes = 0;
  spareBytes = 0;
  readonly #freeNumbers: number[] = [];
  readonly #spares = new Map<number, Uint8Array[]>();

  /** The number of a buffer that holds `bytes`; its contents are undefined. */
  take(bytes: number): number {
    const capacity = largeCapacity(bytes);
    const spare = this.#spares.get(capacity)?.pop();
    if (spare !== undefined) this.spareBytes -= capacity;
    const number = this.#freeNumbers.pop() ?? this.buffers.length;
    this.buffers[number] = spare ?? new Uint8Array(capacity);
    this.usedBytes += capacity;
    return number;
  }

  release(number: number): void {
    const buffer = this.buffers[number]!;
    this.buffers[number] = NOTHING;
    this.#freeNumbers.push(number);
    this.usedBytes -= buffer.length;
    const spareBytesMax = Math.max(SPARE_BYTES_MIN, this.usedBytes / 16);
    if (this.spareBytes + buffer.length > spareBytesMax) {
      // Sizes that nobody asks for any more must not hold the room of those that somebody does.
      for (const spares of this.#spares.values()) spares.forEach(freeNow);
      this.#spares.clear();
      this.spareBytes = 0;
      if (buffer.length > spareBytesMax) {
        freeNow(buffer);
        return;
      }
    }
    const spares = this.#spares.get(buffer.length);
    if (spares === undefined) this.#spares.set(buffer.length, [buffer]);
    else spares.push(buffer);
    this.spareBytes += buffer.length;
  }
}

/** The capacity of the buffer for a record of `bytes` bytes: at most 7 % more. */
export function largeCapacity(bytes: number): number {
  const step = (1 << (31 - Math.clz32(bytes - 1))) / STEPS_PER_DOUBLING;
  return Math.ceil(bytes / step) * step;
}

const NOTHING = new Uint8Array(0);
