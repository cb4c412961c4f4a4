/** Decimal numbers as bytes, read and written without a string in between. */
import type { ByteWriter } from "../util/bytes.ts";

const ZERO = 0x30;
const BILLION = 1_000_000_000;

/** The most digits that a number may have, leading zeros included: those of 2^53 - 1. */
const DIGITS_MAX = 16;

/**
 * The number that the digits `bytes[start, end)` spell, or -1 where they are none, too many
 * (`DIGITS_MAX`) or spell more than `maximum` (at most 2^53 - 1). Digits only: no sign, no space.
 */
export function readDecimal(
  bytes: Uint8Array,
  start: number,
  end: number,
  maximum: number,
): number {
  if (end === start || end - start > DIGITS_MAX) return -1;
  let value = 0;
  for (let i = start; i < end; i++) {
    const digit = bytes[i]! - ZERO;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value > maximum ? -1 : value;
}

/** Appends `value`, a whole number from 0 to 2^53 - 1, in decimal. */
export function writeDecimal(out: ByteWriter, value: number): void {
  out.reserve(DIGITS_MAX);
  if (value < BILLION) {
    writeBelowBillion(out, value, digitsOf(value));
    return;
  }
  // In two parts that fit 32 bits, where division is exact and fast.
  const high = Math.floor(value / BILLION);
  writeBelowBillion(out, high, digitsOf(high));
  writeBelowBillion(out, value - high * BILLION, 9);
}

function writeBelowBillion(out: ByteWriter, value: number, digits: number): void {
  const bytes = out.bytes;
  let rest = value | 0;
  for (let at = out.length + digits - 1; at >= out.length; at--) {
    const tenth = (rest / 10) | 0;
    bytes[at] = ZERO + rest - tenth * 10;
    rest = tenth;
  }
  out.length += digits;
}

function digitsOf(value: number): number {
  let digits = 1;
  for (let power = 10; value >= power; power *= 10) digits++;
  return digits;
}
