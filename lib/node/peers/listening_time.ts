/**
 * Time in which this process listens to the others. While it stands still it does not, and that is
 * nobody's silence: of any time between two looks at the clock it counts so much at the most.
 */
import type { Clock } from "../../host/ports.ts";

export class ListeningTime {
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #stepMaxMs: number;
  /** By the monotonic clock; -1 before the first look. */
  #lookedMs = -1;
  #listenedMs = 0;

  constructor(clock: Pick<Clock, "monotonicMs">, stepMaxMs: number) {
    this.#clock = clock;
    this.#stepMaxMs = stepMaxMs;
  }

  /** For how long this process has listened. `clockMs`: what the monotonic clock shows. */
  nowMs(clockMs = this.#clock.monotonicMs()): number {
    if (this.#lookedMs < 0) this.#lookedMs = clockMs;
    const passedMs = clockMs - this.#lookedMs;
    if (passedMs > 0) {
      this.#lookedMs = clockMs;
      this.#listenedMs += Math.min(passedMs, this.#stepMaxMs);
    }
    return this.#listenedMs;
  }

  /** By the monotonic clock, standstills included. */
  clockMs(): number {
    return this.#clock.monotonicMs();
  }

  /**
   * What the monotonic clock shows when this time is `listenedMs`, or when it has to be looked at before:
   * a longer step would not count in full. Infinity stays.
   */
  clockAt(listenedMs: number): number {
    if (listenedMs === Infinity) return Infinity;
    return this.#lookedMs + Math.min(listenedMs - this.#listenedMs, this.#stepMaxMs);
  }
}
