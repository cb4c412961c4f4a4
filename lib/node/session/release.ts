/** Which of a connection's replies may leave. */
import type { PendingCommands } from "./pending_commands.ts";
import { PendingKind } from "./pending_kind.ts";
import type { ReplyStream } from "./reply_stream.ts";
import type { RequestMeters } from "./request_meters.ts";

/** Releases replies up to the first one that waits for a later round than `confirmedRound`. */
export function releaseReplies(
  pending: PendingCommands,
  stream: ReplyStream,
  meters: RequestMeters,
  confirmedRound: number,
): void {
  if (pending.head === pending.evaluated) return;
  let [runMs, count] = [0, 0];
  let runKind: PendingKind = PendingKind.refused;
  while (pending.head < pending.evaluated) {
    const kind = pending.kind(pending.head);
    if (kind === PendingKind.read && pending.round(pending.head) > confirmedRound) break;
    stream.release(pending.replyEnd(pending.head));
    const submittedMs = pending.submittedMs(pending.head);
    if (kind !== runKind || submittedMs !== runMs) {
      if (count > 0) meters.answered(runKind, runMs, count);
      runKind = kind;
      runMs = submittedMs;
      count = 0;
    }
    count++;
    pending.head++;
  }
  if (count > 0) meters.answered(runKind, runMs, count);
}
