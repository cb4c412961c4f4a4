/** Commands of the Redis protocol on values: from arguments to operations of the store. */
import {
  COMMAND_HEAD_BYTES,
  encodeSet,
  endCommand,
  ExpiryKind,
  GroupFlag,
  Op,
  SetFlag,
} from "../../kv/commands/command.ts";
import { type ByteWriter, writeU32 } from "../../util/bytes.ts";
import { writeI64 } from "../../util/int64.ts";
import { setIf } from "./resp_conditions.ts";
import { options, putExpiry, readOptions, timeToLiveMs } from "./resp_expiry.ts";
import { RespMode } from "./resp_replies.ts";
import type { RespRequest } from "./resp_request.ts";

const FIRST_FIELD = COMMAND_HEAD_BYTES;

export function get(r: RespRequest): void {
  if (!r.key(1)) return;
  const out = r.begin();
  r.read(r.encode(out, Op.get, 1), RespMode.value, 1);
}

export function set(r: RespRequest): void {
  if (r.count === 3) {
    if (r.key(1) && r.value(2)) plainSet(r, 1, 2, ExpiryKind.never, 0, RespMode.ok);
    return;
  }
  if (!readOptions(r, 3, "set") || !r.key(1) || !r.value(2)) return;
  const { flags, kind, ms, comparison } = options;
  if (comparison !== 0) return setIf(r);
  if (flags === 0) return plainSet(r, 1, 2, kind, ms, RespMode.ok);
  setWith(r, 2, flags, kind, ms, (flags & SetFlag.returnOld) !== 0 ? RespMode.value : RespMode.ok);
}

export function setnx(r: RespRequest): void {
  if (r.key(1) && r.value(2)) {
    setWith(r, 2, SetFlag.ifAbsent, ExpiryKind.never, 0, RespMode.integer);
  }
}

export function setex(r: RespRequest): void {
  setFor(r, 1000, "setex");
}

export function psetex(r: RespRequest): void {
  setFor(r, 1, "psetex");
}

export function getset(r: RespRequest): void {
  if (r.key(1) && r.value(2)) {
    setWith(r, 2, SetFlag.returnOld, ExpiryKind.never, 0, RespMode.value);
  }
}

export function getdel(r: RespRequest): void {
  keyOnly(r, Op.getDelete, RespMode.value);
}

export function getex(r: RespRequest): void {
  if (!readOptions(r, 2, "getex") || !r.key(1)) return;
  if (!options.hasExpiry && !options.persists) return get(r);
  const out = r.begin();
  const at = r.encode(out, Op.getExpire, 1);
  putExpiry(out, at, options.kind, options.ms);
  r.write(at, RespMode.value, 1);
}

export function strlen(r: RespRequest): void {
  if (!r.key(1)) return;
  r.read(r.encode(r.begin(), Op.get, 1), RespMode.length, 1);
}

export function append(r: RespRequest): void {
  if (!r.key(1) || !r.value(2)) return;
  const out = r.begin();
  const at = r.encode(out, Op.append, 1, 2);
  writeU32(out.bytes, at + FIRST_FIELD, r.limits.valueBytesMax);
  r.write(at, RespMode.integer, 1);
}

export function setrange(r: RespRequest): void {
  if (!r.integer(2)) return;
  if (r.number.isNegative) return r.error("ERR offset is out of range");
  // Larger ones are too large all the same.
  const where = Math.min(r.number.toNumber(), 0xffff_ffff);
  if (!r.key(1) || !r.value(3)) return;
  const out = r.begin();
  const at = r.encode(out, Op.setRange, 1, 3);
  writeU32(out.bytes, at + FIRST_FIELD, r.limits.valueBytesMax);
  writeU32(out.bytes, at + FIRST_FIELD + 4, where);
  r.write(at, RespMode.integer, 1);
}

export function getrange(r: RespRequest): void {
  // Both numbers are looked at before anything is encoded.
  if (!r.integer(2) || !r.integer(3) || !r.key(1)) return;
  const out = r.begin();
  const at = r.encode(out, Op.getRange, 1);
  for (const [i, field] of [[2, FIRST_FIELD], [3, FIRST_FIELD + 8]] as const) {
    r.integer(i);
    writeI64(out.bytes, at + field, r.number);
  }
  r.read(at, RespMode.range, 1);
}

