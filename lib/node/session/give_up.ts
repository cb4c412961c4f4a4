/** What becomes of a connection's commands that wait for too long, or whose leadership is gone. */
import { ClientError } from "../../wire/command_batch.ts";
import { type PendingCommands, PendingKind } from "./pending_commands.ts";

/**
 * Refuses the commands that were submitted at or before `cutoffMs`: writes with an unknown outcome, reads
 * with `readError`. Reads whose round is confirmed, up to `confirmedRound`, wait for nothing but their
 * client: they are refused only where `confirmedToo` and not evaluated. Returns true where a reply that
 * was composed has to be composed again.
 */
export function giveUpUntil(
  pending: PendingCommands,
  cutoffMs: number,
  readError: ClientError,
  confirmedRound: number,
  confirmedToo: boolean,
): boolean {
  let recompose = false;
  for (let p = pending.head; p < pending.tail && pending.submittedMs(p) <= cutoffMs; p++) {
    const kind = pending.kind(p);
    const isConfirmed = kind === PendingKind.read && pending.round(p) <= confirmedRound;
    if (p < pending.evaluated) {
      if (kind !== PendingKind.read || isConfirmed) continue;
      pending.refuse(p, readError);
      recompose = true;
    } else if (kind === PendingKind.write) pending.refuse(p, ClientError.timeout);
    else if (kind === PendingKind.read && (confirmedToo || !isConfirmed)) {
      pending.refuse(p, readError);
    }
  }
  return recompose;
}
