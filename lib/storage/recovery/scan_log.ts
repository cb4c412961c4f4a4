/**
 * Reads a write-ahead log and reports what is in it and what is damaged, changing nothing. Recovery and
 * inspection both build on it.
 *
 * Torn tail or damage? A crash may tear what was being written, and only that: bytes of the last segment,
 * after the last sync. What was synced before is damage where it does not check out. classify_tail.ts
 * decides that for the place where a segment's records end. Damage also is a segment of another length
 * than its head says, one whose head does not check out or does not continue the segment before it, and
 * one that is missing.
 */
import type { HardState, SnapshotPosition } from "../../raft/types.ts";
import type { Disk, DiskFile } from "../../host/ports.ts";
import { closeRange, type Damage, missing } from "./damage.ts";
import { findLostEnd, type LostEnd } from "./lost_end.ts";
import { LogReplay } from "./replay.ts";
import { Seen } from "./seen.ts";
import { isUnused, type LaterSegments, scanRecords, type SegmentScan } from "./scan_records.ts";
import {
  decodeSegmentHead,
  type LogOwner,
  SEGMENT_HEAD_BYTES,
  SEGMENT_LENGTH_MAX,
  type SegmentHead,
  segmentName,
  segmentSequence,
} from "../segments/segment_head.ts";
import { SegmentWindow, WINDOW_BYTES } from "./segment_window.ts";

export interface LogScan {
  readonly segments: readonly SegmentScan[];
  /** Entries and hard state up to the first damage. */
  readonly replay: LogReplay;
  readonly damage: readonly Damage[];
  /** What was there, after damage too. */
  readonly seen: Seen;
  /** Segments before the one that restarted the log: nothing in them counts. */
  readonly leftovers: readonly string[];
  /**
   * A last segment without records, of which the one before it has no end marker: a crash interrupted
   * the change of segments. Startup takes it away, and the one before it is the last. Usually null.
   */
  readonly unused: UnusedSegment | null;
}

export interface UnusedSegment {
  readonly path: string;
  readonly head: SegmentHead;
}

export interface ScanOptions {
  /** Segments before this one count as leftovers. */
  readonly fromSequence?: number;
  /**
   * Segments all of whose entries come before this index are checked, but their entries are not kept.
   * The index after the floor's unless given.
   */
  readonly keepFromIndex?: number;
}

/**
 * Scans the log in `directory`. `floor` is the newest snapshot: the log may begin with the entry after it.
 * Throws `DataDirectoryError` for what no scan can pass: another server's files, an unknown version.
 */
export function scanLog(
  disk: Disk,
  directory: string,
  owner: LogOwner,
  floor: SnapshotPosition,
  { fromSequence = 1, keepFromIndex = floor.index + 1 }: ScanOptions = {},
): LogScan {
  const all = listSegments(disk, directory);
  const start = Math.max(fromSequence, lastRestart(disk, directory, owner, all));
  const sequences = all.filter((sequence) => sequence >= start);
  const scan = new LogScanner(disk, directory, owner, floor, sequences);
  sequences.forEach((sequence, i) => {
    const next = sequences[i + 1];
    const isWanted = next === undefined ||
      !beginsBy(keepFromIndex, readSegmentHead(disk, directory, owner, next));
    scan.segment(sequence, isWanted);
  });
  const leftovers = all.filter((sequence) => sequence < start);
  scan.lookForLostEnd();
  return scan.finish(leftovers.map((sequence) => `${directory}/${segmentName(sequence)}`));
}

/** Whether all entries from `index` on are in the segment with `head` and later ones. */
function beginsBy(index: number, head: SegmentHead | string): boolean {
  return typeof head !== "string" && head.firstIndex <= index;
}

/** The last segment that restarts the log, or 1. */
function lastRestart(
  disk: Disk,
  directory: string,
  owner: LogOwner,
  sequences: readonly number[],
): number {
  for (let i = sequences.length - 1; i > 0; i--) {
    const head = readSegmentHead(disk, directory, owner, sequences[i]!);
    if (typeof head !== "string" && head.restarts) return sequences[i]!;
  }
  return 1;
}

