/**
 * The cluster version: a small whole number in the replicated state that says what may be in the log and
 * in snapshots. An entry of its own kind raises it (raft/types.ts: `EntryKind.clusterVersion`), once every
 * member has said that it can read what the next version brings (node/version_raise.ts), and nothing
 * lowers it: what a version brings may be anywhere in the log from then on. That entry's payload, after
 * the envelope:
 *
 *   0  u16  the cluster version from this entry on
 */
import { afterWatches, commandLength, innerOf, Op } from "./commands/command.ts";
import { ByteWriter } from "../util/bytes.ts";

/** Of a cluster whose version was never raised: what the builds before have in their logs. */
export const CLUSTER_VERSION_FIRST = 1;
/** The highest that this build can read. */
export const CLUSTER_VERSION_MAX = 5;

/** What came after the first version, and the cluster version that lets it into the log. */
export const NEEDED_VERSION = {
  deleteIfEqual: 2,
  /** Configurations that describe their members (raft/configuration_codec.ts). */
  describedConfiguration: 2,
  /** Users, and whose a command is (kv/users/operations.ts). */
  users: 3,
  /** Client sessions (kv/sessions/operations.ts). */
  sessions: 4,
  /** Writes that depend on the value that is there, and its digest (kv/commands/conditions.ts). */
  conditions: 4,
  /** Ranges, in transactions (kv/commands/ranges.ts). */
  ranges: 4,
  /** EVAL and its kin: replicas judge their writes by these commands' numbers. */
  scripts: 4,
  /** SCRIPT LOAD and FLUSH go through the log (kv/scripts/operations.ts). */
  loadedScripts: 5,
} as const;

/** The same by operation; 0: any. */
const NEEDED_BY_OP = new Uint8Array(256);
NEEDED_BY_OP[Op.deleteIfEqual] = NEEDED_VERSION.deleteIfEqual;
for (const op of [Op.changeUser, Op.deleteUser, Op.byUser]) NEEDED_BY_OP[op] = NEEDED_VERSION.users;
for (const op of [Op.openSession, Op.closeSession, Op.inSession, Op.keepSessions]) {
  NEEDED_BY_OP[op] = NEEDED_VERSION.sessions;
}
for (const op of [Op.setIf, Op.deleteIf, Op.setAll, Op.digest]) {
  NEEDED_BY_OP[op] = NEEDED_VERSION.conditions;
}
NEEDED_BY_OP[Op.range] = NEEDED_VERSION.ranges;
for (const op of [Op.loadScript, Op.flushScripts]) NEEDED_BY_OP[op] = NEEDED_VERSION.loadedScripts;

const PAYLOAD_BYTES = 2;

/** The payload of an entry that raises the version. */
export function encodeClusterVersion(version: number): Uint8Array {
  const out = new ByteWriter(PAYLOAD_BYTES);
  out.u16(version);
  return out.copy();
}

/** The version that the payload at `offset` names; `clusterVersionProblem` has passed it. */
export function readClusterVersion(bytes: Uint8Array, offset: number): number {
  return (bytes[offset]! << 8) | bytes[offset + 1]!;
}

/** What is wrong with the payload of an entry that raises the version, or null. */
export function clusterVersionProblem(bytes: Uint8Array, offset: number): string | null {
  const length = bytes.length - offset;
  if (length !== PAYLOAD_BYTES) return `a cluster version of ${length} bytes`;
  return unknownVersion(readClusterVersion(bytes, offset));
}

/** Why this build can't be in a cluster of this version, as half a sentence; null where it can. */
export function unknownVersion(version: number): string | null {
  if (version > CLUSTER_VERSION_FIRST && version <= CLUSTER_VERSION_MAX) return null;
  return `the cluster version is ${version}, and this build knows ${CLUSTER_VERSION_FIRST} to ` +
    `${CLUSTER_VERSION_MAX}`;
}

/** The cluster version that the write at `bytes[at]` needs, with all that is in it. */
export function neededVersion(bytes: Uint8Array, at: number): number {
  const inner = innerOf(bytes, at);
  const needed = Math.max(NEEDED_BY_OP[bytes[at + 4]!]!, NEEDED_BY_OP[bytes[inner + 4]!]!);
  return bytes[inner + 4] === Op.transaction ? neededInside(bytes, inner, needed) : needed;
}

/** What the commands of the transaction at `bytes[at]` need, `least` at the least. */
function neededInside(bytes: Uint8Array, at: number, least: number): number {
  const end = at + commandLength(bytes, at);
  let needed = least;
  for (let one = afterWatches(bytes, at); one < end; one += 1 + commandLength(bytes, one + 1)) {
    needed = Math.max(needed, neededVersion(bytes, one + 1));
  }
  return needed;
}
