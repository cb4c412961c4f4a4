/** What becomes of a connection's commands that wait for too long, or whose leadership is gone. */
import { Action, ClientError } from "../../wire/command_batch.ts";
import type { PendingCommands } from "./pending_commands.ts";
import { PendingKind } from "./pending_kind.ts";

/** Which commands are given up: writes, reads whose round is not confirmed, and some more. */
export interface GiveUp {
  /** Those that were submitted then or earlier. */
  readonly cutoffMs: number;
  /** What reads are refused with. */
  readonly readError: ClientError;
  /** Reads too whose round is confirmed: they wait for nothing but their client. */
  readonly confirmedToo: boolean;
  /** What the node was asked too, that it will answer: as to writes, the outcome is unknown. */
  readonly askedToo: boolean;
  /** What was sent to another server too: as to writes, the outcome is unknown, but for reads. */
  readonly forwardedToo: boolean;
}

/** All that waited for this server as the leader that it is no more: reads get `readError`. */
export function allWithoutLeader(readError: ClientError): GiveUp {
  const others = { confirmedToo: true, askedToo: false, forwardedToo: false };
  return { cutoffMs: Infinity, readError, ...others };
}

/** What was submitted at `cutoffMs` or earlier has waited for too long, in a leadership that lasts. */
export function overdueUntil(cutoffMs: number): GiveUp {
  return {
    cutoffMs,
    readError: ClientError.noLeader,
    confirmedToo: false,
    askedToo: true,
    forwardedToo: true,
  };
}

/**
 * Refuses what is given up. Rounds are confirmed up to `confirmedRound`. Returns true where a reply that was
 * composed has to be composed again.
 */
export function giveUpUntil(
  pending: PendingCommands,
  { cutoffMs, readError, confirmedToo, askedToo, forwardedToo }: GiveUp,
  confirmedRound: number,
): boolean {
  let recompose = false;
  for (let p = pending.head; p < pending.tail && pending.submittedMs(p) <= cutoffMs; p++) {
    const kind = pending.kind(p);
    const isRead = kind === PendingKind.read || kind === PendingKind.question;
    const isConfirmed = isRead && pending.round(p) <= confirmedRound;
    if (p < pending.evaluated) {
      if (!isRead || isConfirmed) continue;
      pending.refuse(p, readError);
      recompose = true;
    } else if (kind === PendingKind.write || (kind === PendingKind.asked && askedToo)) {
      pending.refuse(p, ClientError.timeout);
    } else if (kind === PendingKind.forwarded) {
      const isRead = pending.action(p) === Action.read;
      if (forwardedToo) pending.refuse(p, isRead ? readError : ClientError.timeout);
    } else if (isRead && (confirmedToo || !isConfirmed)) pending.refuse(p, readError);
  }
  return recompose;
}
