/**
 * Repairs a log after whatever ended the last run, and opens it for writing.
 *
 * When this returns, every byte that it reports is durable, and a marker proves it, except for a suspect
 * state that it has just written itself. That bytes can be read does not mean that they are durable: a
 * killed process leaves bytes in the page cache, and after a failed sync the kernel may treat pages as
 * clean that never reached the disk. So everything after the last marker is written again, then synced.
 *
 * A torn tail is overwritten in this order: first the suspect hard state over its beginning, synced;
 * then zeroes over the rest, synced. In a recycled segment the marker of the log's end is zeroed before
 * that, and synced; the rest then shows that something was begun. If a crash comes in between, the next
 * startup finds the suspect state, or the tail, or both. It finds a clean log only if everything that was
 * torn is there after all.
 */
import type { HardState, SnapshotPosition } from "../../raft/types.ts";
import { type DiskFile, DiskFullError } from "../../host/ports.ts";
import { damagedLogAdvice } from "../advice.ts";
import { DataDirectoryError } from "../errors.ts";
import { examine, type RecoveryPlan } from "./examine.ts";
import { makeSegment, newSegmentHead } from "../segments/make_segment.ts";
import { MARKER_BYTES, RecordWriter } from "../segments/records.ts";
import { beginRepair, type RepairOptions } from "./repair.ts";
import { removeAside, setSegmentsAside } from "./repair_record.ts";
import { votersOf } from "./only_voter.ts";
import type { Room } from "../reserves/room.ts";
import { listSegments, type UnusedSegment } from "./scan_log.ts";
import type { SegmentScan } from "./scan_records.ts";
import {
  headChecksum,
  SEGMENT_HEAD_BYTES,
  segmentGeneration,
  segmentName,
} from "../segments/segment_head.ts";
import type { LogPlace, LogSurroundings, ResumePoint } from "../wal/closed_segments.ts";
import { LogIndex } from "../wal/log_index.ts";
import { SegmentedLog } from "../wal/segmented_log.ts";
import { removeTemporaries } from "../files/small_file.ts";
import { keepsUnused, removeSpares } from "../segments/spare_segments.ts";
import type { FoundingMember, OpenLogOptions, RecoveredLog } from "../types.ts";

const COPY_BYTES = 1_048_576;

export interface RecoveryOptions extends OpenLogOptions, RepairOptions {
  readonly room: Room;
  readonly surroundings: LogSurroundings;
  /** Who formed the cluster. */
  readonly founders: readonly FoundingMember[];
}

export interface Recovery {
  readonly log: SegmentedLog;
  readonly recovered: RecoveredLog;
}

/** Blocking. Throws `DataDirectoryError` where the log is damaged or can't be understood. */
export function recoverLog(options: RecoveryOptions): Recovery {
  const { place, snapshots, repair, repairing, load } = options;
  const found = examine(place, snapshots, load ?? (() => {}));
  if (found.damage === null) {
    removeTemporaries(place.disk, place.directory);
    place.disk.syncDirectory(place.directory);
    place.spares.adopt();
    options.room.reserve.open(place.directory);
    return resume(options, found);
  }
  const voters = votersOf(found.configuration, options.founders, place.owner);
  // A repair that was begun is continued: what it has set aside is not looked at any more.
  if (repair !== true || (voters.isOnlySelf && repairing === null)) {
    throw new DataDirectoryError(`${found.damage} ${damagedLogAdvice(voters.count)}`);
  }
  const { room } = options;
  room.reserve.open(place.directory);
  const begun = withReserve(room, place.directory, () => beginRepair(options, found));
  removeLeftBehind(place);
  return resume({ ...options, repairing: begun.repairing }, begun.found);
}

/**
 * Unfinished segments and spares: one of them may be what proves the damage, so they stay until the
 * repair has begun, and no longer.
 */
function removeLeftBehind({ disk, directory }: LogPlace): void {
  removeTemporaries(disk, directory);
  removeSpares(disk, directory);
  disk.syncDirectory(directory);
}

/** Continues from a log that is not damaged, or not any more. */
function resume(options: RecoveryOptions, found: RecoveryPlan): Recovery {
  const { place, room } = options;
  const { scan, snapshot, bad } = found;
  const { replay } = scan;
  if (scan.unused !== null) takeUnusedAway(place, scan.unused, options.repairing !== null);
  const last = scan.segments.at(-1)!;
  const cutBytes = last.usedEnd - last.end;
  // A snapshot that can't be read may have had entries that the log has not, and that were promised.
  const forgot = last.tail.verdict === "torn" || (bad[0]?.index ?? 0) >= replay.nextIndex;
  const hardState: HardState = forgot ? { ...replay.hardState, suspect: true } : replay.hardState;
  const position = snapshot?.position ?? { index: 0, term: 0 };
  const continuesLog = position.index === 0 || replay.termAt(position.index) === position.term;
  const open = (): ResumePoint => {
    if (continuesLog) return settleTail(place, found, hardState);
    return beginBehind(place, hardState, position);
  };
  const opened = withReserve(room, last.path, open);
  removeLeftovers(options, found, continuesLog);
  const log = new SegmentedLog(place, room, options.surroundings, opened);
  // What the last run was about to remove when it ended.
  log.compact(Infinity);
  const recovered: RecoveredLog = {
    hardState,
    snapshot,
    entries: continuesLog ? replay.entries : [],
    previousTerm: continuesLog ? replay.previousTerm : position.term,
    cutBytes,
    notes: found.notes,
    damaged: options.repairing,
  };
  return { log, recovered };
}

