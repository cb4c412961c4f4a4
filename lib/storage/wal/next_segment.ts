/** Where the log continues when a segment ends, or has no room: in a file made of which one. */
import { type DiskDone, DiskError, DiskFullError } from "../../host/ports.ts";
import type { LogPlace } from "./closed_segments.ts";
import { makeSegmentLater, segmentLengthMin } from "../segments/make_segment.ts";
import { endProcess } from "../files/new_file.ts";
import type { Room } from "../reserves/room.ts";
import { type SegmentHead, segmentName } from "../segments/segment_head.ts";
import { TEMPORARY_SUFFIX } from "../files/small_file.ts";

export interface WantedSegment {
  /** Its length and whether it is recycled depend on the file that it is made of. */
  readonly head: SegmentHead;
  /** It has to take a batch of so many bytes. */
  readonly batchBytes: number;
  /** Only a file that has its blocks will do. */
  readonly isFull: boolean;
  readonly onSync: () => void;
  /** Frees room that is not the log's own, and calls `again` then; false where there is none. */
  readonly freeRoom: (again: () => void) => boolean;
}

/**
 * Makes a segment, off the event loop: from a spare of its length if there is one; else as a new file,
 * unless `isFull`; else from any file that has its blocks. `done` gets the head that it was given.
 */
export function makeNextSegment(
  place: LogPlace,
  room: Room,
  wanted: WantedSegment,
  done: (error: Error | null, head: SegmentHead) => void,
): void {
  const { disk, directory, owner, spares } = place;
  const { reserve } = room;
  const { isFull, onSync } = wanted;
  const lengthMin = segmentLengthMin(wanted.batchBytes);
  const spare = isFull ? spares.takeAtLeast(lengthMin) : spares.take(wanted.head.length);
  const over = spare ?? (isFull ? reserve.take(lengthMin) : null);
  if (over === null && isFull) {
    const error = new DiskFullError(`No space left on the disk for a new segment in ${directory}`);
    return disk.defer(() => done(error, wanted.head));
  }
  // Neither the spares nor the reserve have it any more, and the log does not have it yet.
  room.comingBytes = over === null ? 0 : over.length - segmentLengthMin(0);
  const length = over?.length ?? wanted.head.length;
  const head = { ...wanted.head, length, recycled: over !== null };
  makeSegmentLater(disk, directory, owner, head, over?.path ?? null, onSync, (error) => {
    const isReserve = over !== null && spare === null;
    if (isReserve && error === null) reserve.left(over);
    if (error !== null) room.comingBytes = 0;
    if (!(error instanceof DiskFullError)) return done(error, head);
    if (isReserve) reserve.putBack(over);
    if (over === null) {
      const path = `${directory}/${segmentName(head.sequence)}${TEMPORARY_SUFFIX}`;
      disk.removeLater(path, endProcess);
      if (wanted.freeRoom(() => makeNextSegment(place, room, wanted, done))) return;
    }
    if (spare === null) return makeNextSegment(place, room, { ...wanted, isFull: true }, done);
    // Some file systems need room even to overwrite: the spare is removed, which frees its room.
    disk.removeLater(spare.path, endProcess);
    disk.syncDirectoryLater(directory, (failure) => {
      endProcess(failure);
      makeNextSegment(place, room, wanted, done);
    });
  });
}

/** Removes a segment that was made and is not used, durably and off the event loop. */
export function removeSegment(
  { disk, directory }: LogPlace,
  { sequence }: SegmentHead,
  done: DiskDone,
): void {
  disk.removeLater(`${directory}/${segmentName(sequence)}`, endProcess);
  disk.syncDirectoryLater(directory, done);
}

/**
 * Once a segment that restarts the log has its name, the log begins there: from then on a failure
 * can't be undone.
 */
export function unlessNamed(place: LogPlace, head: SegmentHead, error: Error): Error {
  const path = `${place.directory}/${segmentName(head.sequence)}`;
  if (!(error instanceof DiskFullError) || !place.disk.exists(path)) return error;
  return new DiskError(`The log's new beginning ${path} is not known to be durable`, {
    cause: error,
  });
}
