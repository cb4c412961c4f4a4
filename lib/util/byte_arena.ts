/**
 * Copies of bytes that live long and die in about the order in which they were made, such as log
 * entries: many share one buffer, which the collector takes back once none of them is in use. A buffer
 * each would cost more than the copying, and the runtime starts a collection for every so many bytes
 * in new buffers.
 */
const SLAB_BYTES = 262_144;
/** Larger copies get a buffer of their own: at most this share of a slab is ever wasted. */
const SHARED_BYTES_MAX = SLAB_BYTES / 8;

export class ByteArena {
  #slab: Uint8Array = new Uint8Array(0);
  #used = 0;

  /** A copy of `bytes[start, end)` that nobody changes. */
  copy(bytes: Uint8Array, start = 0, end = bytes.length): Uint8Array {
    const length = end - start;
    if (length > SHARED_BYTES_MAX) return bytes.slice(start, end);
    if (this.#used + length > this.#slab.length) {
      this.#slab = new Uint8Array(SLAB_BYTES);
      this.#used = 0;
    }
    const copy = this.#slab.subarray(this.#used, this.#used + length);
    copy.set(length === bytes.length ? bytes : bytes.subarray(start, end));
    this.#used += length;
    return copy;
  }
}
