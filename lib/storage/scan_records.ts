/** Walks the records of one segment. */
import { ByteFormatError, ByteReader, readU32 } from "../util/bytes.ts";
import { DataDirectoryError } from "./errors.ts";
import {
  checkRecord,
  decodeEntries,
  decodeHardState,
  findMarker,
  type Marker,
  MARKER_BYTES,
  readMarker,
  RECORD_HEAD_BYTES,
  RecordType,
} from "./records.ts";
import { closeRange, type Findings, type SegmentScan } from "./scan.ts";
import {
  type LogOwner,
  SEGMENT_HEAD_BYTES,
  segmentGeneration,
  type SegmentHead,
} from "./segment_head.ts";

/**
 * Walks the records of a segment whose head checks out. Before the first damage they go into
 * `replay`; behind it they only tell which entries the damage took, and what there was. What is
 * found to be damaged is added to `damage`; bytes behind the last record that nothing proves are
 * left to the caller.
 */
export function scanRecords(
  path: string,
  bytes: Uint8Array,
  owner: LogOwner,
  head: SegmentHead,
  findings: Findings,
): SegmentScan {
  const { replay, damage } = findings;
  const generation = segmentGeneration(owner, head.sequence);
  let chain = readU32(bytes, SEGMENT_HEAD_BYTES - 4);
  let offset = SEGMENT_HEAD_BYTES;
  let proven = SEGMENT_HEAD_BYTES;
  let endsWithMarker = true;
  let closed = false;
  let lastIndex = head.firstIndex - 1;
  let nextIndex = damage.length === 0 ? replay.nextIndex : head.firstIndex;
  while (!closed) {
    const end = checkRecord(bytes, offset, chain);
    if (end === 0) {
      const resume = laterMarker(bytes, offset, generation);
      if (resume === -1) break;
      damage.push({
        path,
        offset,
        end: resume,
        reason: "a record's checksum is wrong, and a marker behind it says that it was synced",
        firstIndex: nextIndex,
        lastIndex: null,
      });
      // The marker's own place in the chain is taken on trust; what follows has to continue it.
      chain = readU32(bytes, resume);
      offset = resume + MARKER_BYTES;
      proven = resume;
      endsWithMarker = true;
      closed = readMarker(bytes, resume, generation)!.endOfSegment;
      continue;
    }
    const marker = readRecord(path, bytes, offset, end, generation, findings);
    if (typeof marker === "number") lastIndex = Math.max(lastIndex, marker);
    else if (marker !== null) {
      proven = Math.max(proven, marker.synced);
      closed = marker.endOfSegment;
    }
    if (damage.length === 0) nextIndex = replay.nextIndex;
    endsWithMarker = marker !== null && typeof marker !== "number";
    chain = readU32(bytes, offset);
    offset = end;
  }
  let usedEnd = bytes.length;
  while (usedEnd > offset && bytes[usedEnd - 1] === 0) usedEnd--;
  return { path, head, end: offset, chain, proven, endsWithMarker, closed, usedEnd, lastIndex };
}

/** The first marker behind `offset` which proves that the byte at `offset` was synced, or -1. */
function laterMarker(bytes: Uint8Array, offset: number, generation: number): number {
  let at = findMarker(bytes, offset, generation);
  while (at !== -1 && readMarker(bytes, at, generation)!.synced <= offset) {
    at = findMarker(bytes, at + 1, generation);
  }
  return at;
}

/**
 * Takes in a record whose checksum is right. Returns it where it is a marker, and the last index
 * where it has entries.
 */
function readRecord(
  path: string,
  bytes: Uint8Array,
  offset: number,
  end: number,
  generation: number,
  findings: Findings,
): Marker | number | null {
  const { replay, damage, seen } = findings;
  const body = new ByteReader(bytes, offset + RECORD_HEAD_BYTES, end);
  const type = bytes[offset + 8]!;
  let problem: string | null = null;
  try {
    if (type === RecordType.marker) {
      const marker = end === offset + MARKER_BYTES ? readMarker(bytes, offset, generation) : null;
      if (marker !== null) return marker;
      problem = "a marker that is none";
    } else if (type === RecordType.hardState) {
      const hardState = decodeHardState(body);
      seen.hardState(hardState);
      if (damage.length === 0) replay.hardState = hardState;
    } else if (type === RecordType.entries) {
      const entries = decodeEntries(body);
      const open = damage.at(-1);
      if (open === undefined) problem = replay.append(entries);
      else if (open.lastIndex === null && entries.length > 0) closeRange(open, entries[0]!.index);
      const last = entries.at(-1);
      if (problem === null && last !== undefined) {
        seen.entry(last.index, last.term);
        return last.index;
      }
    } else {
      throw new DataDirectoryError(
        `${path} has a record of type ${type} at byte ${offset}, which this build does not know. ` +
          "Run the build that wrote it.",
      );
    }
  } catch (error) {
    if (!(error instanceof ByteFormatError)) throw error;
    problem = error.message;
  }
  if (problem !== null) {
    throw new DataDirectoryError(
      `${path} has a record at byte ${offset} whose checksum is right and whose contents are ` +
        `not: ${problem}. That is a fault of the program that wrote it: keep the file and ` +
        "report it.",
    );
  }
  return null;
}
