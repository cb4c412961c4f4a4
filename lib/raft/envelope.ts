/**
 * The envelope that every log entry's bytes begin with, decided early because it can't be changed
 * in logs that exist:
 *
 *   0  u8   kind (EntryKind)
 *   1  u8   format version
 *   2  u16  flags, zero
 *   4  u64  stamp: the leader's time in ms since 1970, never less than the stamp before it
 *  12       payload: nothing (noop), a batch of commands (kv/commands/command.ts), a configuration,
 *           a cluster version (kv/cluster_version.ts)
 *
 * An entry carries all commands that one turn gathered, so the per-entry costs of consensus are paid
 * once a batch. Client session and sequence belong to a command, not to an entry: see kv/commands/command.ts.
 */
import { readU64, writeU64 } from "../util/bytes.ts";
import { broken } from "../util/assert.ts";
import { type Entry, EntryKind } from "./types.ts";

export const ENVELOPE_BYTES = 12;
const ENVELOPE_VERSION = 1;

/** Writes an envelope's head into the first `ENVELOPE_BYTES` of `bytes`. */
export function writeEnvelope(bytes: Uint8Array, kind: EntryKind, stampMs: number): void {
  if (!Number.isSafeInteger(stampMs) || stampMs < 0) {
    broken(`Cannot stamp an entry with ${stampMs}`);
  }
  bytes[0] = kind;
  bytes[1] = ENVELOPE_VERSION;
  bytes[2] = 0;
  bytes[3] = 0;
  writeU64(bytes, 4, stampMs);
}

/** The kind of a whole envelope. */
export function entryKind(entry: Entry): EntryKind {
  return entry.data[0] as EntryKind;
}

/** The stamp of a whole envelope, ms since 1970. */
export function entryStampMs(entry: Entry): number {
  return readU64(entry.data, 4);
}

/**
 * Says what is wrong with an envelope, or null. An entry that this build does not understand must
 * stop the server: skipping it would make this replica differ from the others.
 */
export function envelopeProblem(data: Uint8Array): string | null {
  if (data.length < ENVELOPE_BYTES) return `an envelope of ${data.length} bytes is too short`;
  const kind = data[0];
  const known = kind === EntryKind.noop || kind === EntryKind.commands ||
    kind === EntryKind.configuration || kind === EntryKind.clusterVersion;
  if (!known) return `entry kind ${kind} is unknown to this version`;
  if (data[1] !== ENVELOPE_VERSION) return `entry format ${data[1]} is unknown to this version`;
  if (data[2] !== 0 || data[3] !== 0) return "entry flags are set that this version does not know";
  if (!Number.isSafeInteger(readU64(data, 4))) return "the stamp is above 2^53 - 1";
  return null;
}
