/**
 * `formation`: the servers that this one forms, or formed, its cluster with.
 *
 *   0  40  head (file_head.ts, kind "FO", with the cluster id)
 *  40   1  stage: 1 prepared, 2 formed
 *  41   1  1 where the server was added later, and is none of the members; else zero
 *  42   2  number of members, n
 *  44 16n  each member: server id u64, incarnation 8 bytes; ascending by id
 *      4  checksum of everything before it
 *
 * The format version is 1 or, for a server that was added later, 2: a build that knows 1 alone would take
 * it for one that mixes files of two lives.
 */
import type { ServerId } from "../../raft/types.ts";
import type { Disk } from "../../host/ports.ts";
import { ByteFormatError, type ByteReader, ByteWriter } from "../../util/bytes.ts";
import type { ClusterSize } from "../advice.ts";
import { type CheckedFile, readCheckedFile, writeCheckedFile } from "./checked_file.ts";
import { bytesToHex, hexToBytes } from "../../util/hex.ts";
import type { FormationRecord, FoundingMember } from "../types.ts";

export const FORMATION_FILE = "formation";
const STAGES = ["prepared", "formed"] as const;
const JOINED = 1;
const JOINED_VERSION = 2;

const FILE: CheckedFile = {
  name: FORMATION_FILE,
  kind: "FO",
  bytesMax: 65_536,
  purpose: "Without it this server can't know which servers it formed its cluster with.",
};

/** Makes `record` durable in `directory`. */
export function writeFormation(
  disk: Disk,
  directory: string,
  serverId: ServerId,
  { stage, clusterId, members, joined }: FormationRecord,
): void {
  const body = new ByteWriter(256);
  body.u8(STAGES.indexOf(stage) + 1);
  body.u8(joined === true ? JOINED : 0);
  body.u16(members.length);
  for (const member of members) {
    body.u64(member.serverId);
    body.raw(hexToBytes(member.incarnation));
  }
  const version = joined === true ? JOINED_VERSION : undefined;
  writeCheckedFile(disk, directory, FILE, { clusterId, serverId }, body, version);
}

/** The record in `directory`, or null; `DataDirectoryError` where it is damaged or another's. */
export function readFormation(
  disk: Disk,
  directory: string,
  serverId: ServerId,
  size: ClusterSize,
): FormationRecord | null {
  const expected = { serverId, clusterId: null, size };
  return readCheckedFile(disk, directory, FILE, expected, (body, clusterId) => {
    return { ...decodeMembers(body), clusterId };
  });
}

function decodeMembers(body: ByteReader): Omit<FormationRecord, "clusterId"> {
  const stage = STAGES[body.u8() - 1];
  const flags = body.u8();
  if (stage === undefined || flags > JOINED) throw new ByteFormatError("its stage is unknown");
  const count = body.u16();
  const members: FoundingMember[] = [];
  for (let i = 0; i < count; i++) {
    const serverId = body.u64();
    if (serverId <= (members.at(-1)?.serverId ?? 0)) {
      throw new ByteFormatError("its members are out of order");
    }
    members.push({ serverId, incarnation: bytesToHex(body.view(8), 0, 8) });
  }
  return { stage, members, ...(flags === JOINED && { joined: true }) };
}
