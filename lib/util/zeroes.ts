/** Long stretches of zeroes, by the runtime's native code: files that are made ahead are full of them. */
import { Buffer } from "node:buffer";

/** Compared at a time. */
const ZEROES = new Uint8Array(65_536);

/** True where all of `bytes` are zero. */
export function areZeroes(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at += ZEROES.length) {
    const piece = bytes.subarray(at, at + ZEROES.length);
    if (Buffer.compare(piece, ZEROES.subarray(0, piece.length)) !== 0) return false;
  }
  return true;
}
