/** Walks the records of one segment. */
import { ByteFormatError, ByteReader, readU32, readU64 } from "../../util/bytes.ts";
import { DataDirectoryError } from "../errors.ts";
import {
  decodeHardState,
  decodeRecordEntries,
  type Marker,
  MARKER_BYTES,
  readMarker,
  RECORD_HEAD_BYTES,
  RecordType,
} from "../segments/records.ts";
import { classifyTail, type TailFacts, type TailRow } from "./classify_tail.ts";
import { closeRange, type Damage } from "./damage.ts";
import type { LogReplay } from "./replay.ts";
import type { Seen } from "./seen.ts";
import {
  type LogOwner,
  SEGMENT_HEAD_BYTES,
  segmentGeneration,
  type SegmentHead,
} from "../segments/segment_head.ts";
import type { SegmentWindow } from "./segment_window.ts";

/** What stands in one segment. */
export interface SegmentScan {
  readonly path: string;
  readonly head: SegmentHead;
  /** Offset after the last record that checks out. */
  readonly end: number;
  /** Checksum of that record (the head's where there is none). */
  readonly chain: number;
  /** Everything before this offset is proven to have been synced. */
  readonly proven: number;
  /** The last record is a marker, so that `proven` says all there is to say. */
  readonly endsWithMarker: boolean;
  /** The marker of the segment's end is there: the log continues in the next segment. */
  readonly closed: boolean;
  /** What the end of its records means. */
  readonly tail: TailRow;
  /** Offset after the last byte of a torn tail; `end` where there is none. */
  readonly usedEnd: number;
  /** The highest index that any entry in it has; `firstIndex - 1` where there is none. */
  readonly lastIndex: number;
}

/** What comes up while segments are walked. */
export interface Findings {
  readonly replay: LogReplay;
  /** False where what entries hold is not wanted, as a snapshot has it. */
  readonly withData: boolean;
  readonly damage: Damage[];
  readonly seen: Seen;
}

/** What is known of the segments after this one. */
export type LaterSegments = Pick<TailFacts, "next" | "isLaterProven">;

/**
 * Walks the records of a segment whose head checks out. Before the first damage they go into
 * `replay`; after it they only tell which entries the damage took, and what there was. Records that
 * turn out damaged are added to `damage`; what else `tail` means is left to the caller.
 */
export function scanRecords(
  path: string,
  window: SegmentWindow,
  owner: LogOwner,
  head: SegmentHead,
  findings: Findings,
  later: (isClosed: boolean) => LaterSegments,
): SegmentScan {
  const { replay, damage } = findings;
  const generation = segmentGeneration(owner, head.sequence);
  let chain = readU32(window.view(SEGMENT_HEAD_BYTES - 4, 4), 0);
  let offset = SEGMENT_HEAD_BYTES;
  let proven = SEGMENT_HEAD_BYTES;
  let endsWithMarker = true;
  let closed = false;
  let lastIndex = head.firstIndex - 1;
  let nextIndex = damage.length === 0 ? replay.nextIndex : head.firstIndex;
  let tail: TailRow | null = null;
  let usedEnd = offset;
  while (!closed) {
    const end = window.checkRecord(offset, chain);
    const here = end === offset + MARKER_BYTES ? markerAt(window, offset, generation) : null;
    if (end === 0 || here?.endOfLog === true) {
      const after = lookAfter(window, offset, generation, head.recycled);
      tail = classifyTail({
        isRecycled: head.recycled,
        ending: head.recycled && end !== 0 ? "ended" : "open",
        after: after.found,
        ...later(false),
      });
      const { resume } = after;
      if (tail.verdict !== "damaged" || resume === null) {
        usedEnd = tail.verdict === "torn" ? tornEnd(window, offset, head, after) : offset;
        break;
      }
      damage.push(unreadable(path, offset, resume.offset, nextIndex));
      // The marker's own place in the chain is taken on trust; what follows has to continue it.
      chain = resume.chain;
      proven = resume.offset;
      endsWithMarker = true;
      closed = resume.endOfSegment;
      offset = resume.offset + MARKER_BYTES;
      continue;
    }
    const record = window.view(offset, end - offset);
    const before = chain;
    chain = readU32(record, 0);
    const marker = readRecord(path, record, offset, generation, findings);
    if (typeof marker === "number") {
      lastIndex = Math.max(lastIndex, marker);
      const firstIndex = readU64(record, RECORD_HEAD_BYTES);
      const place = { path, offset, end, chain: before, firstIndex, lastIndex: marker };
      if (damage.length === 0) replay.index.note(place);
    } else if (marker !== null) {
      proven = Math.max(proven, marker.synced);
      closed = marker.endOfSegment;
    }
    if (damage.length === 0) nextIndex = replay.nextIndex;
    endsWithMarker = marker !== null && typeof marker !== "number";
    offset = end;
  }
  if (closed || tail === null) {
    const isRecycled = head.recycled;
    tail = classifyTail({ isRecycled, ending: "closed", after: "unread", ...later(true) });
    usedEnd = offset;
  }
  const where = { path, head, end: offset, chain, proven };
  return { ...where, endsWithMarker, closed, tail, usedEnd, lastIndex };
}

