/** Replies of the Redis protocol, versions 2 and 3, as bytes. */
import { type Result, Status } from "../../kv/commands/result.ts";
import { assert } from "../../util/assert.ts";
import type { ByteWriter } from "../../util/bytes.ts";
import type { Int64 } from "../../util/int64.ts";
import type { LogTime } from "../codec.ts";
import { lineEnd, writeArray, writeBulk, writeInteger, writeText } from "./resp_bytes.ts";
import { msLeft, writePage, writeVersioned } from "./resp_page.ts";
import { STATUS_LINES } from "./resp_status_lines.ts";

/** How the result of a command is shown. From 16 on; bit 7 set for version 3 of the protocol. */
export const RespMode = {
  /** +OK, or nil where nothing was done. */
  ok: 16,
  /** The value, or nil. */
  value: 17,
  /** The number, or how many keys were changed. */
  integer: 18,
  exists: 19,
  length: 20,
  type: 21,
  ttl: 22,
  pttl: 23,
  expireTime: 24,
  pexpireTime: 25,
  /** The value; an empty one where there is no key. */
  range: 26,
  values: 27,
  countFound: 28,
  keys: 29,
  scan: 30,
  transaction: 31,
  watch: 32,
  /** The value is the reply. */
  verbatim: 33,
  /** 1 where all was done, 0 where nothing was. */
  allOrNothing: 34,
  /** Version, time to live in ms (-1 for none) and value, or nil. */
  versioned: 35,
  /** The version that was written; 0 where the key has another one, nil where there is none. */
  version: 36,
  // What the server tells of itself.
  hello: 40,
  info: 41,
  time: 42,
  wait: 43,
  clusterInfo: 44,
  clusterNodes: 45,
  clusterSlots: 46,
  clusterShards: 47,
  clusterMyId: 48,
  command: 49,
  role: 50,
  status: 51,
  backup: 52,
  member: 53,
  client: 54,
  /** Who the client is, from now on. */
  authenticate: 55,
  /** What ACL shows, and what it changes. */
  acl: 56,
  genpass: 57,
  /** How many users were deleted, or why none was. */
  deleteUsers: 58,
  script: 62,
  /** The connection is as it was when it began. */
  reset: 59,
  /** What a watch began with, or why it did not; how many watches were ended. */
  watching: 70,
  unwatching: 71,
  /** What was subscribed to, or is no more (resp_subscribing.ts). */
  subscribing: 72,
  /** How many were told of a message; what is subscribed to here. */
  publishing: 73,
  channels: 74,
  /** Whether, and how, it is told what to forget (resp_tracking.ts); and the state of that. */
  tracking: 75,
  trackingInfo: 76,
  /** Keys in their order, with their values or without (resp_ranges.ts). */
  page: 60,
  pageOfKeys: 61,
} as const;
export type RespMode = typeof RespMode[keyof typeof RespMode];

export const RESP3 = 0x80;

const encoder = new TextEncoder();
const OK = encoder.encode("+OK\r\n");
const NULL_BULK = encoder.encode("$-1\r\n");
const NULL_ARRAY = encoder.encode("*-1\r\n");
const NULL = encoder.encode("_\r\n");
const EMPTY = encoder.encode("$0\r\n\r\n");
const STRING = encoder.encode("+string\r\n");
const NONE = encoder.encode("+none\r\n");
const NOT_INTEGER = encoder.encode("-ERR value is not an integer or out of range\r\n");
const OVERFLOW = encoder.encode("-ERR increment or decrement would overflow\r\n");
const NOT_FLOAT = encoder.encode("-ERR value is not a valid float\r\n");
const INFINITE = encoder.encode("-ERR increment would produce NaN or Infinity\r\n");
const TOO_LONG = encoder.encode(
  "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n",
);
const TOO_MUCH = encoder.encode(
  "-ERR there is more than one reply may carry: ask for less at a time, with SCAN for keys\r\n",
);
const LEFT_OUT = encoder.encode(
  "-ERR this was done, and what it shows is left out: too many replies wait to be taken now\r\n",
);

/** Of a command within a transaction that the user might send when it was queued. */
const REVOKED =
  "-NOPERM ACLs rules changed between the moment the transaction was accumulated and " +
  "the EXEC call. This command is no longer allowed for the following reason: ";
const REVOKED_COMMAND = encoder.encode(`${REVOKED}no permission to execute the command\r\n`);
const REVOKED_KEY = encoder.encode(`${REVOKED}no permission to touch the specified keys\r\n`);

const COLON = 0x3a;

