/** Replies of the line protocol, written as bytes. Nothing that a client sent is echoed in an error. */
import { type Result, Status } from "../../kv/commands/result.ts";
import { assert } from "../../util/assert.ts";
import type { ByteWriter } from "../../util/bytes.ts";
import type { ClientAddress, LogTime } from "../codec.ts";
import { ClientError, ReplyMode } from "../command_batch.ts";
import { writeDecimal } from "../decimal.ts";
import { secondsLeft, writeScan } from "./line_scan.ts";

const encoder = new TextEncoder();
const OK = encoder.encode("OK ");
const DONE = encoder.encode("OK\r\n");
const VALUE = encoder.encode("VALUE ");
const DELETED = encoder.encode("DELETED\r\n");
const NOT_FOUND = encoder.encode("ERR_NOT_FOUND\r\n");
const VERSION = encoder.encode("ERR_VERSION\r\n");
const NO_LEADER = encoder.encode("ERR_NO_LEADER\r\n");
const BUSY = encoder.encode("ERR_BUSY\r\n");
const NO_SESSION = encoder.encode("ERR_SESSION\r\n");
const NO_SPACE = encoder.encode("ERR_NO_SPACE\r\n");
const COMMAND = encoder.encode("ERR_CMD_ERR\r\n");
const HINT = encoder.encode(
  "ERR_CMD_ERR these are lines: type help for their commands; Redis clients send arrays\r\n",
);
const TOO_MUCH = encoder.encode(
  "ERR_CMD_ERR too many keys to look through that the user may not read: give a longer prefix\r\n",
);
const HELP = encoder.encode(
  [
    "set <key> <exptime> <numbytes> [noreply]            then the value, on lines of its own",
    "get <key>                                           the value",
    "getm <key>                                          its version, seconds left, value",
    "cas <key> <exptime> <version> <numbytes> [noreply]  set, if it has that version (0: none)",
    "delete <key>",
    "scan <prefix> <limit> [<after key>]                 keys and values in order; * is every key",
    "session <seconds>                                   a client session: then each write once,",
    "@<session>.<sequence>.<lowest> <command>            by set, cas, delete (docs/sessions.md)",
    "watch <key or prefix*> [<after revision>] [novalue]  what changes from now on, or after that",
    "unwatch",
    "auth <user> <numbytes>                              then the password; where there are users",
    "help",
    "",
    "",
  ].join("\r\n"),
);
const AUTH = encoder.encode("ERR_AUTH\r\n");
const PERMISSION = encoder.encode("ERR_PERMISSION\r\n");
const TIMEOUT = encoder.encode("ERR_TIMEOUT\r\n");
const INTERNAL = encoder.encode("ERR_INTERNAL\r\n");

const SPACE = 0x20;
const CR = 0x0d;
const LF = 0x0a;

/** Appends the reply to a decided command; `result.deadlineMs` is in the log's time. */
export function writeLineResult(
  out: ByteWriter,
  replyMode: number,
  result: Result,
  time: LogTime,
): void {
  if (replyMode === ReplyMode.none) return;
  switch (result.status) {
    case Status.stored:
      put(out, OK, 0, OK.length);
      writeDecimal(out, result.version);
      lineEnd(out);
      return;
    case Status.found:
      writeValue(out, replyMode === ReplyMode.withMeta, result, time);
      return;
    case Status.deleted:
      out.raw(DELETED);
      return;
    case Status.notFound:
      out.raw(NOT_FOUND);
      return;
    case Status.versionDiffers:
      out.raw(VERSION);
      return;
    case Status.list:
      return writeScan(out, result, time);
    case Status.tooMuch:
      return out.raw(TOO_MUCH);
    case Status.integer:
      put(out, OK, 0, OK.length);
      result.integer.write(out);
      lineEnd(out);
      return;
    case Status.noSession:
      out.raw(NO_SESSION);
      return;
    case Status.sessionsFull:
      out.raw(BUSY);
      return;
    default:
      assert(false, `The protocol of lines has no command that comes to ${result.status}`);
  }
}

/** Appends what `auth` answers where it went well. */
export function writeLineOk(out: ByteWriter): void {
  out.raw(DONE);
}

/** Appends what `help` answers: a line for each command, then an empty one. */
export function writeLineHelp(out: ByteWriter): void {
  out.raw(HELP);
}

/** Appends an error line. A redirect without a leader's address says that no leader is known. */
export function writeLineError(
  out: ByteWriter,
  replyMode: number,
  error: ClientError,
  leader: ClientAddress | null,
): void {
  if (replyMode === ReplyMode.none) return;
  if (error === ClientError.redirect && leader !== null) out.raw(redirectLine(leader));
  else out.raw(errorLine(error));
}

function writeValue(out: ByteWriter, withMeta: boolean, result: Result, time: LogTime): void {
  put(out, VALUE, 0, VALUE.length);
  if (withMeta) {
    writeDecimal(out, result.version);
    out.u8(SPACE);
    writeDecimal(out, secondsLeft(result.deadlineMs, time.nowMs()));
    out.u8(SPACE);
  }
  writeDecimal(out, result.length);
  lineEnd(out);
  put(out, result.bytes, result.offset, result.offset + result.length);
  lineEnd(out);
}

function errorLine(error: ClientError): Uint8Array {
  switch (error) {
    case ClientError.redirect:
    case ClientError.noLeader:
    case ClientError.removed:
    case ClientError.leaderTooOld:
      return NO_LEADER;
    case ClientError.busy:
    case ClientError.overRate:
    case ClientError.tooManyOfUser:
    case ClientError.loading:
      return BUSY;
    case ClientError.noSpace:
      return NO_SPACE;
    case ClientError.command:
    case ClientError.tooMuch:
    case ClientError.tooMuchToJudge:
    case ClientError.clusterVersion: // client sessions wait for it
      return COMMAND;
    case ClientError.hint:
      return HINT;
    case ClientError.notAuthenticated:
    case ClientError.wrongPassword:
    case ClientError.noUsers:
      return AUTH;
    case ClientError.notPermitted:
    case ClientError.notPermittedKey:
    case ClientError.notPermittedChannel:
      return PERMISSION;
    case ClientError.timeout:
      return TIMEOUT;
    case ClientError.internal:
    case ClientError.discarded:
      return INTERNAL;
  }
}

/** One line for each address, made once: the addresses are those of the configuration. */
const redirectLines = new WeakMap<ClientAddress, Uint8Array>();

function redirectLine(leader: ClientAddress): Uint8Array {
  let line = redirectLines.get(leader);
  if (line === undefined) {
    line = encoder.encode(`ERR_REDIRECT ${leader.hostname} ${leader.port}\r\n`);
    redirectLines.set(leader, line);
  }
  return line;
}

function lineEnd(out: ByteWriter): void {
  out.reserve(2);
  out.bytes[out.length++] = CR;
  out.bytes[out.length++] = LF;
}

/** Appends a range; a loop beats `set(subarray)` for the short ones that values mostly are. */
function put(out: ByteWriter, source: Uint8Array, start: number, end: number): void {
  if (end - start > 48) {
    out.slice(source, start, end);
    return;
  }
  out.reserve(end - start);
  const into = out.bytes;
  let at = out.length;
  for (let i = start; i < end; i++) into[at++] = source[i]!;
  out.length = at;
}
