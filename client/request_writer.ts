/** Requests of the Redis protocol as bytes: arrays of bulk strings, one after the other. */

/** A part of a request. Text is sent in UTF-8. */
export type Argument = string | Uint8Array;

const encoder = new TextEncoder();
/** What every write of a client session begins with, after the head. */
const RUN = encoder.encode("$14\r\nRAFTKV.SESSION\r\n$3\r\nRUN\r\n");
/** So many arguments stand before the command then. */
const RUN_ARGUMENTS = 5;
const CR = 0x0d;
const LF = 0x0a;
const STAR = 0x2a;
const DOLLAR = 0x24;
/** Longer texts are encoded by the runtime, shorter ones by a loop: that is faster here. */
const LOOP_LENGTH_MAX = 48;
const BYTES_KEPT = 65_536;
/** Of a whole number that is exact. */
const DIGITS_MAX = 16;

export class RequestWriter {
  #bytes = new Uint8Array(4096);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Appends a request. */
  request(args: readonly Argument[]): void {
    this.#head(STAR, args.length);
    this.#arguments(args);
  }

  /**
   * Appends a request that is write `sequence` of client session `id`, of which all below `lowest` are
   * answered: RAFTKV.SESSION RUN, without strings for what stands before each.
   */
  requestInSession(
    id: number,
    sequence: number,
    lowest: number,
    args: readonly Argument[],
  ): void {
    this.#head(STAR, RUN_ARGUMENTS + args.length);
    this.#reserve(RUN.length);
    this.#bytes.set(RUN, this.#length);
    this.#length += RUN.length;
    this.#number(id);
    this.#number(sequence);
    this.#number(lowest);
    this.#arguments(args);
  }

  /** All that was appended, in a buffer of its own; begins anew. */
  take(): Uint8Array {
    const taken = this.#bytes.slice(0, this.#length);
    this.#length = 0;
    if (this.#bytes.length > BYTES_KEPT) this.#bytes = new Uint8Array(4096);
    return taken;
  }

  clear(): void {
    this.#length = 0;
  }

  #arguments(args: readonly Argument[]): void {
    for (const one of args) {
      if (typeof one === "string") this.#text(one);
      else this.#bulk(one);
    }
  }

  #number(value: number): void {
    this.#head(DOLLAR, digitsOf(value));
    this.#reserve(DIGITS_MAX + 2);
    this.#digits(value);
    this.#lineEnd();
  }

  #bulk(bytes: Uint8Array): void {
    this.#head(DOLLAR, bytes.length);
    this.#reserve(bytes.length + 2);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
    this.#lineEnd();
  }

  #text(text: string): void {
    const { length } = text;
    if (length > LOOP_LENGTH_MAX) return this.#bulk(encoder.encode(text));
    this.#head(DOLLAR, length);
    this.#reserve(length + 2);
    const bytes = this.#bytes;
    const start = this.#length;
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i);
      if (code >= 0x80) {
        // Not one byte for each letter: the length that stands there is wrong.
        this.#length = start - headBytes(length);
        return this.#bulk(encoder.encode(text));
      }
      bytes[start + i] = code;
    }
    this.#length = start + length;
    this.#lineEnd();
  }

  #head(type: number, value: number): void {
    this.#reserve(DIGITS_MAX + 3);
    this.#bytes[this.#length++] = type;
    this.#digits(value);
    this.#lineEnd();
  }

  #digits(value: number): void {
    const bytes = this.#bytes;
    if (value < 10) {
      bytes[this.#length++] = 0x30 + value;
      return;
    }
    const digits = digitsOf(value);
    let rest = value;
    for (let at = this.#length + digits - 1; at >= this.#length; at--) {
      const tenth = Math.floor(rest / 10);
      bytes[at] = rest - 10 * tenth + 0x30;
      rest = tenth;
    }
    this.#length += digits;
  }

  #lineEnd(): void {
    this.#bytes[this.#length++] = CR;
    this.#bytes[this.#length++] = LF;
  }

  #reserve(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}

function headBytes(value: number): number {
  return 3 + digitsOf(value);
}

function digitsOf(value: number): number {
  let digits = 1;
  for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) digits++;
  return digits;
}

/** About how many bytes a request takes: texts count a byte a letter. */
export function requestBytes(args: readonly Argument[]): number {
  let total = 16;
  for (const one of args) total += 16 + one.length;
  return total;
}
