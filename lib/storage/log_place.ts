/** Where a log is, where it goes on, and the segments that it has left behind. */
import type { HardState, SnapshotPosition } from "../raft/types.ts";
import type { Disk, DiskFile } from "../host/ports.ts";
import type { LogOwner, SegmentHead } from "./segment_head.ts";

export interface LogPlace {
  readonly disk: Disk;
  /** The directory of the segments. */
  readonly directory: string;
  readonly owner: LogOwner;
  readonly segmentBytesMax: number;
}

/** Where a log goes on: behind the last record that is there and durable. */
export interface LogPosition {
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
  readonly earlier: readonly EarlierSegment[];
}

/** A segment that is not written to any more. */
export interface EarlierSegment {
  readonly path: string;
  /** The highest index that any entry in it has. */
  readonly lastIndex: number;
  /** Bytes in use. */
  readonly bytes: number;
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
export class EarlierSegments {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #segments: EarlierSegment[];

  constructor({ disk, directory }: LogPlace, segments: readonly EarlierSegment[]) {
    this.#disk = disk;
    this.#directory = directory;
    this.#segments = [...segments];
  }

  get bytes(): number {
    return this.#segments.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  push(segment: EarlierSegment): void {
    this.#segments.push(segment);
  }

  /**
   * Removes those all of whose entries lie in front of `keepFrom`. The oldest goes first, each for
   * good before the next: what is left has no gaps at any time.
   */
  removeBefore(keepFrom: number): void {
    while (this.#segments.length > 0 && this.#segments[0]!.lastIndex < keepFrom) {
      this.#disk.remove(this.#segments.shift()!.path);
      this.#disk.syncDirectory(this.#directory);
    }
  }
}
