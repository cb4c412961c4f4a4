/**
 * What a forwarded command came to, on its way back from the server that leads. The bytes of a stream from
 * who accepted are these, back to back, one for each command, in their order:
 *
 *   0  u32  length of all that follows
 *   4  u8   AnswerKind, then
 *
 *   result  f64 the log's time in ms, f64 how far that is ahead of the wall clock, then the result
 *   error   u8  ClientError
 *   reply   the reply's bytes, in the version of the Redis protocol that the reply mode asked for
 *   users   u64 what is asked about users may be answered from a store that has applied up to there
 *
 * A result (kv/commands/result.ts): u8 status, u8 Field: which of these follow: f64 version, f64 deadline,
 * f64 cursor, u8 tag, u32 and u32 of an integer, u32 length and bytes of a value, u32 count and the results
 * of a list.
 */
import { Result, Status } from "../../kv/commands/result.ts";
import { type ByteReader, type ByteWriter, writeU32 } from "../../util/bytes.ts";
import type { LogTime } from "../codec.ts";
import { ClientError } from "../command_batch.ts";
import { ProtocolError } from "../rpc/rpc_types.ts";

export const AnswerKind = { result: 1, error: 2, reply: 3, users: 4 } as const;

const Field = {
  version: 1,
  deadline: 2,
  cursor: 4,
  tag: 8,
  integer: 16,
  value: 32,
  list: 64,
} as const;
const FIELDS = 127;

/** A transaction's commands may have lists of results themselves. */
const DEPTH_MAX = 3;
/** The least that a result takes. */
const RESULT_BYTES_MIN = 2;

const STATUS_MAX = Math.max(...Object.values(Status));
const ERROR_MAX = Math.max(...Object.values(ClientError));

export function encodeResultAnswer(out: ByteWriter, result: Result, time: LogTime): void {
  const at = begin(out, AnswerKind.result);
  putNumber(out, time.nowMs());
  putNumber(out, time.aheadOfWallMs());
  putResult(out, result);
  end(out, at);
}

export function encodeErrorAnswer(out: ByteWriter, error: ClientError): void {
  const at = begin(out, AnswerKind.error);
  out.u8(error);
  end(out, at);
}

/** Begins a reply, whose bytes are to be appended; gives what `endReplyAnswer` has to be given. */
export function beginReplyAnswer(out: ByteWriter): number {
  return begin(out, AnswerKind.reply);
}

export function endReplyAnswer(out: ByteWriter, at: number): void {
  end(out, at);
}

export function encodeUsersAnswer(out: ByteWriter, appliedIndex: number): void {
  const at = begin(out, AnswerKind.users);
  out.u64(appliedIndex);
  end(out, at);
}

/** The time of the server that has decided a command. */
export class ForwardedTime implements LogTime {
  #nowMs = 0;
  #aheadMs = 0;

  nowMs(): number {
    return this.#nowMs;
  }

  aheadOfWallMs(): number {
    return this.#aheadMs;
  }

  read(reader: ByteReader): void {
    this.#nowMs = readNumber(reader);
    this.#aheadMs = readNumber(reader);
  }
}

/** Reads a result into `result`; its value stays where it is. @throws {ProtocolError} */
export function readResult(reader: ByteReader, result: Result, depth = 0): void {
  const status = reader.u8();
  if (status === 0 || status > STATUS_MAX) throw new ProtocolError(`a status ${status} is unknown`);
  const fields = reader.u8();
  if (fields > FIELDS) {
    throw new ProtocolError("a result has fields that this version does not know");
  }
  const isList = (fields & Field.list) !== 0;
  if (isList !== (status === Status.list)) throw new ProtocolError("a list is no list");
  const has = (field: number) => (fields & field) !== 0;
  if (isList) result.beginList();
  result.status = status as Status;
  result.version = has(Field.version) ? readNumber(reader) : 0;
  result.deadlineMs = has(Field.deadline) ? readNumber(reader) : 0;
  result.cursor = has(Field.cursor) ? readNumber(reader) : 0;
  result.tag = has(Field.tag) ? reader.u8() : 0;
  if (has(Field.integer)) {
    result.integer.high = reader.u32() | 0;
    result.integer.low = reader.u32();
  } else if (status === Status.integer) throw new ProtocolError("an integer is missing");
  result.offset = result.length = 0;
  if (has(Field.value)) {
    const length = reader.u32();
    const { offset } = reader;
    reader.view(length);
    result.bytes = reader.bytes;
    result.offset = offset;
    result.length = length;
  }
  if (!isList) {
    result.listLength = 0;
    return;
  }
  const count = reader.u32();
  if (depth === DEPTH_MAX || count * RESULT_BYTES_MIN > reader.remaining) {
    throw new ProtocolError(`${count} results are announced in ${reader.remaining} bytes`);
  }
  for (let i = 0; i < count; i++) readResult(reader, result.addPart(), depth + 1);
}

/** @throws {ProtocolError} */
export function readError(reader: ByteReader): ClientError {
  const error = reader.u8();
  if (error === 0 || error > ERROR_MAX) throw new ProtocolError(`an error ${error} is unknown`);
  return error as ClientError;
}

function putResult(out: ByteWriter, result: Result): void {
  const { status, version, deadlineMs, cursor, tag, length } = result;
  const isList = status === Status.list;
  // What an earlier command left in it says nothing.
  const isInteger = status === Status.integer;
  const hasValue = status === Status.found;
  const fields = (version === 0 ? 0 : Field.version) |
    (deadlineMs === 0 ? 0 : Field.deadline) | (cursor === 0 ? 0 : Field.cursor) |
    (tag === 0 ? 0 : Field.tag) | (isInteger ? Field.integer : 0) |
    (hasValue ? Field.value : 0) | (isList ? Field.list : 0);
  out.u8(status);
  out.u8(fields);
  if (version !== 0) putNumber(out, version);
  if (deadlineMs !== 0) putNumber(out, deadlineMs);
  if (cursor !== 0) putNumber(out, cursor);
  if (tag !== 0) out.u8(tag);
  if (isInteger) {
    out.u32(result.integer.high >>> 0);
    out.u32(result.integer.low);
  }
  if (hasValue) {
    out.u32(length);
    out.slice(result.bytes, result.offset, result.offset + length);
  }
  if (!isList) return;
  out.u32(result.listLength);
  for (let i = 0; i < result.listLength; i++) putResult(out, result.list[i]!);
}

function begin(out: ByteWriter, kind: number): number {
  const at = out.length;
  out.u32(0);
  out.u8(kind);
  return at;
}

function end(out: ByteWriter, at: number): void {
  writeU32(out.bytes, at, out.length - at - 4);
}

const numbers = new Float64Array(1);
const numberBytes = new Uint8Array(numbers.buffer);

/** Any number of JavaScript as it is in memory: all machines that this runs on have the little end first. */
function putNumber(out: ByteWriter, value: number): void {
  numbers[0] = value;
  out.slice(numberBytes, 0, numberBytes.length);
}

function readNumber(reader: ByteReader): number {
  numberBytes.set(reader.view(numberBytes.length));
  const value = numbers[0]!;
  if (!Number.isFinite(value)) throw new ProtocolError("a number is none");
  return value;
}
