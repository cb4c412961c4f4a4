/**
 * `repairing`: present while a server fetches again what was damaged. It survives crashes, so that no
 * later startup takes the rest of a damaged log for a whole one.
 *
 *   0  40  head (file_head.ts, kind "RP")
 *  40   8  from index: everything before it was sound
 *  48   8  last index seen: the highest of an entry anywhere, after the damage too
 *  56   2  length of the reason, n
 *  58   n  reason, for people
 *       4  checksum of everything before it
 */
import type { Disk } from "../../host/ports.ts";
import { ByteWriter } from "../../util/bytes.ts";
import type { ClusterSize } from "../advice.ts";
import { type CheckedFile, readCheckedFile, writeCheckedFile } from "../files/checked_file.ts";
import type { FileOwner } from "../files/file_head.ts";
import type { DamagedLog } from "../types.ts";

export const REPAIR_FILE = "repairing";
/** Segments that were set aside: `wal/damaged-<sequence>.log`. */
export const ASIDE_PREFIX = "damaged-";
const REASON_BYTES_MAX = 2048;

const FILE: CheckedFile = {
  name: REPAIR_FILE,
  kind: "RP",
  bytesMax: 4096,
  purpose: "Its presence means that this server's log is being repaired.",
};

/** Makes `damaged` durable in `directory`. */
export function writeRepairRecord(
  disk: Disk,
  directory: string,
  owner: FileOwner,
  damaged: DamagedLog,
): void {
  const body = new ByteWriter(256);
  body.u64(damaged.fromIndex);
  body.u64(damaged.lastIndexSeen);
  const reason = new TextEncoder().encode(damaged.reason).subarray(0, REASON_BYTES_MAX);
  body.u16(reason.length);
  body.raw(reason);
  writeCheckedFile(disk, directory, FILE, owner, body);
}

/** The record in `directory`, or null; `DataDirectoryError` where it is damaged or another's. */
export function readRepairRecord(
  disk: Disk,
  directory: string,
  { serverId, clusterId }: FileOwner,
  size: ClusterSize,
): DamagedLog | null {
  const expected = { serverId, clusterId, size };
  return readCheckedFile(disk, directory, FILE, expected, (body) => {
    const fromIndex = body.u64();
    const lastIndexSeen = body.u64();
    const reason = new TextDecoder().decode(body.view(body.u16()));
    return { fromIndex, lastIndexSeen, reason };
  });
}

export function removeRepairRecord(disk: Disk, directory: string): void {
  const path = `${directory}/${REPAIR_FILE}`;
  if (!disk.exists(path)) return;
  disk.remove(path);
  disk.syncDirectory(directory);
}

/** Sets the segments at `paths` aside; blocking. */
export function setSegmentsAside(disk: Disk, directory: string, paths: readonly string[]): void {
  for (const path of paths) {
    disk.rename(path, `${directory}/${ASIDE_PREFIX}${path.slice(directory.length + 1)}`);
  }
  disk.syncDirectory(directory);
}

/** Removes what was set aside; blocking. */
export function removeAside(disk: Disk, directory: string): void {
  const names = disk.list(directory).filter((name) => name.startsWith(ASIDE_PREFIX));
  for (const name of names) disk.remove(`${directory}/${name}`);
  if (names.length > 0) disk.syncDirectory(directory);
}
