import { xxh3 } from "../../lib/util/xxh3.ts";
import { toBytes } from "../process/socket.ts";

/** The digest of a value, a letter for each of its bytes, as DIGEST shows it: 16 hexadecimal digits. */
export function digestText(value: string): string {
  const bytes = toBytes(value);
  const out = new Uint8Array(8);
  xxh3(bytes, 0, bytes.length, out);
  return [...out].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
