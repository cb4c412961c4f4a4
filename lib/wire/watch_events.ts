/**
 * What a client is told of what it watches, as bytes: groups of events, one group for all that one entry of
 * the log has changed. A group without events says that there was nothing more up to its revision.
 * docs/watches.md has the forms.
 */
import { ChangeKind } from "../kv/commands/changes.ts";
import type { ByteWriter } from "../util/bytes.ts";
import { writeDecimal } from "./decimal.ts";
import { writeArray, writeBulk, writeInteger, writeNull } from "./resp/resp_bytes.ts";
import { type WatchEnd, WatchFormat } from "./watching.ts";

const WITHOUT_VALUES = 3;

/** A change, and where its bytes are. */
export interface WrittenChange {
  readonly kind: ChangeKind;
  readonly version: number;
  readonly bytes: Uint8Array;
  /** Where its key begins; the value comes directly after it. */
  readonly keyAt: number;
  readonly keyLength: number;
  readonly valueLength: number;
}

const encoder = new TextEncoder();
const NAMES: Readonly<Record<ChangeKind, string>> = {
  [ChangeKind.set]: "set",
  [ChangeKind.delete]: "delete",
  [ChangeKind.expire]: "expire",
  [ChangeKind.flush]: "flush",
};
const WORDS: readonly Uint8Array[] = Object.values(ChangeKind).reduce<Uint8Array[]>(
  (words, kind) => {
    words[kind] = encoder.encode(NAMES[kind]);
    return words;
  },
  [],
);
const EVENTS = encoder.encode("EVENTS ");
const PUSH = encoder.encode("raftkv.watch");
const STAR = 0x2a;
const GREATER = 0x3e;
const SPACE = 0x20;
const CR = 0x0d;
const LF = 0x0a;

/** Appends the head of a group of `count` events, which follow it. */
export function writeGroup(
  out: ByteWriter,
  format: WatchFormat,
  key: Uint8Array,
  isPrefix: boolean,
  revision: number,
  count: number,
): void {
  if (format % WITHOUT_VALUES === WatchFormat.lines) {
    out.raw(EVENTS);
    writeDecimal(out, revision);
    out.u8(SPACE);
    writeDecimal(out, count);
    return lineEnd(out);
  }
  writePush(out, format, key, isPrefix);
  writeInteger(out, revision);
  writeArray(out, count);
}

/** Appends one event of a group. */
export function writeEvent(out: ByteWriter, format: WatchFormat, change: WrittenChange): void {
  if (format % WITHOUT_VALUES === WatchFormat.lines) writeLineEvent(out, format, change);
  else writeRespEvent(out, format, change);
}

/** Appends that the watch is over, and why. */
export function writeEnd(
  out: ByteWriter,
  format: WatchFormat,
  key: Uint8Array,
  isPrefix: boolean,
  end: WatchEnd,
): void {
  if (format % WITHOUT_VALUES === WatchFormat.lines) {
    out.raw(encoder.encode(`${lineOf(end)}\r\n`));
    return;
  }
  writePush(out, format, key, isPrefix);
  writeInteger(out, end.kind === "compacted" ? end.revision : 0);
  const words = encoder.encode(wordsOf(end));
  writeBulk(out, words, 0, words.length);
}

/** The words of the Redis protocol for changes that are not kept, an error's without its first byte. */
export function compactedWords(revision: number): string {
  return `COMPACTED ${revision} changes up to this revision are not kept here any more`;
}

function wordsOf(end: WatchEnd): string {
  switch (end.kind) {
    case "compacted":
      return compactedWords(end.revision);
    case "notPermitted":
      return "NOPERM this user may not read all that is watched any more";
    case "notAuthenticated":
      return "NOAUTH Authentication required.";
  }
}

function lineOf(end: WatchEnd): string {
  switch (end.kind) {
    case "compacted":
      return `ERR_COMPACTED ${end.revision}`;
    case "notPermitted":
      return "ERR_PERMISSION";
    case "notAuthenticated":
      return "ERR_AUTH";
  }
}

/** The first two of the four parts: what this is, and what is watched. */
function writePush(
  out: ByteWriter,
  format: WatchFormat,
  key: Uint8Array,
  isPrefix: boolean,
): void {
  out.u8(format % WITHOUT_VALUES === WatchFormat.resp3 ? GREATER : STAR);
  writeDecimal(out, 4);
  lineEnd(out);
  writeBulk(out, PUSH, 0, PUSH.length);
  if (!isPrefix) return writeBulk(out, key, 0, key.length);
  const starred = new Uint8Array(key.length + 1);
  starred.set(key);
  starred[key.length] = STAR;
  writeBulk(out, starred, 0, starred.length);
}

function writeRespEvent(out: ByteWriter, format: WatchFormat, change: WrittenChange): void {
  const { kind, version, bytes, keyAt, keyLength, valueLength } = change;
  const isResp3 = format % WITHOUT_VALUES === WatchFormat.resp3;
  const word = WORDS[kind]!;
  writeArray(out, 4);
  writeBulk(out, word, 0, word.length);
  if (kind === ChangeKind.flush) writeNull(out, isResp3);
  else writeBulk(out, bytes, keyAt, keyLength);
  writeInteger(out, version);
  if (kind === ChangeKind.set && format < WITHOUT_VALUES) {
    writeBulk(out, bytes, keyAt + keyLength, valueLength);
  } else writeNull(out, isResp3);
}

function writeLineEvent(out: ByteWriter, format: WatchFormat, change: WrittenChange): void {
  const { kind, version, bytes, keyAt, keyLength, valueLength } = change;
  out.raw(WORDS[kind]!);
  if (kind === ChangeKind.flush) return lineEnd(out);
  out.u8(SPACE);
  writeDecimal(out, version);
  out.u8(SPACE);
  writeDecimal(out, keyLength);
  const hasValue = kind === ChangeKind.set && format < WITHOUT_VALUES;
  if (hasValue) {
    out.u8(SPACE);
    writeDecimal(out, valueLength);
  }
  lineEnd(out);
  out.slice(bytes, keyAt, keyAt + keyLength);
  lineEnd(out);
  if (!hasValue) return;
  out.slice(bytes, keyAt + keyLength, keyAt + keyLength + valueLength);
  lineEnd(out);
}

function lineEnd(out: ByteWriter): void {
  out.reserve(2);
  out.bytes[out.length++] = CR;
  out.bytes[out.length++] = LF;
}
