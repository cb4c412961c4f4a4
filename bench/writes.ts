/** Sequences of writes, the same ones for every store that is compared. */

/** Keys are this long: `key:` and twelve digits. */
export const KEY_BYTES = 16;
const KEY_PREFIX = "key:";
/** Odd and no multiple of 5: coprime to the round numbers of keys that people choose. */
const STRIDE = 7_368_787;

/** One write; `valueBytes` of -1 deletes. */
export type Put = (key: number, valueBytes: number) => void;

/** Write number `at` of a sequence is handed to `put`; false behind the last one. */
export type WriteSequence = (at: number, put: Put) => boolean;

export function keyName(key: number): string {
  return KEY_PREFIX + String(key).padStart(KEY_BYTES - KEY_PREFIX.length, "0");
}

/** Each key once. */
export function loadOnce(keys: number, valueBytes: number): WriteSequence {
  return (at, put) => {
    if (at >= keys) return false;
    put(at, valueBytes);
    return true;
  };
}

/**
 * Each key overwritten `rounds` times with values of other sizes, half to one and a half times
 * `valueBytes`, in another order than they were made; then each third key deleted, then those set
 * again. The contents end up about as large as they were.
 */
export function churn(keys: number, valueBytes: number, rounds: number): WriteSequence {
  const overwrites = keys * rounds;
  const third = Math.floor(keys / 3);
  const low = Math.ceil(valueBytes / 2);
  return (at, put) => {
    if (at < overwrites) {
      const key = at * STRIDE % keys;
      const size = low + (key * 31 + Math.floor(at / keys) * 97) % (valueBytes + 1);
      put(key, size);
    } else if (at < overwrites + third) put((at - overwrites) * 3, -1);
    else if (at < overwrites + 2 * third) put((at - overwrites - third) * 3, valueBytes);
    else return false;
    return true;
  };
}

const encoder = new TextEncoder();
const FILLER_BYTES = 1_048_576;

/** Writes requests of one protocol into a buffer, without a string for each. */
export class WriteEncoder {
  readonly #filler = new Uint8Array(FILLER_BYTES);
  readonly #into: RequestText;

  constructor(protocol: "raftkv" | "redis") {
    this.#into = protocol === "raftkv" ? LINES : RESP;
    // Letters only, so that a person can read a captured stream; not all the same.
    let state = 1;
    for (let i = 0; i < FILLER_BYTES; i++) {
      state = Math.imul(state, 1_103_515_245) + 12_345 | 0;
      this.#filler[i] = 0x61 + (state >>> 16) % 26;
    }
  }

  /** The most bytes that one write of up to `valueBytesMax` takes. */
  requestBytesMax(valueBytesMax: number): number {
    return valueBytesMax + 128;
  }

  /** Writes one request at `at`; returns its end. */
  encode(key: number, valueBytes: number, into: Uint8Array, at: number): number {
    const { set, setKeyAt, delete: deletion, deleteKeyAt, beforeLength } = this.#into;
    if (valueBytes < 0) {
      into.set(deletion, at);
      putDigits(key, into, at + deleteKeyAt + KEY_BYTES);
      return at + deletion.length;
    }
    into.set(set, at);
    putDigits(key, into, at + setKeyAt + KEY_BYTES);
    let end = at + set.length;
    into.set(beforeLength, end);
    end = putNumber(valueBytes, into, end + beforeLength.length);
    into[end++] = CR;
    into[end++] = LF;
    const from = (key * 61) % (FILLER_BYTES - valueBytes);
    for (let i = 0; i < valueBytes; i++) into[end + i] = this.#filler[from + i]!;
    end += valueBytes;
    into[end++] = CR;
    into[end++] = LF;
    return end;
  }
}

const CR = 0x0d;
const LF = 0x0a;
const ZERO = 0x30;

interface RequestText {
  readonly set: Uint8Array;
  readonly setKeyAt: number;
  readonly beforeLength: Uint8Array;
  readonly delete: Uint8Array;
  readonly deleteKeyAt: number;
}

const ANY_KEY = keyName(0);
const LINES: RequestText = requestText(`set ${ANY_KEY} 0`, " ", `delete ${ANY_KEY}\r\n`);
const RESP: RequestText = requestText(
  `*3\r\n$3\r\nSET\r\n$${KEY_BYTES}\r\n${ANY_KEY}\r\n`,
  "$",
  `*2\r\n$3\r\nDEL\r\n$${KEY_BYTES}\r\n${ANY_KEY}\r\n`,
);

function requestText(set: string, beforeLength: string, deletion: string): RequestText {
  return {
    set: encoder.encode(set),
    setKeyAt: set.indexOf(ANY_KEY),
    beforeLength: encoder.encode(beforeLength),
    delete: encoder.encode(deletion),
    deleteKeyAt: deletion.indexOf(ANY_KEY),
  };
}

/** Writes the key's digits so that they end in front of `end`. */
function putDigits(key: number, into: Uint8Array, end: number): void {
  for (let left = key, at = end - 1; left > 0; at--) {
    into[at] = ZERO + left % 10;
    left = Math.floor(left / 10);
  }
}

function putNumber(value: number, into: Uint8Array, at: number): number {
  let digits = 1;
  for (let left = value; left >= 10; left = Math.floor(left / 10)) digits++;
  for (let left = value, i = digits - 1; i >= 0; i--) {
    into[at + i] = ZERO + left % 10;
    left = Math.floor(left / 10);
  }
  return at + digits;
}
