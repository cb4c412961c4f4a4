/** Keys with their versions, times to live and values, by themselves and as the pages of a range. */
import type { Result } from "../../kv/commands/result.ts";
import type { ByteWriter } from "../../util/bytes.ts";
import type { LogTime } from "../codec.ts";
import {
  lineEnd,
  writeArray,
  writeBulk,
  writeBulkHead,
  writeInteger,
  writeNull,
} from "./resp_bytes.ts";

/**
 * Appends a page: where the next one begins, or null where this is the last; then the keys, each by itself or
 * with its version, time to live and value.
 */
export function writePage(
  out: ByteWriter,
  isResp3: boolean,
  { list, listLength, cursor }: Result,
  time: LogTime,
  keysOnly: boolean,
): void {
  const count = listLength - cursor;
  writeArray(out, 2);
  if (cursor === 0) writeNull(out, isResp3);
  else {
    // What comes directly after a key is that key and a zero.
    const { bytes, offset, length } = list[count]!;
    writeBulkHead(out, length + 1);
    out.slice(bytes, offset, offset + length);
    out.u8(0);
    lineEnd(out);
  }
  const step = keysOnly ? 1 : 2;
  writeArray(out, count / step);
  for (let i = 0; i < count; i += step) {
    const { bytes, offset, length } = list[i]!;
    if (!keysOnly) writeArray(out, 4);
    writeBulk(out, bytes, offset, length);
    if (!keysOnly) writeVersioned(out, list[i + 1]!, time);
  }
}

/** Version, time to live in ms (-1 for none) and value. */
export function writeVersioned(out: ByteWriter, result: Result, time: LogTime): void {
  const { version, deadlineMs } = result;
  writeInteger(out, version);
  // At least 1: it is to be given back as PX, which takes no 0.
  writeInteger(out, deadlineMs === 0 ? -1 : Math.max(1, msLeft(deadlineMs, time)));
  writeBulk(out, result.bytes, result.offset, result.length);
}

/** A key that is shown has some time left, however the clocks stand. */
export function msLeft(deadlineMs: number, time: LogTime): number {
  return Math.max(0, deadlineMs - time.nowMs());
}