/** Appends the reply to a command that was decided. `time` is for the time that a key has left. */
export function writeRespResult(
  out: ByteWriter,
  replyMode: number,
  result: Result,
  time: LogTime,
): void {
  const isResp3 = (replyMode & RESP3) !== 0;
  const mode = replyMode & ~RESP3;
  switch (result.status) {
    case Status.stored:
    case Status.deleted:
      if (mode === RespMode.integer) writeInteger(out, 1);
      else if (mode === RespMode.version) writeInteger(out, result.version);
      else out.raw(OK);
      return;
    case Status.versionDiffers:
      return writeInteger(out, 0);
    case Status.found:
      return writeFound(out, mode, result, time);
    case Status.notFound:
    case Status.notDone:
      return writeNothing(out, mode, isResp3);
    case Status.integer:
      if (mode === RespMode.ok) out.raw(OK);
      else if (mode === RespMode.allOrNothing) writeInteger(out, 1);
      else writeInt64(out, result.integer);
      return;
    case Status.list:
      return writeList(out, mode, isResp3, result, time);
    case Status.aborted:
      out.raw(isResp3 ? NULL : NULL_ARRAY);
      return;
    case Status.notInteger:
      return out.raw(NOT_INTEGER);
    case Status.overflow:
      return out.raw(OVERFLOW);
    case Status.notFloat:
      return out.raw(NOT_FLOAT);
    case Status.infinite:
      return out.raw(INFINITE);
    case Status.tooLong:
      return out.raw(TOO_LONG);
    case Status.tooMuch:
      return out.raw(TOO_MUCH);
    case Status.leftOut:
      return out.raw(LEFT_OUT);
    case Status.notPermittedCommand:
    case Status.notAuthenticated:
      return out.raw(REVOKED_COMMAND);
    case Status.notPermittedKey:
      return out.raw(REVOKED_KEY);
    default: {
      const line = STATUS_LINES.get(result.status);
      assert(line !== undefined, `No command of the Redis protocol comes to ${result.status}`);
      out.raw(line);
    }
  }
}

function writeFound(out: ByteWriter, mode: number, result: Result, time: LogTime): void {
  const { deadlineMs } = result;
  switch (mode) {
    case RespMode.exists:
    case RespMode.countFound:
      return writeInteger(out, 1);
    case RespMode.length:
      return writeInteger(out, result.length);
    case RespMode.type:
      return out.raw(STRING);
    case RespMode.ttl:
      return writeInteger(out, deadlineMs === 0 ? -1 : toSeconds(msLeft(deadlineMs, time)));
    case RespMode.pttl:
      return writeInteger(out, deadlineMs === 0 ? -1 : msLeft(deadlineMs, time));
    case RespMode.expireTime:
      return writeInteger(out, deadlineMs === 0 ? -1 : toSeconds(byWall(deadlineMs, time)));
    case RespMode.pexpireTime:
      return writeInteger(out, deadlineMs === 0 ? -1 : byWall(deadlineMs, time));
    case RespMode.verbatim:
      return out.slice(result.bytes, result.offset, result.offset + result.length);
    case RespMode.versioned:
      writeArray(out, 3);
      return writeVersioned(out, result, time);
    default:
      return writeBulk(out, result.bytes, result.offset, result.length);
  }
}

/** A deadline of the log's time, as this server's wall clock will show it. */
function byWall(deadlineMs: number, time: LogTime): number {
  return Math.max(0, deadlineMs - time.aheadOfWallMs());
}

/** Rounded as Redis does it. */
function toSeconds(ms: number): number {
  return Math.floor((ms + 500) / 1000);
}

function writeNothing(out: ByteWriter, mode: number, isResp3: boolean): void {
  switch (mode) {
    case RespMode.integer:
    case RespMode.allOrNothing:
    case RespMode.exists:
    case RespMode.length:
      return writeInteger(out, 0);
    case RespMode.type:
      return out.raw(NONE);
    case RespMode.ttl:
    case RespMode.pttl:
    case RespMode.expireTime:
    case RespMode.pexpireTime:
      return writeInteger(out, -2);
    case RespMode.range:
      return out.raw(EMPTY);
    default:
      return out.raw(isResp3 ? NULL : NULL_BULK);
  }
}

function writeList(
  out: ByteWriter,
  mode: number,
  isResp3: boolean,
  result: Result,
  time: LogTime,
): void {
  const { list, listLength } = result;
  switch (mode) {
    case RespMode.countFound: {
      let count = 0;
      for (let i = 0; i < listLength; i++) if (list[i]!.status === Status.found) count++;
      return writeInteger(out, count);
    }
    case RespMode.watch:
      return out.raw(OK);
    case RespMode.page:
      return writePage(out, isResp3, result, time, false);
    case RespMode.pageOfKeys:
      return writePage(out, isResp3, result, time, true);
    case RespMode.transaction:
      writeArray(out, listLength);
      for (let i = 0; i < listLength; i++) {
        writeRespResult(out, list[i]!.tag, list[i]!, time);
      }
      return;
    case RespMode.scan:
      writeArray(out, 2);
      writeText(out, String(result.cursor));
      break;
  }
  writeArray(out, listLength);
  for (let i = 0; i < listLength; i++) {
    const part = list[i]!;
    if (part.status === Status.found) writeBulk(out, part.bytes, part.offset, part.length);
    else out.raw(isResp3 ? NULL : NULL_BULK);
  }
}

function writeInt64(out: ByteWriter, value: Int64): void {
  out.u8(COLON);
  value.write(out);
  lineEnd(out);
}
