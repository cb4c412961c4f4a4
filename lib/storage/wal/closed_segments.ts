/** Where a log is, where it goes on, and the segments that it has left behind. */
import type { HardState, SnapshotPosition } from "../../raft/types.ts";
import type { Disk, DiskFile } from "../../host/ports.ts";
import { endProcess } from "../files/new_file.ts";
import type { LogOwner, SegmentHead } from "../segments/segment_head.ts";
import type { SpareSegments } from "../segments/spare_segments.ts";

export interface LogPlace {
  readonly disk: Disk;
  /** The directory of the segments. */
  readonly directory: string;
  readonly owner: LogOwner;
  readonly segmentBytesMax: number;
  readonly spares: SpareSegments;
}

/** Where a log goes on: behind the last record that is there and durable. */
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
  /** Entries behind this index are kept, whatever is asked. */
  fallbackIndex(): number;
  /** The log goes on behind `position`: older snapshots are of no use any more. */
  restarted(position: SnapshotPosition): void;
  finishRepair(): void;
}

/** The segments in front of the one that is written to, ascending. */
export class ClosedSegments {
  readonly #disk: Disk;
  readonly #directory: string;
  #segments: ClosedSegment[];
  readonly #spares: SpareSegments;
  readonly #isFull: () => boolean;
  /** On their way out. */
  #leaving: ClosedSegment[] = [];
  #isClosed = false;

  /** `isFull`: true while the disk has no room for what is not there yet: every file is kept then. */
  constructor(
    { disk, directory, spares }: LogPlace,
    segments: readonly ClosedSegment[],
    isFull: () => boolean,
  ) {
    this.#disk = disk;
    this.#directory = directory;
    this.#segments = [...segments];
    this.#spares = spares;
    this.#isFull = isFull;
  }

  /** Those on their way out included. */
  get bytes(): number {
    const sum = (total: number, { bytes }: ClosedSegment) => total + bytes;
    return this.#segments.reduce(sum, this.#leaving.reduce(sum, 0));
  }

  push(segment: ClosedSegment): void {
    this.#segments.push(segment);
  }

  /**
   * Removes those all of whose entries lie in front of `keepFrom`, beside the event loop, or makes
   * spares of them: as many as the log itself has segments. The oldest goes first, each for good
   * before the next: what is left has no gaps at any time.
   */
  removeBefore(keepFrom: number): void {
    // A snapshot may end between the close of the log and the end of the process: the next start goes on.
    if (this.#isClosed) return;
    const wasEmpty = this.#leaving.length === 0;
    while (this.#segments.length > 0 && this.#segments[0]!.lastIndex < keepFrom) {
      this.#leaving.push(this.#segments.shift()!);
    }
    this.trimSpares();
    if (wasEmpty) this.#removeNext();
  }

  /** What is on its way out stays, but for the one that is at the door: the next start goes on. */
  close(): void {
    this.#isClosed = true;
  }

  /** Removes spares that will not be needed: there are as many as the log itself has segments. */
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
    };
    if (this.#spares.add(next, this.#segments.length + 1, this.#isFull(), gone)) return;
    this.#disk.removeLater(next.path, endProcess);
    this.#disk.syncDirectoryLater(this.#directory, (error) => {
      endProcess(error);
      gone();
    });
  }
}
