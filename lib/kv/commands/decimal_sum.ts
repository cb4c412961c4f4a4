/**
 * Sums of decimal numbers, exact to 17 digits after the point, whatever machine adds them: the
 * servers of a cluster have to come to the same bytes, and the reader of 0.1 + 0.2 to 0.3.
 */
import type { ByteWriter } from "../../util/bytes.ts";

export const DecimalProblem = { none: 0, notNumber: 1, infinite: 2 } as const;
export type DecimalProblem = typeof DecimalProblem[keyof typeof DecimalProblem];

/** The longest text that is taken for a number. */
const TEXT_BYTES_MAX = 400;
/** Digits before the point; more count as infinite. */
const WHOLE_DIGITS_MAX = 309;
/** Digits after the point that a sum keeps. */
const FRACTION_DIGITS = 17;
/** Digits after the point that count before the sum is rounded. */
const GUARD_DIGITS = 40;
const LENGTH = WHOLE_DIGITS_MAX + 1 + GUARD_DIGITS;
/** Where the first digit after the point stands. */
const POINT = WHOLE_DIGITS_MAX + 1;

const ZERO = 0x30;
const PLUS = 0x2b;
const MINUS = 0x2d;
const DOT = 0x2e;

/** A number's digits, the point before `digits[POINT]`. */
interface Decimal {
  readonly digits: Int8Array;
  isNegative: boolean;
}

const left: Decimal = { digits: new Int8Array(LENGTH), isNegative: false };
const right: Decimal = { digits: new Int8Array(LENGTH), isNegative: false };

/** Appends the sum of two texts to `out`; `null` for `a` counts as zero. */
export function addDecimals(
  a: Uint8Array | null,
  aStart: number,
  aEnd: number,
  b: Uint8Array,
  bStart: number,
  bEnd: number,
  out: ByteWriter,
): DecimalProblem {
  left.digits.fill(0);
  left.isNegative = false;
  const there = a === null ? DecimalProblem.none : read(left, a, aStart, aEnd);
  if (there === DecimalProblem.notNumber) return there;
  // As in Redis: that both are numbers is looked at before what their sum is.
  const added = read(right, b, bStart, bEnd);
  if (added !== DecimalProblem.none) return added;
  if (there !== DecimalProblem.none) return there;
  add(left, right);
  round(left);
  if (left.digits[0] !== 0) return DecimalProblem.infinite;
  write(left, out);
  return DecimalProblem.none;
}

function read(into: Decimal, bytes: Uint8Array, start: number, end: number): DecimalProblem {
  if (end === start || end - start > TEXT_BYTES_MAX) return DecimalProblem.notNumber;
  let at = start;
  into.isNegative = bytes[at] === MINUS;
  if (into.isNegative || bytes[at] === PLUS) at++;
  if (saysInfinity(bytes, at, end)) return DecimalProblem.infinite;
  const digitsStart = at;
  let point = -1;
  for (; at < end; at++) {
    const byte = bytes[at]!;
    if (byte === DOT && point < 0) point = at;
    else if (byte < ZERO || byte > ZERO + 9) break;
  }
  const digitsEnd = at;
  if (digitsEnd - digitsStart - (point < 0 ? 0 : 1) === 0) return DecimalProblem.notNumber;
  let exponent = 0;
  if (at < end) {
    if ((bytes[at]! | 0x20) !== 0x65) return DecimalProblem.notNumber;
    const value = readExponent(bytes, at + 1, end);
    if (value === null) return DecimalProblem.notNumber;
    exponent = value;
  }
  return place(into, bytes, digitsStart, digitsEnd, point, exponent);
}

/** Puts the digits where they belong; those too far after the point are left out. */
function place(
  into: Decimal,
  bytes: Uint8Array,
  start: number,
  end: number,
  point: number,
  exponent: number,
): DecimalProblem {
  into.digits.fill(0);
  const wholeDigits = (point < 0 ? end : point) - start;
  let to = POINT - wholeDigits - exponent;
  for (let at = start; at < end; at++) {
    if (at === point) continue;
    const digit = bytes[at]! - ZERO;
    if (digit !== 0 && to < 1) return DecimalProblem.infinite;
    if (to >= 1 && to < LENGTH) into.digits[to] = digit;
    to++;
  }
  return DecimalProblem.none;
}

function readExponent(bytes: Uint8Array, start: number, end: number): number | null {
  let at = start;
  const isNegative = bytes[at] === MINUS;
  if (at < end && (isNegative || bytes[at] === PLUS)) at++;
  if (at >= end) return null;
  let value = 0;
  for (; at < end; at++) {
    const digit = bytes[at]! - ZERO;
    if (digit < 0 || digit > 9) return null;
    value = Math.min(value * 10 + digit, 100_000);
  }
  return isNegative ? -value : value;
}

function saysInfinity(bytes: Uint8Array, start: number, end: number): boolean {
  const length = end - start;
  if (length !== 3 && length !== 8) return false;
  for (let i = 0; i < length; i++) {
    if ((bytes[start + i]! | 0x20) !== "infinity".charCodeAt(i)) return false;
  }
  return true;
}

/** Adds `b` to `a`. */
function add(a: Decimal, b: Decimal): void {
  if (a.isNegative === b.isNegative) {
    let carry = 0;
    for (let i = LENGTH - 1; i >= 0; i--) {
      const sum = a.digits[i]! + b.digits[i]! + carry;
      carry = sum > 9 ? 1 : 0;
      a.digits[i] = sum - 10 * carry;
    }
    return;
  }
  const aIsLarger = compare(a, b) >= 0;
  const [large, small] = aIsLarger ? [a, b] : [b, a];
  let borrow = 0;
  for (let i = LENGTH - 1; i >= 0; i--) {
    const difference = large.digits[i]! - small.digits[i]! - borrow;
    borrow = difference < 0 ? 1 : 0;
    a.digits[i] = difference + 10 * borrow;
  }
  a.isNegative = large.isNegative;
}

function compare(a: Decimal, b: Decimal): number {
  for (let i = 0; i < LENGTH; i++) {
    const difference = a.digits[i]! - b.digits[i]!;
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Rounds half away from zero to the digits that are kept. */
function round(a: Decimal): void {
  let at = POINT + FRACTION_DIGITS;
  let carry = a.digits[at]! >= 5 ? 1 : 0;
  a.digits.fill(0, at);
  for (at--; carry !== 0 && at >= 0; at--) {
    const sum = a.digits[at]! + 1;
    carry = sum > 9 ? 1 : 0;
    a.digits[at] = sum - 10 * carry;
  }
}

/** No leading zeros but one before the point, no trailing ones after it, no "-0". */
function write({ digits, isNegative }: Decimal, out: ByteWriter): void {
  let first = 0;
  while (first < POINT - 1 && digits[first] === 0) first++;
  let end = POINT + FRACTION_DIGITS;
  while (end > POINT && digits[end - 1] === 0) end--;
  const isZero = first === POINT - 1 && digits[first] === 0 && end === POINT;
  if (isNegative && !isZero) out.u8(MINUS);
  for (let i = first; i < end; i++) {
    if (i === POINT) out.u8(DOT);
    out.u8(ZERO + digits[i]!);
  }
}
