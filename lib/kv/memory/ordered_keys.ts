/**
 * The keys in the order of their bytes, beside the table: buckets of up to 1,024 keys, each 8 bytes
 * (key_bucket.ts), in the order of their separators (bucket_directory.ts).
 *
 * A new key is put at its bucket's end; a bucket is put in order when it is read, or where it has to be
 * split and its fragments do not tell its keys apart. So a new key costs finding its bucket and writing
 * eight bytes, a full bucket is parted by its fragments alone, and a reader puts what it comes to in order,
 * at most a bucket at a time: there is nothing that grows with the number of keys. Which keys come in which
 * order depends on the contents alone; where buckets end depends on their history, and is seen by nobody.
 *
 * Entries have no references: what has no new key and loses none does not come here.
 */
import { assert } from "../../util/assert.ts";
import { BucketDirectory, commonBytes } from "./bucket_directory.ts";
import { BUCKET_SLOTS, KeyBucket, separatorAt, sharedBytes, sharedOf } from "./key_bucket.ts";
import { compareKeys, recordKeyLength, recordKeyStart } from "./record.ts";
import { NO_REF, type Slabs } from "./slabs.ts";
import { PAGE_SLOTS, type Table } from "./table.ts";

/** The most bytes of a bucket's keys, about, as long as it has two: comparing them all is bounded. */
const BUCKET_KEY_BYTES = 256 * 1024;
/** Of a split, the smaller half has so many entries at least, or another way is tried. */
const HALF_SLOTS_MIN = BUCKET_SLOTS / 8;
const SAMPLES = 31;
/** So many keys that are in no order are looked through for one that goes; with more a bucket is sorted. */
const UNSORTED_MAX = 128;
/** A bucket with fewer joins a neighbor, if they then have no more than half of the slots. */
const FEW_SLOTS = BUCKET_SLOTS / 8;
const JOINED_SLOTS_MAX = BUCKET_SLOTS / 2;
/** What it takes to find a record, and to sort an entry by its fragment, in steps of a nanosecond. */
const RECORD_STEPS = 150;
const SORT_STEPS = 40;

export class OrderedKeys {
  readonly #table: Table;
  readonly #slabs: Slabs;
  readonly #directory = new BucketDirectory();
  /** Where reading stands. */
  #place = 0;
  #at = 0;
  /** What putting buckets in order has taken so far, in steps of about a nanosecond. */
  work = 0;
  /** One bucket on its way to another order. */
  readonly #numbers = new Float64Array(BUCKET_SLOTS);
  readonly #moving = new Int32Array(BUCKET_SLOTS);
  readonly #refs = new Int32Array(BUCKET_SLOTS);

  constructor(table: Table, slabs: Slabs) {
    this.#table = table;
    this.#slabs = slabs;
  }

