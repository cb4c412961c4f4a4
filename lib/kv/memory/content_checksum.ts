/**
 * The checksum over a record's key and value: the same IEEE CRC-32 as everywhere, but for short
 * ranges computed here, because the native one needs a view, which is an allocation and takes longer
 * than the few bytes do. Four bytes a step (Kounavis and Berry, "slicing", 2008).
 */
import { checksum } from "../../util/checksum.ts";

/** Ranges up to this length are computed here. */
export const SHORT_BYTES_MAX = 64;

const POLYNOMIAL = 0xedb88320;
/** Four tables of 256, back to back. */
const TABLES = new Int32Array(4 * 256);
for (let i = 0; i < 256; i++) {
  let crc = i;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
  TABLES[i] = crc;
}
for (let i = 256; i < 1024; i++) {
  const before = TABLES[i - 256]!;
  TABLES[i] = (before >>> 8) ^ TABLES[before & 0xff]!;
}

/** CRC-32 of `bytes[start, end)` as a signed 32-bit number, for a range of any length. */
export function shortChecksum(bytes: Uint8Array, start: number, end: number): number {
  let crc = -1;
  let at = start;
  for (const tail = end - 3; at < tail; at += 4) {
    crc ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    crc = TABLES[768 + (crc & 0xff)]! ^ TABLES[512 + ((crc >>> 8) & 0xff)]! ^
      TABLES[256 + ((crc >>> 16) & 0xff)]! ^ TABLES[crc >>> 24]!;
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ TABLES[(crc ^ bytes[at]!) & 0xff]!;
  return ~crc;
}

/** CRC-32 of a whole view, as a signed 32-bit number. */
export function viewChecksum(view: Uint8Array): number {
  return checksum(view) | 0;
}
