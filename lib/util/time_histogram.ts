/**
 * How long something took, counted in buckets: a shell of plain counters, bumped in place. Four buckets
 * for each doubling, from 1/16 ms to 16 s, so a percentile is at most 19 % too high.
 */
const STEPS = 4;
/** Bucket 0 ends at 2^-4 ms. */
const FIRST_POWER = -4;
const LAST_POWER = 14;
/** The last bucket takes everything longer. */
const BUCKETS = (LAST_POWER - FIRST_POWER) * STEPS + 2;
/** Recent figures are those of one to two such spans. */
const SPAN_MS = 60_000;

/** The upper ends of the coarse buckets, in ms: each doubling one. */
export const COARSE_ENDS_MS: readonly number[] = Array.from(
  { length: LAST_POWER - FIRST_POWER + 1 },
  (_, i) => 2 ** (FIRST_POWER + i),
);

/** The bucket that counts a time. */
export function bucketOf(tookMs: number): number {
  if (!(tookMs > 2 ** FIRST_POWER)) return 0;
  return Math.min(Math.ceil((Math.log2(tookMs) - FIRST_POWER) * STEPS), BUCKETS - 1);
}

export class TimeHistogram {
  /** Where `bucketOf` says: for callers that count many alike. */
  readonly counts: Float64Array = new Float64Array(BUCKETS);
  sumMs = 0;
  /** `counts` at the beginning of the span before this one, and of this one. */
  #before: Float64Array = new Float64Array(BUCKETS);
  #sinceSpan: Float64Array = new Float64Array(BUCKETS);
  #spanMs = -Infinity;

  observe(tookMs: number): void {
    this.counts[bucketOf(tookMs)]!++;
    this.sumMs += tookMs;
  }

  get count(): number {
    let total = 0;
    for (const count of this.counts) total += count;
    return total;
  }

  /** How many took no longer than each of `COARSE_ENDS_MS`. */
  coarse(): number[] {
    let total = 0;
    let at = 0;
    return COARSE_ENDS_MS.map((_, i) => {
      for (; at <= i * STEPS; at++) total += this.counts[at]!;
      return total;
    });
  }

  /** Call it at least every minute: what is older than two spans is not recent any more. */
  rotate(nowMs: number): void {
    if (nowMs - this.#spanMs < SPAN_MS) return;
    // After a standstill, or at first, nothing before now is recent.
    const isContinued = nowMs - this.#spanMs < 2 * SPAN_MS;
    const oldest = this.#before;
    this.#before = isContinued ? this.#sinceSpan : oldest;
    this.#sinceSpan = isContinued ? oldest : this.#sinceSpan;
    if (!isContinued) this.#before.set(this.counts);
    this.#sinceSpan.set(this.counts);
    this.#spanMs = nowMs;
  }

  /**
   * What a share (0.99) of the recent times did not exceed, in ms, rounded up to the end of a bucket;
   * null where there were none; at most 16 s, however much longer it took.
   */
  recentPercentileMs(share: number): number | null {
    let total = 0;
    for (let i = 0; i < BUCKETS; i++) total += this.counts[i]! - this.#before[i]!;
    if (total === 0) return null;
    const wanted = Math.ceil(total * share);
    let seen = 0;
    for (let i = 0; i < BUCKETS - 1; i++) {
      seen += this.counts[i]! - this.#before[i]!;
      if (seen >= wanted) return 2 ** (FIRST_POWER + i / STEPS);
    }
    return 2 ** LAST_POWER;
  }
}