/** A segment's head, or a sentence that says how it is damaged. */
export function readSegmentHead(
  disk: Disk,
  directory: string,
  owner: LogOwner,
  sequence: number,
): SegmentHead | string {
  const path = `${directory}/${segmentName(sequence)}`;
  const file = disk.open(path, { readOnly: true });
  try {
    return readHead(file, path, owner, sequence);
  } finally {
    file.close();
  }
}

/** For a look at the next segment, while the window of this one is in use. */
const PEEK_BYTES = 65_536;

class LogScanner {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #owner: LogOwner;
  readonly #floor: SnapshotPosition;
  /** Of the segments that are there, ascending. */
  readonly #sequences: readonly number[];
  readonly #damage: Damage[] = [];
  readonly #segments: SegmentScan[] = [];
  readonly #seen = new Seen();
  readonly #buffer = new Uint8Array(WINDOW_BYTES);
  #replay: LogReplay | null = null;
  #nextSequence: number | null = null;
  #unused: UnusedSegment | null = null;
  /** Undefined before it was looked for. */
  #lostEnd: LostEnd | null | undefined = undefined;

  constructor(
    disk: Disk,
    directory: string,
    owner: LogOwner,
    floor: SnapshotPosition,
    sequences: readonly number[],
  ) {
    this.#sequences = sequences;
    this.#disk = disk;
    this.#directory = directory;
    this.#owner = owner;
    this.#floor = floor;
  }

