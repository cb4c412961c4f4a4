/**
 * Puts a log right after whatever ended the last run, and opens it for writing.
 *
 * When this returns, every byte that it reports is durable and proven so by a marker. What was there
 * is not trusted to be durable just because it can be read: a killed process leaves bytes in the page
 * cache, and after a failed sync the kernel may call pages clean that never reached the disk. So
 * everything behind the last marker is written again before it is synced.
 *
 * A torn tail is overwritten in this order: first the suspect hard state over its beginning, synced;
 * then zeroes over the rest, synced. Whenever a crash comes between, the next
 * start finds the suspect state, or the tail, or both; never a clean log.
 */
import type { HardState } from "../raft/types.ts";
import { type DiskFile, DiskFullError } from "../host/ports.ts";
import { DataDirectoryError } from "./errors.ts";
import { envelopeProblem } from "../raft/envelope.ts";
import { RecordWriter } from "./records.ts";
import type { Reserve } from "./reserve.ts";
import { refuseDamage, scanLog, type SegmentScan } from "./scan.ts";
import { SEGMENT_HEAD_BYTES, segmentGeneration } from "./segment_head.ts";
import { type LogPlace, type LogPosition, SegmentedLog } from "./segmented_log.ts";
import type { RecoveredLog } from "./types.ts";

const NO_SNAPSHOT = { index: 0, term: 0 };
const COPY_BYTES = 1_048_576;

/** Blocking. Throws `DataDirectoryError` where the log is damaged or can't be understood. */
export function recoverLog(
  place: LogPlace,
  reserve: Reserve,
): { log: SegmentedLog; recovered: RecoveredLog } {
  const { disk, directory, owner } = place;
  const scan = scanLog(disk, directory, owner, NO_SNAPSHOT);
  refuseDamage(scan);
  const { replay } = scan;
  for (const entry of replay.entries) {
    const problem = envelopeProblem(entry.data);
    if (problem === null) continue;
    throw new DataDirectoryError(
      `Entry ${entry.index} of the log in ${directory} can't be applied: ${problem}. ` +
        "Run the build that wrote it, or a newer one.",
    );
  }
  if (scan.unused !== null) {
    disk.remove(scan.unused);
    disk.syncDirectory(directory);
  }
  const tail = scan.segments.at(-1)!;
  const cutBytes = tail.usedEnd - tail.end;
  const hardState: HardState = cutBytes > 0
    ? { ...replay.hardState, suspect: true }
    : replay.hardState;
  const newlySuspect = hardState.suspect && !replay.hardState.suspect ? hardState : null;
  const before = scan.segments.at(-2);
  const file = disk.open(tail.path);
  try {
    const resumed = withReserve(reserve, tail.path, () => {
      if (before !== undefined && tail.end === SEGMENT_HEAD_BYTES) settleEnd(place, before);
      return settle(place, file, tail, newlySuspect);
    });
    const earlierBytes = scan.segments.slice(0, -1).reduce((sum, { end }) => sum + end, 0);
    const log = new SegmentedLog(place, reserve, {
      head: tail.head,
      file,
      ...resumed,
      hardState,
      nextIndex: replay.nextIndex,
      lastTerm: replay.lastTerm,
      earlierBytes,
    });
    const recovered = { hardState, snapshot: NO_SNAPSHOT, entries: replay.entries, cutBytes };
    return { log, recovered };
  } catch (error) {
    file.close();
    throw error;
  }
}

/** Makes the tail durable and clean; returns where the log goes on. */
function settle(
  place: LogPlace,
  file: DiskFile,
  tail: SegmentScan,
  newlySuspect: HardState | null,
): Pick<LogPosition, "offset" | "chain" | "endsWithMarker"> {
  rewrite(file, tail.proven, tail.end);
  file.syncNow();
  const writer = new RecordWriter();
  writer.begin(tail.chain);
  if (!tail.endsWithMarker) {
    writer.marker(segmentGeneration(place.owner, tail.head.sequence), tail.end, false);
  }
  // Behind the marker: a marker proves what was synced before it, and this is not yet.
  if (newlySuspect !== null) writer.hardState(newlySuspect);
  const offset = tail.end + writer.length;
  if (writer.length > 0) {
    file.write(tail.end, writer.view());
    file.syncNow();
  }
  if (tail.usedEnd > offset) {
    zero(file, offset, tail.usedEnd);
    file.syncNow();
  }
  return { offset, chain: writer.chain, endsWithMarker: newlySuspect === null };
}

/**
 * Makes the marker that closes the segment before durable. Only a crash right behind it leaves that
 * undone, and then the last segment has no records.
 */
function settleEnd(place: LogPlace, closed: SegmentScan): void {
  const file = place.disk.open(closed.path);
  try {
    rewrite(file, closed.proven, closed.end);
    file.syncNow();
  } finally {
    file.close();
  }
}

/** Runs `write`; where the disk is full, once more without the reserve. */
function withReserve<T>(reserve: Reserve, path: string, write: () => T): T {
  try {
    try {
      return write();
    } catch (error) {
      if (!(error instanceof DiskFullError) || !reserve.release()) throw error;
      return write();
    }
  } catch (error) {
    if (!(error instanceof DiskFullError)) throw error;
    throw new DataDirectoryError(
      `The disk is full: ${path} could not even take the few bytes that a start needs. Free some ` +
        "space on this disk and start again; nothing was lost.",
      { cause: error },
    );
  }
}

function rewrite(file: DiskFile, from: number, to: number): void {
  const chunk = new Uint8Array(Math.min(COPY_BYTES, to - from));
  for (let offset = from; offset < to; offset += chunk.length) {
    const part = chunk.subarray(0, Math.min(chunk.length, to - offset));
    file.read(offset, part);
    file.write(offset, part);
  }
}

function zero(file: DiskFile, from: number, to: number): void {
  const chunk = new Uint8Array(Math.min(COPY_BYTES, to - from));
  for (let offset = from; offset < to; offset += chunk.length) {
    file.write(offset, chunk.subarray(0, Math.min(chunk.length, to - offset)));
  }
}
