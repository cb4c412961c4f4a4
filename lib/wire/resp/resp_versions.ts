/** RAFTKV.GET, SET and CAS: what the lines getm, set and cas do, for keys with their versions. */
import { COMMAND_HEAD_BYTES, ExpiryKind, Op } from "../../kv/commands/command.ts";
import { type ByteWriter, writeU64 } from "../../util/bytes.ts";
import { putExpiry, timeToLiveMs } from "./resp_expiry.ts";
import { RespMode } from "./resp_replies.ts";
import type { RespRequest } from "./resp_request.ts";

/** Where a cas has its version: after the expiry. */
const VERSION_FIELD = COMMAND_HEAD_BYTES + 9;

export function get(r: RespRequest): void {
  if (r.key(1)) r.read(r.encode(r.begin(), Op.getm, 1), RespMode.versioned, 1);
}

export function set(r: RespRequest): void {
  const ms = optionalTimeToLiveMs(r, 3, "raftkv.set");
  if (ms < 0 || !r.key(1) || !r.value(2)) return;
  const out = r.begin();
  store(r, out, r.encode(out, Op.set, 1, 2), ms);
}

export function cas(r: RespRequest): void {
  const ms = optionalTimeToLiveMs(r, 4, "raftkv.cas");
  if (ms < 0) return;
  const problem = "ERR version is not an integer or out of range";
  if (!r.integer(3, problem)) return;
  const version = r.number.toNumber();
  if (version < 0 || !Number.isSafeInteger(version)) return r.error(problem);
  if (!r.key(1) || !r.value(2)) return;
  const out = r.begin();
  const at = r.encode(out, Op.cas, 1, 2);
  writeU64(out.bytes, at + VERSION_FIELD, version);
  store(r, out, at, ms);
}

function store(r: RespRequest, out: ByteWriter, at: number, ms: number): void {
  putExpiry(out, at, ms === 0 ? ExpiryKind.never : ExpiryKind.relative, ms);
  r.write(at, RespMode.version, 1);
}

/** The PX of argument `i`; 0 where there is none, -1 where it is wrong, with an error as the reply. */
function optionalTimeToLiveMs(r: RespRequest, i: number, name: string): number {
  if (r.count === i) return 0;
  if (r.count === i + 2 && r.is(i, "px")) return timeToLiveMs(r, i + 1, 1, name);
  r.error("ERR syntax error");
  return -1;
}
