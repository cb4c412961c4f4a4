/**
 * The head of a write-ahead log segment, `wal/<16-digit sequence>.log`:
 *
 *    0  40  head (file_head.ts, kind "WA")
 *   40   8  sequence: the number in the file's name
 *   48   4  generation: drawn from the server's incarnation and the sequence
 *   52   8  first index: that of the first entry appended after this segment began
 *   60   8  term of the entry before it
 *   68   8  length of this file, fixed when it was made
 *   76   8  hard state: term
 *   84   8  hard state: votedFor
 *   92   1  hard state: suspect, 0 or 1
 *   93   1  1 if the log restarts here: files before it do not count any more (after a snapshot from
 *           another server or a repair); else 0
 *   94   2  zero
 *   96   4  checksum of the last record of the segment before (0 in the first segment)
 *  100   4  checksum of bytes 0..99; the first record's checksum continues it
 *  104      records (records.ts), then zeroes up to the length; in format version 2, a recycled segment,
 *           whatever was in the file before (spare_segments.ts)
 *
 * A segment is made under another name with its full length (a hole, not yet allocated, or a recycled
 * file), synced, renamed and its directory synced before any record goes in. So a head that does not
 * check out, or a file of another length, is damage and never the trace of a crash.
 */
import type { HardState, ServerId } from "../../raft/types.ts";
import { readU32, readU64, writeU32, writeU64 } from "../../util/bytes.ts";
import { checksum } from "../../util/checksum.ts";
import { checkFileHead, isFileHeadIntact, writeFileHead } from "../files/file_head.ts";
import { hexToBytes } from "../../util/hex.ts";
import type { ClusterId, Incarnation } from "../types.ts";

export const SEGMENT_HEAD_BYTES = 104;
const VERSION_NEW = 1;
const VERSION_RECYCLED = 2;
/** Longer files are refused before anything is allocated for them. */
export const SEGMENT_LENGTH_MAX = 0x7fff_ffff;

/** Whose log it is: goes into every head and into the generations. */
export interface LogOwner {
  readonly clusterId: ClusterId;
  readonly serverId: ServerId;
  readonly incarnation: Incarnation;
}

export interface SegmentHead {
  readonly sequence: number;
  readonly firstIndex: number;
  readonly previousTerm: number;
  readonly length: number;
  readonly hardState: HardState;
  readonly previousChecksum: number;
  /** The log restarts here: segments before this one do not count. */
  readonly restarts: boolean;
  /** Made of an older file: what was in it follows the log's end, and a marker says where that is. */
  readonly recycled: boolean;
}

/** The file name of segment `sequence`. */
export function segmentName(sequence: number): string {
  return `${String(sequence).padStart(16, "0")}.log`;
}

/** The sequence that a file name stands for, or null where it names no segment. */
export function segmentSequence(name: string): number | null {
  const match = /^(\d{16})\.log$/.exec(name);
  if (match === null) return null;
  const sequence = Number(match[1]);
  return Number.isSafeInteger(sequence) && sequence > 0 ? sequence : null;
}

/**
 * Differs for every segment, and can't be told without the server's incarnation: a client that
 * writes values which look like markers can't make them count.
 */
export function segmentGeneration(owner: LogOwner, sequence: number): number {
  const bytes = new Uint8Array(16);
  bytes.set(hexToBytes(owner.incarnation));
  writeU64(bytes, 8, sequence);
  return checksum(bytes);
}

export function encodeSegmentHead(owner: LogOwner, head: SegmentHead): Uint8Array {
  const bytes = new Uint8Array(SEGMENT_HEAD_BYTES);
  writeFileHead(bytes, "WA", owner, head.recycled ? VERSION_RECYCLED : VERSION_NEW);
  writeU64(bytes, 40, head.sequence);
  writeU32(bytes, 48, segmentGeneration(owner, head.sequence));
  writeU64(bytes, 52, head.firstIndex);
  writeU64(bytes, 60, head.previousTerm);
  writeU64(bytes, 68, head.length);
  writeU64(bytes, 76, head.hardState.term);
  writeU64(bytes, 84, head.hardState.votedFor);
  bytes[92] = head.hardState.suspect ? 1 : 0;
  bytes[93] = head.restarts ? 1 : 0;
  writeU32(bytes, 96, head.previousChecksum);
  writeU32(bytes, 100, checksum(bytes.subarray(0, 100)));
  return bytes;
}

/**
 * Reads the head of segment `sequence`. A string says what is damaged. Throws `DataDirectoryError`
 * where the file head is of an unknown version, or another server's or cluster's.
 */
export function decodeSegmentHead(
  path: string,
  bytes: Uint8Array,
  owner: LogOwner,
  sequence: number,
): SegmentHead | string {
  if (bytes.length < SEGMENT_HEAD_BYTES) return "the file ends inside its head";
  if (!isFileHeadIntact(bytes)) return "the checksum of its file head is wrong";
  checkFileHead(path, bytes, "WA", owner.serverId, owner.clusterId);
  if (checksum(bytes.subarray(0, 100)) !== readU32(bytes, 100)) {
    return "the checksum of its head is wrong";
  }
  if (readU64(bytes, 40) !== sequence) {
    return `it is segment ${readU64(bytes, 40)} under the name of segment ${sequence}`;
  }
  if (readU32(bytes, 48) !== segmentGeneration(owner, sequence)) {
    return "its generation is that of another server, or of an earlier life of this one";
  }
  const head: SegmentHead = {
    sequence,
    firstIndex: readU64(bytes, 52),
    previousTerm: readU64(bytes, 60),
    length: readU64(bytes, 68),
    hardState: {
      term: readU64(bytes, 76),
      votedFor: readU64(bytes, 84),
      suspect: bytes[92] === 1,
    },
    previousChecksum: readU32(bytes, 96),
    restarts: bytes[93] === 1,
    recycled: bytes[8] === VERSION_RECYCLED,
  };
  const numbers = [
    head.firstIndex,
    head.previousTerm,
    head.hardState.term,
    head.hardState.votedFor,
  ];
  if (!numbers.every(Number.isSafeInteger)) return "a number in its head is above 2^53 - 1";
  if (bytes[93]! > 1 || bytes[94] !== 0 || bytes[95] !== 0) {
    return "its head says something that this build does not know";
  }
  if (head.firstIndex < 1 || head.length < SEGMENT_HEAD_BYTES || head.length > SEGMENT_LENGTH_MAX) {
    return "a number in its head is out of range";
  }
  return head;
}

/** The checksum that the first record of a segment continues. */
export function headChecksum(owner: LogOwner, head: SegmentHead): number {
  return readU32(encodeSegmentHead(owner, head), SEGMENT_HEAD_BYTES - 4);
}
