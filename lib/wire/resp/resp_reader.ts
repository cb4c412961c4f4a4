/**
 * Requests of the Redis protocol: arrays of bulk strings, read from a connection's input without
 * looking at any byte twice. A request stays in the input until it is whole; one that is larger than
 * may be is skipped as it arrives, and reported at its end.
 */

export const Outcome = {
  /** More bytes are needed; those up to `consumed` are of no use any more. */
  more: 0,
  /** A whole request: `count` arguments at `starts` and `ends`. */
  request: 1,
  /** An array of nothing, or an empty line: passed over. */
  empty: 2,
  /** The end of a request that was too large. */
  tooLarge: 3,
  /** No request at all: `problem` says why, and nothing after it can be understood. */
  malformed: 4,
} as const;
export type Outcome = typeof Outcome[keyof typeof Outcome];

/** Redis's own bounds: more is no request but an attack. */
const ARGUMENTS_MAX = 1_048_576;
const BULK_BYTES_MAX = 536_870_912;
/** The longest line that announces a number, its end included. */
const HEADER_BYTES_MAX = 32;
const ARGUMENTS_KEPT = 1_024;

const CR = 0x0d;
const LF = 0x0a;
const TAB = 0x09;
const SPACE = 0x20;
const STAR = 0x2a;
const DOLLAR = 0x24;
const MINUS = 0x2d;
const ZERO = 0x30;

/** What `#number` returns besides numbers; every negative number is -1. */
const INCOMPLETE = -2;
const NO_NUMBER = -3;
const TOO_LONG = -4;

const INLINE =
  "inline commands are not taken here: send arrays of bulk strings, or connect again " +
  "and speak the protocol of lines";

export class RespReader {
  count = 0;
  starts: Int32Array = new Int32Array(16);
  ends: Int32Array = new Int32Array(16);
  /** How many bytes the last `read` is done with. */
  consumed = 0;
  problem = "";
  /** The largest request that is taken whole. */
  commandBytesMax: number;
  /** Arguments announced by the request at the front; -1 where its first line is not read. */
  #announced = -1;
  #seen = 0;
  /** How far the request is read, from the first byte that is not consumed. */
  #offset = 0;
  /** True where an argument's first line is read, and the argument is not. */
  #isInBulk = false;
  /** The argument's bytes that are still to come; while passing over, its line end is counted in. */
  #bulkBytes = 0;
  #isPassing = false;
  /** Blanks were passed over on a line between two requests whose end has not come yet. */
  #isInBlankLine = false;
  /** Behind the number that `#number` read. */
  #lineEnd = 0;

  constructor(commandBytesMax: number) {
    this.commandBytesMax = commandBytesMax;
  }

