/**
 * Bytes out of larger pieces of memory: an array of its own for each of the millions of small copies that a
 * run makes costs more than what is done with it.
 */

const SLAB_BYTES = 65_536;
/** A larger one gets memory of its own. */
const PIECE_BYTES_MAX = 4_096;

let slab = new Uint8Array(0);
let used = 0;

/** `count` bytes that were handed out to nobody before: all zero. */
export function freshBytes(count: number): Uint8Array {
  if (count > PIECE_BYTES_MAX) return new Uint8Array(count);
  if (used + count > slab.length) {
    slab = new Uint8Array(SLAB_BYTES);
    used = 0;
  }
  const from = used;
  used += count;
  return slab.subarray(from, used);
}

/** A copy that stays as it is whatever becomes of `bytes`. */
export function copyOf(bytes: Uint8Array): Uint8Array {
  const copy = freshBytes(bytes.length);
  copy.set(bytes);
  return copy;
}
