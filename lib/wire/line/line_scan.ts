/**
 * `scan <prefix> <limit> [<after key>]`: the keys that begin with the prefix, in the order of their bytes, a
 * page at a time. Keys may come from the Redis protocol and have any bytes: in what is sent and shown here, a
 * byte that no key of lines has, and `%`, is `%` and two hexadecimal digits.
 */
import { encodeRange, endOfPrefix, keyAfter, RANGE_KEYS_MAX } from "../../kv/commands/ranges.ts";
import type { Result } from "../../kv/commands/result.ts";
import { compareKeys } from "../../kv/memory/record.ts";
import type { ByteWriter } from "../../util/bytes.ts";
import type { ClientAccess } from "../client_access.ts";
import { Action, type CommandBatch, ReplyMode } from "../command_batch.ts";
import type { LogTime } from "../codec.ts";
import { readDecimal, writeDecimal } from "../decimal.ts";
import { beginCommand, endCommand, LineCommand } from "./line_commands.ts";
import { refuse } from "./line_hints.ts";

const encoder = new TextEncoder();
const VERB = encoder.encode("scan ");
const ARGUMENTS_MAX = 3;
const KEY = encoder.encode("KEY ");
const MORE = encoder.encode("MORE ");
const END = encoder.encode("END\r\n");
const LINE_END = encoder.encode("\r\n");
const TOO_LONG = encoder.encode(
  "ERR_CMD_ERR a key here is too long for a line: ask by RAFTKV.RANGE\r\n",
);
/** What comes before the key that a page comes after, with the longest prefix, fits a line beside it. */
const AFTER_BYTES_MAX = 3_072;
const PREFIX_BYTES_MAX = 250;
const NOTHING = new Uint8Array(0);
const PERCENT = 0x25;
const STAR = 0x2a;
const SPACE = 0x20;
const DELETE = 0x7f;
const DIGITS = encoder.encode("0123456789abcdef");

/** Adds the command of the line `bytes[start, lineEnd)` where that is a scan, or refuses it; else false. */
export function addScan(
  batch: CommandBatch,
  access: ClientAccess,
  bytes: Uint8Array,
  start: number,
  lineEnd: number,
): boolean {
  for (let i = 0; i < VERB.length; i++) if (bytes[start + i] !== VERB[i]) return false;
  if (!add(batch, access, bytes, start + VERB.length, lineEnd)) refuse(batch);
  return true;
}

/** Adds the scan whose arguments are `bytes[start, end)`, one space between two; false where one is wrong. */
function add(
  batch: CommandBatch,
  access: ClientAccess,
  bytes: Uint8Array,
  start: number,
  end: number,
): boolean {
  const starts = [start];
  const ends: number[] = [];
  for (let at = start; at < end && starts.length <= ARGUMENTS_MAX; at++) {
    if (bytes[at] !== SPACE) continue;
    ends.push(at);
    starts.push(at + 1);
  }
  ends.push(end);
  const count = starts.length;
  if (count < 2 || count > ARGUMENTS_MAX) return false;
  const isAll = ends[0]! - starts[0]! === 1 && bytes[starts[0]!] === STAR;
  const prefix = isAll ? NOTHING : decodedKey(bytes, starts[0]!, ends[0]!);
  const keysMax = readDecimal(bytes, starts[1]!, ends[1]!, RANGE_KEYS_MAX);
  const after = count === 3 ? decodedKey(bytes, starts[2]!, ends[2]!) : NOTHING;
  if (prefix === null || prefix.length > PREFIX_BYTES_MAX || keysMax < 1 || after === null) {
    return false;
  }
  const from = beginCommand(batch, access, LineCommand.scan);
  const first = count === 3 && comesAfter(after, prefix) ? keyAfter(after) : prefix;
  encodeRange(batch.bytes, first, endOfPrefix(prefix), keysMax);
  endCommand(batch, access, from);
  batch.add(Action.read, ReplyMode.withMeta, from, 0, LineCommand.scan);
  return true;
}

/** Appends a page: a line for each key, its value after it; then whether there may be more. */
export function writeScan(
  out: ByteWriter,
  { list, listLength, cursor }: Result,
  time: LogTime,
): void {
  const count = listLength - cursor;
  if (cursor > 0 && shownBytes(list[count]!) > AFTER_BYTES_MAX) return out.raw(TOO_LONG);
  const nowMs = time.nowMs();
  for (let i = 0; i < count; i += 2) {
    const value = list[i + 1]!;
    out.raw(KEY);
    writeKey(out, list[i]!);
    for (const number of [value.version, secondsLeft(value.deadlineMs, nowMs), value.length]) {
      out.u8(SPACE);
      writeDecimal(out, number);
    }
    out.raw(LINE_END);
    out.slice(value.bytes, value.offset, value.offset + value.length);
    out.raw(LINE_END);
  }
  if (cursor === 0) return out.raw(END);
  out.raw(MORE);
  writeKey(out, list[count]!);
  out.raw(LINE_END);
}

/** Whole seconds until `deadlineMs`, rounded up; at least 1 while the key lives, 0 for never. */
export function secondsLeft(deadlineMs: number, nowMs: number): number {
  if (deadlineMs === 0) return 0;
  return Math.max(1, Math.ceil((deadlineMs - nowMs) / 1000));
}

function writeKey(out: ByteWriter, { bytes, offset, length }: Result): void {
  for (let at = offset; at < offset + length; at++) {
    const byte = bytes[at]!;
    if (isPlain(byte)) out.u8(byte);
    else {
      out.u8(PERCENT);
      out.u8(DIGITS[byte >>> 4]!);
      out.u8(DIGITS[byte & 15]!);
    }
  }
}

function shownBytes({ bytes, offset, length }: Result): number {
  let count = 0;
  for (let at = offset; at < offset + length; at++) count += isPlain(bytes[at]!) ? 1 : 3;
  return count;
}

function isPlain(byte: number): boolean {
  return byte > SPACE && byte !== DELETE && byte !== PERCENT;
}

/** The key that an argument stands for; null where it stands for none. */
function decodedKey(bytes: Uint8Array, start: number, end: number): Uint8Array | null {
  if (start === end) return null;
  const key = new Uint8Array(end - start);
  let length = 0;
  for (let at = start; at < end; at++, length++) {
    const byte = bytes[at]!;
    if (byte <= SPACE || byte === DELETE) return null;
    if (byte !== PERCENT) key[length] = byte;
    else {
      const high = digitOf(bytes[at + 1]);
      const low = digitOf(bytes[at + 2]);
      if (at + 2 >= end || high < 0 || low < 0) return null;
      key[length] = 16 * high + low;
      at += 2;
    }
  }
  return key.subarray(0, length);
}

/** The value of a hexadecimal digit, in either case; -1 where it is none. */
function digitOf(byte: number | undefined): number {
  const digit = byte === undefined ? NaN : parseInt(String.fromCharCode(byte), 16);
  return Number.isNaN(digit) ? -1 : digit;
}

/** True where `key` does not come before `prefix`. */
function comesAfter(key: Uint8Array, prefix: Uint8Array): boolean {
  return compareKeys(key, 0, key.length, prefix, 0, prefix.length) >= 0;
}
