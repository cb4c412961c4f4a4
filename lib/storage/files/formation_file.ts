/**
 * `formation`: the servers that this one forms, or formed, its cluster with.
 *
 *   0  40  head (file_head.ts, kind "FO", with the cluster id)
 *  40   1  stage: 1 prepared, 2 formed
 *  41   1  zero
 *  42   2  number of members, n
 *  44 16n  each member: server id u64, incarnation 8 bytes; ascending by id
 *      4  checksum of everything before it
 */
import type { ServerId } from "../../raft/types.ts";
import type { Disk } from "../../host/ports.ts";
import { ByteFormatError, ByteReader, readU32, writeU32, writeU64 } from "../../util/bytes.ts";
import { checksum } from "../../util/checksum.ts";
import { type ClusterSize, restoreAdvice } from "../advice.ts";
import { DataDirectoryError } from "../errors.ts";
import { checkFileHead, FILE_HEAD_BYTES, writeFileHead } from "./file_head.ts";
import { bytesToHex, hexToBytes } from "./hex.ts";
import { readSmallFile, replaceFile } from "./small_file.ts";
import type { FormationRecord, FoundingMember } from "../types.ts";

export const FORMATION_FILE = "formation";
const STAGES = ["prepared", "formed"] as const;
const MEMBER_BYTES = 16;
const FILE_BYTES_MAX = 65_536;

/** Makes `record` durable in `directory`. */
export function writeFormation(
  disk: Disk,
  directory: string,
  serverId: ServerId,
  record: FormationRecord,
): void {
  const bytes = new Uint8Array(FILE_HEAD_BYTES + 8 + record.members.length * MEMBER_BYTES);
  writeFileHead(bytes, "FO", { clusterId: record.clusterId, serverId });
  bytes[40] = STAGES.indexOf(record.stage) + 1;
  bytes[42] = record.members.length >>> 8;
  bytes[43] = record.members.length;
  let at = 44;
  for (const member of record.members) {
    writeU64(bytes, at, member.serverId);
    bytes.set(hexToBytes(member.incarnation), at + 8);
    at += MEMBER_BYTES;
  }
  writeU32(bytes, at, checksum(bytes.subarray(0, at)));
  replaceFile(disk, directory, FORMATION_FILE, bytes);
}

/** The record in `directory`, or null; `DataDirectoryError` where it is damaged or another's. */
export function readFormation(
  disk: Disk,
  directory: string,
  serverId: ServerId,
  size: ClusterSize,
): FormationRecord | null {
  const path = `${directory}/${FORMATION_FILE}`;
  const bytes = readSmallFile(disk, path, FILE_BYTES_MAX);
  if (bytes === null) return null;
  const clusterId = checkFileHead(path, bytes, "FO", serverId, null, restoreAdvice(size));
  try {
    const end = bytes.length - 4;
    if (end < 44 || checksum(bytes.subarray(0, end)) !== readU32(bytes, end)) {
      throw new ByteFormatError("its checksum is wrong");
    }
    return { ...decodeMembers(bytes.subarray(0, end)), clusterId };
  } catch (error) {
    if (!(error instanceof ByteFormatError)) throw error;
    throw new DataDirectoryError(
      `${path} is damaged: ${error.message}, and without it this server can't know whom it ` +
        `formed its cluster with. ${restoreAdvice(size)}`,
    );
  }
}

function decodeMembers(bytes: Uint8Array): Pick<FormationRecord, "stage" | "members"> {
  const reader = new ByteReader(bytes, FILE_HEAD_BYTES);
  const stage = STAGES[reader.u8() - 1];
  if (stage === undefined || reader.u8() !== 0) throw new ByteFormatError("its stage is unknown");
  const count = reader.u16();
  const members: FoundingMember[] = [];
  for (let i = 0; i < count; i++) {
    const serverId = reader.u64();
    if (serverId <= (members.at(-1)?.serverId ?? 0)) {
      throw new ByteFormatError("its members are out of order");
    }
    members.push({ serverId, incarnation: bytesToHex(reader.view(8), 0, 8) });
  }
  reader.finish();
  return { stage, members };
}
