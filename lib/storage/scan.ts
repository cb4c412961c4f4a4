/**
 * Reads a write-ahead log and says what is in it and what is damaged, changing nothing. Recovery
 * builds on it, and so can a command that inspects a stopped server.
 *
 * Torn tail or damage? A crash may tear what was being written, and only that: bytes behind the last
 * sync, in the last segment. Damage is what can be proven to have been synced once:
 *  - a record that does not check out while a whole marker behind it says that it was synced;
 *  - anything in a segment that is not the last, for the next one is made after the last sync;
 *  - a segment of another length than its head says, or without a head that checks out;
 *  - a segment that is missing: in the middle, or at the end behind one that says it has a successor.
 */
import type { HardState, SnapshotPosition } from "../raft/types.ts";
import type { Disk } from "../host/ports.ts";
import { DataDirectoryError } from "./errors.ts";
import { LogReplay } from "./replay.ts";
import { isZero } from "./records.ts";
import { scanRecords } from "./scan_records.ts";
import {
  decodeSegmentHead,
  type LogOwner,
  SEGMENT_HEAD_BYTES,
  SEGMENT_LENGTH_MAX,
  type SegmentHead,
  segmentName,
  segmentSequence,
} from "./segment_head.ts";

/** Bytes that were durable once and do not check out now. */
export interface Damage {
  readonly path: string;
  /** The damaged bytes: `[offset, end)`. */
  readonly offset: number;
  readonly end: number;
  readonly reason: string;
  /** The entries that were in them, as far as what follows tells; null where it does not. */
  readonly firstIndex: number;
  lastIndex: number | null;
}

/** What stands in one segment. */
export interface SegmentScan {
  readonly path: string;
  readonly head: SegmentHead;
  /** Offset behind the last record that checks out. */
  readonly end: number;
  /** Checksum of that record (the head's where there is none). */
  readonly chain: number;
  /** Everything before this offset is proven to have been synced. */
  readonly proven: number;
  /** The last record is a marker, so that `proven` says all there is to say. */
  readonly endsWithMarker: boolean;
  /** A marker says that the log goes on in the next segment. */
  readonly closed: boolean;
  /** Offset behind the last byte that is not zero; above `end` where a tail is torn. */
  readonly usedEnd: number;
}

export interface LogScan {
  readonly segments: readonly SegmentScan[];
  /** Entries and hard state up to the first damage. */
  readonly replay: LogReplay;
  readonly damage: readonly Damage[];
  /**
   * A last segment without records that its predecessor does not know of: a crash interrupted the
   * rotation. It goes, and the predecessor is the last one. Null mostly.
   */
  readonly unused: string | null;
}

/**
 * Scans the log in `directory`. `floor` is the newest snapshot: the log may begin right behind it.
 * Throws `DataDirectoryError` for what no scan can go past: another server's files, an unknown
 * version.
 */
export function scanLog(
  disk: Disk,
  directory: string,
  owner: LogOwner,
  floor: SnapshotPosition,
): LogScan {
  const sequences = listSegments(disk, directory);
  const damage: Damage[] = [];
  const segments: SegmentScan[] = [];
  if (sequences.length === 0) {
    damage.push(missing(`${directory}/${segmentName(1)}`, 1));
    return { segments, replay: new LogReplay(1, 0, NEW_HARD_STATE), damage, unused: null };
  }
  let replay: LogReplay | null = null;
  let unused: string | null = null;
  for (let i = 0; i < sequences.length; i++) {
    const sequence = sequences[i]!;
    const path = `${directory}/${segmentName(sequence)}`;
    const previous = segments.at(-1);
    if (previous !== undefined && sequence !== previous.head.sequence + 1) {
      const name = segmentName(previous.head.sequence + 1);
      damage.push(missing(`${directory}/${name}`, replay?.nextIndex ?? 1));
    }
    const loaded = loadSegment(disk, path, owner, sequence);
    if (typeof loaded === "string") {
      damage.push({ ...missing(path, replay?.nextIndex ?? 1), reason: loaded });
      continue;
    }
    const { bytes, head } = loaded;
    const last = i === sequences.length - 1;
    if (last && previous !== undefined && !previous.closed && damage.length === 0) {
      if (isZero(bytes, SEGMENT_HEAD_BYTES, bytes.length)) {
        unused = path;
        break;
      }
    }
    if (previous !== undefined) refuseOpenEnd(previous, damage, replay!.nextIndex);
    if (replay === null) {
      replay = new LogReplay(head.firstIndex, head.previousTerm, head.hardState);
      if (head.firstIndex > floor.index + 1) {
        damage.push(missing(`${directory}/${segmentName(sequence - 1)}`, floor.index + 1));
      }
    } else if (damage.length === 0) {
      const problem = continues(head, previous!, replay);
      if (problem !== null) {
        damage.push({ ...missing(path, replay.nextIndex), end: head.length, reason: problem });
      }
    }
    const open = damage.at(-1);
    if (open !== undefined && open.lastIndex === null) closeRange(open, head.firstIndex);
    segments.push(scanRecords(path, bytes, owner, head, replay, damage));
  }
  const final = segments.at(-1);
  if (final !== undefined && final.closed) {
    const name = segmentName(final.head.sequence + 1);
    damage.push(missing(`${directory}/${name}`, replay!.nextIndex));
  }
  replay ??= new LogReplay(1, 0, NEW_HARD_STATE);
  return { segments, replay, damage, unused };
}

