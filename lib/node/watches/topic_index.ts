/**
 * Which topics a key belongs to. Thousands of prefixes that do not match cost next to nothing: the key is
 * hashed once, byte by byte, and at each length that some prefix has it is one look at a table.
 */
import { Topic } from "./topic.ts";

const BUCKETS_MIN = 16;
/** FNV-1a, 32 bits. */
const SEED = 0x811c9dc5 | 0;
const PRIME = 0x01000193;

export class TopicIndex {
  count = 0;
  readonly #onMatch: (topic: Topic, position: number) => void;
  #buckets: (Topic | null)[] = new Array(BUCKETS_MIN).fill(null);
  #exact = 0;
  /** The lengths that prefixes have, ascending, and how many topics have each. */
  #lengths: number[] = [];
  readonly #withLength = new Map<number, number>();

  constructor(onMatch: (topic: Topic, position: number) => void) {
    this.#onMatch = onMatch;
  }

  /** The topic of this key or prefix; null where there is none. */
  find(key: Uint8Array, isPrefix: boolean): Topic | null {
    let topic = this.#bucketOf(hashOf(key));
    while (topic !== null && !(topic.isPrefix === isPrefix && isSame(topic.key, key))) {
      topic = topic.nextInBucket;
    }
    return topic;
  }

  add(topic: Topic): void {
    if (this.count === this.#buckets.length) this.#grow();
    this.count++;
    this.#link(topic);
    if (!topic.isPrefix) this.#exact++;
    else this.#countLength(topic.key.length, 1);
  }

  remove(topic: Topic): void {
    const at = topic.hash & (this.#buckets.length - 1);
    let before: Topic | null = null;
    for (let one = this.#buckets[at]!; one !== topic; one = one!.nextInBucket!) before = one;
    if (before === null) this.#buckets[at] = topic.nextInBucket;
    else before.nextInBucket = topic.nextInBucket;
    topic.nextInBucket = null;
    this.count--;
    if (!topic.isPrefix) this.#exact--;
    else this.#countLength(topic.key.length, -1);
  }

  /** Tells of every topic that the key `bytes[start, start + length)` belongs to. */
  match(bytes: Uint8Array, start: number, length: number, position: number): void {
    const lengths = this.#lengths;
    let hash = SEED;
    let i = 0;
    for (let k = 0; k < lengths.length; k++) {
      const prefixBytes = lengths[k]!;
      if (prefixBytes > length) break;
      for (; i < prefixBytes; i++) hash = Math.imul(hash ^ bytes[start + i]!, PRIME);
      this.#visit(hash, true, bytes, start, prefixBytes, position);
    }
    if (this.#exact === 0) return;
    for (; i < length; i++) hash = Math.imul(hash ^ bytes[start + i]!, PRIME);
    this.#visit(hash, false, bytes, start, length, position);
  }

  /** All topics, in no order. */
  *all(): Generator<Topic> {
    for (const first of this.#buckets) {
      for (let topic = first; topic !== null; topic = topic.nextInBucket) yield topic;
    }
  }

  #visit(
    hash: number,
    isPrefix: boolean,
    bytes: Uint8Array,
    start: number,
    length: number,
    position: number,
  ): void {
    for (let topic = this.#bucketOf(hash); topic !== null; topic = topic.nextInBucket) {
      if (topic.hash !== hash || topic.isPrefix !== isPrefix) continue;
      if (topic.key.length !== length || !topic.matches(bytes, start, length)) continue;
      this.#onMatch(topic, position);
      return;
    }
  }

  #bucketOf(hash: number): Topic | null {
    return this.#buckets[hash & (this.#buckets.length - 1)]!;
  }

  #link(topic: Topic): void {
    const at = topic.hash & (this.#buckets.length - 1);
    topic.nextInBucket = this.#buckets[at]!;
    this.#buckets[at] = topic;
  }

  #grow(): void {
    const topics = [...this.all()];
    this.#buckets = new Array(this.#buckets.length * 2).fill(null);
    for (const topic of topics) this.#link(topic);
  }

  #countLength(length: number, change: 1 | -1): void {
    const count = (this.#withLength.get(length) ?? 0) + change;
    if (count === 0) this.#withLength.delete(length);
    else this.#withLength.set(length, count);
    if (count <= 1) this.#lengths = [...this.#withLength.keys()].sort((a, b) => a - b);
  }
}

export function hashOf(key: Uint8Array): number {
  let hash = SEED;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key[i]!, PRIME);
  return hash;
}

function isSame(key: Uint8Array, other: Uint8Array): boolean {
  return key.length === other.length && key.every((byte, i) => byte === other[i]);
}
