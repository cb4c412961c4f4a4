/**
 * Composes a connection's replies, in the order of its commands.
 *
 * Commands of a connection act in their order. A read before a write must not see that write, but
 * confirming leadership can take longer than committing the write. So a read is evaluated just before a
 * later write of its own connection is applied, if not earlier: the store then holds everything up to
 * its read index and nothing after it. Its reply is kept until the round confirms, and becomes a refusal
 * where the leadership is lost first.
 */
import type { Asking } from "./asking.ts";
import type { ForwardedCommands } from "./forwarded_commands.ts";
import type { PendingCommands } from "./pending_commands.ts";
import { isDecidedByNode, PendingKind, waitsForOthers } from "./pending_kind.ts";
import type { ReplyComposer } from "./reply_composer.ts";
import type { Submission } from "./submission.ts";
import type { NodeSession, SessionHost } from "./session_host.ts";

/** The parts of a connection that replies are composed by. */
export interface ComposingParts {
  readonly session: NodeSession;
  readonly pending: PendingCommands;
  readonly replies: ReplyComposer;
  readonly host: SessionHost;
  readonly asking: Asking;
  readonly submission: Submission;
  /** True where others have to let go of memory first. */
  readonly mustWait: () => boolean;
}

/** Composes the next replies as far as possible, with reads confirmed up to `confirmedRound`. */
export function composeReplies(
  { session, pending, replies, host, asking, mustWait }: ComposingParts,
  forwarded: ForwardedCommands | null,
  confirmedRound: number,
): void {
  while (pending.evaluated < pending.tail) {
    const kind = pending.kind(pending.evaluated);
    if (kind === PendingKind.forwarded) {
      if (replies.isBlocked || mustWait() || !forwarded!.compose()) return;
      continue;
    }
    if (waitsForOthers(kind) || host.mustRest(session)) return;
    if (kind === PendingKind.refused) replies.composeRefusal();
    else if (kind !== PendingKind.read && !isDecidedByNode(kind)) {
      if (replies.isBlocked) return;
      replies.composeNow(kind);
    } else {
      if (pending.round(pending.evaluated) > confirmedRound) return;
      if (replies.isBlocked) return; // outputWritten() continues from here
      if (isDecidedByNode(kind)) {
        asking.ask();
        continue;
      }
      if (mustWait()) return; // checkDeadlines() continues from here
      if (!replies.composeRead(true)) return host.waitForExpiry(session);
    }
  }
}
