/**
 * Which bucket a key belongs to: the buckets in the order of their separators, and beside them marks, the
 * six bytes that follow what all separators have in common, as numbers. So a search compares numbers
 * that lie side by side, and bytes only where two marks are equal.
 */
import { KeyBucket } from "./key_bucket.ts";
import { compareKeys } from "./record.ts";

const MARK_BYTES = 6;
/** Before all marks: that of the first bucket, which has no separator. */
const MARK_FIRST = -2;
const MARK_BELOW = -1;
const MARK_ABOVE = 2 ** 48;
const TWO_32 = 0x1_0000_0000;
const NOTHING = new Uint8Array(0);

export class BucketDirectory {
  /** In the order of keys; there is always one. */
  readonly buckets: KeyBucket[] = [new KeyBucket(NOTHING, NOTHING)];
  #marks = new Float64Array(16).fill(MARK_FIRST, 0, 1);
  /** How many bytes all separators have in common: those of the second bucket's. */
  #commonBytes = 0;

  /** The place of the bucket that a key belongs to. */
  find(bytes: Uint8Array, start: number, length: number): number {
    const { buckets } = this;
    let from = 0;
    let to = buckets.length;
    if (to === 1) return 0;
    const marks = this.#marks;
    const mark = this.#markOf(bytes, start, length);
    // The last one whose separator does not come after the key.
    while (to - from > 1) {
      const middle = (from + to) >>> 1;
      const other = marks[middle]!;
      if (
        other < mark || (other === mark && isAtMost(buckets[middle]!.low, bytes, start, length))
      ) {
        from = middle;
      } else to = middle;
    }
    return from;
  }

  /** Puts a bucket in after the one at `place`. */
  insertAfter(place: number, bucket: KeyBucket): void {
    const { buckets } = this;
    const at = place + 1;
    buckets.splice(at, 0, bucket);
    if (buckets.length > this.#marks.length) {
      const grown = new Float64Array(2 * this.#marks.length);
      grown.set(this.#marks);
      this.#marks = grown;
    }
    this.#marks.copyWithin(at + 1, at, buckets.length - 1);
    if (at > 1 && at < buckets.length - 1) this.#setMark(at);
    else this.#refresh(at);
  }

  /** Takes the bucket at `place` out: its keys' part goes to the one before, or to the next as the first. */
  remove(place: number): void {
    const { buckets } = this;
    buckets.splice(place, 1);
    this.#marks.copyWithin(place, place + 1, buckets.length + 1);
    if (place === 0) {
      buckets[0]!.low = NOTHING;
      this.#marks[0] = MARK_FIRST;
    }
    this.#refresh(0);
  }

  /** Bytes of all typed arrays, those of separators left out. */
  heldBytes(): number {
    const words = this.buckets.reduce((sum, bucket) => sum + bucket.words.byteLength, 0);
    return words + this.#marks.byteLength;
  }

  /** Sets the mark at `at`; all of them where separators have more, or less, in common now. */
  #refresh(at: number): void {
    const { buckets } = this;
    if (buckets.length === 1) return;
    const common = commonBytes(buckets[1]!.low, buckets[buckets.length - 1]!.low);
    if (common === this.#commonBytes) {
      if (at > 0) this.#setMark(at);
      return;
    }
    this.#commonBytes = common;
    for (let i = 1; i < buckets.length; i++) this.#setMark(i);
  }

  #setMark(at: number): void {
    const { low } = this.buckets[at]!;
    this.#marks[at] = this.#markOf(low, 0, low.length);
  }

  #markOf(bytes: Uint8Array, start: number, length: number): number {
    const common = this.#commonBytes;
    const { low } = this.buckets[1]!;
    const end = start + length;
    let at = start;
    for (let i = 0; i < common; i++, at++) {
      if (at === end) return MARK_BELOW;
      const difference = bytes[at]! - low[i]!;
      if (difference !== 0) return difference < 0 ? MARK_BELOW : MARK_ABOVE;
    }
    if (end - at >= MARK_BYTES) {
      return ((bytes[at]! << 8) | bytes[at + 1]!) * TWO_32 +
        (((bytes[at + 2]! << 24) | (bytes[at + 3]! << 16) | (bytes[at + 4]! << 8) |
          bytes[at + 5]!) >>> 0);
    }
    let mark = 0;
    for (let i = 0; i < MARK_BYTES; i++, at++) mark = mark * 256 + (at < end ? bytes[at]! : 0);
    return mark;
  }
}

/** How many bytes two keys have in common at their beginning. */
export function commonBytes(a: Uint8Array, b: Uint8Array): number {
  const most = Math.min(a.length, b.length);
  let at = 0;
  while (at < most && a[at] === b[at]) at++;
  return at;
}

function isAtMost(low: Uint8Array, bytes: Uint8Array, start: number, length: number): boolean {
  return compareKeys(low, 0, low.length, bytes, start, length) <= 0;
}
