/** Makes log segments. */
import type { HardState } from "../../raft/types.ts";
import { type Disk, type DiskFile, isDiskProblem } from "../../host/ports.ts";
import { assert } from "../../util/assert.ts";
import {
  encodeSegmentHead,
  headChecksum,
  type LogOwner,
  SEGMENT_HEAD_BYTES,
  SEGMENT_LENGTH_MAX,
  segmentGeneration,
  type SegmentHead,
  segmentName,
} from "./segment_head.ts";
import { HARD_STATE_BYTES, MARKER_BYTES, RecordWriter } from "./records.ts";
import { TEMPORARY_SUFFIX } from "../files/small_file.ts";
import type { Done } from "../types.ts";

/**
 * Bytes that batches leave free at a segment's end. They hold the most that can come after the last
 * batch: an idle marker, what recovery writes (hard state and marker), the marker of the segment's end.
 * In a recycled segment the marker of the log's end stands in the place of the next of these.
 */
export const TAIL_BYTES = 3 * MARKER_BYTES + HARD_STATE_BYTES;

/** The shortest file that a segment with a batch of `batchBytes` can be made of. */
export function segmentLengthMin(batchBytes: number): number {
  return SEGMENT_HEAD_BYTES + batchBytes + TAIL_BYTES;
}

/** The length of a segment that has to take a batch of `batchBytes`. */
export function segmentLength(segmentBytesMax: number, batchBytes: number): number {
  const length = Math.max(segmentBytesMax, segmentLengthMin(batchBytes));
  assert(length <= SEGMENT_LENGTH_MAX, `A segment of ${length} bytes is too long`);
  return length;
}

/** The length is at least `segmentBytesMax`, and such that a batch of `batchBytes` fits. */
export interface NewSegment {
  readonly sequence: number;
  readonly firstIndex: number;
  readonly previousTerm: number;
  readonly hardState: HardState;
  readonly segmentBytesMax: number;
  /** 0 unless given. */
  readonly batchBytes?: number;
  /** The log begins again here; false unless given. */
  readonly restarts?: boolean;
}

/**
 * The head of a segment that is still to be made: in a new file, after no segment. A segment that
 * continues another adds that one's checksum; one made of a file that is there, `recycled` and its length.
 */
export function newSegmentHead(segment: NewSegment): SegmentHead {
  const { sequence, firstIndex, previousTerm, hardState, restarts = false } = segment;
  return {
    sequence,
    firstIndex,
    previousTerm,
    length: segmentLength(segment.segmentBytesMax, segment.batchBytes ?? 0),
    hardState,
    previousChecksum: 0,
    restarts,
    recycled: false,
  };
}

/**
 * Makes a segment durable under its name, empty unless `records` are given; blocking. Where it
 * throws, nothing is left but perhaps a temporary file. Returns the segment's path.
 */
export function makeSegment(
  disk: Disk,
  directory: string,
  owner: LogOwner,
  head: SegmentHead,
  records: Uint8Array | null = null,
): string {
  const path = `${directory}/${segmentName(head.sequence)}`;
  const temporary = path + TEMPORARY_SUFFIX;
  const file = disk.open(temporary, { create: true });
  try {
    file.truncate(0);
    file.truncate(head.length);
    file.write(0, encodeSegmentHead(owner, head));
    if (records !== null) file.write(SEGMENT_HEAD_BYTES, records);
    const end = SEGMENT_HEAD_BYTES + (records?.length ?? 0);
    // So that the log's end finds room there whatever happens to the disk.
    file.write(end, new Uint8Array(Math.min(TAIL_BYTES, head.length - end)));
    file.syncNow();
  } finally {
    file.close();
  }
  disk.rename(temporary, path);
  disk.syncDirectory(directory);
  return path;
}

/**
 * As `makeSegment`, off the event loop; from `spare`, a file of the right length, unless that is null.
 * `onSync` is called between its two syncs. `done` gets what went wrong; where that came before the
 * segment had its name, nothing is left but perhaps a temporary file.
 */
export function makeSegmentLater(
  disk: Disk,
  directory: string,
  owner: LogOwner,
  head: SegmentHead,
  spare: string | null,
  onSync: () => void,
  done: Done,
): void {
  const path = `${directory}/${segmentName(head.sequence)}`;
  const temporary = spare ?? path + TEMPORARY_SUFFIX;
  let file: DiskFile | null = null;
  const end = (error: Error | null) => {
    file?.close();
    file = null;
    done(error);
  };
  const then = (next: () => void): Done => (error) => error === null ? next() : end(error);
  try {
    file = disk.open(temporary, { create: spare === null });
    if (spare === null) {
      file.truncate(0);
      file.truncate(head.length);
    }
  } catch (error) {
    if (!isDiskProblem(error)) throw error;
    return disk.defer(() => end(error));
  }
  const opened = file;
  const from = temporary.slice(0, temporary.lastIndexOf("/"));
  // A file from another directory must not come back under its old name too.
  const left = () => from === directory ? end(null) : disk.syncDirectoryLater(from, end);
  opened.writeLater(
    0,
    beginningOf(owner, head),
    then(() =>
      opened.sync(then(() => {
        onSync();
        opened.close();
        file = null;
        disk.renameLater(
          temporary,
          path,
          then(() => disk.syncDirectoryLater(directory, then(left))),
        );
      }))
    ),
  );
}

/**
 * What a segment begins with: its head; then, if it is recycled, the marker of the log's end, else zeroes,
 * so that the log's end finds room there whatever happens to the disk.
 */
function beginningOf(owner: LogOwner, head: SegmentHead): Uint8Array {
  const bytes = encodeSegmentHead(owner, head);
  const writer = new RecordWriter();
  writer.begin(headChecksum(owner, head));
  const generation = segmentGeneration(owner, head.sequence);
  if (head.recycled) writer.endOfLog(generation, SEGMENT_HEAD_BYTES, head.length);
  const out = new Uint8Array(SEGMENT_HEAD_BYTES + (head.recycled ? writer.length : TAIL_BYTES));
  out.set(bytes);
  out.set(writer.view(), SEGMENT_HEAD_BYTES);
  return out;
}