const NEW_HARD_STATE: HardState = { term: 0, votedFor: 0, suspect: false };

/** The sequences of all segments in `directory`, ascending. */
export function listSegments(disk: Disk, directory: string): number[] {
  const sequences: number[] = [];
  for (const name of disk.list(directory)) {
    const sequence = segmentSequence(name);
    if (sequence !== null) sequences.push(sequence);
  }
  return sequences.sort((a, b) => a - b);
}

/** Notes where a damaged range of entries ends, now that entry `next` is known to follow it. */
export function closeRange(damage: Damage, next: number): void {
  if (next > damage.firstIndex) damage.lastIndex = next - 1;
}

function missing(path: string, firstIndex: number): Damage {
  return { path, offset: 0, end: 0, reason: "the file is missing", firstIndex, lastIndex: null };
}

/** A segment's bytes and head, or a sentence that says how it is damaged. */
function loadSegment(
  disk: Disk,
  path: string,
  owner: LogOwner,
  sequence: number,
): { bytes: Uint8Array; head: SegmentHead } | string {
  const file = disk.open(path, { readOnly: true });
  try {
    const size = file.size();
    const headBytes = new Uint8Array(Math.min(size, SEGMENT_HEAD_BYTES));
    if (file.read(0, headBytes) !== headBytes.length) return "it can't be read whole";
    const head = decodeSegmentHead(path, headBytes, owner, sequence);
    if (typeof head === "string") return head;
    if (size !== head.length || size > SEGMENT_LENGTH_MAX) {
      return `it is ${size} bytes long, but was made with ${head.length}`;
    }
    const bytes = new Uint8Array(size);
    if (file.read(0, bytes) !== size) return "it can't be read whole";
    return { bytes, head };
  } finally {
    file.close();
  }
}

/** A segment that has a successor with records ends with a marker that says so. */
function refuseOpenEnd(previous: SegmentScan, damage: Damage[], nextIndex: number): void {
  if (previous.closed) return;
  damage.push({
    path: previous.path,
    offset: previous.end,
    end: previous.head.length,
    reason: "it breaks off, but the log goes on in the next file",
    firstIndex: nextIndex,
    lastIndex: null,
  });
}

function continues(head: SegmentHead, previous: SegmentScan, replay: LogReplay): string | null {
  const { hardState } = replay;
  const same = head.previousChecksum === previous.chain && head.firstIndex === replay.nextIndex &&
    head.previousTerm === replay.lastTerm && head.hardState.term === hardState.term &&
    head.hardState.votedFor === hardState.votedFor && head.hardState.suspect === hardState.suspect;
  return same ? null : "it does not continue the file before it";
}

/** Throws for the first damage, in a sentence that says where and what to do. */
export function refuseDamage(scan: LogScan): void {
  const first = scan.damage[0];
  if (first === undefined) return;
  const { path, offset, end, firstIndex, lastIndex } = first;
  const bytes = end > offset ? ` at byte ${offset} (up to byte ${end})` : "";
  const entries = lastIndex === null
    ? `entry ${firstIndex} and those after it`
    : `the entries ${firstIndex} to ${lastIndex}`;
  const more = scan.damage.length > 1 ? ` ${scan.damage.length} places are damaged in all.` : "";
  throw new DataDirectoryError(
    `${path} is damaged${bytes}: ${first.reason}. This was durable once, so it is no trace of a ` +
      `crash, and ${entries} may be lost here.${more} Nothing was changed. The other servers go ` +
      "on without this one; put back a copy of this file, or keep this server stopped until it " +
      "can be repaired from its peers. Do not delete the directory while another server is down.",
  );
}
