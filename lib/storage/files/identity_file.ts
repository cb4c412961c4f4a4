/**
 * `identity`: who this data directory is. Written once, into an empty directory, never again.
 *
 *   0  40  head (file_head.ts, kind "ID", cluster id zero: the cluster is not known yet)
 *  40   8  incarnation, random
 *  48   4  checksum of bytes 0..47
 */
import type { ServerId } from "../../raft/types.ts";
import type { Disk } from "../../host/ports.ts";
import { readU32, writeU32 } from "../../util/bytes.ts";
import { checksum } from "../../util/checksum.ts";
import { type ClusterSize, restoreAdvice } from "../advice.ts";
import { DataDirectoryError } from "../errors.ts";
import { checkFileHead, FILE_HEAD_BYTES, writeFileHead } from "./file_head.ts";
import { bytesToHex, hexToBytes } from "./hex.ts";
import { readSmallFile, replaceFile } from "./small_file.ts";
import { type Identity, UNFORMED } from "../types.ts";

export const IDENTITY_FILE = "identity";
const IDENTITY_BYTES = FILE_HEAD_BYTES + 12;

/** Makes `identity` durable in `directory`. */
export function writeIdentity(disk: Disk, directory: string, identity: Identity): void {
  const bytes = new Uint8Array(IDENTITY_BYTES);
  writeFileHead(bytes, "ID", { clusterId: UNFORMED, serverId: identity.serverId });
  bytes.set(hexToBytes(identity.incarnation), FILE_HEAD_BYTES);
  writeU32(bytes, 48, checksum(bytes.subarray(0, 48)));
  replaceFile(disk, directory, IDENTITY_FILE, bytes);
}

/** The identity in `directory`, or null; `DataDirectoryError` where it is damaged or another's. */
export function readIdentity(
  disk: Disk,
  directory: string,
  serverId: ServerId,
  size: ClusterSize,
): Identity | null {
  const path = `${directory}/${IDENTITY_FILE}`;
  const bytes = readSmallFile(disk, path, 4096);
  if (bytes === null) return null;
  checkFileHead(path, bytes, "ID", serverId, UNFORMED, restoreAdvice(size));
  if (bytes.length !== IDENTITY_BYTES || checksum(bytes.subarray(0, 48)) !== readU32(bytes, 48)) {
    throw new DataDirectoryError(
      `${path} is damaged: its checksum or its length is wrong, and without it this server can't ` +
        `prove who it is. ${restoreAdvice(size)}`,
    );
  }
  return { serverId, incarnation: bytesToHex(bytes, FILE_HEAD_BYTES, 8) };
}
