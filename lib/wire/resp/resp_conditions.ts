/**
 * Commands that depend on what is there, as those have them who brought them: `SET … IFEQ` (Valkey 8.1),
 * IFNE, IFDEQ and IFDNE, DELEX, DIGEST and MSETEX (Redis 8.4).
 */
import {
  COMMAND_HEAD_BYTES,
  endCommand,
  GroupFlag,
  Op,
  SetFlag,
} from "../../kv/commands/command.ts";
import { writeU32 } from "../../util/bytes.ts";
import { comparisonAt, mayCompareWith, putComparedWith } from "./resp_comparison.ts";
import { options, putExpiry, readOptions } from "./resp_expiry.ts";
import { RespMode } from "./resp_replies.ts";
import type { RespRequest } from "./resp_request.ts";

const FIRST_FIELD = COMMAND_HEAD_BYTES;
/** As Redis has it: what fits a signed number of 32 bits. */
const PAIRS_MAX = 0x7fff_ffff;

/** A SET whose `options` were read, and have a comparison. */
export function setIf(r: RespRequest): void {
  const { flags, kind, ms, comparison, comparedWith } = options;
  if (comparison === 0 || !mayCompareWith(r, comparison, comparedWith)) return;
  const out = r.begin();
  const at = r.encode(out, Op.setIf, 1, 2);
  putExpiry(out, at, kind, ms);
  out.bytes[at + FIRST_FIELD + 9] = flags;
  out.bytes[at + FIRST_FIELD + 10] = comparison;
  const before = out.length;
  putComparedWith(r, out, comparison, comparedWith);
  writeU32(out.bytes, at + FIRST_FIELD + 11, out.length - before);
  endCommand(out, at);
  const showsOld = (flags & SetFlag.returnOld) !== 0;
  r.write(at, showsOld ? RespMode.value : RespMode.ok, 1);
}

export function delex(r: RespRequest): void {
  if (r.count === 2) {
    if (r.key(1)) r.write(r.encode(r.begin(), Op.delete, 1), RespMode.integer, 1);
    return;
  }
  if (r.count !== 4) return r.error("ERR wrong number of arguments for 'delex' command");
  const comparison = comparisonAt(r, 2);
  if (comparison === 0) {
    return r.error("ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE");
  }
  if (!r.key(1) || !mayCompareWith(r, comparison, 3)) return;
  const out = r.begin();
  const at = r.encode(out, Op.deleteIf, 1);
  out.bytes[at + FIRST_FIELD] = comparison;
  putComparedWith(r, out, comparison, 3);
  endCommand(out, at);
  r.write(at, RespMode.integer, 1);
}

export function digest(r: RespRequest): void {
  if (r.key(1)) r.read(r.encode(r.begin(), Op.digest, 1), RespMode.value, 1);
}

export function msetex(r: RespRequest): void {
  const problem = "ERR invalid numkeys value";
  if (!r.integer(1, problem)) return;
  const pairs = r.number.toNumber();
  if (pairs < 1 || pairs > PAIRS_MAX) return r.error(problem);
  const end = 2 + 2 * pairs;
  if (end > r.count) return r.error("ERR wrong number of key-value pairs");
  if (!readOptions(r, end, "msetex")) return;
  for (let i = 2; i < end; i += 2) if (!r.key(i) || !r.value(i + 1)) return;
  const { flags, kind, ms } = options;
  const out = r.begin();
  const at = r.encodeKeyless(out, Op.setAll);
  out.bytes[at + FIRST_FIELD] = ((flags & SetFlag.ifAbsent) !== 0 ? GroupFlag.ifAllAbsent : 0) |
    ((flags & SetFlag.ifPresent) !== 0 ? GroupFlag.ifAllPresent : 0);
  writeU32(out.bytes, at + FIRST_FIELD + 1, pairs);
  for (let i = 2; i < end; i += 2) {
    const one = r.encode(out, Op.setWith, i, i + 1);
    putExpiry(out, one, kind, ms);
    out.bytes[one + FIRST_FIELD + 9] = flags & SetFlag.keepExpiry;
  }
  endCommand(out, at);
  r.write(at, RespMode.allOrNothing, 2);
}
