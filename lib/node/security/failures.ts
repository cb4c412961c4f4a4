/**
 * Who failed to authenticate lately: each failure makes the answer to the next one wait longer. Bounded:
 * of more addresses than may be the one whose last failure is longest ago is forgotten. Names share places
 * instead: somebody who makes names up can't have others forgotten, and one that nobody has counts as any.
 */
import { checksum } from "../../util/checksum.ts";

const NAMES_MAX = 10_000;
/** The answer to a first failure waits this long, each further one twice as long as the one before. */
const DELAY_MS_MIN = 50;
const DELAY_MS_MAX = 3_000;
const DOUBLINGS_MAX = 6;
/** Nothing went wrong for so long: it is forgotten. */
const FORGET_MS = 300_000;
/** Of names, a power of two: two names that share one make each other's failures wait, and no more. */
const PLACES = 16_384;

const COUNT_MAX = 65_535;

const encoder = new TextEncoder();

/** How long the answer to the failure of this number waits. */
function delayMs(count: number): number {
  return Math.min(DELAY_MS_MAX, DELAY_MS_MIN * 2 ** Math.min(count - 1, DOUBLINGS_MAX));
}

interface Failed {
  count: number;
  lastMs: number;
}

export class Failures {
  /** The one that failed last is last. */
  readonly #byName = new Map<string, Failed>();

  get size(): number {
    return this.#byName.size;
  }

  /** Counts a failure; how long its answer is to wait. */
  note(name: string, nowMs: number): number {
    const before = this.#byName.get(name);
    const isFresh = before !== undefined && nowMs - before.lastMs < FORGET_MS;
    const count = isFresh ? before.count + 1 : 1;
    this.#byName.delete(name);
    this.#byName.set(name, { count, lastMs: nowMs });
    if (this.#byName.size > NAMES_MAX) {
      for (const oldest of this.#byName.keys()) {
        this.#byName.delete(oldest);
        break;
      }
    }
    return delayMs(count);
  }

  /** How many there were lately. */
  count(name: string, nowMs: number): number {
    const failed = this.#byName.get(name);
    return failed === undefined || nowMs - failed.lastMs >= FORGET_MS ? 0 : failed.count;
  }
}

/** By names of users, which are given as digests under a key that nobody knows. */
export class NameFailures {
  readonly #counts = new Uint16Array(PLACES);
  readonly #lastMs = new Float64Array(PLACES);

  /** Counts a failure, whether there is such a user or not; how long its answer is to wait. */
  note(digest: string, nowMs: number): number {
    const place = checksum(encoder.encode(digest)) & (PLACES - 1);
    const isFresh = this.#counts[place]! > 0 && nowMs - this.#lastMs[place]! < FORGET_MS;
    const count = isFresh ? Math.min(this.#counts[place]! + 1, COUNT_MAX) : 1;
    this.#counts[place] = count;
    this.#lastMs[place] = nowMs;
    return delayMs(count);
  }
}
