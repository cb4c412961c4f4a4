/** Commands of the Redis protocol on keys, whatever their values. */
import { COMMAND_HEAD_BYTES, ExpireFlag, ExpiryKind, Op } from "../../kv/commands/command.ts";
import { writeU32, writeU64 } from "../../util/bytes.ts";
import { isPattern } from "./resp_server.ts";
import { expireMs, putExpiry } from "./resp_expiry.ts";
import { RespMode } from "./resp_replies.ts";
import type { RespRequest } from "./resp_request.ts";
import { scanCursor } from "./resp_scan_cursor.ts";
import { group, keyOnly } from "./resp_strings.ts";

const FIRST_FIELD = COMMAND_HEAD_BYTES;
/** A pattern that no key matches: an empty set of bytes. */
const NOTHING = new TextEncoder().encode("[]");
const ALL = new Uint8Array(0);
const SCAN_KEYS_DEFAULT = 10;
const STAR = 0x2a;

export function del(r: RespRequest): void {
  if (r.count === 2) keyOnly(r, Op.delete, RespMode.integer);
  else group(r, Op.deleteGroup, Op.delete, RespMode.integer);
}

/** As Valkey 9 has it: a lock is given back by whoever holds it, and by nobody else. */
export function delifeq(r: RespRequest): void {
  if (r.key(1) && r.value(2)) {
    r.write(r.encode(r.begin(), Op.deleteIfEqual, 1, 2), RespMode.integer, 1);
  }
}

export function exists(r: RespRequest): void {
  if (r.count > 2) return group(r, Op.readGroup, Op.get, RespMode.countFound);
  show(r, RespMode.exists);
}

export function type(r: RespRequest): void {
  show(r, RespMode.type);
}

export function ttl(r: RespRequest): void {
  show(r, RespMode.ttl);
}

export function pttl(r: RespRequest): void {
  show(r, RespMode.pttl);
}

export function expiretime(r: RespRequest): void {
  show(r, RespMode.expireTime);
}

export function pexpiretime(r: RespRequest): void {
  show(r, RespMode.pexpireTime);
}

export function persist(r: RespRequest): void {
  keyOnly(r, Op.persist, RespMode.integer);
}

export function expire(r: RespRequest): void {
  expireWith(r, 1000, ExpiryKind.relative, "expire");
}

export function pexpire(r: RespRequest): void {
  expireWith(r, 1, ExpiryKind.relative, "pexpire");
}

export function expireat(r: RespRequest): void {
  expireWith(r, 1000, ExpiryKind.absolute, "expireat");
}

export function pexpireat(r: RespRequest): void {
  expireWith(r, 1, ExpiryKind.absolute, "pexpireat");
}

export function scan(r: RespRequest): void {
  const cursor = scanCursor(r.bytes, r.starts[1]!, r.ends[1]!);
  if (cursor < 0) return r.error("ERR invalid cursor");
  let keysMax = SCAN_KEYS_DEFAULT;
  let pattern: Uint8Array = ALL;
  let isOtherType = false;
  for (let i = 2; i < r.count; i += 2) {
    if (i + 1 === r.count) return r.error("ERR syntax error");
    if (r.is(i, "count")) {
      if (!r.integer(i + 1)) return;
      keysMax = r.number.toNumber();
      if (keysMax < 1) return r.error("ERR syntax error");
    } else if (r.is(i, "match")) {
      const given = patternAt(r, i + 1);
      if (given === null) return;
      pattern = given;
    } else if (r.is(i, "type")) isOtherType = !r.is(i + 1, "string");
    else return r.error("ERR syntax error");
  }
  const out = r.begin();
  const at = r.encodeKeyless(out, Op.scan, isOtherType ? NOTHING : pattern);
  writeU64(out.bytes, at + FIRST_FIELD, cursor);
  writeU32(out.bytes, at + FIRST_FIELD + 8, Math.min(keysMax, 0xffff_ffff));
  r.read(at, RespMode.scan, 0);
}

export function keys(r: RespRequest): void {
  const pattern = patternAt(r, 1);
  if (pattern === null) return;
  r.read(r.encodeKeyless(r.begin(), Op.keys, pattern), RespMode.keys, 0);
}

export function randomkey(r: RespRequest): void {
  const out = r.begin();
  const at = r.encodeKeyless(out, Op.randomKey);
  writeU32(out.bytes, at + FIRST_FIELD, r.random());
  r.read(at, RespMode.value, 0);
}

export function dbsize(r: RespRequest): void {
  r.read(r.encodeKeyless(r.begin(), Op.size), RespMode.integer, 0);
}

export function flushall(r: RespRequest): void {
  const isKnown = r.count === 1 || (r.count === 2 && (r.is(1, "async") || r.is(1, "sync")));
  if (!isKnown) return r.error("ERR syntax error");
  r.write(r.encodeKeyless(r.begin(), Op.flush), RespMode.ok, 0);
}

/** Reads the key and shows something of it. */
function show(r: RespRequest, mode: RespMode): void {
  if (r.key(1)) r.read(r.encode(r.begin(), Op.get, 1), mode, 1);
}

function expireWith(r: RespRequest, unitMs: number, kind: ExpiryKind, name: string): void {
  const flags = expireFlags(r);
  if (flags < 0) return;
  const ms = expireMs(r, 2, unitMs, kind, name);
  if (ms < 0 || !r.key(1)) return;
  const out = r.begin();
  const at = r.encode(out, Op.expire, 1);
  putExpiry(out, at, kind, ms);
  out.bytes[at + FIRST_FIELD + 9] = flags;
  r.write(at, RespMode.integer, 1);
}

/** The options of EXPIRE; -1 where they are wrong, with an error as the reply. */
function expireFlags(r: RespRequest): number {
  let flags = 0;
  for (let i = 3; i < r.count; i++) {
    if (r.is(i, "nx")) flags |= ExpireFlag.ifNone;
    else if (r.is(i, "xx")) flags |= ExpireFlag.ifAny;
    else if (r.is(i, "gt")) flags |= ExpireFlag.ifLater;
    else if (r.is(i, "lt")) flags |= ExpireFlag.ifSooner;
    else {
      r.error(`ERR Unsupported option ${r.text(i)}`);
      return -1;
    }
  }
  const others = ExpireFlag.ifAny | ExpireFlag.ifLater | ExpireFlag.ifSooner;
  if ((flags & ExpireFlag.ifNone) !== 0 && (flags & others) !== 0) {
    r.error("ERR NX and XX, GT or LT options at the same time are not compatible");
    return -1;
  }
  if ((flags & ExpireFlag.ifLater) !== 0 && (flags & ExpireFlag.ifSooner) !== 0) {
    r.error("ERR GT and LT options at the same time are not compatible");
    return -1;
  }
  return flags;
}

/** Argument `i` as a pattern; null where it is too long, with an error as the reply. */
function patternAt(r: RespRequest, i: number): Uint8Array | null {
  const start = r.starts[i]!;
  const length = r.length(i);
  if (length === 0) return NOTHING;
  if (!isPattern(r, i)) return null;
  return length === 1 && r.bytes[start] === STAR ? ALL : r.bytes.slice(start, r.ends[i]!);
}
