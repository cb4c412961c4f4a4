/**
 * The frames of a connection for forwarded commands; they belong to the feature `forward`. Many clients
 * share it, a stream each, numbered from 1 on by whoever connected; a number is never used again.
 */
import { assert } from "../../util/assert.ts";
import type { ByteReader, ByteWriter } from "../../util/bytes.ts";
import { beginFrame, endFrame, readFlags } from "./frame.ts";
import { type Frame, FrameType, ProtocolError } from "./rpc_types.ts";

/** What a connection is for: the value of the feature `forward` in the hello of who connects. */
export const ForwardPurpose = { messages: 0, commands: 1 } as const;

/** The most bytes of a stream in one frame. */
export const FORWARD_PIECE_BYTES_MAX = 65_536;

const IS_ORDERLY = 1;

/** Appends bytes of a stream, `bytes[start, end)`, in as many frames as they take. */
export function encodeForward(
  out: ByteWriter,
  stream: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): void {
  for (let from = start; from < end; from += FORWARD_PIECE_BYTES_MAX) {
    const at = beginFrame(out, FrameType.forward);
    const to = Math.min(end, from + FORWARD_PIECE_BYTES_MAX);
    out.u64(stream);
    out.u32(to - from);
    out.slice(bytes, from, to);
    endFrame(out, at);
  }
}

export function encodeForwardTaken(out: ByteWriter, stream: number, count: number): void {
  assert(count > 0, "No bytes of answers were taken");
  const at = beginFrame(out, FrameType.forwardTaken);
  out.u64(stream);
  out.u32(count);
  endFrame(out, at);
}

export function encodeForwardEnd(out: ByteWriter, stream: number, isOrderly: boolean): void {
  const at = beginFrame(out, FrameType.forwardEnd);
  out.u64(stream);
  out.u8(isOrderly ? IS_ORDERLY : 0);
  endFrame(out, at);
}

export function decodeForward(reader: ByteReader): Frame {
  const stream = readStream(reader);
  const count = reader.u32();
  if (count === 0 || count > FORWARD_PIECE_BYTES_MAX) {
    throw new ProtocolError(`a stream has ${count} bytes at once: 1 to ${FORWARD_PIECE_BYTES_MAX}`);
  }
  return { type: "forward", stream, bytes: reader.copy(count) };
}

export function decodeForwardTaken(reader: ByteReader): Frame {
  const stream = readStream(reader);
  const count = reader.u32();
  if (count === 0) throw new ProtocolError("no bytes of answers were taken");
  return { type: "forwardTaken", stream, count };
}

export function decodeForwardEnd(reader: ByteReader): Frame {
  const stream = readStream(reader);
  return { type: "forwardEnd", stream, isOrderly: readFlags(reader, IS_ORDERLY) === IS_ORDERLY };
}

function readStream(reader: ByteReader): number {
  const stream = reader.u64();
  if (stream === 0) throw new ProtocolError("a stream's number is 0");
  return stream;
}
