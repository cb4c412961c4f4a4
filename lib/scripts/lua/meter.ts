/** What one run of a script may take: steps, memory and depth are counted, so that none holds the loop. */

/** Of a run: 2 to 5 ms. One step is about what evaluating one operator takes. */
const STEPS_MAX = 80_000;
/** All that a run makes, whether it keeps it or not. */
const BYTES_MAX = 16_777_216;
/** Calls within calls. */
export const DEPTH_MAX = 190;
/** The longest string, and the longest reply. */
export const STRING_BYTES_MAX = 8_388_608;
/** Bytes that are copied, or looked at, in the time of one step. */
const BYTES_A_STEP = 64;

/** The run took more than it may: it is over, whatever the script would catch. */
export class LimitError {
  readonly why: string;

  constructor(why: string) {
    this.why = why;
  }
}

export class Meter {
  steps = 0;
  bytes = 0;

  reset(): void {
    this.steps = 0;
    this.bytes = 0;
  }

  step(count: number): void {
    this.steps += count;
    if (this.steps > STEPS_MAX) throw new LimitError("it took more than the steps of one script");
  }

  /** A string of so many bytes is about to be made. */
  string(length: number): void {
    if (length > STRING_BYTES_MAX) throw new LimitError("it made a string that is too long");
    this.make(length);
  }

  /** So many bytes are about to be made. */
  make(bytes: number): void {
    this.bytes += bytes;
    if (this.bytes > BYTES_MAX) throw new LimitError("it took more than the memory of one script");
    if (bytes >= BYTES_A_STEP) this.step(bytes / BYTES_A_STEP);
  }

  /** A number that is about to be shown in decimal: digits of a fraction, or many, take long. */
  show(number: number): void {
    this.step(Number.isSafeInteger(number) ? 2 : 20);
  }

  /** So many bytes are about to be looked at. */
  look(bytes: number): void {
    this.step(1 + bytes / BYTES_A_STEP);
  }
}
