/** RAFTKV.RANGE: the keys from one to another in the order of their bytes, a page at a time. */
import { RangeFlag } from "../../kv/commands/command.ts";
import { encodeRange, RANGE_KEYS_MAX } from "../../kv/commands/ranges.ts";
import { RespMode } from "./resp_replies.ts";
import type { RespRequest } from "./resp_request.ts";

const KEYS_DEFAULT = 100;

export function range(r: RespRequest): void {
  let keysMax = KEYS_DEFAULT;
  let keysOnly = false;
  for (let i = 3; i < r.count; i++) {
    if (r.is(i, "keys")) keysOnly = true;
    else if (r.is(i, "limit") && i + 1 < r.count) {
      if (!r.integer(++i)) return;
      keysMax = Math.min(r.number.toNumber(), RANGE_KEYS_MAX);
      if (keysMax < 1) return r.error("ERR LIMIT has to be at least 1");
    } else return r.error("ERR syntax error");
  }
  if (!isBound(r, 1) || !isBound(r, 2)) return;
  const { bytes, starts, ends } = r;
  const out = r.begin();
  const at = out.length;
  encodeRange(
    out,
    bytes.subarray(starts[1]!, ends[1]!),
    bytes.subarray(starts[2]!, ends[2]!),
    keysMax,
    keysOnly ? RangeFlag.keysOnly : 0,
  );
  r.read(at, keysOnly ? RespMode.pageOfKeys : RespMode.page, 0);
}

/** True where argument `i` may begin or end a range: a key, nothing, or what comes after the longest key. */
function isBound(r: RespRequest, i: number): boolean {
  const { keyBytesMax } = r.limits;
  if (r.length(i) <= keyBytesMax + 1) return true;
  r.error(`ERR a range's key has more than ${keyBytesMax + 1} bytes (limits.redisKeyBytesMax)`);
  return false;
}
