/**
 * The one checksum of every format here: IEEE CRC-32 (ISO 3309), by the runtime's native code.
 * The formats carry `CHECKSUM_CRC32` in a byte of their own, so that another can follow.
 */
import { crc32 } from "node:zlib";

/** The byte that names this algorithm in file and frame heads. */
export const CHECKSUM_CRC32 = 1;

/**
 * CRC-32 of `bytes`, continued from `seed` (the CRC of what came before; 0 at the start), so
 * `checksum(b, checksum(a))` is the checksum of `a` followed by `b`. Unsigned 32 bits.
 */
export function checksum(bytes: Uint8Array, seed = 0): number {
  return crc32(bytes, seed);
}
