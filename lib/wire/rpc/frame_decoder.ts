/**
 * Bytes of a connection into frames. A frame that lies whole inside one chunk is decoded where it
 * is; one that spans chunks is gathered into a buffer of its own, each byte copied once (and when that
 * buffer grows, which it does as bytes come, not as they are announced). What is handed out never
 * aliases a chunk.
 */
import { broken } from "../../util/assert.ts";
import { ByteArena } from "../../util/byte_arena.ts";
import { ByteFormatError, ByteReader, readU32 } from "../../util/bytes.ts";
import { checksum } from "../../util/checksum.ts";
import { type Keep, keepView } from "./entries.ts";
import { CHECKSUM_BYTES, FRAME_BYTES_MIN, LENGTH_BYTES } from "./frame.ts";
import { decodeAddressNotice } from "./rpc_addresses.ts";
import { decodeDigest } from "./rpc_digest.ts";
import { decodeFacts } from "./rpc_facts.ts";
import { decodeForward, decodeForwardEnd, decodeForwardTaken } from "./rpc_forward.ts";
import { decodeFormation, decodeHandshake, decodeRefusal } from "./rpc_handshake.ts";
import { decodeMessage, isMessageType } from "./rpc_messages.ts";
import { decodeProbe } from "./rpc_probe.ts";
import { decodeProof } from "./rpc_proof.ts";
import { decodePublish } from "./rpc_publish.ts";
import { decodeStatus } from "./rpc_status.ts";
import { type Frame, FrameType, ProtocolError } from "./rpc_types.ts";

/**
 * A gathering buffer begins with this much at the most and doubles: most frames fit at once, one with the
 * largest value of the defaults among them.
 */
const GATHER_BYTES_START = 1_114_112;

const NO_BYTES = new Uint8Array(0);

export class FrameDecoder {
  #frameBytesMax: number;
  #chunk: Uint8Array = NO_BYTES;
  #offset = 0;
  /** The length field of a frame that spans chunks, as far as it is there. */
  readonly #head = new Uint8Array(LENGTH_BYTES);
  #headCount = 0;
  /** The frame that spans chunks, without its length field: `#gatherCount` of `#gatherLength` bytes. */
  #gather: Uint8Array | null = null;
  #gatherCount = 0;
  #gatherLength = 0;
  #failure: ProtocolError | null = null;
  readonly #arena = new ByteArena();
  readonly #keepCopy: Keep = (reader, count) => this.#arena.copy(reader.view(count));

  /** `frameBytesMax`: the largest value that a frame's length field may have. */
  constructor(frameBytesMax: number) {
    this.#frameBytesMax = frameBytesMax;
  }

  /** Changes the limit for the frames that are not begun: small before the handshake, large after. */
  setFrameBytesMax(frameBytesMax: number): void {
    this.#frameBytesMax = frameBytesMax;
  }

