/**
 * The bytes that a connection has received and that are not used up yet: `bytes[start, end)`.
 *
 * Memory follows what was received, not what was announced: however much is asked for, the buffer
 * never grows to more than four times what it holds (or its size when empty), or than the largest
 * command that came whole while the connection was busy. So an announced megabyte that never comes
 * costs nothing, and one that follows another is read in one piece. Once empty it goes back to one of
 * three sizes: small, for most connections are idle and a read is under way on each, or large enough to
 * take many pipelined commands at once. The first read that fills it takes it to the second size, several
 * more to the third, and many that one size less would have taken bring it back.
 */
import { assert, broken } from "./assert.ts";
import type { SpareBuffers } from "./spare_buffers.ts";

/** How far ahead of the bytes that it holds the buffer may grow. */
const GROWTH_FACTOR = 4;

/** What an idle connection's buffer holds, unless told otherwise. */
const IDLE_BYTES = 2_048;
/**
 * All sizes, as multiples of that: the largest takes what a client with a hundred calls under way sends at
 * once, so that these share one entry of the log and its syncs. It leaves room for replies in what a
 * connection may hold whatever the others do (node/session/memory_budget.ts): only reads make it smaller.
 */
const SIZE_FACTORS = [1, 8, 24] as const;
/** So many reads have to fill each size but the largest: one long command alone asks for no more. */
const FULL_READS = [1, 16] as const;
/** So many reads in a row that the size below would have taken make it smaller again. */
const SHORT_READS = 64;
/** Buffers from here on are shared with other connections, while they are larger than a connection's own. */
const SHARED_BYTES_MIN = 32_768;

export class InputBuffer {
  bytes: Uint8Array;
  /** The first byte that is not consumed. */
  start = 0;
  /** Behind the last byte received. */
  end = 0;
  /** What it holds when empty, by how busy it is. */
  readonly #sizes: readonly number[];
  readonly #bytesMax: number;
  readonly #spares: SpareBuffers | null;
  /** The buffer for what is short, while a shared one takes its place. */
  #own: Uint8Array | null = null;
  /** The most that was used up at once since the connection became busy. */
  #provenBytes = 0;
  #size = 0;
  /** Reads that filled this size; and those in a row that were short. */
  #fullReads = 0;
  #shortReads = 0;

  /**
   * Grows up to `bytesMax`, which a whole largest command must fit; holds `bytesMin` when idle, and up
   * to 24 times as much when busy. Larger buffers come from `spares`, where there are any.
   */
  constructor(
    bytesMax: number,
    bytesMin: number = Math.min(IDLE_BYTES, bytesMax),
    spares: SpareBuffers | null = null,
  ) {
    assert(
      Number.isSafeInteger(bytesMin) && bytesMin > 0 && bytesMax >= bytesMin,
      `Cannot make an input buffer of ${bytesMin} to ${bytesMax} bytes`,
    );
    this.#sizes = SIZE_FACTORS.map((factor) => Math.min(bytesMin * factor, bytesMax));
    this.#bytesMax = bytesMax;
    this.#spares = spares;
    this.bytes = new Uint8Array(bytesMin);
  }

  /** How many bytes wait to be consumed. */
  get length(): number {
    return this.end - this.start;
  }

  /** Bytes of memory that it takes. */
  get heldBytes(): number {
    return this.bytes.buffer.byteLength + (this.#own === null ? 0 : this.#own.length);
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
    if (this.full) broken(`The input buffer is full at ${this.#bytesMax} bytes: consume first`);
    const held = this.length;
    const empty = this.#bytesWhenEmpty();
    const ahead = Math.max(empty, held * GROWTH_FACTOR, this.#provenBytes);
    const wanted = Math.min(Math.max(held + Math.max(minimum, 1), empty), ahead, this.#bytesMax);
    if (wanted > this.bytes.length) {
      const capacity = Math.min(Math.max(wanted, this.bytes.length * 2), ahead, this.#bytesMax);
      this.#growTo(capacity);
      this.#heldAtFront(held);
    } else if (this.start > 0 && this.start + wanted > this.bytes.length) {
      this.bytes.copyWithin(0, this.start, this.end);
      this.#heldAtFront(held);
    }
    // Most connections ask and wait, in turns: then this is all of the buffer, and needs no new view.
    return this.end === 0 ? this.bytes : this.bytes.subarray(this.end);
  }

  /** Says that `count` bytes were put at the front of the last `space()`. */
  commit(count: number): void {
    if (!Number.isSafeInteger(count) || count < 0 || this.end + count > this.bytes.length) {
      broken(`Cannot commit ${count} bytes: ${this.bytes.length - this.end} are free`);
    }
    this.end += count;
    if (this.end === this.bytes.length) {
      this.#shortReads = 0;
      // What is shared is as long as one command: that it is full says nothing of many.
      const isOwn = this.#own === null || this.#size === 0;
      if (isOwn && ++this.#fullReads === FULL_READS[this.#size]) this.#become(this.#size + 1);
    } else if (this.#size > 0) {
      this.#shortReads = count < this.#sizes[this.#size - 1]! ? this.#shortReads + 1 : 0;
      if (this.#shortReads === SHORT_READS) this.#become(this.#size - 1);
    }
  }

  /** Gives up the first `count` bytes. */
  consume(count: number): void {
    if (!Number.isSafeInteger(count) || count < 0 || count > this.length) {
      broken(`Cannot consume ${count} bytes: ${this.length} are there`);
    }
    this.start += count;
    if (this.#size > 0 && count > this.#provenBytes) this.#provenBytes = count;
    if (this.start < this.end) return;
    this.start = 0;
    this.end = 0;
    const bytes = this.#bytesWhenEmpty();
    const own = this.#own;
    if (own === null && this.bytes.length <= bytes) return;
    this.#giveBack();
    this.bytes = own !== null && own.length === bytes ? own : new Uint8Array(bytes);
  }

  /** Continues in a larger buffer, with what it holds at the front. */
  #growTo(capacity: number): void {
    const isShared = capacity >= SHARED_BYTES_MIN && capacity > this.#bytesWhenEmpty();
    const spares = isShared ? this.#spares : null;
    const grown = spares === null ? new Uint8Array(capacity) : spares.take(capacity);
    grown.set(this.bytes.subarray(this.start, this.end));
    const isOwn = this.#own === null && this.bytes.length <= this.#sizes.at(-1)!;
    const own = isOwn && spares !== null ? this.bytes : this.#own;
    this.#giveBack();
    this.bytes = grown;
    this.#own = own;
  }

  /** Gives up a shared buffer; what it holds is elsewhere by now. */
  #giveBack(): void {
    if (this.#own !== null) this.#spares?.give(this.bytes);
    this.#own = null;
  }

  #become(size: number): void {
    this.#size = size;
    this.#fullReads = 0;
    this.#shortReads = 0;
    if (size === 0) this.#provenBytes = 0;
  }

  #bytesWhenEmpty(): number {
    return this.#sizes[this.#size]!;
  }

  #heldAtFront(held: number): void {
    this.start = 0;
    this.end = held;
  }
}
