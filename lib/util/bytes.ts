/**
 * A growing byte buffer and a bounded reader. All numbers are big-endian. A u64 is written as two
 * u32 and must be a safe integer (at most 2^53 - 1): terms, indexes and times are plain numbers.
 */
import { broken } from "./assert.ts";
import { freeNow } from "./free_now.ts";

const TWO_32 = 0x1_0000_0000;
/** Up to so many bytes, a loop copies faster than a view is made. */
const LOOP_BYTES_MAX = 48;

/** Thrown by `ByteReader` where the bytes end early or a number is out of range. */
export class ByteFormatError extends Error {
  override readonly name: string = "ByteFormatError";
}

/** Writes the u32 `value` at `offset` of `bytes`. */
export function writeU32(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value >>> 24;
  bytes[offset + 1] = value >>> 16;
  bytes[offset + 2] = value >>> 8;
  bytes[offset + 3] = value;
}

/** Reads the u32 at `offset` of `bytes`; the caller has checked that it is inside. */
export function readU32(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset]! << 24) | (bytes[offset + 1]! << 16) | (bytes[offset + 2]! << 8) |
    bytes[offset + 3]!) >>> 0;
}

/** Writes the safe integer `value` as a u64 at `offset` of `bytes`. */
export function writeU64(bytes: Uint8Array, offset: number, value: number): void {
  writeU32(bytes, offset, Math.floor(value / TWO_32));
  writeU32(bytes, offset + 4, value >>> 0);
}

/** Reads the u64 at `offset`; the result is above 2^53 - 1 where the bytes are not ours: check. */
export function readU64(bytes: Uint8Array, offset: number): number {
  return readU32(bytes, offset) * TWO_32 + readU32(bytes, offset + 4);
}

/** What writers that hold nothing share: idle connections have several each. */
const NO_BYTES = new Uint8Array(0);

/** Appends to a buffer that doubles when full. `view()` aliases it, `copy()` does not. */
export class ByteWriter {
  bytes: Uint8Array;
  length = 0;

  constructor(capacity = 256) {
    this.bytes = capacity === 0 ? NO_BYTES : new Uint8Array(capacity);
  }

  /** Makes room for `count` more bytes. */
  reserve(count: number): void {
    const wanted = this.length + count;
    if (wanted > this.bytes.length) this.#grow(Math.max(wanted, this.bytes.length * 2));
  }

  /**
   * The same for a buffer that lives long: it grows by no more than a quarter beyond its need, and one
   * that was too small is given back at once. Views of it become empty.
   */
  reserveTightly(count: number): void {
    const wanted = this.length + count;
    if (wanted <= this.bytes.length) return;
    const old = this.bytes;
    this.#grow(Math.ceil(wanted * 1.25));
    freeNow(old);
  }

  #grow(capacity: number): void {
    const grown = new Uint8Array(capacity);
    grown.set(this.bytes.length === this.length ? this.bytes : this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }

  u8(value: number): void {
    this.reserve(1);
    this.bytes[this.length++] = value;
  }

  u16(value: number): void {
    this.reserve(2);
    this.bytes[this.length++] = value >>> 8;
    this.bytes[this.length++] = value;
  }

  u32(value: number): void {
    this.reserve(4);
    writeU32(this.bytes, this.length, value);
    this.length += 4;
  }

  u64(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) broken(`Cannot write ${value} as u64`);
    this.reserve(8);
    writeU64(this.bytes, this.length, value);
    this.length += 8;
  }

  raw(source: Uint8Array): void {
    this.reserve(source.length);
    this.bytes.set(source, this.length);
    this.length += source.length;
  }

  /** Appends `source[start, end)`. */
  slice(source: Uint8Array, start: number, end: number): void {
    const count = end - start;
    this.reserve(count);
    if (count > LOOP_BYTES_MAX) this.bytes.set(source.subarray(start, end), this.length);
    else {
      const { bytes, length } = this;
      for (let i = 0; i < count; i++) bytes[length + i] = source[start + i]!;
    }
    this.length += count;
  }

  /** Appends a text, a byte for each letter. */
  latin1(text: string): void {
    const count = text.length;
    this.reserve(count);
    const { bytes, length } = this;
    for (let i = 0; i < count; i++) bytes[length + i] = text.charCodeAt(i);
    this.length += count;
  }

  /** The bytes written so far, aliasing this buffer: gone with the next write or `clear()`. */
  view(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }

  /** A copy of the bytes written so far. */
  copy(): Uint8Array {
    return this.bytes.slice(0, this.length);
  }

  clear(): void {
    this.length = 0;
  }

  /** Gives the memory back at once; every view of it becomes empty. It can be written to again. */
  free(): void {
    freeNow(this.bytes);
    this.bytes = NO_BYTES;
    this.length = 0;
  }
}

/** Reads `bytes[offset, end)` front to back; throws `ByteFormatError` instead of reading past. */
export class ByteReader {
  readonly bytes: Uint8Array;
  offset: number;
  readonly end: number;

  constructor(bytes: Uint8Array, offset = 0, end = bytes.length) {
    this.bytes = bytes;
    this.offset = offset;
    this.end = end;
  }

  get remaining(): number {
    return this.end - this.offset;
  }

  u8(): number {
    return this.bytes[this.#take(1)]!;
  }

  u16(): number {
    const at = this.#take(2);
    return (this.bytes[at]! << 8) | this.bytes[at + 1]!;
  }

  u32(): number {
    return readU32(this.bytes, this.#take(4));
  }

  /** A u64, refused above 2^53 - 1. */
  u64(): number {
    const value = readU64(this.bytes, this.#take(8));
    if (!Number.isSafeInteger(value)) throw new ByteFormatError("A number is above 2^53 - 1");
    return value;
  }

  /** A view of the next `count` bytes; copy it to keep it. */
  view(count: number): Uint8Array {
    const at = this.#take(count);
    return this.bytes.subarray(at, at + count);
  }

  /** Passes over the next `count` bytes. */
  skip(count: number): void {
    this.#take(count);
  }

  /** A copy of the next `count` bytes. */
  copy(count: number): Uint8Array {
    const at = this.#take(count);
    return this.bytes.slice(at, at + count);
  }

  /** Refuses bytes left over, so that a format has one encoding only. */
  finish(): void {
    if (this.offset !== this.end) {
      throw new ByteFormatError(`${this.remaining} bytes left over`);
    }
  }

  #take(count: number): number {
    const at = this.offset;
    if (count > this.end - at) {
      throw new ByteFormatError(`Wanted ${count} bytes, ${this.end - at} are left`);
    }
    this.offset = at + count;
    return at;
  }
}
