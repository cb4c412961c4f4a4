/**
 * The one checksum of every format here: IEEE CRC-32 (ISO 3309), by the runtime's native code.
 * The formats carry `CHECKSUM_CRC32` in a byte of their own, so that another can follow.
 */
import { crc32 } from "node:zlib";

/** The byte that names this algorithm in file and frame heads. */
export const CHECKSUM_CRC32 = 1;

const SEED_MAX = 0x7fff_ffff;

/**
 * CRC-32 of `bytes`, continued from `seed` (the CRC of what came before; 0 at the beginning), so
 * `checksum(b, checksum(a))` is the checksum of `a` followed by `b`. Unsigned 32 bits.
 *
 * Deno 2.4 takes every seed above 2^31 - 1 for 2^31 - 1, once the calling code is hot. So such a
 * seed is first carried over a byte, or the few that it takes to get below, in the old way.
 */
export function checksum(bytes: Uint8Array, seed = 0): number {
  if (seed <= SEED_MAX) return crc32(bytes, seed);
  let carried = seed;
  let offset = 0;
  while (carried > SEED_MAX && offset < bytes.length) {
    carried = (TABLE[(~carried ^ bytes[offset++]!) & 0xff]! ^ (~carried >>> 8)) >>> 0;
    carried = ~carried >>> 0;
  }
  return offset === bytes.length ? carried : crc32(bytes.subarray(offset), carried);
}

/** By the low byte of the running value: what it turns into (polynomial 0xEDB88320, reflected). */
const TABLE = makeTable();

function makeTable(): Uint32Array {
  const table = new Uint32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ (value & 1 ? 0xedb8_8320 : 0);
    table[byte] = value;
  }
  return table;
}

/**
 * What becomes of the difference (XOR) of two checksums once the same `count` bytes are added to what each
 * is of: CRC is linear. So where the beginning of checked bytes changes, the checksums of all that follows
 * are put right without reading it again.
 */
export function carriedDifference(difference: number, count: number): number {
  let carried = difference >>> 0;
  let power = 3; // x^8: one byte
  for (let left = count; left > 0; left = Math.floor(left / 2), power++) {
    if (left % 2 === 1) carried = multiplied(powerOfX(power), carried);
  }
  return carried;
}

/** x^(2^k) modulo the polynomial, by k; a polynomial's highest bit is that of x^0. */
const POWERS = [0x4000_0000];

function powerOfX(k: number): number {
  for (let last = POWERS.length - 1; last < k; last++) {
    POWERS.push(multiplied(POWERS[last]!, POWERS[last]!));
  }
  return POWERS[k]!;
}

/** The product of two polynomials, modulo the one of this checksum. */
function multiplied(a: number, b: number): number {
  let product = 0;
  let shifted = b;
  for (let bit = 31; bit >= 0; bit--) {
    if ((a >>> bit) & 1) product ^= shifted;
    shifted = (shifted >>> 1) ^ (shifted & 1 ? 0xedb8_8320 : 0);
  }
  return product >>> 0;
}
