/**
 * A histogram of durations with log-linear buckets: every power of two is cut into 128 equal parts,
 * so a percentile is off by less than 0.8 % whatever its size, and recording allocates nothing.
 */

/** 2^7 parts per power of two. */
const PART_BITS = 7;
const PARTS = 1 << PART_BITS;
/** Durations are whole microseconds below 2^32 (71 minutes); longer ones count as the longest. */
const VALUE_BITS = 32;
const VALUE_MAX = 2 ** VALUE_BITS - 1;
const BUCKETS = (VALUE_BITS - PART_BITS + 1) * PARTS;

/** What a table shows of a histogram; milliseconds. */
export interface LatencySummary {
  readonly count: number;
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
}

/** Durations in milliseconds go in; counts are kept per bucket of microseconds. */
export class Histogram {
  readonly #counts = new Float64Array(BUCKETS);
  #count = 0;
  #sumUs = 0;
  #maxUs = 0;

  get count(): number {
    return this.#count;
  }

  /** Counts one duration; a negative one (a clock's rounding) counts as 0. */
  record(milliseconds: number): void {
    const us = Math.min(VALUE_MAX, Math.max(0, Math.round(milliseconds * 1_000)));
    const bucket = bucketOf(us);
    this.#counts[bucket] = this.#counts[bucket]! + 1;
    this.#count++;
    this.#sumUs += us;
    if (us > this.#maxUs) this.#maxUs = us;
  }

  /** Adds another histogram's counts to this one. */
  add(other: Histogram): void {
    for (let i = 0; i < BUCKETS; i++) this.#counts[i] = this.#counts[i]! + other.#counts[i]!;
    this.#count += other.#count;
    this.#sumUs += other.#sumUs;
    this.#maxUs = Math.max(this.#maxUs, other.#maxUs);
  }

  /**
   * The smallest duration in milliseconds that at least `fraction` (0 to 1) of all do not exceed, at
   * the upper end of its bucket and never above the true maximum; 0 where nothing was recorded.
   */
  quantileMs(fraction: number): number {
    if (this.#count === 0) return 0;
    const rank = Math.max(1, Math.ceil(fraction * this.#count));
    let seen = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      seen += this.#counts[bucket]!;
      if (seen >= rank) return Math.min(upperEndOf(bucket), this.#maxUs) / 1_000;
    }
    return this.#maxUs / 1_000;
  }

  summary(): LatencySummary {
    return {
      count: this.#count,
      meanMs: this.#count === 0 ? 0 : this.#sumUs / this.#count / 1_000,
      p50Ms: this.quantileMs(0.5),
      p99Ms: this.quantileMs(0.99),
      p999Ms: this.quantileMs(0.999),
      maxMs: this.#maxUs / 1_000,
    };
  }
}

/**
 * Below 2^7 a bucket is one value; from there, 128 buckets per power of two: the value's highest
 * seven bits after the leading one choose among them.
 */
export function bucketOf(us: number): number {
  const shift = Math.max(0, 31 - Math.clz32(us) - PART_BITS);
  // `us >>> shift` lies in [128, 256) from the second power on, and below 256 in the first.
  return shift * PARTS + (us >>> shift);
}

/** The largest value that falls into `bucket`. */
export function upperEndOf(bucket: number): number {
  if (bucket < 2 * PARTS) return bucket;
  const shift = Math.floor(bucket / PARTS) - 1;
  return (bucket - shift * PARTS + 1) * 2 ** shift - 1;
}
