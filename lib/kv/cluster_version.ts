/**
 * The cluster version: a small whole number in the replicated state that says what may be in the log and
 * in snapshots. An entry of its own kind raises it (raft/types.ts: `EntryKind.clusterVersion`), once every
 * member has said that it can read what the next version brings (node/version_raise.ts), and nothing
 * lowers it: what a version brings may be anywhere in the log from then on. That entry's payload, after
 * the envelope:
 *
 *   0  u16  the cluster version from this entry on
 */
import {
  commandLength,
  Op,
  TRANSACTION_WATCHES_OFFSET,
  WATCH_HEAD_BYTES,
} from "./commands/command.ts";
import { ByteWriter, readU32 } from "../util/bytes.ts";

/** Of a cluster whose version was never raised: what the builds before have in their logs. */
export const CLUSTER_VERSION_FIRST = 1;
/** The highest that this build can read. */
export const CLUSTER_VERSION_MAX = 2;

/** What came after the first version, and the cluster version that lets it into the log. */
export const NEEDED_VERSION = {
  deleteIfEqual: 2,
  /** Configurations that describe their members (raft/configuration_codec.ts). */
  describedConfiguration: 2,
} as const;

/** The same by operation; 0: any. */
const NEEDED_BY_OP = new Uint8Array(256);
NEEDED_BY_OP[Op.deleteIfEqual] = NEEDED_VERSION.deleteIfEqual;

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

/** The cluster version that the write at `bytes[at]` needs; a transaction needs all that is in it. */
export function neededVersion(bytes: Uint8Array, at: number): number {
  const op = bytes[at + 4]!;
  if (op !== Op.transaction) return NEEDED_BY_OP[op]!;
  const end = at + commandLength(bytes, at);
  const watches = readU32(bytes, at + 8);
  let inner = at + TRANSACTION_WATCHES_OFFSET;
  for (let i = 0; i < watches; i++) {
    inner += WATCH_HEAD_BYTES + ((bytes[inner + 8]! << 8) | bytes[inner + 9]!);
  }
  let needed = 0;
  for (; inner < end; inner += 1 + commandLength(bytes, inner + 1)) {
    needed = Math.max(needed, NEEDED_BY_OP[bytes[inner + 5]!]!);
  }
  return needed;
}
