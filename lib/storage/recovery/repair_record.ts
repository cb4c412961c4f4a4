/**
 * `repairing`: there while a server fetches again what was damaged. It outlasts crashes, so that no
 * second start takes the rest of a damaged log for a whole one.
 *
 *   0  40  head (file_head.ts, kind "RP")
 *  40   8  from index: everything in front of it was sound
 *  48   8  last index seen: the highest of an entry anywhere, behind the damage too
 *  56   2  length of the reason, n
 *  58   n  reason, for people
 *       4  checksum of everything before it
 */
import type { Disk } from "../../host/ports.ts";
import { ByteFormatError, ByteReader, ByteWriter } from "../../util/bytes.ts";
import { checksum } from "../../util/checksum.ts";
import { type ClusterSize, restoreAdvice } from "../advice.ts";
import { DataDirectoryError } from "../errors.ts";
import {
  checkFileHead,
  FILE_HEAD_BYTES,
  type FileOwner,
  writeFileHead,
} from "../files/file_head.ts";
import { readSmallFile, replaceFile } from "../files/small_file.ts";
import type { DamagedLog } from "../types.ts";

export const REPAIR_FILE = "repairing";
/** Segments that were set aside: `wal/damaged-<sequence>.log`. */
export const ASIDE_PREFIX = "damaged-";
const REASON_BYTES_MAX = 2048;
const REPAIR_BYTES_MAX = 4096;

/** Makes `damaged` durable in `directory`. */
export function writeRepairRecord(
  disk: Disk,
  directory: string,
  owner: FileOwner,
  damaged: DamagedLog,
): void {
  const out = new ByteWriter(256);
  const head = new Uint8Array(FILE_HEAD_BYTES);
  writeFileHead(head, "RP", owner);
  out.raw(head);
  out.u64(damaged.fromIndex);
  out.u64(damaged.lastIndexSeen);
  const reason = new TextEncoder().encode(damaged.reason).subarray(0, REASON_BYTES_MAX);
  out.u16(reason.length);
  out.raw(reason);
  out.u32(checksum(out.view()));
  replaceFile(disk, directory, REPAIR_FILE, out.view());
}

/** The record in `directory`, or null; `DataDirectoryError` where it is damaged or another's. */
export function readRepairRecord(
  disk: Disk,
  directory: string,
  owner: FileOwner,
  size: ClusterSize,
): DamagedLog | null {
  const path = `${directory}/${REPAIR_FILE}`;
  const bytes = readSmallFile(disk, path, REPAIR_BYTES_MAX);
  if (bytes === null) return null;
  checkFileHead(path, bytes, "RP", owner.serverId, owner.clusterId, restoreAdvice(size));
  try {
    const reader = new ByteReader(bytes, FILE_HEAD_BYTES);
    const fromIndex = reader.u64();
    const lastIndexSeen = reader.u64();
    const reason = new TextDecoder().decode(reader.view(reader.u16()));
    const end = reader.offset;
    const sum = reader.u32();
    reader.finish();
    if (sum === checksum(bytes.subarray(0, end))) return { fromIndex, lastIndexSeen, reason };
  } catch (error) {
    if (!(error instanceof ByteFormatError)) throw error;
  }
  throw new DataDirectoryError(
    `${path} is damaged: its checksum or its length is wrong. It says that this server's log is ` +
      `being repaired. ${restoreAdvice(size)}`,
  );
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
