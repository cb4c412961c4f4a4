/**
 * `identity`: who this data directory is. Written once, into an empty directory, and never changed.
 *
 *   0  40  head (file_head.ts, kind "ID", cluster id zero: the cluster is not known yet)
 *  40   8  incarnation, random
 *  48   4  checksum of bytes 0..47
 */
import type { ServerId } from "../../raft/types.ts";
import type { Disk } from "../../host/ports.ts";
import { ByteWriter } from "../../util/bytes.ts";
import type { ClusterSize } from "../advice.ts";
import { type CheckedFile, readCheckedFile, writeCheckedFile } from "./checked_file.ts";
import { bytesToHex, hexToBytes } from "../../util/hex.ts";
import { type Identity, UNFORMED } from "../types.ts";

export const IDENTITY_FILE = "identity";

const FILE: CheckedFile = {
  name: IDENTITY_FILE,
  kind: "ID",
  bytesMax: 4096,
  purpose: "Without it this server can't prove who it is.",
};

/** Makes `identity` durable in `directory`. */
export function writeIdentity(disk: Disk, directory: string, identity: Identity): void {
  const { serverId, incarnation } = identity;
  const body = new ByteWriter(8);
  body.raw(hexToBytes(incarnation));
  writeCheckedFile(disk, directory, FILE, { clusterId: UNFORMED, serverId }, body);
}

/** The identity in `directory`, or null; `DataDirectoryError` where it is damaged or another's. */
export function readIdentity(
  disk: Disk,
  directory: string,
  serverId: ServerId,
  size: ClusterSize,
): Identity | null {
  const expected = { serverId, clusterId: UNFORMED, size };
  return readCheckedFile(disk, directory, FILE, expected, (body) => {
    return { serverId, incarnation: bytesToHex(body.view(8), 0, 8) };
  });
}
