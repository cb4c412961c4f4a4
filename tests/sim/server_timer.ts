/** The one timer of a server's node: set by its own clock, late where that was drawn. */
import type { RaftState } from "../../lib/raft/state.ts";
import { Random } from "../../lib/util/random.ts";
import type { SimClock } from "./clock.ts";
import { DeadlineChecks } from "./deadline_checks.ts";

export class ServerTimer {
  readonly #id: number;
  readonly #clock: SimClock;
  readonly #deadlines: DeadlineChecks;
  /** Its timers are late by up to so much, each time. */
  lateMs = 0;
  readonly #lateness: Random;
  /** The number of the timer that was set last: earlier ones are void. */
  #number = 0;
  #isSet = false;
  /** Those of this life that are still to come. */
  #voids = 0;

  constructor(id: number, clock: SimClock, heartbeatIntervalMs: number, seed: number) {
    this.#id = id;
    this.#clock = clock;
    this.#deadlines = new DeadlineChecks(heartbeatIntervalMs);
    // A stream of its own: other draws stay as they are.
    this.#lateness = new Random(seed ^ (0x1a7e + id));
  }

  /** The number of the timer that counts. */
  get number(): number {
    return this.#number;
  }

  /** How many events of timers may be there: that which counts, and void ones. */
  get outstandingMax(): number {
    return 1 + this.#voids;
  }

  /** The server starts. */
  begin(): void {
    this.#isSet = false;
    this.#voids = 0;
    this.#deadlines.begin();
  }

  /** Sets it to `atMs` of the server's clock. Returns in how many microseconds of the world it goes off. */
  set(atMs: number): number {
    if (this.#isSet) this.#voids++;
    this.#isSet = true;
    this.#number++;
    this.#deadlines.asked(atMs, this.#clock.monotonicMs());
    const delayUs = this.#clock.untilUs(atMs);
    return delayUs + (delayUs > 0 ? this.#lateUs() : 0);
  }

  /** How late a timer comes. What is to come at once does. */
  #lateUs(): number {
    if (this.lateMs === 0) return 0;
    return Math.floor((0.75 + 0.25 * this.#lateness.unit()) * this.lateMs * 1_000);
  }

  /** An event of it comes. False where that is void: another one was set since. */
  counts(number: number): boolean {
    if (number === this.#number) return true;
    this.#voids--;
    return false;
  }

  /** It goes off, and the node is about to be woken. Returns whether that is late. */
  goesOff(state: RaftState | null): boolean {
    this.#isSet = false;
    return this.#deadlines.wakes(this.#clock.monotonicMs(), state);
  }

  /** The node was woken. */
  woken(state: RaftState): void {
    this.#deadlines.woken(this.#id, state);
  }

  /** After each step. */
  check(state: RaftState): void {
    this.#deadlines.check(this.#id, state);
  }
}
