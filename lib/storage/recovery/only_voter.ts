/**
 * Whether anybody else can have what a damaged directory has lost. If so the server starts, fetches it again
 * and has no say until then (repair.ts). The only voter of its cluster is refused: nobody has it, and nobody
 * can lead while it waits.
 *
 * Who the members are is what the log says, whoever founded the cluster: one server may have grown to three,
 * three may have shrunk to one. So the newest configuration decides that can be read: of a snapshot, also of
 * one that is damaged further on, and of the log, before the damage and after it. Where there is none, the
 * members are the founders.
 *
 * What the damage took may have held a newer one:
 *
 * - Others by what can be read, and it held the end of their membership: then this server starts, and waits.
 *   Nobody is elected by what it can't know. A majority of the old voters had the joint configuration before
 *   it was left. Whoever lacks that needs a vote of one that has it, is refused for its shorter log, and this
 *   server abstains; whoever has it needs this server's half.
 * - Alone by what can be read, and it held others' becoming voters: each was added by one entry, and votes by
 *   another. Both have to be lost, and so has whatever names members after them. Then this server is refused
 *   though another has what it lost. That changes nothing on its disk and breaks no promise: to the others
 *   it is a server that is down. To start instead would be worse for all who really are alone: what is left
 *   of the log after the damage would be set aside, for a leader that never comes.
 */
import { allVoters, memberOf } from "../../raft/configuration.ts";
import { decodeConfiguration } from "../../raft/configuration_codec.ts";
import { ENVELOPE_BYTES } from "../../raft/envelope.ts";
import type { Configuration, Entry, ServerId } from "../../raft/types.ts";
import { ByteFormatError } from "../../util/bytes.ts";
import type { FoundingMember, Identity } from "../types.ts";

/** A configuration, and the entry that it is of; or the snapshot's position that it was in effect at. */
export interface KnownConfiguration {
  readonly index: number;
  readonly configuration: Configuration;
}

/** The newest one; null where neither the log's entries nor the snapshots say any. */
export function newestConfiguration(
  inLog: readonly Entry[],
  inSnapshots: readonly KnownConfiguration[],
): Configuration | null {
  let newest: KnownConfiguration | null = null;
  for (const one of [...inSnapshots, ...inLog.map(decoded)]) {
    if (one !== null && (newest === null || one.index >= newest.index)) newest = one;
  }
  return newest?.configuration ?? null;
}

/** Null for one that this build can't read: what is lost may be read by the build that wrote it. */
function decoded({ index, data }: Entry): KnownConfiguration | null {
  try {
    return { index, configuration: decodeConfiguration(data.subarray(ENVELOPE_BYTES)) };
  } catch (error) {
    if (!(error instanceof ByteFormatError)) throw error;
    return null;
  }
}

/** How many vote, and whether that is `self` alone. */
export function votersOf(
  configuration: Configuration | null,
  founders: readonly FoundingMember[],
  self: Identity,
): { readonly count: number; readonly isOnlySelf: boolean } {
  const voters = configuration === null
    ? founders.map(({ serverId }) => serverId)
    : allVoters(configuration);
  const incarnationOf = (id: ServerId) =>
    (configuration === null ? null : memberOf(configuration, id)?.incarnation) ??
      founders.find(({ serverId }) => serverId === id)?.incarnation;
  // An earlier life of this id is another server.
  const isSelf = (id: ServerId) => id === self.serverId && incarnationOf(id) === self.incarnation;
  return { count: voters.length, isOnlySelf: voters.every(isSelf) };
}
