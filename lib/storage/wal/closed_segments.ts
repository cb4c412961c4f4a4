/** Where a log is, where it resumes, and the segments that are not written to any more. */
import type { HardState, SnapshotPosition } from "../../raft/types.ts";
import type { Disk, DiskFile } from "../../host/ports.ts";
import { endProcess } from "../files/new_file.ts";
import type { LogOwner, SegmentHead } from "../segments/segment_head.ts";
import type { FollowerNeeds } from "../types.ts";
import type { SpareSegments } from "../segments/spare_segments.ts";
import type { LogIndex } from "./log_index.ts";

export interface LogPlace {
  readonly disk: Disk;
  /** The directory of the segments. */
  readonly directory: string;
  readonly owner: LogOwner;
  readonly segmentBytesMax: number;
  readonly spares: SpareSegments;
}

/** Where a log resumes: after its last durable record. */
export interface ResumePoint {
  readonly head: SegmentHead;
  /** The segment, open for writing. */
  readonly file: DiskFile;
  readonly offset: number;
  readonly chain: number;
  readonly endsWithMarker: boolean;
  readonly hardState: HardState;
  readonly nextIndex: number;
  readonly lastTerm: number;
  /** The highest index of an entry in this segment; its first index less one where it has none. */
  readonly lastIndex: number;
  /** The segments before, ascending. */
  readonly closed: readonly ClosedSegment[];
  /** Where the entries of all of these are. */
  readonly index: LogIndex;
}

/** A segment that is not written to any more. */
export interface ClosedSegment {
  readonly path: string;
  /** The highest index that any entry in it has. */
  readonly lastIndex: number;
  /** Bytes that it takes on the disk. */
  readonly bytes: number;
  /** Of the file. */
  readonly length: number;
}

/** What the log needs to know about the rest of its directory. */
export interface LogSurroundings {
  /** Entries after this index are kept, whatever `compact` is asked. */
  fallbackIndex(): number;
  /** The log continues after `position`: older snapshots have no use any more. */
  restarted(position: SnapshotPosition): void;
  finishRepair(): void;
}

const NO_NEEDS: FollowerNeeds = { fromIndex: Infinity, bytesMax: 0 };

/** The segments before the one that is written to, ascending. */
export class ClosedSegments {
  readonly #disk: Disk;
  readonly #directory: string;
  #segments: ClosedSegment[];
  readonly #spares: SpareSegments;
  readonly #index: LogIndex;
  readonly #isFull: () => boolean;
  /** Being removed, the oldest first. */
  #leaving: ClosedSegment[] = [];
  /** This server itself needs the entries from here on. */
  #ownFrom = 0;
  /** Who waits for the room of the next that goes. */
  #waiting: (() => void)[] = [];
  #isClosed = false;

  /** `isFull`: true while the disk has no room for new files, so every file is kept. */
  constructor(
    { disk, directory, spares }: LogPlace,
    { closed, index }: Pick<ResumePoint, "closed" | "index">,
    isFull: () => boolean,
  ) {
    this.#disk = disk;
    this.#directory = directory;
    this.#segments = [...closed];
    this.#spares = spares;
    this.#index = index;
    this.#isFull = isFull;
  }

  /** With those that are being removed. */
  get bytes(): number {
    const sum = (total: number, { bytes }: ClosedSegment) => total + bytes;
    return this.#segments.reduce(sum, this.#leaving.reduce(sum, 0));
  }

  push(segment: ClosedSegment): void {
    this.#segments.push(segment);
  }

  /**
   * Removes the segments all of whose entries come before `keepFrom`, off the event loop, or makes them
   * spares, of which there are never more than the log has segments. The oldest goes first, and each
   * removal is durable before the next, so what is left never has a gap. `needs`: some stay longer, for
   * followers, while there is room.
   */
  removeBefore(keepFrom: number, needs: FollowerNeeds = NO_NEEDS): void {
    // A snapshot may end after the log was closed, before the process ends: the next startup continues.
    if (this.#isClosed) return;
    // Infinity: the log has begun anew, and needs all that comes.
    this.#ownFrom = keepFrom === Infinity ? 0 : keepFrom;
    this.#remove(this.#removable(keepFrom, needs));
  }

  /**
   * The disk is full: gives up what is kept for followers alone, and calls `done` once there is room of
   * that, as a spare or on the disk. False where there is none.
   */
  giveUpNeeded(done: () => void): boolean {
    const count = this.#removable(this.#ownFrom, NO_NEEDS);
    if (count === 0 || this.#isClosed) return false;
    this.#waiting.push(done);
    this.#remove(count);
    return true;
  }

  #remove(countOfOldest: number): void {
    const wasEmpty = this.#leaving.length === 0;
    const removed = new Set<string>();
    for (let count = countOfOldest; count > 0; count--) {
      const segment = this.#segments.shift()!;
      this.#leaving.push(segment);
      removed.add(segment.path);
    }
    if (removed.size > 0) this.#index.dropSegments(removed);
    this.trimSpares();
    if (wasEmpty) this.#removeNext();
  }

  /** How many of the oldest are to go. */
  #removable(keepFrom: number, { fromIndex, bytesMax }: FollowerNeeds): number {
    let count = 0;
    while (this.#segments[count] !== undefined && this.#segments[count]!.lastIndex < keepFrom) {
      count++;
    }
    if (this.#isFull()) return count;
    let keptBytes = 0;
    for (let at = count - 1; at >= 0; at--) {
      const { lastIndex, bytes } = this.#segments[at]!;
      keptBytes += bytes;
      if (lastIndex < fromIndex || keptBytes > bytesMax) break;
      count = at;
    }
    return count;
  }

  /** What was not removed yet stays, but for the removal that has begun: the next startup continues. */
  close(): void {
    this.#isClosed = true;
  }

  /** Removes spares beyond the number of segments that the log has. */
  trimSpares(): void {
    if (!this.#isFull()) this.#spares.trim(this.#segments.length + 1);
  }

  #removeNext(): void {
    const next = this.#leaving[0];
    if (next === undefined || this.#isClosed) return;
    const gone = () => {
      this.#leaving.shift();
      this.trimSpares();
      this.#removeNext();
      if (!this.#isClosed) { for (const waiting of this.#waiting.splice(0)) waiting(); }
    };
    if (this.#spares.add(next, this.#segments.length + 1, this.#isFull(), gone)) return;
    this.#disk.removeLater(next.path, endProcess);
    this.#disk.syncDirectoryLater(this.#directory, (error) => {
      endProcess(error);
      gone();
    });
  }
}
