/** Raft's messages as frames. Each body begins with u64 from, u64 to, u64 term. */
import type { AppendRequest, Message, SnapshotChunk } from "../../raft/types.ts";
import { broken, unreachable } from "../../util/assert.ts";
import type { ByteReader, ByteWriter } from "../../util/bytes.ts";
import { decodeEntries, encodeEntries, type Keep } from "./entries.ts";
import {
  beginFrame,
  CHECKSUM_BYTES,
  endFrame,
  type PlacedPiece,
  readFlags,
  readServerId,
} from "./frame.ts";
import { FrameType, ProtocolError } from "./rpc_types.ts";

const PRE_VOTE = 1;
const TRANSFER = 2;
const GRANTED = 2;
const SUSPECT = 4;
const REPAIRING = 8;
const REMOVED = 16;
const SUCCESS = 1;

interface Envelope {
  readonly from: number;
  readonly to: number;
  readonly term: number;
}

/** Takes large parts of a frame that need not be copied. */
export interface PieceTaker {
  /** `bytes` follow the first `at` bytes of the writer, and nobody changes them before they have left. */
  piece(at: number, bytes: Uint8Array): void;
}

/**
 * Appends a message as one frame. Entries have to follow `prevIndex` without a gap. Large ones go to
 * `pieces`, where there is one.
 */
export function encodeMessage(out: ByteWriter, message: Message, pieces?: PieceTaker): void {
  const type = isPiece(message) ? FrameType.snapshotPiece : FrameType[message.kind];
  const at = beginFrame(out, type);
  out.u64(message.from);
  out.u64(message.to);
  out.u64(message.term);
  if (pieces === undefined || message.kind !== "appendRequest") {
    encodeBody(out, message, null);
    return endFrame(out, at);
  }
  const placed: PlacedPiece[] = [];
  encodeBody(out, message, placed);
  endFrame(out, at, placed);
  for (const piece of placed) pieces.piece(piece.at, piece.bytes);
}

/** True for a chunk of a snapshot that is still being made: it has a frame of its own. */
export function isPiece(message: Message): boolean {
  return message.kind === "snapshotChunk" && message.totalBytes === null;
}

function encodeBody(out: ByteWriter, message: Message, placed: PlacedPiece[] | null): void {
  switch (message.kind) {
    case "voteRequest":
      out.u8((message.preVote ? PRE_VOTE : 0) | (message.transfer ? TRANSFER : 0));
      out.u64(message.lastIndex);
      out.u64(message.lastTerm);
      return;
    case "voteResponse":
      out.u8(
        (message.preVote ? PRE_VOTE : 0) | (message.granted ? GRANTED : 0) |
          (message.suspect ? SUSPECT : 0) | (message.repairing ? REPAIRING : 0) |
          (message.removed ? REMOVED : 0),
      );
      return;
    case "appendRequest":
      out.u64(message.prevIndex);
      out.u64(message.prevTerm);
      out.u64(message.commitIndex);
      out.u64(message.readRound);
      encodeEntries(out, message.prevIndex + 1, message.entries, placed);
      return;
    case "appendResponse":
      out.u8(message.success ? SUCCESS : 0);
      out.u64(message.index);
      out.u64(message.hintIndex);
      out.u64(message.hintTerm);
      out.u64(message.readRound);
      return;
    case "heartbeat":
      out.u64(message.commitIndex);
      out.u64(message.readRound);
      return;
    case "heartbeatResponse":
      out.u64(message.readRound);
      return;
    case "timeoutNow":
      return;
    case "snapshotChunk":
      out.u64(message.index);
      out.u64(message.snapshotTerm);
      out.u64(message.offset);
      if (message.totalBytes !== null) out.u64(message.totalBytes);
      out.u32(message.data.length);
      out.raw(message.data);
      return;
    case "snapshotChunkResponse":
      out.u64(message.index);
      out.u64(message.snapshotTerm);
      out.u64(message.offset);
      return;
    default:
      unreachable(message);
  }
}

/** True for the types that carry a message. */
export function isMessageType(type: number): boolean {
  return (type >= FrameType.voteRequest && type <= FrameType.timeoutNow) ||
    type === FrameType.snapshotChunk || type === FrameType.snapshotPiece ||
    type === FrameType.snapshotChunkResponse;
}

/** All of a snapshotChunk's frame that its length field counts, but the data: type, numbers, checksum. */
const SNAPSHOT_CHUNK_FRAME_BYTES = 1 + 7 * 8 + 4 + CHECKSUM_BYTES;

/** The most data that a chunk may carry where a frame may be `frameBytesMax` long. */
export function snapshotChunkBytesMax(frameBytesMax: number): number {
  return frameBytesMax - SNAPSHOT_CHUNK_FRAME_BYTES;
}

/**
 * The message of a frame's body. `keep` takes what has to outlive the reader's bytes.
 */
