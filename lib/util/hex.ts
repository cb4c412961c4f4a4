/** Ids and hashes are kept as lower-case hexadecimal text, and stored and sent as bytes. */
import { assert } from "./assert.ts";

/** The bytes that `hex`, an even number of lower-case hexadecimal digits, stands for. */
export function hexToBytes(hex: string): Uint8Array {
  assert(/^(?:[0-9a-f]{2})*$/.test(hex), `${JSON.stringify(hex)} is not lower-case hexadecimal`);
  const bytes = new Uint8Array(hex.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = parseInt(hex.slice(i * 2, i * 2 + 2), 16);
  return bytes;
}

/** `bytes[offset, offset + count)` as lower-case hexadecimal. */
export function bytesToHex(bytes: Uint8Array, offset: number, count: number): string {
  let hex = "";
  for (let i = offset; i < offset + count; i++) hex += bytes[i]!.toString(16).padStart(2, "0");
  return hex;
}