  /**
   * Takes the next bytes. They must stay as they are until `next()` has returned null or thrown; the
   * buffer may then be used again.
   */
  push(chunk: Uint8Array): void {
    if (this.#failure !== null) return;
    const left = this.#chunk.length - this.#offset;
    if (left !== 0) broken(`Cannot take another chunk: ${left} bytes of the last are left`);
    this.#chunk = chunk;
    this.#offset = 0;
  }

  /**
   * The next whole frame, or null where more bytes are needed. Throws `ProtocolError` for anything
   * malformed, and from then on always: nothing after a bad frame can be trusted.
   */
  next(): Frame | null {
    if (this.#failure !== null) throw this.#failure;
    try {
      return this.#next();
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#failure = error;
      this.#chunk = NO_BYTES;
      this.#offset = 0;
      this.#gather = null;
      throw error;
    }
  }

  #next(): Frame | null {
    if (this.#gather === null) {
      const whole = this.#nextInPlace();
      if (whole !== null || this.#offset === this.#chunk.length) return whole;
      if (!this.#gatherHead()) return null;
    }
    if (!this.#gatherBody()) return null;
    const frame = this.#gather!;
    this.#gather = null;
    this.#headCount = 0;
    return decodeFrame(frame, 0, this.#gatherLength, keepView);
  }

  /** The frame at the front of the chunk, where it is there whole and nothing is gathered. */
  #nextInPlace(): Frame | null {
    const left = this.#chunk.length - this.#offset;
    if (this.#headCount > 0 || left < LENGTH_BYTES) return null;
    const length = this.#checkedLength(readU32(this.#chunk, this.#offset));
    if (left - LENGTH_BYTES < length) return null;
    const start = this.#offset + LENGTH_BYTES;
    this.#offset = start + length;
    return decodeFrame(this.#chunk, start, start + length, this.#keepCopy);
  }

  #gatherHead(): boolean {
    while (this.#headCount < LENGTH_BYTES && this.#offset < this.#chunk.length) {
      this.#head[this.#headCount++] = this.#chunk[this.#offset++]!;
    }
    if (this.#headCount < LENGTH_BYTES) return this.#chunkUsedUp();
    this.#gatherLength = this.#checkedLength(readU32(this.#head, 0));
    this.#gather = new Uint8Array(Math.min(this.#gatherLength, GATHER_BYTES_START));
    this.#gatherCount = 0;
    return true;
  }

  #gatherBody(): boolean {
    let gather = this.#gather!;
    const missing = this.#gatherLength - this.#gatherCount;
    const count = Math.min(missing, this.#chunk.length - this.#offset);
    const wanted = this.#gatherCount + count;
    if (wanted > gather.length) {
      const grown = new Uint8Array(
        Math.min(this.#gatherLength, Math.max(wanted, gather.length * 2)),
      );
      grown.set(gather.subarray(0, this.#gatherCount));
      gather = grown;
      this.#gather = grown;
    }
    gather.set(this.#chunk.subarray(this.#offset, this.#offset + count), this.#gatherCount);
    this.#gatherCount = wanted;
    this.#offset += count;
    return wanted === this.#gatherLength || this.#chunkUsedUp();
  }

  /** Lets go of the chunk; false, for the callers: the frame is not whole. */
  #chunkUsedUp(): false {
    this.#chunk = NO_BYTES;
    this.#offset = 0;
    return false;
  }

  #checkedLength(length: number): number {
    if (length < FRAME_BYTES_MIN) {
      throw new ProtocolError(`a frame of ${length} bytes is shorter than any`);
    }
    if (length > this.#frameBytesMax) {
      throw new ProtocolError(
        `a frame of ${length} bytes is announced, at most ${this.#frameBytesMax} are taken here`,
      );
    }
    return length;
  }
}

/** Decodes the frame `bytes[start, end)`, its length field left out. */
function decodeFrame(bytes: Uint8Array, start: number, end: number, keep: Keep): Frame {
  const bodyEnd = end - CHECKSUM_BYTES;
  const type = bytes[start]!;
  if (checksum(bytes.subarray(start, bodyEnd)) !== readU32(bytes, bodyEnd)) {
    throw new ProtocolError(`the checksum of a frame of type ${type} is wrong`);
  }
  const reader = new ByteReader(bytes, start + 1, bodyEnd);
  try {
    const frame = decodeBody(type, reader, keep);
    reader.finish();
    return frame;
  } catch (error) {
    if (!(error instanceof ByteFormatError) && !(error instanceof ProtocolError)) throw error;
    throw new ProtocolError(`a frame of type ${type}: ${error.message}`);
  }
}

function decodeBody(type: number, reader: ByteReader, keep: Keep): Frame {
  switch (type) {
    case FrameType.hello:
      return decodeHandshake(reader, "hello");
    case FrameType.welcome:
      return decodeHandshake(reader, "welcome");
    case FrameType.refusal:
      return decodeRefusal(reader);
    case FrameType.formation:
      return decodeFormation(reader);
    case FrameType.digest:
      return decodeDigest(reader);
    case FrameType.status:
      return decodeStatus(reader);
    case FrameType.facts:
      return decodeFacts(reader);
    case FrameType.addresses:
      return decodeAddressNotice(reader);
    case FrameType.probe:
      return decodeProbe(reader, "probe");
    case FrameType.probeResponse:
      return decodeProbe(reader, "probeResponse");
    case FrameType.publish:
      return decodePublish(reader);
    case FrameType.proof:
      return decodeProof(reader);
    case FrameType.forward:
      return decodeForward(reader);
    case FrameType.forwardTaken:
      return decodeForwardTaken(reader);
    case FrameType.forwardEnd:
      return decodeForwardEnd(reader);
    case FrameType.ping:
      return { type: "ping" };
    case FrameType.pong:
      return { type: "pong" };
    default:
      if (isMessageType(type)) {
        return { type: "message", message: decodeMessage(type, reader, keep) };
      }
      throw new ProtocolError("the type is unknown to this version");
  }
}
