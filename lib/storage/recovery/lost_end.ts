/**
 * A disk that lost what it had acknowledged as durable may leave a log that looks as if a crash had cut it
 * short. One trace can't come from a crash: a whole head of a later segment than the log has.
 *
 * A file gets such a head only as `*.new` or `*.spare`, on its way to be the next segment, and a segment
 * is begun only once the one before it is durable under its name. So on a disk that keeps its word
 *  - a file with a segment's name has that segment's head, and
 *  - `*.new` and `*.spare` have heads of the next segment at most, the one after the log's last.
 * Whatever names a later segment proves that the log reached up to it once.
 */
import type { Disk } from "../../host/ports.ts";
import { readU64 } from "../../util/bytes.ts";
import { DataDirectoryError } from "../errors.ts";
import {
  decodeSegmentHead,
  type LogOwner,
  SEGMENT_HEAD_BYTES,
  type SegmentHead,
} from "../segments/segment_head.ts";

/** A file whose head names a segment that the log must have had, and has not. */
export interface LostEnd {
  readonly path: string;
  readonly head: SegmentHead;
}

/** The latest segment that any file in `directory` proves, if that is after segment `last`; or null. */
export function findLostEnd(
  disk: Disk,
  directory: string,
  owner: LogOwner,
  last: number,
): LostEnd | null {
  let found: LostEnd | null = null;
  for (const name of disk.list(directory)) {
    const match = /^\d{16}\.log(\.new|\.spare)?$/.exec(name);
    if (match === null) continue;
    const path = `${directory}/${name}`;
    const head = readAnyHead(disk, path, owner);
    if (head === null || head.sequence <= (match[1] === undefined ? last : last + 1)) continue;
    if (found === null || head.sequence > found.head.sequence) found = { path, head };
  }
  return found;
}

/** The head of a segment of this server in the file at `path`, whatever its name; null where none is. */
function readAnyHead(disk: Disk, path: string, owner: LogOwner): SegmentHead | null {
  const file = disk.open(path, { readOnly: true });
  try {
    const bytes = new Uint8Array(SEGMENT_HEAD_BYTES);
    if (file.read(0, bytes) < SEGMENT_HEAD_BYTES) return null;
    const head = decodeSegmentHead(path, bytes, owner, readU64(bytes, 40));
    return typeof head === "string" ? null : head;
  } catch (error) {
    // Another's file, or of a version to come: whoever needs it says so.
    if (!(error instanceof DataDirectoryError)) throw error;
    return null;
  } finally {
    file.close();
  }
}