  /** Reads on in the request that begins at `bytes[at]`; the places hold until something is moved. */
  read(bytes: Uint8Array, at: number, end: number): Outcome {
    this.consumed = 0;
    if (this.#announced < 0) {
      const outcome = this.#begin(bytes, at, end);
      if (outcome !== Outcome.request) return outcome;
    }
    while (this.#seen < this.#announced) {
      if (!this.#isInBulk) {
        const outcome = this.#beginBulk(bytes, at, end);
        if (outcome !== Outcome.request) return outcome;
      }
      if (!(this.#isPassing ? this.#passBulk(at, end) : this.#takeBulk(bytes, at, end))) {
        return this.problem === "" ? this.#wait() : Outcome.malformed;
      }
      this.#isInBulk = false;
      this.#seen++;
    }
    this.consumed = this.#offset;
    this.count = this.#announced;
    const isPassed = this.#isPassing;
    for (let i = 0; i < this.count && !isPassed; i++) {
      this.starts[i]! += at;
      this.ends[i]! += at;
    }
    this.#announced = -1;
    this.#seen = 0;
    this.#offset = 0;
    this.#isPassing = false;
    return isPassed ? Outcome.tooLarge : Outcome.request;
  }

  /** True while a request has begun. */
  get isInside(): boolean {
    return this.#announced >= 0;
  }

  /** How many bytes, from the front on, the request needs at least, as far as is known. */
  get bytesNeeded(): number {
    if (!this.isInside) return 0;
    if (this.#isPassing || !this.#isInBulk) return this.#offset + 1;
    return this.#offset + this.#bulkBytes + 2;
  }

  /** Forgets the room that one huge request took; one that has come in part needs it. */
  shrink(): void {
    if (this.isInside || this.starts.length <= ARGUMENTS_KEPT) return;
    this.starts = new Int32Array(16);
    this.ends = new Int32Array(16);
  }

  #begin(bytes: Uint8Array, at: number, end: number): Outcome {
    if (at >= end) return Outcome.more;
    if (isBlank(bytes[at]!)) return this.#passBlanks(bytes, at, end);
    if (bytes[at] !== STAR || this.#isInBlankLine) return this.#fail(INLINE);
    const count = this.#number(bytes, at + 1, end);
    if (count === INCOMPLETE) return Outcome.more;
    if (count === TOO_LONG) return this.#fail("too big mbulk count string");
    if (count === NO_NUMBER || count > ARGUMENTS_MAX) {
      return this.#fail("invalid multibulk length");
    }
    if (count <= 0) {
      this.consumed = this.#lineEnd - at;
      return Outcome.empty;
    }
    this.#announced = count;
    this.#offset = this.#lineEnd - at;
    return Outcome.request;
  }

  /**
   * Passes over empty lines between requests, as Redis does: `redis-cli --pipe` sends one after its
   * input. A line of blanks alone counts as empty; of a longer one nothing is kept.
   */
  #passBlanks(bytes: Uint8Array, at: number, end: number): Outcome {
    let next = at;
    while (next < end && isBlank(bytes[next]!)) {
      this.#isInBlankLine = bytes[next] !== LF;
      next++;
    }
    this.consumed = next - at;
    return Outcome.empty;
  }

  #beginBulk(bytes: Uint8Array, at: number, end: number): Outcome {
    const start = at + this.#offset;
    if (start >= end) return this.#wait();
    if (bytes[start] !== DOLLAR) {
      return this.#fail(`expected '$', got '${printable(bytes[start]!)}'`);
    }
    const length = this.#number(bytes, start + 1, end);
    if (length === INCOMPLETE) return this.#wait();
    if (length === TOO_LONG) return this.#fail("too big bulk count string");
    if (length < 0 || length > BULK_BYTES_MAX) return this.#fail("invalid bulk length");
    this.#offset = this.#lineEnd - at;
    this.#bulkBytes = length;
    this.#isInBulk = true;
    // All the arguments still to come need six bytes each, at least.
    const least = this.#offset + length + 2 + 6 * (this.#announced - this.#seen - 1);
    if (least > this.commandBytesMax) this.#isPassing = true;
    if (this.#isPassing) this.#bulkBytes += 2;
    return Outcome.request;
  }

  /** Keeps the argument's place, if all of it is there. */
  #takeBulk(bytes: Uint8Array, at: number, end: number): boolean {
    const bulkEnd = this.#offset + this.#bulkBytes;
    if (end - at < bulkEnd + 2) return false;
    if (bytes[at + bulkEnd] !== CR || bytes[at + bulkEnd + 1] !== LF) {
      this.#fail("expected a line end after the bulk string");
      return false;
    }
    if (this.#seen === this.starts.length) {
      this.starts = grown(this.starts);
      this.ends = grown(this.ends);
    }
    this.starts[this.#seen] = this.#offset;
    this.ends[this.#seen] = bulkEnd;
    this.#offset = bulkEnd + 2;
    return true;
  }

  /** Passes over what is there of an argument; true once all of it is. */
  #passBulk(at: number, end: number): boolean {
    const there = Math.min(end - at - this.#offset, this.#bulkBytes);
    this.#offset += there;
    this.#bulkBytes -= there;
    return this.#bulkBytes === 0;
  }

  /** More bytes are needed. Of a request that is passed over, those looked at are done with. */
  #wait(): Outcome {
    if (this.#isPassing) {
      this.consumed = this.#offset;
      this.#offset = 0;
    }
    return Outcome.more;
  }

  #fail(problem: string): Outcome {
    this.problem = problem;
    return Outcome.malformed;
  }

  /** The number on the line that begins at `start`; `#lineEnd` is then the byte after the line. */
  #number(bytes: Uint8Array, start: number, end: number): number {
    const scanEnd = Math.min(end, start + HEADER_BYTES_MAX);
    let at = start;
    while (at < scanEnd && bytes[at] !== CR) at++;
    if (at >= scanEnd) return scanEnd < end ? TOO_LONG : INCOMPLETE;
    if (at + 1 >= end) return INCOMPLETE;
    if (bytes[at + 1] !== LF) return NO_NUMBER;
    this.#lineEnd = at + 2;
    const isNegative = bytes[start] === MINUS;
    let value = 0;
    for (let i = isNegative ? start + 1 : start; i < at; i++) {
      const digit = bytes[i]! - ZERO;
      if (digit < 0 || digit > 9 || value > BULK_BYTES_MAX) return NO_NUMBER;
      value = value * 10 + digit;
    }
    const digits = at - start - (isNegative ? 1 : 0);
    const first = bytes[isNegative ? start + 1 : start];
    if (digits === 0 || (first === ZERO && (digits > 1 || isNegative))) return NO_NUMBER;
    return isNegative ? -1 : value;
  }
}

/** What Redis takes for a blank: the space, and from the tab to the carriage return. */
function isBlank(byte: number): boolean {
  return byte === SPACE || (byte >= TAB && byte <= CR);
}

function grown(old: Int32Array): Int32Array {
  const next = new Int32Array(old.length * 2);
  next.set(old);
  return next;
}

function printable(byte: number): string {
  return byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "?";
}
