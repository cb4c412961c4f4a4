/**
 * The time that a leader stamps its entries with. It samples the wall clock once, at the start of its
 * term, and goes on by the monotonic clock, so a step of the wall clock in mid-term moves nothing. A
 * stamp is never less than the last one in the log: the store's time never runs back, whoever leads.
 * Where the log is ahead of the wall clock, time goes on from there rather than stand still: what
 * was to expire in a minute does so in a minute, whoever's clock was wrong.
 */
import type { Clock } from "../host/ports.ts";

export class LeaderClock {
  readonly #clock: Clock;
  #startMs = 0;
  #monotonicAtStartMs = 0;
  #lastStampMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Begins a term of leadership over a log whose last stamp is `lastStampMs`. */
  beginTerm(lastStampMs: number): void {
    this.#lastStampMs = Math.max(this.#lastStampMs, lastStampMs);
    this.#startMs = Math.max(Math.floor(this.#clock.wallMs()), this.#lastStampMs);
    this.#monotonicAtStartMs = this.#clock.monotonicMs();
  }

  /** Now, in ms since 1970; never goes back. */
  nowMs(): number {
    const passed = Math.floor(this.#clock.monotonicMs() - this.#monotonicAtStartMs);
    this.#lastStampMs = Math.max(this.#lastStampMs, this.#startMs + passed);
    return this.#lastStampMs;
  }
}
