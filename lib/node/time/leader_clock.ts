/**
 * The log's time as its leader makes it: what it stamps entries with. It samples the wall clock once,
 * at the start of its term, and continues by the monotonic clock, so a step of the wall clock in
 * mid-term moves nothing. A stamp is never less than the last one in the log: the store's time never
 * runs back, whoever leads. Where the log is ahead of the wall clock, time continues from there, at its
 * own rate, rather than stand still or slow down: what was to expire in a minute does so in a minute
 * while this server leads, whoever's clock was wrong. Where the log is behind, it jumps to the wall
 * clock with the term. For absolute times, which clients give by the wall clock, the difference
 * between the two is measured anew each time.
 */
import type { Clock } from "../../host/ports.ts";
import type { LogTime } from "../../wire/codec.ts";
import { WallOffset } from "./wall_offset.ts";

export class LeaderClock implements LogTime {
  readonly #clock: Clock;
  readonly #wallOffset = new WallOffset();
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

  aheadOfWallMs(): number {
    return this.#wallOffset.measure(this.nowMs(), Math.floor(this.#clock.wallMs()));
  }
}