  /**
   * Adds a key that is not there, before the table has it. True where records were looked up: the table
   * stands somewhere else then.
   */
  add(hash: number, bytes: Uint8Array, start: number, length: number): boolean {
    const { buckets } = this.#directory;
    let bucket = buckets[this.#directory.find(bytes, start, length)]!;
    let hasSplit = false;
    while (bucket.count === BUCKET_SLOTS || isLong(bucket, length)) {
      this.#split(bytes, start, length);
      hasSplit = true;
      bucket = buckets[this.#directory.find(bytes, start, length)]!;
    }
    bucket.append(bucket.fragmentOf(bytes, start, length), hash, length);
    return hasSplit;
  }

  /** The place of the bucket that a key belongs to; it is another one after the next change. */
  placeOf(bytes: Uint8Array, start: number, length: number): number {
    return this.#directory.find(bytes, start, length);
  }

  /**
   * Puts a bucket in order that has many keys which are not: before one is taken out, while the table has it,
   * since looking for it among them takes long. True where the table stands somewhere else then.
   */
  settle(place: number): boolean {
    const { count, sorted } = this.#directory.buckets[place]!;
    if (count - sorted <= UNSORTED_MAX) return false;
    this.#sort(place);
    return true;
  }

  /** Takes a key out of its bucket, after the table has lost it. The table may stand somewhere else then. */
  remove(place: number, hash: number, bytes: Uint8Array, start: number, length: number): void {
    const bucket = this.#directory.buckets[place]!;
    const isThere = bucket.remove(bucket.fragmentOf(bytes, start, length), hash, length);
    assert(isThere, "A key is missing from the ordered ones");
    if (bucket.count < FEW_SLOTS) this.#join(place);
  }

  /** Stands at the first key that does not come before this one. */
  seek(bytes: Uint8Array, start: number, length: number): void {
    this.#place = this.#directory.find(bytes, start, length);
    const bucket = this.#directory.buckets[this.#place]!;
    this.#sort(this.#place);
    const fragment = bucket.fragmentOf(bytes, start, length);
    let from = bucket.lowerBound(fragment);
    let to = from;
    while (to < bucket.count && bucket.words[to] === fragment) to++;
    while (from < to) {
      const middle = (from + to) >>> 1;
      const ref = this.#refAt(this.#place, middle);
      if (this.#compare(ref, bytes, start, length) < 0) from = middle + 1;
      else to = middle;
    }
    this.#at = from;
  }

  /** The record of the key where we stand, or `NO_REF` after the last one. */
  ref(): number {
    const { buckets } = this.#directory;
    while (this.#at === buckets[this.#place]!.count) {
      if (this.#place === buckets.length - 1) return NO_REF;
      this.#place++;
      this.#at = 0;
      this.#sort(this.#place);
    }
    return this.#refAt(this.#place, this.#at);
  }

  /** Goes on to the next key. Nothing may have changed since `seek`. */
  next(): void {
    this.#at++;
  }

  /** Bytes of all typed arrays. */
  heldBytes(): number {
    return this.#directory.heldBytes() + this.#numbers.byteLength + this.#moving.byteLength +
      this.#refs.byteLength;
  }

  /** Makes room for a key in the bucket that it belongs to. */
  #split(bytes: Uint8Array, start: number, length: number): void {
    const place = this.#directory.find(bytes, start, length);
    const left = this.#directory.buckets[place]!;
    const fragment = left.fragmentOf(bytes, start, length);
    const { words, count } = left;
    if (left.sorted === count && fragment > words[count - 1]!) {
      // Keys that come in their order leave full buckets.
      const key = bytes.subarray(start, start + length);
      const own = commonBytes(left.prefix, key);
      const shared = own === left.prefix.length ? sharedBytes(words[0]!, fragment) : 0;
      const low = separatorAt(left.prefix, fragment);
      const right = new KeyBucket(low, key.slice(0, Math.min(own + shared, length)));
      this.#directory.insertAfter(place, right);
      return;
    }
    const pivot = this.#pivot(left);
    if (pivot !== null) return this.#part(place, pivot);
    this.#refine(place);
    const finer = this.#pivot(left);
    if (finer !== null) return this.#part(place, finer);
    this.#partByKeys(place);
  }

  /** A fragment that parts the bucket well; null where there is none. */
  #pivot({ words, count }: KeyBucket): number | null {
    const sample = this.#moving.subarray(0, Math.min(SAMPLES, count));
    for (let i = 0; i < sample.length; i++) {
      sample[i] = words[Math.floor((i + 0.5) * count / sample.length)]!;
    }
    const median = sample.sort()[sample.length >>> 1]!;
    let below = 0;
    let equal = 0;
    for (let i = 0; i < count; i++) {
      if (words[i]! < median) below++;
      else if (words[i] === median) equal++;
    }
    const least = Math.min(HALF_SLOTS_MIN, count >>> 2);
    if (below >= Math.max(1, least)) return median;
    const after = count - below - equal;
    return after >= Math.max(1, least) ? median + 1 : null;
  }

  /** Parts the bucket: what has a fragment from `pivot` on goes to a new one after it. */
  #part(place: number, pivot: number): void {
    const left = this.#directory.buckets[place]!;
    const right = new KeyBucket(separatorAt(left.prefix, pivot), left.prefix);
    left.moveFrom(pivot, right);
    this.#directory.insertAfter(place, right);
    if (sharedOf(right) >= 2) this.#refine(place + 1);
    if (sharedOf(left) >= 2) this.#refine(place);
  }

  /** Parts a bucket in the middle whose fragments don't tell its keys apart. */
  #partByKeys(place: number): void {
    this.#sort(place);
    const left = this.#directory.buckets[place]!;
    const middle = left.count >>> 1;
    const before = this.#keyOf(this.#refAt(place, middle - 1));
    const after = this.#keyOf(this.#refAt(place, middle));
    const low = after.slice(0, commonBytes(before, after) + 1);
    const right = new KeyBucket(low, left.prefix);
    left.moveAfter(middle, right);
    this.#directory.insertAfter(place, right);
    this.#refine(place + 1);
    this.#refine(place);
  }

