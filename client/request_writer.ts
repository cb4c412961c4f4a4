/** Requests of the Redis protocol as bytes: arrays of bulk strings, one after the other. */

/** A part of a request. Text is sent in UTF-8. */
export type Argument = string | Uint8Array;

const encoder = new TextEncoder();
const CR = 0x0d;
const LF = 0x0a;
const STAR = 0x2a;
const DOLLAR = 0x24;
/** Longer texts are encoded by the runtime, shorter ones by a loop: that is faster here. */
const LOOP_LENGTH_MAX = 48;
const BYTES_KEPT = 65_536;

export class RequestWriter {
  #bytes = new Uint8Array(4096);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Appends a request. */
  request(args: readonly Argument[]): void {
    this.#head(STAR, args.length);
    for (const one of args) {
      if (typeof one === "string") this.#text(one);
      else this.#bulk(one);
    }
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
    this.#reserve(16);
    const bytes = this.#bytes;
    bytes[this.#length++] = type;
    if (value < 10) bytes[this.#length++] = 0x30 + value;
    else {
      const digits = digitsOf(value);
      let rest = value;
      for (let at = this.#length + digits - 1; at >= this.#length; at--) {
        bytes[at] = 0x30 + rest % 10;
        rest = Math.floor(rest / 10);
      }
      this.#length += digits;
    }
    this.#lineEnd();
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
