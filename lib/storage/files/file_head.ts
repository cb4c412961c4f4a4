/**
 * The head that every file of a data directory begins with:
 *
 *   0   8  magic: "RAFTKV" and two letters for the kind of file
 *   8   1  format version of this kind
 *   9   1  checksum algorithm (CHECKSUM_CRC32)
 *  10   2  zero
 *  12  16  cluster id; zeroes where the file was made before the cluster was formed
 *  28   8  server id
 *  36   4  checksum of bytes 0..35
 *  40      the file's own part
 *
 * A file that was copied from another server, or from another cluster, is refused by its head.
 */
import type { ServerId } from "../../raft/types.ts";
import { readU32, readU64, writeU32, writeU64 } from "../../util/bytes.ts";
import { checksum, CHECKSUM_CRC32 } from "../../util/checksum.ts";
import { DataDirectoryError, ForeignFileError } from "../errors.ts";
import { bytesToHex, hexToBytes } from "../../util/hex.ts";
import type { ClusterId } from "../types.ts";

export const FILE_HEAD_BYTES = 40;
/** What is written unless another is given. */
const FORMAT_VERSION = 1;

/** The last two letters of the magic. */
export type FileKind = "ID" | "FO" | "WA" | "RE" | "SN" | "RP" | "BK";

const KIND_NAMES: Record<FileKind, string> = {
  ID: "identity file",
  FO: "formation record",
  WA: "log segment",
  RE: "reserve file",
  SN: "snapshot",
  RP: "record of repair",
  BK: "backup",
};

/** The highest version of each kind that this build knows. */
const VERSIONS_MAX: Record<FileKind, number> = { ID: 1, FO: 2, WA: 2, RE: 1, SN: 5, RP: 1, BK: 1 };

/** The server and cluster that a file belongs to. */
export interface FileOwner {
  readonly clusterId: ClusterId;
  readonly serverId: ServerId;
}

/** Writes a head into the first `FILE_HEAD_BYTES` of `bytes`. */
export function writeFileHead(
  bytes: Uint8Array,
  kind: FileKind,
  owner: FileOwner,
  version = FORMAT_VERSION,
): void {
  const magic = `RAFTKV${kind}`;
  for (let i = 0; i < 8; i++) bytes[i] = magic.charCodeAt(i);
  bytes[8] = version;
  bytes[9] = CHECKSUM_CRC32;
  bytes[10] = 0;
  bytes[11] = 0;
  bytes.set(hexToBytes(owner.clusterId), 12);
  writeU64(bytes, 28, owner.serverId);
  writeU32(bytes, 36, checksum(bytes.subarray(0, 36)));
}

/**
 * Checks the head of the file at `path` and returns the cluster id in it. Throws
 * `DataDirectoryError` where it is damaged, of an unknown version, or another server's or cluster's.
 * `clusterId` of null accepts any cluster. `advice` is what to do about damage.
 */
export function checkFileHead(
  path: string,
  bytes: Uint8Array,
  kind: FileKind,
  serverId: ServerId,
  clusterId: ClusterId | null,
  advice = "",
): ClusterId {
  const problem = fileHeadProblem(bytes, kind, advice === "" ? "" : ` ${advice}`);
  if (problem !== null) {
    const kind = isFileHeadIntact(bytes) ? ForeignFileError : DataDirectoryError;
    throw new kind(`${path}: ${problem}`);
  }
  const foundServer = readU64(bytes, 28);
  if (foundServer !== serverId) {
    throw new ForeignFileError(
      `${path} belongs to server ${foundServer}, but this is server ${serverId}. ` +
        `Start it with --id ${foundServer}, or give server ${serverId} a directory of its own.`,
    );
  }
  const foundCluster = bytesToHex(bytes, 12, 16);
  if (clusterId !== null && foundCluster !== clusterId) {
    throw new ForeignFileError(
      `${path} belongs to cluster ${foundCluster}, but cluster ${clusterId} was expected. ` +
        "Point the server at the data directory of its own cluster.",
    );
  }
  return foundCluster;
}

/** False where the head's own checksum is wrong: damage, and not another kind or version. */
export function isFileHeadIntact(bytes: Uint8Array): boolean {
  return bytes.length >= FILE_HEAD_BYTES && checksum(bytes.subarray(0, 36)) === readU32(bytes, 36);
}

/** What is wrong with a head, whichever server's it is; or null. `advice`: what to do about damage. */
export function fileHeadProblem(
  bytes: Uint8Array,
  kind: FileKind,
  advice: string,
): string | null {
  const name = KIND_NAMES[kind];
  if (bytes.length < FILE_HEAD_BYTES) {
    return `this ${name} is ${bytes.length} bytes long, too short for its head.${advice}`;
  }
  const magic = `RAFTKV${kind}`;
  for (let i = 0; i < 8; i++) {
    if (bytes[i] !== magic.charCodeAt(i)) {
      return `this is no ${name}: it does not begin with ${magic}.${advice}`;
    }
  }
  const version = bytes[8]!;
  const versionMax = VERSIONS_MAX[kind];
  const intact = isFileHeadIntact(bytes);
  if (intact && (version < 1 || version > versionMax)) {
    const known = versionMax === 1 ? "version 1 only" : `versions 1 to ${versionMax} only`;
    return `this ${name} has format version ${version}, and this build knows ${known}. ` +
      "Run the build that wrote it.";
  }
  if (intact && bytes[9] !== CHECKSUM_CRC32) {
    return `this ${name} uses checksum algorithm ${bytes[9]}, and this build knows ` +
      `${CHECKSUM_CRC32} only. Run the build that wrote it.`;
  }
  if (!intact) return `the head of this ${name} is damaged: its checksum is wrong.${advice}`;
  return null;
}
