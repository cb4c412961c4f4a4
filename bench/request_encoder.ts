/**
 * Requests as bytes, without a string or an object each: a set and a get are laid out once, and a
 * request is a copy of one of them with the digits of its key written in.
 */

/** A key is `key:` and so many digits, as redis-benchmark has them. */
const KEY_DIGITS = 12;
const KEY_PREFIX = "key:";
/** A key is drawn by one random number of 32 bits. */
const KEYS_MAX = 2 ** 32;

export interface RequestOptions {
  readonly valueBytes: number;
  /** Keys are drawn from this many. */
  readonly keys: number;
  /** Share of sets, 0 to 1; the rest are gets. */
  readonly setShare: number;
}

interface Template {
  readonly bytes: Uint8Array;
  /** Where the key's first digit is. */
  readonly digitsAt: number;
}

export class RequestEncoder {
  readonly #set: Template;
  readonly #get: Template;
  readonly #options: RequestOptions;
  readonly #random: () => number;

  /** `random` gives unsigned 32-bit numbers. @throws {RangeError} where there are too many keys. */
  constructor(options: RequestOptions, random: () => number) {
    if (!(options.keys >= 1 && options.keys <= KEYS_MAX)) {
      throw new RangeError(`Cannot use ${options.keys} keys: 1 to ${KEYS_MAX} are possible`);
    }
    this.#options = options;
    this.#random = random;
    const zeroes = KEY_PREFIX + "0".repeat(KEY_DIGITS);
    const value = new Uint8Array(options.valueBytes);
    // Letters only, so that a person can read a captured stream; not all the same, so that nothing
    // on the way can compress them to nothing.
    for (let i = 0; i < value.length; i++) value[i] = 0x61 + (random() % 26);
    this.#set = template("set ", zeroes, ` 0 ${options.valueBytes}\r\n`, value);
    this.#get = template("get ", zeroes, "", new Uint8Array(0));
  }

  /** The most bytes that one request takes. */
  get requestBytesMax(): number {
    return Math.max(this.#set.bytes.length, this.#get.bytes.length);
  }

  /** Writes one request with a random key at `at`; returns where it ends. */
  encode(into: Uint8Array, at: number): number {
    const isSet = this.#random() < this.#options.setShare * 0x1_0000_0000;
    return put(isSet ? this.#set : this.#get, this.#random() % this.#options.keys, into, at);
  }

  /** Writes a set of key number `key` at `at`; returns where it ends. */
  encodeSet(key: number, into: Uint8Array, at: number): number {
    return put(this.#set, key, into, at);
  }
}

function template(verb: string, key: string, rest: string, value: Uint8Array): Template {
  const head = new TextEncoder().encode(verb + key + rest);
  const bytes = new Uint8Array(head.length + value.length + 2);
  bytes.set(head);
  bytes.set(value, head.length);
  bytes[bytes.length - 2] = 0x0d;
  bytes[bytes.length - 1] = 0x0a;
  return { bytes, digitsAt: verb.length + KEY_PREFIX.length };
}

function put(template: Template, key: number, into: Uint8Array, at: number): number {
  into.set(template.bytes, at);
  let left = key;
  for (let digit = at + template.digitsAt + KEY_DIGITS - 1; left > 0; digit--) {
    into[digit] = 0x30 + left % 10;
    left = Math.floor(left / 10);
  }
  return at + template.bytes.length;
}
