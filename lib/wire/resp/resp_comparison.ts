/** What a value that is there is compared with: IFEQ, IFNE, IFDEQ and IFDNE of SET and DELEX. */
import { Comparison } from "../../kv/commands/command.ts";
import type { ByteWriter } from "../../util/bytes.ts";
import type { RespRequest } from "./resp_request.ts";

const WORDS = [
  ["ifeq", Comparison.equal],
  ["ifne", Comparison.differs],
  ["ifdeq", Comparison.digestEqual],
  ["ifdne", Comparison.digestDiffers],
] as const;

const DIGEST_DIGITS = 16;

/** The comparison that argument `i` names; 0 where it names none. */
export function comparisonAt(r: RespRequest, i: number): Comparison | 0 {
  for (const [word, comparison] of WORDS) if (r.is(i, word)) return comparison;
  return 0;
}

/** True where `word`, in lower case, names a comparison. */
export function isComparison(word: string): boolean {
  return WORDS.some(([one]) => one === word);
}

/** True where argument `i` may be what is compared with; answers with an error where not. */
export function mayCompareWith(r: RespRequest, comparison: Comparison, i: number): boolean {
  if (!isDigest(comparison)) return r.value(i);
  if (r.length(i) === DIGEST_DIGITS) return true;
  r.error(`ERR must be exactly ${DIGEST_DIGITS} hexadecimal characters`);
  return false;
}

/**
 * Appends what is compared with, argument `i`: a value as it is, a digest as its 8 bytes, highest first.
 * Nothing where it is no number: no value has that digest, and Redis takes it all the same.
 */
export function putComparedWith(
  r: RespRequest,
  out: ByteWriter,
  comparison: Comparison,
  i: number,
): void {
  const start = r.starts[i]!;
  if (!isDigest(comparison)) return out.slice(r.bytes, start, r.ends[i]!);
  const before = out.length;
  for (let at = start; at < start + DIGEST_DIGITS; at += 2) {
    const byte = (digitOf(r.bytes[at]!) << 4) | digitOf(r.bytes[at + 1]!);
    if (byte < 0) {
      out.length = before;
      return;
    }
    out.u8(byte);
  }
}

function isDigest(comparison: Comparison): boolean {
  return comparison === Comparison.digestEqual || comparison === Comparison.digestDiffers;
}

/** The hexadecimal digit, in either case; negative where it is none. */
function digitOf(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x61 + 10 : -1;
}
