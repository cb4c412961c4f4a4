/** A session as CLIENT LIST shows it, and as its checks see it. */
import type { ClientFacts, ClientView } from "../../wire/clients.ts";
import type { CommandInput } from "./command_input.ts";
import type { PendingCommands } from "./pending_commands.ts";
import type { ReplyStream } from "./reply_stream.ts";
import type { CheckedSession } from "./session_invariants.ts";

/** Where and since when it is connected, by the monotonic clock, and what came. */
export interface SessionPlace {
  readonly remote: string;
  readonly local: string;
  readonly openedMs: number;
  readonly input: CommandInput;
}

export interface SessionParts {
  readonly facts: ClientFacts;
  /** Who it was authenticated as. */
  readonly user: string;
  readonly pending: PendingCommands;
  readonly replies: ReplyStream;
  /** What it subscribes to. */
  readonly channels: number;
  readonly patterns: number;
  readonly tracksTo: number;
}

/** Who has sent nothing yet is idle since it connected. */
export function sessionView(
  { remote, local, openedMs, input }: SessionPlace,
  { facts, user, pending, replies, channels, patterns, tracksTo }: SessionParts,
  nowMs: number,
): ClientView {
  return {
    ...facts,
    remote,
    local,
    user,
    channels,
    patterns,
    tracksTo,
    ageMs: nowMs - openedMs,
    idleMs: nowMs - (pending.lastSubmittedMs() ?? openedMs),
    inputBytes: input.unparsedBytes,
    inputFreeBytes: input.freeBytes,
    outputBytes: replies.pendingBytes,
    outputHeldBytes: replies.heldBytes,
    heldBytes: input.heldBytes + replies.heldBytes + pending.readBytes.bytes.length,
  };
}

export function checkedSession(
  { remote, isAwaitingLeader, heldCommands }: Pick<
    CheckedSession,
    "remote" | "isAwaitingLeader" | "heldCommands"
  >,
  { pending, replies }: Pick<SessionParts, "pending" | "replies">,
  confirmedRound: number,
  shareBytes: number,
): CheckedSession {
  return { remote, isAwaitingLeader, heldCommands, confirmedRound, pending, replies, shareBytes };
}
