/**
 * Deadlines for tests. They count the time in which this process ran: where the whole machine stands
 * still for a minute, nothing is late that was not late before.
 */
import { note, seconds } from "./journal.ts";

/** How long a reply may take before a test fails; generous, for machines that are busy. */
export const REPLY_DEADLINE_MS = 15_000;

/** Time is looked at so often; whatever has passed since the last look counts as no more. */
const STEP_MS = 1_000;
/** So many steps between two looks: this process did not run. */
const STANDSTILL_STEPS = 3;
const POLL_PAUSE_MS = 20;
/** Waits from here on are told of where the test fails. */
const NOTED_MS = 1_000;

/** Resolves after `ms`. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** What may be waited for one thing. Holds a timer until it is disposed of. */
export class Patience {
  readonly #deadlineMs: number;
  readonly #stepMs: number;
  #leftMs: number;
  #lookedAtMs = performance.now();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #onSpent: (() => void) | null = null;

  constructor(deadlineMs: number, stepMs = STEP_MS) {
    this.#deadlineMs = deadlineMs;
    this.#stepMs = stepMs;
    this.#leftMs = deadlineMs;
    this.#wait();
  }

  get isSpent(): boolean {
    this.#look();
    return this.#leftMs <= 0;
  }

  /** Why a wait for `what` was given up. */
  error(what: string): Error {
    return new Error(`${what}: not within ${this.#deadlineMs} ms`);
  }

  /** What `wait` resolves to; rejects, with what was waited for, once no patience is left. */
  async race<T>(what: string, wait: Promise<T>): Promise<T> {
    const spent = new Promise<never>((_, reject) => {
      this.#onSpent = () => reject(this.error(what));
    });
    if (this.#leftMs <= 0) this.#onSpent!();
    const startMs = performance.now();
    try {
      return await Promise.race([wait, spent]);
    } finally {
      this.#onSpent = null;
      const tookMs = performance.now() - startMs;
      if (tookMs >= NOTED_MS) note(`waited ${seconds(tookMs)} for ${what}`);
    }
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  #look(): void {
    const nowMs = performance.now();
    const passedMs = nowMs - this.#lookedAtMs;
    this.#lookedAtMs = nowMs;
    this.#leftMs -= Math.min(passedMs, this.#stepMs);
    if (passedMs >= STANDSTILL_STEPS * this.#stepMs) {
      note(`this process did not run for ${seconds(passedMs)}`);
    }
  }

  #wait(): void {
    this.#timer = setTimeout(() => {
      if (this.isSpent) this.#onSpent?.();
      else this.#wait();
    }, Math.min(this.#leftMs, this.#stepMs));
  }
}

/** Rejects, with what was waited for, once `deadlineMs` have passed. */
export async function within<T>(deadlineMs: number, what: string, wait: Promise<T>): Promise<T> {
  using patience = new Patience(deadlineMs);
  return await patience.race(what, wait);
}

/** Asks `condition` until it holds; throws, with `what`, where it does not in time. */
export async function eventually(
  what: string,
  condition: () => boolean | Promise<boolean>,
  deadlineMs = REPLY_DEADLINE_MS,
): Promise<void> {
  using patience = new Patience(deadlineMs);
  const startMs = performance.now();
  let isThere = false;
  try {
    while (!isThere) {
      isThere = await condition();
      if (isThere) break;
      if (patience.isSpent) throw patience.error(what);
      await sleep(POLL_PAUSE_MS);
    }
  } finally {
    const waited = `waited ${seconds(performance.now() - startMs)} for ${what}`;
    note(isThere ? waited : `${waited}, in vain`);
  }
}
