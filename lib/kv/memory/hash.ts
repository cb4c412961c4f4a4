/**
 * The seeded hash of keys: HalfSipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input
 * PRF", 2012; the 32-bit sibling of their reference code). A client that does not know the seed
 * can't choose keys that collide, which the multiply-and-shift hashes don't promise.
 *
 * Hashes are signed 32-bit numbers, because the engine keeps those unboxed. Their order as signed
 * numbers is the iteration order of the store; `toPosition` maps it to 0 .. 2^32 - 1.
 */

/** The two key words that HalfSipHash takes, spread from the cluster's one secret. */
export class HashKey {
  readonly low: number;
  readonly high: number;

  /** `seed`: any u32, the same on all servers of a cluster. */
  constructor(seed: number) {
    this.low = scramble(seed ^ 0x243f6a88);
    this.high = scramble(seed ^ 0x13198a2e);
  }
}

/** The hash of `bytes[start, start + length)`, a signed 32-bit number. */
export function hashBytes(
  key: HashKey,
  bytes: Uint8Array,
  start: number,
  length: number,
): number {
  let v0 = key.low;
  let v1 = key.high;
  let v2 = 0x6c796765 ^ v0;
  let v3 = 0x74656462 ^ v1;
  const tail = start + (length & ~3);
  const end = start + length;
  let at = start;
  for (; at < tail; at += 4) {
    const word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) |
      (bytes[at + 3]! << 24);
    v3 ^= word;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    v0 ^= word;
  }
  let last = length << 24;
  for (let shift = 0; at < end; at++, shift += 8) last |= bytes[at]! << shift;
  v3 ^= last;
  // One round for the last word, then three to finish.
  for (let round = 0; round < 4; round++) {
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    if (round === 0) {
      v0 ^= last;
      v2 ^= 0xff;
    }
  }
  return v1 ^ v3;
}

/** Where a hash lies in the iteration order: 0 .. 2^32 - 1. */
export function toPosition(hash: number): number {
  return (hash ^ 0x80000000) >>> 0;
}

/** The hash at a place of the iteration order. */
export function fromPosition(position: number): number {
  return position ^ 0x80000000;
}

/** Spreads the bits of one word over another (the finalizer of MurmurHash3, Appleby). */
function scramble(word: number): number {
  let z = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
  return z ^ (z >>> 16);
}
