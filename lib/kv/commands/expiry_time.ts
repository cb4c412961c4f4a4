/** When a key expires, from what a command says of it. */
import { readU32 } from "../../util/bytes.ts";
import { ExpiryKind } from "./command.ts";

const TWO_32 = 0x1_0000_0000;

/**
 * The deadline that `bytes[at]` (u8 kind, u64 ms) means for a write, in ms since 1970. Relative times
 * count from the store's clock; 0 from now is never, as in the protocol of lines.
 */
export function deadlineOf(bytes: Uint8Array, at: number, clockMs: number): number {
  const kind = bytes[at];
  if (kind === ExpiryKind.never) return 0;
  const ms = readU32(bytes, at + 1) * TWO_32 + readU32(bytes, at + 5);
  if (kind === ExpiryKind.absolute) return Math.max(1, ms);
  return ms === 0 ? 0 : Math.min(clockMs + ms, Number.MAX_SAFE_INTEGER);
}
