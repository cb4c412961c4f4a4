/**
 * Errors that say whether it was done. Every call that fails on its way rejects with one of these, and
 * with nothing else: `NotDone` and its kind `Refused`, `Unknown`, or `BadValue` for a value that was read
 * well and is not what the caller asked to see. Wrong arguments are a TypeError or a RangeError, before
 * anything is sent.
 */

/** How far a call had come when it was given up. */
export type Phase =
  /** No server was connected. */
  | "connect"
  /** Servers answered, and none of them leads. */
  | "leader"
  /** It waited for its turn: too much was under way, or the server was busy. */
  | "queue"
  /** It was sent, and the reply did not come. */
  | "reply";

export interface Failure {
  /** What happened, in one word: "deadline", "aborted", "closed", "lost", "busy", "MISCONF", … */
  readonly code: string;
  /** HOST:PORT of the server concerned; null where there was none. */
  readonly server: string | null;
  readonly phase: Phase;
  /** What lies behind it: the reason of an AbortSignal, the error of a socket. */
  readonly cause?: unknown;
}

/** What all errors of this client are. */
export abstract class RaftkvError extends Error {
  readonly code: string;
  readonly server: string | null;
  readonly phase: Phase;

  constructor(message: string, failure: Failure) {
    super(message, failure.cause === undefined ? undefined : { cause: failure.cause });
    this.code = failure.code;
    this.server = failure.server;
    this.phase = failure.phase;
  }
}

/** Nothing was done: calling again can't do it twice. */
export class NotDone extends RaftkvError {
  override readonly name: string = "NotDone";
}

/**
 * The server refused it, and nothing was done: calling again is safe, and will be refused again unless
 * something changes. `code` is the first word of the reply: ERR, MISCONF (no room on its disk), …
 */
export class Refused extends NotDone {
  override readonly name: string = "Refused";
}

/**
 * It may have been done, or be done yet: it was sent, and no reply came in time. Read before calling again,
 * or write so that twice is as good as once: with a version (`cas`), or a value that does not depend on
 * the one before. Sent again by itself is only what goes in a client session, where it is done once.
 */
export class Unknown extends RaftkvError {
  override readonly name: string = "Unknown";
}

/**
 * A lock, a leadership or a permit was held and is not any more, or may not be: others may have it by now.
 * `code`: "late" (its time was over before it could be extended), "session" (the cluster has ended it),
 * "taken" (its key was written or deleted by somebody else), "closed" (the client was closed).
 */
export class LockLost extends RaftkvError {
  override readonly name: string = "LockLost";
}

/** The value was read, and is not UTF-8 or JSON, which was asked for. Nothing was changed. */
export class BadValue extends RaftkvError {
  override readonly name: string = "BadValue";
}

/** What a server sent is no reply of the protocol, or larger than allowed: its connection is closed. */
export class ProtocolProblem extends Error {
  override readonly name: string = "ProtocolProblem";
}
