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
import { type HardState, NOBODY, type ServerId, type SnapshotPosition } from "../raft/types.ts";
import type { Disk, DiskFile } from "../host/ports.ts";
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
  /** The highest index that any entry in it has; `firstIndex - 1` where there is none. */
  readonly lastIndex: number;
}

/** What comes up while segments are walked. */
export interface Findings {
  readonly replay: LogReplay;
  readonly damage: Damage[];
  readonly seen: Seen;
}

export interface LogScan {
  readonly segments: readonly SegmentScan[];
  /** Entries and hard state up to the first damage. */
  readonly replay: LogReplay;
  readonly damage: readonly Damage[];
  /** What was there, behind damage too. */
  readonly seen: Seen;
  /** Segments in front of the one where the log began anew: nothing in them counts. */
  readonly leftovers: readonly string[];
  /**
   * A last segment without records that its predecessor does not know of: a crash interrupted the
   * rotation. It goes, and the predecessor is the last one. Null mostly.
   */
  readonly unused: string | null;
}

/**
 * Scans the log in `directory`. `floor` is the newest snapshot: the log may begin right behind it.
 * Segments before `fromSequence` count as leftovers. Throws `DataDirectoryError` for what no scan
 * can go past: another server's files, an unknown version.
 */
export function scanLog(
  disk: Disk,
  directory: string,
  owner: LogOwner,
  floor: SnapshotPosition,
  fromSequence = 1,
): LogScan {
  const all = listSegments(disk, directory);
  const start = Math.max(fromSequence, lastRestart(disk, directory, owner, all));
  const scan = new LogScanner(disk, directory, owner, floor);
  const sequences = all.filter((sequence) => sequence >= start);
  sequences.forEach((sequence, i) => scan.segment(sequence, i === sequences.length - 1));
  const leftovers = all.filter((sequence) => sequence < start);
  return scan.finish(leftovers.map((sequence) => `${directory}/${segmentName(sequence)}`));
}

/** The last segment that begins the log anew, or 1. */
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

class LogScanner {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #owner: LogOwner;
  readonly #floor: SnapshotPosition;
  readonly #damage: Damage[] = [];
  readonly #segments: SegmentScan[] = [];
  readonly #seen = new Seen();
  #replay: LogReplay | null = null;
  #nextSequence: number | null = null;
  #unused: string | null = null;

  constructor(disk: Disk, directory: string, owner: LogOwner, floor: SnapshotPosition) {
    this.#disk = disk;
    this.#directory = directory;
    this.#owner = owner;
    this.#floor = floor;
  }

  segment(sequence: number, last: boolean): void {
    const damage = this.#damage;
    const path = this.#path(sequence);
    const previous = this.#segments.at(-1);
    const nextIndex = this.#replay?.nextIndex ?? this.#floor.index + 1;
    const expected = this.#nextSequence ?? sequence;
    if (sequence !== expected) damage.push(missing(this.#path(expected), nextIndex));
    this.#nextSequence = sequence + 1;
    const loaded = loadSegment(this.#disk, path, this.#owner, sequence);
    if (typeof loaded === "string") {
      damage.push({ ...missing(path, nextIndex), reason: loaded });
      return;
    }
    const { bytes, head } = loaded;
    this.#seen.head(head);
    if (last && previous !== undefined && !previous.closed && damage.length === 0) {
      if (isZero(bytes, SEGMENT_HEAD_BYTES, bytes.length)) {
        this.#unused = path;
        return;
      }
    }
    if (previous !== undefined) refuseOpenEnd(previous, damage, nextIndex);
    this.#continue(head, path, previous);
    const open = damage.at(-1);
    if (open !== undefined && open.lastIndex === null) closeRange(open, head.firstIndex);
    const findings = { replay: this.#replay!, damage, seen: this.#seen };
    this.#segments.push(scanRecords(path, bytes, this.#owner, head, findings));
  }

  finish(leftovers: string[]): LogScan {
    const damage = this.#damage;
    const final = this.#segments.at(-1);
    if (final === undefined && damage.length === 0) damage.push(missing(this.#path(1), 1));
    if (final !== undefined && final.closed) {
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

  /** Begins the replay at `head`, or checks that the head goes on where it is. */
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

/** The most that was seen anywhere: what a server with a damaged log may have promised. */
export class Seen {
  term = 0;
  /** A vote in `term`, or nobody where none was seen. */
  votedFor: ServerId = NOBODY;
  lastIndex = 0;

  hardState({ term, votedFor }: HardState): void {
    this.#term(term);
    if (term === this.term && votedFor !== NOBODY) this.votedFor = votedFor;
  }

  entry(index: number, term: number): void {
    this.#term(term);
    this.lastIndex = Math.max(this.lastIndex, index);
  }

  head(head: SegmentHead): void {
    this.hardState(head.hardState);
    this.entry(head.firstIndex - 1, head.previousTerm);
  }

  #term(term: number): void {
    if (term <= this.term) return;
    this.term = term;
    this.votedFor = NOBODY;
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
    const head = readHead(file, path, owner, sequence);
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

/** Says of the first damage where it is and what it means. */
export function damageSentence({ damage }: Pick<LogScan, "damage">): string {
  const more = damage.length > 1 ? ` ${damage.length} places are damaged in all.` : "";
  return oneDamageSentence(damage[0]!) + more;
}

/** Says where a damage is and what it means. */
export function oneDamageSentence(damage: Damage): string {
  const { path, offset, end, reason, firstIndex, lastIndex } = damage;
  const bytes = end > offset ? ` at byte ${offset} (up to byte ${end})` : "";
  const entries = lastIndex === null
    ? `entry ${firstIndex} and those after it`
    : `the entries ${firstIndex} to ${lastIndex}`;
  return `${path} is damaged${bytes}: ${reason}. This was durable once, so it is no trace of a ` +
    `crash, and ${entries} may be lost here.`;
}
