/**
 * One bucket of the ordered keys: the keys between two separators, as pairs of a fragment (the four bytes
 * that follow what the bucket's keys have in common) and the key's hash. Fragments are in the order of
 * keys; keys of equal fragments are told apart by their bytes, which are in the records alone.
 *
 * The first `sorted` entries are in order, the rest as they came. No entry has a reference to its
 * record: the table finds that by the hash. So records move, and values change, without a bucket.
 */

/** The most keys of a bucket. */
export const BUCKET_SLOTS = 1024;
/** The fragment of whatever comes before, or after, all keys that begin as the bucket's do. */
const FRAGMENT_LOWEST = -0x8000_0000;
const FRAGMENT_HIGHEST = 0x7fff_ffff;
const FRAGMENT_BYTES = 4;
/** A bucket's room grows, and is cut down where it is split, by so many keys. */
const SLOTS_STEP = 256;

export class KeyBucket {
  /** No key of the bucket comes before this one, which may be none itself; empty in the first bucket. */
  low: Uint8Array;
  /** What its keys have in common, as far as that was looked at. */
  prefix: Uint8Array;
  /** Fragments, then, from `hashes` on, hashes: as many as there is room for, never above `BUCKET_SLOTS`. */
  words: Int32Array = new Int32Array(2 * SLOTS_STEP);
  hashes = SLOTS_STEP;
  count = 0;
  sorted = 0;
  /** Bytes of its keys, about: where a bucket is split each half has its share by number. */
  keyBytes = 0;

  constructor(low: Uint8Array, prefix: Uint8Array) {
    this.low = low;
    this.prefix = prefix;
  }

  /** The fragment of a key. */
  fragmentOf(bytes: Uint8Array, start: number, length: number): number {
    const prefix = this.prefix;
    const end = start + length;
    let at = start;
    for (let i = 0; i < prefix.length; i++, at++) {
      if (at === end) return FRAGMENT_LOWEST;
      const difference = bytes[at]! - prefix[i]!;
      if (difference !== 0) return difference < 0 ? FRAGMENT_LOWEST : FRAGMENT_HIGHEST;
    }
    const word = end - at >= FRAGMENT_BYTES
      ? (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
      : shortWord(bytes, at, end);
    return word ^ 0x8000_0000;
  }

  /** Puts an entry after all others. */
  append(fragment: number, hash: number, keyLength: number): void {
    const { count } = this;
    if (count === this.hashes) this.#resize(count + SLOTS_STEP);
    const { words } = this;
    const staysSorted = this.sorted === count && (count === 0 || fragment > words[count - 1]!);
    words[count] = fragment;
    words[this.hashes + count] = hash;
    this.count = count + 1;
    if (staysSorted) this.sorted = count + 1;
    this.keyBytes += keyLength;
  }

  /** The first of the sorted entries [from, sorted) whose fragment is not below this one. */
  lowerBound(fragment: number): number {
    const { words } = this;
    let from = 0;
    let to = this.sorted;
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (words[middle]! < fragment) from = middle + 1;
      else to = middle;
    }
    return from;
  }

  /** Takes out the entry of this fragment and hash; false where there is none. */
  remove(fragment: number, hash: number, keyLength: number): boolean {
    const { words, count, hashes } = this;
    let found = -1;
    let at = this.lowerBound(fragment);
    for (; at < this.sorted && words[at] === fragment; at++) {
      if (words[hashes + at] !== hash) continue;
      // Two keys that can't be told apart here: which one is left is seen when they are sorted again.
      if (found >= 0) this.sorted = 0;
      else found = at;
    }
    for (at = count - 1; found < 0 && at >= this.sorted; at--) {
      if (words[hashes + at] === hash && words[at] === fragment) found = at;
    }
    if (found < 0) return false;
    words.copyWithin(found, found + 1, count);
    words.copyWithin(hashes + found, hashes + found + 1, hashes + count);
    if (found < this.sorted) this.sorted--;
    this.count = count - 1;
    this.keyBytes = Math.max(0, this.keyBytes - keyLength);
    return true;
  }