function unreadable(path: string, offset: number, end: number, firstIndex: number): Damage {
  const reason = "a record's checksum is wrong, and a marker after it says that it was synced";
  return { path, offset, end, reason, firstIndex, lastIndex: null };
}

/** Whether a segment has no records: asked where the segment before it is not closed. */
export function isUnused(window: SegmentWindow, owner: LogOwner, head: SegmentHead): boolean {
  if (!head.recycled) return window.usedEnd(SEGMENT_HEAD_BYTES) === SEGMENT_HEAD_BYTES;
  const generation = segmentGeneration(owner, head.sequence);
  const marker = markerAt(window, SEGMENT_HEAD_BYTES, generation);
  if (marker === null || !marker.endOfLog) return false;
  return window.findMarker(SEGMENT_HEAD_BYTES + 1, window.length, generation) === -1;
}

interface Resume {
  /** Of the marker's record. */
  readonly offset: number;
  readonly chain: number;
  readonly endOfSegment: boolean;
}

/** What there is from the end of the records on. */
interface After {
  readonly found: Exclude<TailFacts["after"], "unread">;
  /** The first marker which proves that the records' end was synced: the scan resumes there; or null. */
  readonly resume: Resume | null;
  /** Offset after the last marker of this segment that is there, and proves nothing; or 0. */
  readonly markerEnd: number;
  /** As `SegmentWindow.usedEnd`; the file's length in a recycled segment. */
  readonly usedEnd: number;
}

function lookAfter(
  window: SegmentWindow,
  offset: number,
  generation: number,
  recycled: boolean,
): After {
  const usedEnd = recycled ? window.length : window.usedEnd(offset);
  // A marker ends with a checksum that may end with zeroes.
  const to = Math.min(window.length, usedEnd + MARKER_BYTES);
  let markerEnd = 0;
  for (let at = window.findMarker(offset, to, generation); at !== -1;) {
    const { synced, endOfSegment } = markerAt(window, at, generation)!;
    const chain = readU32(window.view(at, MARKER_BYTES), 0);
    if (synced > offset) {
      return { found: "proof", resume: { offset: at, chain, endOfSegment }, markerEnd, usedEnd };
    }
    if (at > offset) markerEnd = at + MARKER_BYTES;
    at = window.findMarker(at + 1, to, generation);
  }
  const found = markerEnd > 0 ? "marker" : usedEnd > offset ? "bytes" : "zeroes";
  return { found, resume: null, markerEnd, usedEnd };
}

function markerAt(window: SegmentWindow, offset: number, generation: number): Marker | null {
  return readMarker(window.view(offset, MARKER_BYTES), 0, generation, offset);
}

/** Where the torn tail ends that begins at `end`: what is to be cut off, and shows that it was begun. */
function tornEnd(
  window: SegmentWindow,
  end: number,
  head: SegmentHead,
  { markerEnd, usedEnd }: After,
): number {
  if (!head.recycled) return usedEnd;
  return markerEnd > 0 ? markerEnd : Math.min(window.length, end + MARKER_BYTES);
}

/**
 * Takes in a record whose checksum is right. Returns it where it is a marker, and the last index
 * where it has entries.
 */
function readRecord(
  path: string,
  record: Uint8Array,
  offset: number,
  generation: number,
  findings: Findings,
): Marker | number | null {
  const { replay, damage, seen, withData } = findings;
  const body = new ByteReader(record, RECORD_HEAD_BYTES);
  const type = record[8]!;
  let problem: string | null = null;
  try {
    if (type === RecordType.marker) {
      const isLong = record.length !== MARKER_BYTES;
      const marker = isLong ? null : readMarker(record, 0, generation, offset);
      if (marker !== null) return marker;
      problem = "a marker that is none";
    } else if (type === RecordType.hardState) {
      const hardState = decodeHardState(body);
      seen.hardState(hardState);
      if (damage.length === 0) replay.hardState = hardState;
    } else if (type === RecordType.entries) {
      const entries = decodeRecordEntries(body, withData);
      const open = damage.at(-1);
      if (open === undefined) problem = replay.append(entries);
      else if (open.lastIndex === null && entries.length > 0) closeRange(open, entries[0]!.index);
      const last = entries.at(-1);
      if (problem === null && last !== undefined) {
        seen.entries(entries);
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
