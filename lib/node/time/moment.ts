/**
 * The clocks as the node reads them. What comes in between two looks at the sockets, and the turn that
 * takes it in, happen at one moment: reading the machine's clock costs as much as looking up a key, and
 * without this a set would do so a dozen times. Whoever measures how long something blocked asks the
 * machine's clock itself.
 */
import type { Clock } from "../../host/ports.ts";

export class Moment implements Clock {
  readonly #clock: Clock;
  #nowMs = 0;
  /** From when a turn is asked for until its end: the first reading serves all. */
  #isHeld = false;
  #isRead = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  monotonicMs(): number {
    if (this.#isRead) return this.#nowMs;
    return this.#isHeld ? this.look() : this.#clock.monotonicMs();
  }

  wallMs(): number {
    return this.#clock.wallMs();
  }

  /** Reads the machine's clock: it may be later than the present moment. */
  look(): number {
    this.note(this.#clock.monotonicMs());
    return this.#nowMs;
  }

  /** Somebody has just read the machine's clock. */
  note(nowMs: number): void {
    this.#nowMs = nowMs;
    this.#isRead = this.#isHeld;
  }

  /** A turn was asked for: what comes in until its end happens at one moment, which begins now. */
  begin(): void {
    this.#isHeld = true;
    this.#isRead = false;
  }

  /** A turn runs, asked for or not. */
  turn(): void {
    this.#isHeld = true;
  }

  /** The turn is over, and no other was asked for. */
  end(): void {
    this.#isHeld = this.#isRead = false;
  }
}
