/**
 * Cursors of SCAN as Redis 7.0 reads them, with the C library's strtoul: a sign may come first (a minus
 * counts back from 2^64), any number of zeros, and whatever stands after a zero byte is not looked at.
 * Redis's own error is all that a wrong one gets, so which ones are wrong is taken from there too.
 */
const TWO_32 = 0x1_0000_0000;
const ZERO = 0x30;
const PLUS = 0x2b;
const MINUS = 0x2d;

/**
 * The cursor `bytes[start, end)`: a place in the order of hashes, where all beyond 2^53 - 1 is told as
 * that (no key has such a place); -1 where it is none.
 */
export function scanCursor(bytes: Uint8Array, start: number, end: number): number {
  const zero = bytes.subarray(start, end).indexOf(0);
  const textEnd = zero < 0 ? end : start + zero;
  if (start === textEnd) return 0;
  const isNegative = bytes[start] === MINUS;
  const first = isNegative || bytes[start] === PLUS ? start + 1 : start;
  if (first === textEnd) return -1;
  // As two halves: 2^64 - 1 is no number that JavaScript could hold.
  let high = 0;
  let low = 0;
  for (let at = first; at < textEnd; at++) {
    const digit = bytes[at]! - ZERO;
    if (digit < 0 || digit > 9) return -1;
    const part = low * 10 + digit;
    low = part >>> 0;
    high = high * 10 + Math.floor(part / TWO_32);
    if (high >= TWO_32) return -1;
  }
  if (isNegative) {
    low = (~low + 1) >>> 0;
    high = (~high + (low === 0 ? 1 : 0)) >>> 0;
  }
  return Math.min(high * TWO_32 + low, Number.MAX_SAFE_INTEGER);
}