  /** Joins a bucket that has few keys left with a neighbor, if one has room. */
  #join(place: number): void {
    const { buckets } = this.#directory;
    if (buckets.length === 1) return;
    if (buckets[place]!.count === 0) return this.#directory.remove(place);
    for (let left = place; left >= Math.max(0, place - 1); left--) {
      const right = buckets[left + 1];
      if (right === undefined) continue;
      const { count, keyBytes } = buckets[left]!;
      const isSmall = keyBytes + right.keyBytes <= BUCKET_KEY_BYTES / 2;
      if (count + right.count > JOINED_SLOTS_MAX || !isSmall) continue;
      buckets[left]!.take(right);
      this.#directory.remove(left + 1);
      if (!isSame(buckets[left]!.prefix, right.prefix)) this.#refine(left);
      return;
    }
  }

  /** Finds out what the keys of a bucket have in common, and sets their fragments anew. */
  #refine(place: number): void {
    const bucket = this.#directory.buckets[place]!;
    const { words, count } = bucket;
    const first = this.#keyOf(this.#refAt(place, 0));
    let common = first.length;
    let isSure = true;
    for (let i = 0; i < count; i++) {
      const ref = this.#refAt(place, i);
      this.#refs[i] = ref;
      if (this.#isShared) isSure = false;
      const slab = this.#slabs.bytesOf(ref);
      const record = this.#slabs.offsetOf(ref);
      const start = recordKeyStart(slab, record);
      const most = Math.min(common, recordKeyLength(slab, record));
      common = 0;
      while (common < most && slab[start + common] === first[common]) common++;
    }
    bucket.prefix = first.slice(0, common);
    for (let i = 0; i < count; i++) {
      const slab = this.#slabs.bytesOf(this.#refs[i]!);
      const record = this.#slabs.offsetOf(this.#refs[i]!);
      const start = recordKeyStart(slab, record);
      words[i] = bucket.fragmentOf(slab, start, recordKeyLength(slab, record));
    }
    if (!isSure) bucket.sorted = 0;
  }

  /** Puts a bucket in order. */
  #sort(place: number): void {
    const bucket = this.#directory.buckets[place]!;
    const { words, count, hashes } = bucket;
    if (bucket.sorted === count) return;
    const numbers = this.#numbers.subarray(0, count);
    for (let i = 0; i < count; i++) numbers[i] = words[i]! * BUCKET_SLOTS + i;
    numbers.sort();
    for (let i = 0; i < count; i++) this.#moving[i] = words[hashes + i]!;
    for (let i = 0; i < count; i++) {
      const fragment = Math.floor(numbers[i]! / BUCKET_SLOTS);
      words[i] = fragment;
      words[hashes + i] = this.#moving[numbers[i]! - fragment * BUCKET_SLOTS]!;
    }
    this.work += count * SORT_STEPS;
    // Whoever looks up a record asks how many of the same hash come before it.
    for (let from = 0, to = 0; from < count; from = to) {
      while (to < count && words[to] === words[from]) to++;
      if (to - from > 1) this.#sortEqual(place, from, to);
    }
    bucket.sorted = count;
  }

  /** Puts the entries [from, to), whose fragments are equal, in the order of their keys. */
  #sortEqual(place: number, from: number, to: number): void {
    const { words, hashes } = this.#directory.buckets[place]!;
    const refs = this.#refs;
    const order = new Array<number>(to - from);
    for (let i = from; i < to; i++) {
      refs[i] = this.#refAt(place, i);
      this.#moving[i] = words[hashes + i]!;
      order[i - from] = i;
    }
    order.sort((a, b) => this.#compareRecords(refs[a]!, refs[b]!));
    for (let i = from; i < to; i++) words[hashes + i] = this.#moving[order[i - from]!]!;
    this.work += 2 * (to - from) * RECORD_STEPS;
  }

  /** True where the table has several records of the hash that was looked up last. */
  #isShared = false;

  /**
   * The record of an entry. Where several keys of the bucket have the same hash, the first entry of it has
   * the first of them, and so on: the table has them in the order of keys.
   */
  #refAt(place: number, at: number): number {
    const table = this.#table;
    const { words, hashes } = this.#directory.buckets[place]!;
    const hash = words[hashes + at]!;
    table.seek(hash);
    const first = table.at;
    assert(first < table.end && table.words[first] === hash, "A key has no record");
    this.#isShared = first + 1 < table.end && table.words[first + 1] === hash;
    if (!this.#isShared) return table.words[first + PAGE_SLOTS]!;
    let left = 0;
    for (let i = 0; i < at; i++) if (words[hashes + i] === hash) left++;
    for (let i = first; i < table.end && table.words[i] === hash; i++) {
      const ref = table.words[i + PAGE_SLOTS]!;
      const slab = this.#slabs.bytesOf(ref);
      const record = this.#slabs.offsetOf(ref);
      const start = recordKeyStart(slab, record);
      if (this.#directory.find(slab, start, recordKeyLength(slab, record)) !== place) continue;
      if (left-- === 0) return ref;
    }
    assert(false, "Fewer keys of a hash are there than are ordered");
  }

  #keyOf(ref: number): Uint8Array {
    const slab = this.#slabs.bytesOf(ref);
    const record = this.#slabs.offsetOf(ref);
    const start = recordKeyStart(slab, record);
    return slab.subarray(start, start + recordKeyLength(slab, record));
  }

  #compare(ref: number, bytes: Uint8Array, start: number, length: number): number {
    const slab = this.#slabs.bytesOf(ref);
    const record = this.#slabs.offsetOf(ref);
    const keyLength = recordKeyLength(slab, record);
    return compareKeys(slab, recordKeyStart(slab, record), keyLength, bytes, start, length);
  }

  #compareRecords(ref: number, other: number): number {
    const slab = this.#slabs.bytesOf(other);
    const record = this.#slabs.offsetOf(other);
    return this.#compare(ref, slab, recordKeyStart(slab, record), recordKeyLength(slab, record));
  }
}

/** True where a key of so many bytes would make the bucket's keys too long together. */
function isLong({ count, keyBytes }: KeyBucket, length: number): boolean {
  return count > 1 && keyBytes + length > BUCKET_KEY_BYTES;
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && commonBytes(a, b) === a.length;
}
