/**
 * The log's time as its leader makes it: what it stamps entries with. A term begins where the log's time
 * is, as the leader before told it, and continues by the monotonic clock: what was to expire in a minute
 * does so in a minute, whoever leads, and whoever's wall clock was or is wrong. Only where nobody has
 * told it, as after a restart of all servers, it begins at the wall clock. A stamp is never less than
 * the last one in the log: the store's time never runs back. For absolute times, which clients give by
 * the wall clock, the difference between the two is measured anew each time.
 */
import type { Clock } from "../../host/ports.ts";
import type { LogTime } from "../../wire/codec.ts";
import { JITTER_MS, WallOffset } from "./wall_offset.ts";

export class LeaderClock implements LogTime {
  readonly #clock: Clock;
  readonly #machine: Clock;
  readonly #wallOffset = new WallOffset();
  #startMs = 0;
  #monotonicAtStartMs = 0;
  #lastStampMs = 0;

  /** `machine`: compared with its wall clock, what `clock` shows may be from a moment ago. */
  constructor(clock: Clock, machine = clock) {
    this.#clock = clock;
    this.#machine = machine;
  }

  /**
   * Begins a term of leadership over a log whose last stamp is `lastStampMs`, and whose time is known to
   * be `knownMs` now, or later by up to `lateMs`; null where it is not.
   */
  beginTerm(lastStampMs: number, knownMs: number | null, lateMs = 0): void {
    this.#lastStampMs = Math.max(this.#lastStampMs, lastStampMs);
    const wallMs = Math.floor(this.#clock.wallMs());
    this.#startMs = Math.max(startMs(knownMs, lateMs, wallMs), this.#lastStampMs);
    this.#monotonicAtStartMs = this.#clock.monotonicMs();
  }

  /** Now, in ms since 1970; never goes back. */
  nowMs(): number {
    return this.#at(this.#clock.monotonicMs());
  }

  #at(monotonicMs: number): number {
    const passed = Math.floor(monotonicMs - this.#monotonicAtStartMs);
    this.#lastStampMs = Math.max(this.#lastStampMs, this.#startMs + passed);
    return this.#lastStampMs;
  }

  aheadOfWallMs(): number {
    return this.#wallOffset.measure(
      this.#at(this.#machine.monotonicMs()),
      Math.floor(this.#machine.wallMs()),
    );
  }
}

/**
 * A report of the leader before was on its way for a moment, or waited to be read while this process stood
 * still, which is missing in what is known: where the wall clock is ahead by no more than that, or than what
 * counts as no difference, it is right. Otherwise the log would fall back with each change of leader. Where
 * it is ahead by more it is wrong, or was: keys would go early by it.
 */
function startMs(knownMs: number | null, lateMs: number, wallMs: number): number {
  if (knownMs === null) return wallMs;
  return wallMs > knownMs && wallMs - knownMs <= JITTER_MS + lateMs ? wallMs : knownMs;
}