  /** `isWanted`: false where the entries need not be kept. */
  segment(sequence: number, isWanted: boolean): void {
    const path = this.#path(sequence);
    const file = this.#disk.open(path, { readOnly: true });
    try {
      this.#segment(file, sequence, isWanted);
    } finally {
      file.close();
    }
    if (!isWanted && this.#damage.length === 0) this.#replay?.dropAll();
  }

  #segment(file: DiskFile, sequence: number, withData: boolean): void {
    const damage = this.#damage;
    const path = this.#path(sequence);
    const previous = this.#segments.at(-1);
    const nextIndex = this.#replay?.nextIndex ?? this.#floor.index + 1;
    const expected = this.#nextSequence ?? sequence;
    if (sequence !== expected) damage.push(missing(this.#path(expected), nextIndex));
    this.#nextSequence = sequence + 1;
    const head = checkedHead(file, path, this.#owner, sequence);
    if (typeof head === "string") {
      damage.push({ ...missing(path, nextIndex), reason: head });
      return;
    }
    const window = new SegmentWindow(file, head.length, this.#buffer);
    this.#seen.head(head);
    if (previous?.tail.dropsNext === true) {
      this.#unused = { path, head };
      return;
    }
    if (previous !== undefined) refuseOpenEnd(previous, damage, nextIndex);
    this.#continue(head, path, previous);
    const open = damage.at(-1);
    if (open !== undefined && open.lastIndex === null) closeRange(open, head.firstIndex);
    const findings = { replay: this.#replay!, withData, damage, seen: this.#seen };
    const later = (isClosed: boolean) => this.#later(sequence, isClosed);
    this.#segments.push(scanRecords(path, window, this.#owner, head, findings, later));
  }

  #later(sequence: number, isClosed: boolean): LaterSegments {
    const next = this.#next(sequence, isClosed);
    const isAsked = !isClosed && (next === "none" || next === "unused");
    return { next, isLaterProven: isAsked && this.#findLostEnd() !== null };
  }

  /** Looks at the segment after `sequence`. What follows damage is never unused: it may say more. */
  #next(sequence: number, isClosed: boolean): LaterSegments["next"] {
    const next = this.#sequences.find((one) => one > sequence);
    if (next === undefined) return "none";
    if (next !== sequence + 1) return "gap";
    const path = this.#path(next);
    const file = this.#disk.open(path, { readOnly: true });
    try {
      const head = checkedHead(file, path, this.#owner, next);
      if (typeof head === "string") return "unreadable";
      if (isClosed || this.#damage.length > 0 || next !== this.#sequences.at(-1)) return "used";
      const window = new SegmentWindow(file, head.length, new Uint8Array(PEEK_BYTES));
      return isUnused(window, this.#owner, head) ? "unused" : "used";
    } finally {
      file.close();
    }
  }

  #findLostEnd(): LostEnd | null {
    const last = this.#sequences.at(-1);
    if (last === undefined) return null;
    if (this.#lostEnd === undefined) {
      this.#lostEnd = findLostEnd(this.#disk, this.#directory, this.#owner, last);
    }
    return this.#lostEnd;
  }

  lookForLostEnd(): void {
    const lost = this.#findLostEnd();
    const last = this.#sequences.at(-1);
    // A last segment that is closed says by itself that one is missing.
    if (lost === null || last === undefined || this.#segments.at(-1)?.closed === true) return;
    this.#seen.head(lost.head);
    const damage: Damage = {
      ...missing(this.#path(last + 1), this.#replay?.nextIndex ?? this.#floor.index + 1),
      reason:
        `the file is missing, and ${lost.path} is of segment ${lost.head.sequence}, which is ` +
        "begun after it: the disk lost what it had said to be on it",
    };
    closeRange(damage, lost.head.firstIndex);
    this.#damage.push(damage);
  }

  finish(leftovers: string[]): LogScan {
    const damage = this.#damage;
    const final = this.#segments.at(-1);
    if (final === undefined && damage.length === 0) damage.push(missing(this.#path(1), 1));
    if (final?.closed === true && this.#nextSequence === final.head.sequence + 1) {
      damage.push(missing(this.#path(final.head.sequence + 1), this.#replay!.nextIndex));
    }
    return {
      segments: this.#segments,
      replay: this.#replay ?? new LogReplay(1, 0, NEW_HARD_STATE),
      damage,
      seen: this.#seen,
      leftovers,
      unused: this.#unused,
    };
  }

  /** Begins the replay at `head`, or checks that the head continues it. */
  #continue(head: SegmentHead, path: string, previous: SegmentScan | undefined): void {
    const damage = this.#damage;
    if (this.#replay === null) {
      this.#replay = new LogReplay(head.firstIndex, head.previousTerm, head.hardState);
      if (head.firstIndex > this.#floor.index + 1) {
        damage.push(missing(this.#path(head.sequence - 1), this.#floor.index + 1));
      }
      return;
    }
    if (damage.length > 0) return;
    const problem = continues(head, previous!, this.#replay);
    if (problem === null) return;
    const { nextIndex } = this.#replay;
    damage.push({ ...missing(path, nextIndex), end: head.length, reason: problem });
  }

  #path(sequence: number): string {
    return `${this.#directory}/${segmentName(sequence)}`;
  }
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

/** A segment's head where the file is as long as it says, or a sentence that says what is wrong. */
function checkedHead(
  file: DiskFile,
  path: string,
  owner: LogOwner,
  sequence: number,
): SegmentHead | string {
  const size = file.size();
  const head = readHead(file, path, owner, sequence);
  if (typeof head === "string") return head;
  if (size === head.length && size <= SEGMENT_LENGTH_MAX) return head;
  return `it is ${size} bytes long, but was made with ${head.length}`;
}

function readHead(
  file: DiskFile,
  path: string,
  owner: LogOwner,
  sequence: number,
): SegmentHead | string {
  const bytes = new Uint8Array(Math.min(file.size(), SEGMENT_HEAD_BYTES));
  if (file.read(0, bytes) !== bytes.length) return "it can't be read whole";
  return decodeSegmentHead(path, bytes, owner, sequence);
}

/** A segment that has a successor with records ends with a marker that says so. */
function refuseOpenEnd(previous: SegmentScan, damage: Damage[], nextIndex: number): void {
  if (previous.closed) return;
  damage.push({
    path: previous.path,
    offset: previous.end,
    end: previous.head.length,
    reason: "it breaks off, but the log continues in the next file",
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
