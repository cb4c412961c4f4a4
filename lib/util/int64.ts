/**
 * Signed 64-bit integers without BigInt: two 32-bit halves, reused from value to value. Numbers of
 * JavaScript are exact up to 2^53 only, and a counter may be larger.
 */
import type { ByteWriter } from "./bytes.ts";

const TWO_32 = 0x1_0000_0000;
const ZERO = 0x30;
const MINUS = 0x2d;
/** The digits of -2^63, its sign included. */
const TEXT_BYTES_MAX = 20;

export class Int64 {
  /** Signed, with the sign of the whole. */
  high = 0;
  /** Unsigned. */
  low = 0;

  /** `value` has to be a safe integer. */
  set(value: number): void {
    this.high = Math.floor(value / TWO_32) | 0;
    this.low = value >>> 0;
  }

  copy(other: Int64): void {
    this.high = other.high;
    this.low = other.low;
  }

  /** Exact where the value is a safe integer, else the nearest number. */
  toNumber(): number {
    return this.high * TWO_32 + this.low;
  }

  get isNegative(): boolean {
    return this.high < 0;
  }

  /** True for -2^63, the one number that has no opposite. */
  get isSmallest(): boolean {
    return this.high === -0x8000_0000 && this.low === 0;
  }

  /** True where this is less than `other`. */
  isBelow(other: Int64): boolean {
    return this.high < other.high || (this.high === other.high && this.low < other.low);
  }

  /** Changes the sign; the smallest number stays as it is. */
  negate(): void {
    this.low = (~this.low + 1) >>> 0;
    this.high = (~this.high + (this.low === 0 ? 1 : 0)) | 0;
  }

  /** Adds `other`; false, and nothing is changed, where the sum is out of range. */
  add(other: Int64): boolean {
    const low = this.low + other.low;
    const carry = low >= TWO_32 ? 1 : 0;
    const high = this.high + other.high + carry;
    if (high > 0x7fff_ffff || high < -0x8000_0000) return false;
    this.low = low >>> 0;
    this.high = high;
    return true;
  }

  /**
   * Reads the decimal number that is all of `bytes[start, end)`: digits, a minus in front at most,
   * no leading zeros, no "-0". False where it is none, or out of range.
   */
  parse(bytes: Uint8Array, start: number, end: number): boolean {
    const isNegative = bytes[start] === MINUS;
    const first = isNegative ? start + 1 : start;
    const digits = end - first;
    if (digits < 1 || digits > 19) return false;
    if (bytes[first] === ZERO && (digits > 1 || isNegative)) return false;
    let high = 0;
    let low = 0;
    for (let at = first; at < end; at++) {
      const digit = bytes[at]! - ZERO;
      if (digit < 0 || digit > 9) return false;
      const part = low * 10 + digit;
      low = part >>> 0;
      high = high * 10 + Math.floor(part / TWO_32);
    }
    // 19 digits stay below 2^64, so `high` is a u32 here.
    if (high > 0x7fff_ffff && !(isNegative && high === 0x8000_0000 && low === 0)) return false;
    this.high = high | 0;
    this.low = low;
    if (isNegative) this.negate();
    return true;
  }

  /** Appends the value in decimal. */
  write(out: ByteWriter): void {
    out.reserve(TEXT_BYTES_MAX);
    let high = this.high >>> 0;
    let low = this.low;
    if (this.high < 0) {
      out.bytes[out.length++] = MINUS;
      low = (~low + 1) >>> 0;
      high = (~high + (low === 0 ? 1 : 0)) >>> 0;
    }
    const start = out.length;
    // Digits from the last to the first, four at a time: 16-bit limbs keep each step exact.
    do {
      const limb3 = high >>> 16;
      const step2 = (limb3 % 10_000) * 65_536 + (high & 0xffff);
      const step1 = (step2 % 10_000) * 65_536 + (low >>> 16);
      const step0 = (step1 % 10_000) * 65_536 + (low & 0xffff);
      high = ((Math.floor(limb3 / 10_000) << 16) | Math.floor(step2 / 10_000)) >>> 0;
      low = Math.floor(step1 / 10_000) * 65_536 + Math.floor(step0 / 10_000);
      let group = step0 % 10_000;
      const isLast = high === 0 && low === 0;
      for (let i = 0; i < 4 && (!isLast || i === 0 || group > 0); i++) {
        out.bytes[out.length++] = ZERO + group % 10;
        group = Math.floor(group / 10);
      }
    } while (high !== 0 || low !== 0);
    out.bytes.subarray(start, out.length).reverse();
  }
}

/** Writes `value` at `offset` of `bytes`: 8 bytes, two's complement, big-endian. */
export function writeI64(bytes: Uint8Array, offset: number, value: Int64): void {
  for (let i = 0; i < 4; i++) {
    bytes[offset + i] = value.high >>> (24 - 8 * i);
    bytes[offset + 4 + i] = value.low >>> (24 - 8 * i);
  }
}

/** Reads what `writeI64` wrote. */
export function readI64(bytes: Uint8Array, offset: number, into: Int64): void {
  into.high = (bytes[offset]! << 24) | (bytes[offset + 1]! << 16) | (bytes[offset + 2]! << 8) |
    bytes[offset + 3]!;
  into.low = ((bytes[offset + 4]! << 24) | (bytes[offset + 5]! << 16) |
    (bytes[offset + 6]! << 8) | bytes[offset + 7]!) >>> 0;
}
