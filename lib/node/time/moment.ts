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
  /** Something comes in: whether a turn will be asked for is not known yet, or it was. */
  #input: "none" | "open" | "withTurn" = "none";

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
    if (this.#input !== "none") {
      this.#input = "withTurn"; // its moment has begun with the input
      return;
    }
    this.#isHeld = true;
    this.#isRead = false;
  }

  /** Bytes come in: what they bring, and the turn that they ask for, is one moment. */
  inputBegins(): void {
    if (this.#isHeld) return; // a turn was asked for before
    this.begin();
    this.#input = "open";
  }

  inputEnds(): void {
    if (this.#input === "open") this.end();
    this.#input = "none";
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
