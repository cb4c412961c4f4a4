/**
 * What must hold of one connection between two calls, as `checkState` of raft/invariants.ts for the
 * core: for tests and the simulator. Reads plain data alone, so that a test can break each by hand.
 */
import { commandLength } from "../../kv/commands/command.ts";
import { assert } from "../../util/assert.ts";
import { hasBytes, PendingKind } from "./pending_kind.ts";

/** The ring of commands, as far as the check reads it (pending_commands.ts). */
export interface CheckedRing {
  readonly head: number;
  readonly evaluated: number;
  readonly tail: number;
  readonly capacity: number;
  readonly commandsWithBytes: number;
  readonly readBytes: { readonly bytes: Uint8Array; readonly length: number };
  kind(position: number): number;
  round(position: number): number;
  readStart(position: number): number;
  replyEnd(position: number): number;
}

/** And the replies (reply_stream.ts). */
export interface CheckedReplies {
  readonly taken: number;
  readonly released: number;
  readonly composed: number;
}

export interface CheckedSession {
  readonly remote: string;
  readonly pending: CheckedRing;
  readonly replies: CheckedReplies;
  readonly confirmedRound: number;
  /** As held_commands.ts counts them. */
  readonly heldCommands: number;
  readonly isAwaitingLeader: boolean;
  /** What it holds of the budget of all sessions. */
  readonly shareBytes: number;
}

/** Throws where the session contradicts itself. Linear in its commands. */
export function checkSession(session: CheckedSession): void {
  checkRing(session);
  checkReplies(session);
  checkBytes(session);
  checkHeld(session);
}

function hold({ remote }: CheckedSession, condition: boolean, broken: string): void {
  if (!condition) assert(false, `The session of ${remote} ${broken}`);
}

/** Commands act in their order: pending_commands.ts, its picture. */
function checkRing(session: CheckedSession): void {
  const { head, evaluated, tail, capacity } = session.pending;
  hold(session, head <= evaluated, "released a reply that is not composed");
  hold(session, evaluated <= tail, "composed the reply to a command that never came");
  hold(session, tail - head <= capacity, "has more commands than places for them");
}

/** Replies leave in their order, and none before its read round is confirmed (thesis §6.4). */
function checkReplies(session: CheckedSession): void {
  const { pending, replies: { taken, released, composed }, confirmedRound } = session;
  hold(session, taken <= released, "sent bytes that were not released");
  hold(session, released <= composed, "released bytes that are not composed");
  let from = released;
  for (let p = pending.head; p < pending.evaluated; p++) {
    const kind = pending.kind(p);
    hold(session, kind !== PendingKind.held, "answered a command that waits for a leader");
    const isUnconfirmed = kind === PendingKind.read && pending.round(p) > confirmedRound;
    hold(session, p > pending.head || isUnconfirmed, "holds a reply back that waits for nothing");
    hold(session, pending.replyEnd(p) >= from, "has replies that end before they begin");
    from = pending.replyEnd(p);
  }
  hold(session, from === composed, "composed bytes that are nobody's reply");
}

/** What waits is found again as it came: its bytes stand in order, whole, and none stands in another. */
function checkBytes(session: CheckedSession): void {
  const { pending } = session;
  const { bytes, length } = pending.readBytes;
  let count = 0;
  let end = 0;
  for (let p = pending.evaluated; p < pending.tail; p++) {
    if (!hasBytes(pending.kind(p))) continue;
    count++;
    const start = pending.readStart(p);
    hold(session, start >= end, "has two commands in the same bytes");
    hold(session, start + 4 <= length, "waits with a command whose bytes are gone");
    end = start + commandLength(bytes, start);
    hold(session, end <= length, "waits with a command that has no end");
  }
  hold(session, count === pending.commandsWithBytes, "miscounts the commands that have bytes");
}

/** No command that waits for a leader is forgotten: the node knows of its session. */
function checkHeld(session: CheckedSession): void {
  const { pending, heldCommands, isAwaitingLeader } = session;
  let count = 0;
  for (let p = pending.evaluated; p < pending.tail; p++) {
    if (pending.kind(p) === PendingKind.held) count++;
  }
  hold(session, count === heldCommands, "miscounts the commands that wait for a leader");
  hold(session, count === 0 || isAwaitingLeader, "waits for a leader, and nobody knows");
}
