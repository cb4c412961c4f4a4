/**
 * What a write of a client session came to, kept until the client has acknowledged it: a `Result` as bytes,
 * from which any protocol's reply can be written again. Of a result only what its status gives a meaning to
 * stands there: the rest is left over from earlier commands, and differs from server to server.
 *
 *   u8 Status, u8 tag (of a command in a transaction: how its reply is written), then by status
 *
 *   stored     u64 version
 *   found      u64 version, u64 deadline in ms (0 without a version), u32 length, value
 *   integer    u64, of a signed number the two's complement
 *   list       u64 cursor, u32 how many, that many results
 *   any other  nothing
 *
 * A list's deadline, and that of a key that was shown without its version, is that of the next key to expire,
 * whichever it is: it is there for reads alone, and servers need not agree on it.
 */
import {
  ByteFormatError,
  ByteReader,
  type ByteWriter,
  readU64,
  writeU64,
} from "../../util/bytes.ts";
import { checksum } from "../../util/checksum.ts";
import { type Result, Status } from "../commands/result.ts";

/** A longer reply is not kept: whoever asks again is told that it was done, and no more. */
export const REPLY_BYTES_MAX = 65_536;
/** Lists within a transaction's list hold values. */
const DEPTH_MAX = 3;
const STATUS_MAX = Math.max(...Object.values(Status));
/** What a `stored` takes. */
const STORED_BYTES = 10;
const storedBytes = new Uint8Array(STORED_BYTES);

/** A reply while it is kept. Most say a version and no more: such a one needs no bytes of its own. */
export class KeptReply {
  /** Of it as bytes; and their checksum. */
  readonly length: number;
  readonly checksum: number;
  readonly #tag: number;
  readonly #version: number;
  /** Null of a `stored`. */
  readonly #bytes: Uint8Array | null;

  private constructor(bytes: Uint8Array, isStored: boolean) {
    this.length = bytes.length;
    this.checksum = checksum(bytes);
    this.#tag = bytes[1]!;
    this.#version = isStored ? readU64(bytes, 2) : 0;
    this.#bytes = isStored ? null : bytes;
  }

  /** Of what `encodeReply` has made, which must not change later. */
  static of(bytes: Uint8Array): KeptReply {
    return new KeptReply(bytes, bytes.length === STORED_BYTES && bytes[0] === Status.stored);
  }

  /** Of a result whose status is `stored`. */
  static ofStored({ tag, version }: Result): KeptReply {
    storedBytes[0] = Status.stored;
    storedBytes[1] = tag;
    writeU64(storedBytes, 2, version);
    return new KeptReply(storedBytes, true);
  }

  /** Appends it as bytes. */
  encode(out: ByteWriter): void {
    if (this.#bytes !== null) return out.raw(this.#bytes);
    out.u8(Status.stored);
    out.u8(this.#tag);
    out.u64(this.#version);
  }

  /** Gives it as a result; of one with bytes its value is a range of these. */
  decode(result: Result): void {
    if (this.#bytes !== null) return decodeReply(new ByteReader(this.#bytes), result);
    result.status = Status.stored;
    result.tag = this.#tag;
    result.version = this.#version;
    result.deadlineMs = 0;
  }
}

/**
 * Appends the result; false where it would be longer than `REPLY_BYTES_MAX`, or has lists within lists as no
 * command makes them: it is not whole then.
 */
export function encodeReply(out: ByteWriter, result: Result): boolean {
  return encodePart(out, result, out.length + REPLY_BYTES_MAX, 0);
}

function encodePart(out: ByteWriter, result: Result, end: number, depth: number): boolean {
  out.u8(result.status);
  out.u8(result.tag);
  switch (result.status) {
    case Status.stored:
      out.u64(result.version);
      break;
    case Status.found:
      if (out.length + result.length > end) return false;
      out.u64(result.version);
      out.u64(result.version === 0 ? 0 : result.deadlineMs);
      out.u32(result.length);
      out.slice(result.bytes, result.offset, result.offset + result.length);
      break;
    case Status.integer:
      out.u32(result.integer.high >>> 0);
      out.u32(result.integer.low);
      break;
    case Status.list:
      if (depth === DEPTH_MAX) return false;
      out.u64(result.cursor);
      out.u32(result.listLength);
      for (let i = 0; i < result.listLength; i++) {
        if (!encodePart(out, result.list[i]!, end, depth + 1)) return false;
      }
      break;
  }
  return out.length <= end;
}

/**
 * Reads what `encodeReply` has made into `result`, whose value is a range of the reader's bytes. Throws
 * `ByteFormatError` where the bytes are no such thing.
 */
export function decodeReply(reader: ByteReader, result: Result, depth = 0): void {
  const status = reader.u8();
  if (status < 1 || status > STATUS_MAX) {
    throw new ByteFormatError(`A kept reply has status ${status}`);
  }
  result.status = status as Status;
  result.tag = reader.u8();
  result.version = 0;
  result.deadlineMs = 0;
  switch (result.status) {
    case Status.stored:
      result.version = reader.u64();
      break;
    case Status.found: {
      const version = reader.u64();
      const deadlineMs = reader.u64();
      const length = reader.u32();
      const at = reader.offset;
      reader.view(length);
      result.setValue(reader.bytes, at, length);
      result.version = version;
      result.deadlineMs = deadlineMs;
      break;
    }
    case Status.integer:
      result.integer.high = reader.u32() | 0;
      result.integer.low = reader.u32();
      break;
    case Status.list: {
      if (depth === DEPTH_MAX) throw new ByteFormatError("A kept reply has lists within lists");
      const cursor = reader.u64();
      const count = reader.u32();
      result.beginList();
      for (let i = 0; i < count; i++) decodeReply(reader, result.addPart(), depth + 1);
      result.cursor = cursor;
      break;
    }
  }
}
