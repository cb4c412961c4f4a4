/**
 * The founders of a cluster that is restored on several servers, each by a command of its own.
 *
 * All of them have to come to the same cluster, and nobody asks anybody: so each founder's incarnation is
 * computed from a random token, which the commands share, and from everything that they must agree on.
 * With another file, gap or list of servers it is another cluster, and they refuse each other.
 *
 * A founder could be made a second time by the same token, after it had served and was lost. It would
 * then have forgotten what it acknowledged, under an identity that still counts. That is why these
 * begin as suspect servers: it is the case that suspicion is made for (docs/data-directory.md).
 */
import { createHash } from "node:crypto";
import type { BackupHead } from "../../storage/backups/backup_format.ts";
import type { SnapshotHead } from "../../kv/snapshot.ts";
import type { FoundingMember } from "../../storage/types.ts";

const INCARNATION_DIGITS = 16;

export interface Agreement {
  /** 32 hexadecimal digits. */
  readonly token: string;
  /** Sorted. */
  readonly servers: readonly number[];
  readonly gap: number;
  readonly about: BackupHead;
  readonly head: SnapshotHead;
}

/** The members that all founders compute, sorted by id. */
export function foundersOf({ token, servers, gap, about, head }: Agreement): FoundingMember[] {
  const { clusterId, position, takenMs } = about;
  const { keys, digest } = head;
  const shared = [token, clusterId, position.index, position.term, takenMs, keys, digest, gap];
  const text = `raftkv restore/${shared.join("/")}/${servers.join(",")}`;
  return servers.map((serverId) => {
    const hash = createHash("sha256").update(`${text}/${serverId}`).digest("hex");
    return { serverId, incarnation: hash.slice(0, INCARNATION_DIGITS) };
  });
}
