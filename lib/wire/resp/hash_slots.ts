/** The hash slots of Redis Cluster: CRC-16 (XMODEM: polynomial 0x1021, from 0) modulo 16384. */

export const SLOTS = 16_384;

const OPEN = 0x7b;
const CLOSE = 0x7d;

const TABLE = new Uint16Array(256);
for (let byte = 0; byte < 256; byte++) {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) !== 0 ? (crc << 1) ^ 0x1021 : crc << 1;
  TABLE[byte] = crc;
}

/**
 * The slot of the key `bytes[start, end)`: of what stands between its first `{` and the next `}`,
 * where that is not empty, else of all of it.
 */
export function slotOf(bytes: Uint8Array, start: number, end: number): number {
  let from = start;
  let to = end;
  for (let open = start; open < end; open++) {
    if (bytes[open] !== OPEN) continue;
    let close = open + 1;
    while (close < end && bytes[close] !== CLOSE) close++;
    if (close < end && close > open + 1) {
      from = open + 1;
      to = close;
    }
    break;
  }
  let crc = 0;
  for (let at = from; at < to; at++) {
    crc = ((crc << 8) & 0xffff) ^ TABLE[((crc >>> 8) ^ bytes[at]!) & 0xff]!;
  }
  return crc % SLOTS;
}