  /** Moves the entries whose fragment is not below `pivot` to `right`, which is empty. */
  moveFrom(pivot: number, right: KeyBucket): void {
    const { words, count, sorted, hashes } = this;
    let kept = 0;
    let keptSorted = 0;
    right.#resize(count);
    for (let i = 0; i < count; i++) {
      const fragment = words[i]!;
      const hash = words[hashes + i]!;
      if (fragment < pivot) {
        words[kept] = fragment;
        words[hashes + kept++] = hash;
        if (i < sorted) keptSorted++;
      } else {
        right.words[right.count] = fragment;
        right.words[right.hashes + right.count++] = hash;
        if (i < sorted) right.sorted++;
      }
    }
    this.count = kept;
    this.sorted = keptSorted;
    this.#divide(right);
  }

  /** Moves the entries from `at` on to `right`, which is empty; both are sorted. */
  moveAfter(at: number, right: KeyBucket): void {
    const { words, count, hashes } = this;
    right.#resize(count - at);
    right.words.set(words.subarray(at, count));
    right.words.set(words.subarray(hashes + at, hashes + count), right.hashes);
    right.count = right.sorted = count - at;
    this.count = this.sorted = at;
    this.#divide(right);
  }

  /** Takes over all that `right` has. Where its prefix is another one, all fragments are to be set anew. */
  take(right: KeyBucket): void {
    const { count } = this;
    this.#resize(count + right.count);
    this.words.set(right.words.subarray(0, right.count), count);
    const moved = right.words.subarray(right.hashes, right.hashes + right.count);
    this.words.set(moved, this.hashes + count);
    if (this.sorted === count) this.sorted += right.sorted;
    this.count += right.count;
    this.keyBytes += right.keyBytes;
  }

  /** After a split: both have the room that they need, and their share of the bytes. */
  #divide(right: KeyBucket): void {
    const all = this.keyBytes;
    right.keyBytes = Math.round(all * right.count / (this.count + right.count));
    this.keyBytes = all - right.keyBytes;
    this.#resize(this.count + 1);
    right.#resize(right.count + 1);
  }

  /** Gives it room for so many keys, at least as many as it has. */
  #resize(slots: number): void {
    const { words, count, hashes } = this;
    const rounded = Math.min(BUCKET_SLOTS, Math.ceil(slots / SLOTS_STEP) * SLOTS_STEP);
    if (rounded === hashes) return;
    this.words = new Int32Array(2 * rounded);
    this.words.set(words.subarray(0, count));
    this.words.set(words.subarray(hashes, hashes + count), rounded);
    this.hashes = rounded;
  }
}

/** Up to three bytes and, in the place of those that are missing, zeros. */
function shortWord(bytes: Uint8Array, start: number, end: number): number {
  let word = 0;
  for (let at = start, shift = 24; at < end; at++, shift -= 8) word |= bytes[at]! << shift;
  return word;
}

/**
 * The separator between keys with fragments below this one and the others, among keys that begin with
 * `prefix` or come before or after all that do.
 */
export function separatorAt(prefix: Uint8Array, fragment: number): Uint8Array {
  const word = fragment ^ 0x8000_0000;
  // A key may end where another has zeros: those at the end would part it from what is equal here.
  let length = FRAGMENT_BYTES;
  while (length > 0 && ((word >>> (32 - 8 * length)) & 0xff) === 0) length--;
  const separator = new Uint8Array(prefix.length + length);
  separator.set(prefix);
  for (let i = 0; i < length; i++) separator[prefix.length + i] = word >>> (24 - 8 * i);
  return separator;
}

/** How many bytes two fragments have in common at their beginning. */
export function sharedBytes(a: number, b: number): number {
  return Math.clz32(a ^ b) >>> 3;
}

/** How many bytes all fragments of a bucket have in common at their beginning. */
export function sharedOf({ words, count }: KeyBucket): number {
  let differing = 0;
  for (let i = 1; i < count; i++) differing |= words[i]! ^ words[0]!;
  return count < 2 ? 0 : Math.clz32(differing) >>> 3;
}
