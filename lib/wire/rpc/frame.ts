/**
 * A frame's outside, and the fields that several frames share:
 *
 *   0  u32  length of all that follows: type, body, checksum
 *   4  u8   type (FrameType)
 *   5       body
 *   …  u32  checksum of type and body
 */
import { assert } from "../../util/assert.ts";
import type { ByteReader, ByteWriter } from "../../util/bytes.ts";
import { writeU32 } from "../../util/bytes.ts";
import { checksum } from "../../util/checksum.ts";
import { bytesToHex, hexToBytes } from "../../util/hex.ts";
import { type FrameType, ProtocolError } from "./rpc_types.ts";

export const LENGTH_BYTES = 4;
export const CHECKSUM_BYTES = 4;
/** The smallest length that a frame may have: a type and a checksum. */
export const FRAME_BYTES_MIN = 1 + CHECKSUM_BYTES;

export const CLUSTER_ID_BYTES = 16;
export const INCARNATION_BYTES = 8;

/** Begins a frame at the end of `out`; returns what `endFrame` has to be given. */
export function beginFrame(out: ByteWriter, type: FrameType): number {
  const at = out.length;
  out.u32(0);
  out.u8(type);
  return at;
}

const NO_PIECES: readonly PlacedPiece[] = [];

/** Bytes of a frame that stay where they are: they follow the first `at` bytes of the frame's writer. */
export interface PlacedPiece {
  readonly at: number;
  readonly bytes: Uint8Array;
}

/** Puts length and checksum to the frame that began at `at`; `placed`: what of it is elsewhere, in order. */
export function endFrame(
  out: ByteWriter,
  at: number,
  placed: readonly PlacedPiece[] = NO_PIECES,
): void {
  const typeAt = at + LENGTH_BYTES;
  let [sum, from, placedBytes] = [0, typeAt, 0];
  for (const piece of placed) {
    sum = checksum(piece.bytes, checksum(out.bytes.subarray(from, piece.at), sum));
    from = piece.at;
    placedBytes += piece.bytes.length;
  }
  sum = checksum(out.bytes.subarray(from, out.length), sum);
  out.u32(sum);
  writeU32(out.bytes, at, out.length - typeAt + placedBytes);
}

/** Appends the `count` bytes that the hexadecimal digits of an id stand for. */
export function writeHex(out: ByteWriter, hex: string, count: number): void {
  assert(
    hex.length === count * 2 && /^[0-9a-f]*$/.test(hex),
    `Cannot send the id ${JSON.stringify(hex)}: it takes ${count * 2} lower-case hex digits`,
  );
  out.raw(hexToBytes(hex));
}

/** The next `count` bytes as lower-case hexadecimal digits. */
export function readHex(reader: ByteReader, count: number): string {
  return bytesToHex(reader.view(count), 0, count);
}

/** A server's id: a positive safe integer. */
export function readServerId(reader: ByteReader): number {
  const id = reader.u64();
  if (id === 0) throw new ProtocolError("a server's id is 0");
  return id;
}

/** A byte of flags of which no other than those of `known` may be set. */
export function readFlags(reader: ByteReader, known: number): number {
  const flags = reader.u8();
  if ((flags & ~known) !== 0) {
    throw new ProtocolError(`flags ${flags} are set, of which this version knows ${known}`);
  }
  return flags;
}
