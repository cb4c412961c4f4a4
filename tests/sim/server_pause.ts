/** A process that is stopped for a while, or stands still with its whole machine. */
import type { Random } from "../../lib/util/random.ts";
import type { SimClock } from "./clock.ts";
import type { SimEvent } from "./heap.ts";
import { Kind } from "./kinds.ts";

export class ServerPause {
  readonly #clock: SimClock;
  readonly #random: Random;
  isOn = false;
  /** While it is: with its monotonic clock. */
  #isSuspended = false;
  /** What came meanwhile. */
  #deferred: SimEvent[] = [];

  constructor(clock: SimClock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  get deferredCount(): number {
    return this.#deferred.length;
  }

  begin(isSuspended: boolean): void {
    this.isOn = true;
    this.#isSuspended = isSuspended;
    if (isSuspended) this.#clock.suspend();
  }

  defer(event: SimEvent): void {
    this.#deferred.push(event);
  }

  /** It goes on. Returns what came meanwhile, in the order in which it is to be delivered now. */
  end(): SimEvent[] {
    this.isOn = false;
    if (this.#isSuspended) this.#clock.resume();
    const deferred = this.#deferred;
    this.#deferred = [];
    // All is due at once: timers may well come before what has arrived.
    if (this.#random.chance(0.5)) deferred.sort((a, b) => timerFirst(a) - timerFirst(b));
    return deferred;
  }

  /** The process has ended. */
  forget(): void {
    this.isOn = false;
    this.#deferred = [];
  }
}

/** For sorting: timers before all others, which keep their order. */
function timerFirst({ kind }: SimEvent): number {
  return kind === Kind.wake ? 0 : 1;
}
