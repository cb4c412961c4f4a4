/**
 * What a handshake says of the sender's part in the cluster (the feature `claim`), so that whoever is
 * behind can tell a server that it does not know yet from one that has no part any more. The value:
 *
 *    0  u64  index of a configuration that lists the sender: its newest one that lists whom it wants,
 *            too, else its newest one; 0 for the founders'
 *    8  u64  the term of that entry, where it is known and lists both; else 0, and whoever is told of it must
 *            not take it for a word of its own part
 *   16    8  the incarnation of the server that it wants to talk to, by its configuration; zeros: any
 */
import type { RaftState } from "../../raft/state.ts";
import type { Incarnation } from "../../raft/types.ts";
import { bytesToHex, hexToBytes } from "../../util/hex.ts";
import { readU64, writeU64 } from "../../util/bytes.ts";
import { Feature, type Features } from "../../wire/rpc/rpc.ts";

export interface Claim {
  readonly index: number;
  readonly term: number;
  /** Null: any. */
  readonly wanted: Incarnation | null;
}

const BYTES = 24;
const ANY: Incarnation = "0000000000000000";

/** The feature's value. */
export function encodeClaim({ index, term, wanted }: Claim): Uint8Array {
  const bytes = new Uint8Array(BYTES);
  writeU64(bytes, 0, index);
  writeU64(bytes, 8, term);
  bytes.set(hexToBytes(wanted ?? ANY), 16);
  return bytes;
}

/** Null for a build that claims nothing, and for a claim that no server makes: it is none. */
export function claimOf(features: Features): Claim | null {
  const value = features.get(Feature.claim);
  if (value === undefined) return null;
  const [index, term] = [readU64(value, 0), readU64(value, 8)];
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(term)) return null;
  const wanted = bytesToHex(value, 16, 8);
  return { index, term, wanted: wanted === ANY ? null : wanted };
}

/**
 * True where a claim's configuration is newer than the one in effect: of a later term, or of the same and
 * with a higher index, as with logs (paper §5.4.1). Of one that is compacted, or that it was only told of,
 * a server does not know the term: then the index has to do.
 */
export function isNewerClaim(
  { index, term }: Claim,
  { configurations, log }: Pick<RaftState, "configurations" | "log">,
): boolean {
  const { currentIndex } = configurations;
  const currentTerm = Math.max(0, log.termAt(currentIndex));
  const isOfTheSame = term === currentTerm || term === 0 || currentTerm === 0;
  return isOfTheSame ? index > currentIndex : term > currentTerm;
}
