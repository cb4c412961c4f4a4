/**
 * The buckets of all addresses, or all users: those with open connections, and those that have not made up
 * for what they did, lest whoever connects anew begin afresh. An entry is dropped once it says nothing.
 */
import type { ClientBounds } from "../limits.ts";
import { RateBucket } from "./rate_bucket.ts";

/** Entries without a connection; beyond, the one that was left first is dropped. */
const LEFT_MAX = 10_000;
/** So many of those are looked at for each connection that comes. */
const LOOKS = 4;

export class RateTable {
  readonly #bound: string;
  readonly #bounds: ClientBounds;
  readonly #used = new Map<string, RateBucket>();
  /** Without a connection, the one that was left first in front. */
  readonly #left = new Map<string, RateBucket>();

  /** `bound`: where the cluster file has these. */
  constructor(bound: string, bounds: ClientBounds) {
    this.#bound = bound;
    this.#bounds = bounds;
  }

  get size(): number {
    return this.#used.size + this.#left.size;
  }

  /** A connection more; null where `key` has as many as it may. */
  enter(key: string, nowMs: number): RateBucket | null {
    this.#dropFull(nowMs);
    let bucket = this.#used.get(key);
    if (bucket === undefined) {
      bucket = this.#left.get(key) ?? new RateBucket(key, this.#bound, this.#bounds, nowMs);
      this.#left.delete(key);
      this.#used.set(key, bucket);
    }
    if (!bucket.isOpenForOneMore) return null;
    bucket.connections++;
    return bucket;
  }

  /** A connection less. */
  leave(bucket: RateBucket, nowMs: number): void {
    bucket.connections--;
    if (bucket.connections > 0) return;
    this.#used.delete(bucket.key);
    if (bucket.isFull(nowMs)) return;
    this.#left.set(bucket.key, bucket);
    if (this.#left.size <= LEFT_MAX) return;
    for (const key of this.#left.keys()) {
      this.#left.delete(key);
      return;
    }
  }

  /** Forgets those that have made up for all, as far as a few looks find them. */
  #dropFull(nowMs: number): void {
    let looks = LOOKS;
    for (const [key, bucket] of this.#left) {
      if (looks-- === 0) return;
      // One that is not full is looked at again after the others.
      this.#left.delete(key);
      if (!bucket.isFull(nowMs)) this.#left.set(key, bucket);
    }
  }
}
