/**
 * The bytes that a connection has received and that are not used up yet: `bytes[start, end)`.
 *
 * Memory follows what was received, not what was announced: however much is asked for, the buffer
 * never grows to more than four times what it holds (or its smallest size), so an announced
 * megabyte that never comes costs nothing. Once empty it goes back to its smallest size.
 */
import { assert } from "./assert.ts";

/** How far ahead of the bytes that it holds the buffer may grow. */
const GROWTH_FACTOR = 4;

/** What an idle connection's buffer holds, unless told otherwise. */
const IDLE_BYTES = 16_384;

export class InputBuffer {
  bytes: Uint8Array;
  /** The first byte that is not consumed. */
  start = 0;
  /** Behind the last byte received. */
  end = 0;
  readonly #bytesMin: number;
  readonly #bytesMax: number;

  /** Grows up to `bytesMax`, which a whole largest command must fit; holds `bytesMin` when idle. */
  constructor(bytesMax: number, bytesMin: number = Math.min(IDLE_BYTES, bytesMax)) {
    assert(
      Number.isSafeInteger(bytesMin) && bytesMin > 0 && bytesMax >= bytesMin,
      `Cannot make an input buffer of ${bytesMin} to ${bytesMax} bytes`,
    );
    this.#bytesMin = bytesMin;
    this.#bytesMax = bytesMax;
    this.bytes = new Uint8Array(bytesMin);
  }

  /** How many bytes wait to be consumed. */
  get length(): number {
    return this.end - this.start;
  }

  /** True where not one more byte fits: something has to be consumed before the next `space()`. */
  get full(): boolean {
    return this.length >= this.#bytesMax;
  }

  /**
   * The free tail to read into, at least one byte long. It gets `minimum` bytes where the bounds
   * allow it: ask again after each `commit()`. Moves what is held to the front, or to a larger
   * buffer, so positions from before the call are void.
   */
  space(minimum = 1): Uint8Array {
    assert(!this.full, `The input buffer is full at ${this.#bytesMax} bytes: consume first`);
    const held = this.length;
    const ahead = Math.max(this.#bytesMin, held * GROWTH_FACTOR);
    const wanted = Math.min(held + Math.max(minimum, 1), ahead, this.#bytesMax);
    if (wanted > this.bytes.length) {
      const capacity = Math.min(Math.max(wanted, this.bytes.length * 2), ahead, this.#bytesMax);
      const grown = new Uint8Array(capacity);
      grown.set(this.bytes.subarray(this.start, this.end));
      this.bytes = grown;
      this.#heldAtFront(held);
    } else if (this.start > 0 && this.start + wanted > this.bytes.length) {
      this.bytes.copyWithin(0, this.start, this.end);
      this.#heldAtFront(held);
    }
    return this.bytes.subarray(this.end);
  }

  /** Says that `count` bytes were put at the front of the last `space()`. */
  commit(count: number): void {
    assert(
      Number.isSafeInteger(count) && count >= 0 && this.end + count <= this.bytes.length,
      `Cannot commit ${count} bytes: ${this.bytes.length - this.end} are free`,
    );
    this.end += count;
  }

  /** Gives up the first `count` bytes. */
  consume(count: number): void {
    assert(
      Number.isSafeInteger(count) && count >= 0 && count <= this.length,
      `Cannot consume ${count} bytes: ${this.length} are there`,
    );
    this.start += count;
    if (this.start < this.end) return;
    this.start = 0;
    this.end = 0;
    if (this.bytes.length > this.#bytesMin) this.bytes = new Uint8Array(this.#bytesMin);
  }

  #heldAtFront(held: number): void {
    this.start = 0;
    this.end = held;
  }
}