/**
 * Takes a segment that was made and never used out of the log. One made of a file that has its blocks,
 * such as the reserve, becomes a spare: if it were removed, another program could take its room.
 */
function takeUnusedAway(
  { disk, directory, spares }: LogPlace,
  { path, head }: UnusedSegment,
  isRepairing: boolean,
): void {
  const isKept = keepsUnused(disk, directory, head.recycled, isRepairing);
  if (isKept && spares.adoptUnused(path, head.length)) return;
  disk.remove(path);
  disk.syncDirectory(directory);
}

/** Continues in the last segment, its tail repaired. */
function settleTail(place: LogPlace, { scan }: RecoveryPlan, hardState: HardState): ResumePoint {
  const { replay, segments } = scan;
  const tail = segments.at(-1)!;
  const before = segments.at(-2);
  const newlySuspect = hardState.suspect && !replay.hardState.suspect ? hardState : null;
  const file = place.disk.open(tail.path);
  try {
    if (before !== undefined && tail.end === SEGMENT_HEAD_BYTES) settleEnd(place, before);
    return {
      head: tail.head,
      file,
      ...sealTail(place, file, tail, newlySuspect),
      hardState,
      nextIndex: replay.nextIndex,
      lastTerm: replay.lastTerm,
      lastIndex: tail.lastIndex,
      index: replay.index,
      closed: segments.slice(0, -1).map(({ path, lastIndex, end, head }) => ({
        path,
        lastIndex,
        bytes: head.recycled ? head.length : end,
        length: head.length,
      })),
    };
  } catch (error) {
    file.close();
    throw error;
  }
}

/**
 * Restarts the log after a snapshot that it does not lead to: a snapshot from another server, where a
 * crash came before the log was restarted. Nobody was told that the log continues after the snapshot.
 */
function beginBehind(
  place: LogPlace,
  hardState: HardState,
  position: SnapshotPosition,
): ResumePoint {
  const { disk, directory, owner, segmentBytesMax } = place;
  const sequences = listSegments(disk, directory);
  const head = newSegmentHead({
    sequence: sequences.at(-1)! + 1,
    firstIndex: position.index + 1,
    previousTerm: position.term,
    hardState,
    segmentBytesMax,
    restarts: true,
  });
  const path = makeSegment(disk, directory, owner, head);
  for (const sequence of sequences) {
    disk.remove(`${directory}/${segmentName(sequence)}`);
    disk.syncDirectory(directory);
  }
  return {
    head,
    file: disk.open(path),
    offset: SEGMENT_HEAD_BYTES,
    chain: headChecksum(owner, head),
    endsWithMarker: true,
    hardState,
    nextIndex: head.firstIndex,
    lastTerm: head.previousTerm,
    lastIndex: position.index,
    index: new LogIndex(position),
    closed: [],
  };
}

/** Removes what the recovered log has no use for. */
function removeLeftovers(
  options: RecoveryOptions,
  { scan, snapshot, bad }: RecoveryPlan,
  continuesLog: boolean,
) {
  const { place, snapshots, repairing } = options;
  const { disk, directory } = place;
  const leftovers = scan.leftovers.filter((path) => disk.exists(path));
  if (repairing !== null) setSegmentsAside(disk, directory, leftovers);
  else {
    for (const path of leftovers) {
      disk.remove(path);
      disk.syncDirectory(directory);
    }
    removeAside(disk, directory);
  }
  for (const position of bad) snapshots.setAside(position);
  if (continuesLog) snapshots.removeBefore(scan.replay.firstIndex - 1);
  else if (snapshot !== null) snapshots.keepOnly(snapshot.position);
}

/** Makes the tail durable and clean; returns where the log resumes. */
function sealTail(
  place: LogPlace,
  file: DiskFile,
  tail: SegmentScan,
  newlySuspect: HardState | null,
): Pick<ResumePoint, "offset" | "chain" | "endsWithMarker"> {
  rewrite(file, tail.proven, tail.end);
  file.syncNow();
  if (tail.head.recycled && tail.usedEnd > tail.end) {
    // An older marker of the log's end may stand here: once what follows is gone, it would be believed.
    zero(file, tail.end, tail.end + MARKER_BYTES);
    file.syncNow();
  }
  const writer = new RecordWriter();
  writer.begin(tail.chain);
  const generation = segmentGeneration(place.owner, tail.head.sequence);
  if (!tail.endsWithMarker) writer.marker(generation, tail.end, false);
  // After the marker: a marker proves that what is before it was synced, and this is not yet.
  if (newlySuspect !== null) writer.hardState(newlySuspect);
  const offset = tail.end + writer.length;
  if (tail.head.recycled) writer.endOfLog(generation, offset, tail.head.length);
  const written = tail.end + writer.length;
  if (writer.length > 0) {
    file.write(tail.end, writer.view());
    file.syncNow();
  }
  if (tail.usedEnd > written) {
    zero(file, written, tail.usedEnd);
    file.syncNow();
  }
  return { offset, chain: writer.chain, endsWithMarker: newlySuspect === null };
}

/**
 * Makes the end marker of the segment before the last one durable. Only a crash directly after it was
 * written leaves that undone, and then the last segment has no records.
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

/** Runs `write`; while the disk is full, again with a piece less of the reserves. */
function withReserve<T>(room: Room, path: string, write: () => T): T {
  try {
    return room.withReserves(write);
  } catch (error) {
    if (!(error instanceof DiskFullError)) throw error;
    throw new DataDirectoryError(
      `The disk is full: ${path} could not take even the few bytes that startup needs. Free some ` +
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
