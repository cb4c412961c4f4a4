/**
 * The two lines about watches: `watch <key or prefix*> [<after>] [novalue]` and `unwatch`. A connection of
 * lines has one watch at a time: what it is told does not name it.
 */
import { encodeCommand, Op } from "../../kv/commands/command.ts";
import { commandNamed } from "../../kv/users/command_numbers.ts";
import { latin1 } from "../../util/latin1.ts";
import type { ByteWriter } from "../../util/bytes.ts";
import { Action, ClientError, type CommandBatch } from "../command_batch.ts";
import {
  type ClientWatches,
  decodeWatch,
  encodeWatch,
  positionText,
  readPosition,
  readWatched,
  WatchFormat,
} from "../watching.ts";
import { refuse } from "./line_hints.ts";
import { isLegalKey } from "./line_tokens.ts";

/** Reply modes; `help` has the one before. */
export const WATCH_MODE = 17;
export const UNWATCH_MODE = 18;

const WATCH = commandNamed("raftkv.watch")!.number;
const UNWATCH = commandNamed("raftkv.unwatch")!.number;
const WITHOUT_VALUES = "novalue";
const SPACE = 0x20;
const NO_BYTES = new Uint8Array(0);
const encoder = new TextEncoder();
/** Verb and at most three arguments. */
const WORDS_MAX = 4;

/** Adds the command of the line `bytes[start, lineEnd)` where that is about watches; else false. */
export function addWatching(
  batch: CommandBatch,
  bytes: Uint8Array,
  start: number,
  lineEnd: number,
  { keyBytesMax }: { readonly keyBytesMax: number },
): boolean {
  if (isWord(bytes, start, lineEnd, "unwatch")) {
    const from = encodeCommand(batch.bytes, Op.constant, NO_BYTES, 0, 0, 0, 0);
    batch.add(Action.local, UNWATCH_MODE, from, 0, UNWATCH);
    return true;
  }
  if (!isWord(bytes, start, Math.min(lineEnd, start + 6), "watch ")) return false;
  const ends = wordEnds(bytes, start, lineEnd);
  const [verbEnd = 0, keyEnd = 0] = ends;
  const watched = readWatched(bytes, verbEnd + 1, keyEnd);
  const { key, isPrefix } = watched;
  const isKey = isPrefix && key.length === 0 || isLegalKey(key, 0, key.length, keyBytesMax);
  const last = ends.length - 1;
  const hasValues = last < 2 || !isWord(bytes, ends[last - 1]! + 1, lineEnd, WITHOUT_VALUES);
  const count = hasValues ? ends.length : last;
  const after = count < 3 ? null : readPosition(bytes, keyEnd + 1, ends[2]!);
  const isWhole = count >= 2 && count <= 3 && (count < 3 || after !== null);
  if (!isKey || !isWhole) refuse(batch);
  else {
    const format = hasValues ? WatchFormat.lines : WatchFormat.linesWithoutValues;
    const from = encodeWatch(batch.bytes, { ...watched, after, format });
    batch.add(Action.local, WATCH_MODE, from, 0, WATCH);
  }
  return true;
}

/** Appends the reply to a `watch`, or returns why it is refused. */
export function writeLineWatch(
  out: ByteWriter,
  bytes: Uint8Array,
  offset: number,
  watches: ClientWatches,
): ClientError | 0 {
  if (watches.count > 0) return ClientError.command;
  const answer = watches.open(decodeWatch(bytes, offset));
  if (typeof answer === "number") return answer;
  switch (answer.kind) {
    case "watching":
      put(out, `WATCHING ${positionText(answer)}`);
      return 0;
    case "compacted":
      put(out, `ERR_COMPACTED ${answer.revision}`);
      return 0;
    case "future":
      put(out, `ERR_FUTURE ${answer.revision}`);
      return 0;
    case "twice":
      return ClientError.command;
    case "tooMany":
      return ClientError.busy;
  }
}

/** Appends the reply to an `unwatch`: there is no watch any more, and may have been none. */
export function writeLineUnwatch(out: ByteWriter, watches: ClientWatches): void {
  watches.close(null);
  put(out, "OK");
}

function put(out: ByteWriter, line: string): void {
  out.raw(encoder.encode(`${line}\r\n`));
}

/** Where the words end, which one space parts; of more than a watch has, too many of them. */
function wordEnds(bytes: Uint8Array, start: number, lineEnd: number): number[] {
  const ends: number[] = [];
  for (let at = start; ends.length <= WORDS_MAX; at++) {
    while (at < lineEnd && bytes[at] !== SPACE) at++;
    ends.push(at);
    if (at >= lineEnd) break;
  }
  return ends;
}

function isWord(bytes: Uint8Array, start: number, end: number, word: string): boolean {
  return end - start === word.length && latin1(bytes.subarray(start, end)) === word;
}