export function decodeMessage(type: number, reader: ByteReader, keep: Keep): Message {
  if (!isMessageType(type)) broken(`Frame type ${type} carries no message`);
  const from = readServerId(reader);
  const to = readServerId(reader);
  const envelope: Envelope = { from, to, term: reader.u64() };
  switch (type) {
    case FrameType.voteRequest: {
      const flags = readFlags(reader, PRE_VOTE | TRANSFER);
      return {
        kind: "voteRequest",
        ...envelope,
        preVote: (flags & PRE_VOTE) !== 0,
        transfer: (flags & TRANSFER) !== 0,
        lastIndex: reader.u64(),
        lastTerm: reader.u64(),
      };
    }
    case FrameType.voteResponse: {
      const flags = readFlags(reader, PRE_VOTE | GRANTED | SUSPECT | REPAIRING | REMOVED);
      return {
        kind: "voteResponse",
        ...envelope,
        preVote: (flags & PRE_VOTE) !== 0,
        granted: (flags & GRANTED) !== 0,
        suspect: (flags & SUSPECT) !== 0,
        repairing: (flags & REPAIRING) !== 0,
        removed: (flags & REMOVED) !== 0,
      };
    }
    case FrameType.appendRequest:
      return decodeAppendRequest(reader, envelope, keep);
    case FrameType.appendResponse:
      return {
        kind: "appendResponse",
        ...envelope,
        success: readFlags(reader, SUCCESS) !== 0,
        index: reader.u64(),
        hintIndex: reader.u64(),
        hintTerm: reader.u64(),
        readRound: reader.u64(),
      };
    case FrameType.heartbeat:
      return {
        kind: "heartbeat",
        ...envelope,
        commitIndex: reader.u64(),
        readRound: reader.u64(),
      };
    case FrameType.heartbeatResponse:
      return { kind: "heartbeatResponse", ...envelope, readRound: reader.u64() };
    case FrameType.snapshotChunk:
      return decodeSnapshotChunk(reader, envelope, keep);
    case FrameType.snapshotPiece:
      return decodeSnapshotPiece(reader, envelope, keep);
    case FrameType.snapshotChunkResponse:
      return {
        kind: "snapshotChunkResponse",
        ...envelope,
        ...readSnapshotPosition(reader, envelope),
        offset: reader.u64(),
      };
    default:
      return { kind: "timeoutNow", ...envelope };
  }
}

function readSnapshotPosition(
  reader: ByteReader,
  envelope: Envelope,
): { index: number; snapshotTerm: number } {
  const index = reader.u64();
  const snapshotTerm = reader.u64();
  if (index === 0 || snapshotTerm === 0 || snapshotTerm > envelope.term) {
    throw new ProtocolError(
      `a snapshot at ${index} of term ${snapshotTerm} comes in term ${envelope.term}`,
    );
  }
  return { index, snapshotTerm };
}

function decodeSnapshotChunk(
  reader: ByteReader,
  envelope: Envelope,
  keep: Keep,
): SnapshotChunk {
  const position = readSnapshotPosition(reader, envelope);
  const offset = reader.u64();
  const totalBytes = reader.u64();
  const length = reader.u32();
  // Written so that no sum can pass 2^53.
  if (offset > totalBytes || length > totalBytes - offset) {
    throw new ProtocolError(
      `${length} bytes at ${offset} do not fit into a snapshot of ${totalBytes}`,
    );
  }
  const data = keep(reader, length);
  return { kind: "snapshotChunk", ...envelope, ...position, offset, totalBytes, data };
}

function decodeSnapshotPiece(
  reader: ByteReader,
  envelope: Envelope,
  keep: Keep,
): SnapshotChunk {
  const position = readSnapshotPosition(reader, envelope);
  const offset = reader.u64();
  const length = reader.u32();
  if (length > Number.MAX_SAFE_INTEGER - offset) {
    throw new ProtocolError(`${length} bytes at ${offset} do not fit into any snapshot`);
  }
  const data = keep(reader, length);
  return { kind: "snapshotChunk", ...envelope, ...position, offset, totalBytes: null, data };
}

function decodeAppendRequest(
  reader: ByteReader,
  envelope: Envelope,
  keep: Keep,
): AppendRequest {
  const prevIndex = reader.u64();
  const prevTerm = reader.u64();
  const commitIndex = reader.u64();
  const readRound = reader.u64();
  if (prevTerm > envelope.term) {
    throw new ProtocolError(`entries after term ${prevTerm} come in term ${envelope.term}`);
  }
  const { from, to, term } = envelope;
  const entries = decodeEntries(reader, { prevIndex, prevTerm, term, keep });
  return {
    kind: "appendRequest",
    from,
    to,
    term,
    prevIndex,
    prevTerm,
    entries,
    commitIndex,
    readRound,
  };
}