export function mget(r: RespRequest): void {
  group(r, Op.readGroup, Op.get, RespMode.values);
}

export function mset(r: RespRequest): void {
  setMany(r, 0, RespMode.ok, "mset");
}

export function msetnx(r: RespRequest): void {
  setMany(r, GroupFlag.ifAllAbsent, RespMode.integer, "msetnx");
}

export function incr(r: RespRequest): void {
  r.number.set(1);
  add(r);
}

export function decr(r: RespRequest): void {
  r.number.set(-1);
  add(r);
}

export function incrby(r: RespRequest): void {
  if (r.integer(2)) add(r);
}

export function decrby(r: RespRequest): void {
  if (!r.integer(2)) return;
  if (r.number.isSmallest) return r.error("ERR decrement would overflow");
  r.number.negate();
  add(r);
}

export function incrbyfloat(r: RespRequest): void {
  if (!r.key(1)) return;
  r.write(r.encode(r.begin(), Op.addFloat, 1, 2), RespMode.value, 1);
}

/** An operation on a key alone that goes into the log. */
export function keyOnly(r: RespRequest, op: Op, mode: RespMode): void {
  if (r.key(1)) r.write(r.encode(r.begin(), op, 1), mode, 1);
}

/** All arguments are keys: a command for each, in one. */
export function group(r: RespRequest, groupOp: Op, op: Op, mode: RespMode): void {
  for (let i = 1; i < r.count; i++) if (!r.key(i)) return;
  const out = r.begin();
  const at = r.encodeKeyless(out, groupOp);
  out.bytes[at + FIRST_FIELD] = 0;
  writeU32(out.bytes, at + FIRST_FIELD + 1, r.count - 1);
  for (let i = 1; i < r.count; i++) r.encode(out, op, i);
  endCommand(out, at);
  if (groupOp === Op.readGroup) r.read(at, mode, 1);
  else r.write(at, mode, 1);
}

function add(r: RespRequest): void {
  if (!r.key(1)) return;
  const out = r.begin();
  const at = r.encode(out, Op.add, 1);
  writeI64(out.bytes, at + FIRST_FIELD, r.number);
  r.write(at, RespMode.integer, 1);
}

function setMany(r: RespRequest, flag: number, mode: RespMode, name: string): void {
  if (r.count % 2 === 0) {
    return r.error(`ERR wrong number of arguments for '${name}' command`);
  }
  for (let i = 1; i < r.count; i += 2) if (!r.key(i) || !r.value(i + 1)) return;
  const out = r.begin();
  const at = r.encodeKeyless(out, Op.group);
  out.bytes[at + FIRST_FIELD] = flag;
  writeU32(out.bytes, at + FIRST_FIELD + 1, (r.count - 1) / 2);
  for (let i = 1; i < r.count; i += 2) encodePlainSet(r, out, i, i + 1, ExpiryKind.never, 0);
  endCommand(out, at);
  // MSETNX says 1 for all that it stored, not how many.
  r.write(at, mode === RespMode.integer ? RespMode.allOrNothing : mode, 1);
}

function setFor(r: RespRequest, unitMs: number, name: string): void {
  const ms = timeToLiveMs(r, 2, unitMs, name);
  if (ms < 0 || !r.key(1) || !r.value(3)) return;
  plainSet(r, 1, 3, ExpiryKind.relative, ms, RespMode.ok);
}

function plainSet(
  r: RespRequest,
  key: number,
  value: number,
  kind: ExpiryKind,
  ms: number,
  mode: RespMode,
): void {
  const out = r.begin();
  const at = out.length;
  encodePlainSet(r, out, key, value, kind, ms);
  r.write(at, mode, key);
}

function encodePlainSet(
  r: RespRequest,
  out: ByteWriter,
  key: number,
  value: number,
  kind: ExpiryKind,
  ms: number,
): void {
  const { bytes, starts, ends } = r;
  encodeSet(out, kind, ms, bytes, starts[key]!, ends[key]!, starts[value]!, ends[value]!);
}

function setWith(
  r: RespRequest,
  value: number,
  flags: number,
  kind: ExpiryKind,
  ms: number,
  mode: RespMode,
): void {
  const out = r.begin();
  const at = r.encode(out, Op.setWith, 1, value);
  putExpiry(out, at, kind, ms);
  out.bytes[at + FIRST_FIELD + 9] = flags;
  r.write(at, mode, 1);
}
