/**
 * What a session asks of the node: the mission's Evaluator, seen from one connection. Commands go
 * into the log, reads wait for a round, everything else is refused with the reason.
 */
import type { Result } from "../../kv/commands/result.ts";
import type { ClientAddress, LogTime, ServerViewSource } from "../../wire/codec.ts";
import type { ClientError } from "../../wire/command_batch.ts";
import type { Session } from "./session.ts";

/** No leader is known, and there may be one soon: commands that need one are held until then. */
export const AWAIT_LEADER = -1;
/** Why a server takes no commands now; 0 where it does. */
export type Refusal = ClientError | 0 | typeof AWAIT_LEADER;

export interface SessionHost extends ServerViewSource {
  monotonicMs(): number;
  /** The log's time as this server makes it where it leads; never less than the log's last stamp. */
  readonly leaderTime: LogTime;
  /** And as it knows it where another leads. */
  readonly followerTime: LogTime;
  /** Why this server takes no commands at all now (redirect, noLeader, busy); 0 where it does. */
  refusal(): Refusal;
  /**
   * Asked where commands await a leader: true where the layout of the cluster is better told as it was
   * last than waited for, as the next leader has not come in the time in which one usually comes.
   */
  knowsLayout(): boolean;
  /** Why this server's store can't be read as it is, by READONLY connections; 0 where it can. */
  staleRefusal(): ClientError | 0;
  /** Why it does not take the write at `bytes[at]`; 0 where it does: that is appended then. */
  writeRefusal(bytes: Uint8Array, at: number): ClientError | 0;
  /** The leader's client address, from the configuration; null where none is known. */
  leaderAddress(): ClientAddress | null;
  /**
   * Puts `count` encoded writes, `bytes[start, end)`, into the log's next entry; their positions in
   * the session are `firstPosition` and on. The bytes are copied.
   */
  append(
    session: Session,
    firstPosition: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    count: number,
  ): void;
  /** Asks for a read round; the number of the one that serves reads submitted now. */
  readRound(session: Session): number;
  /** Calls `session.confirmed(round)` once that round is. */
  expectRound(session: Session, round: number): void;
  /** Calls `session.advance()` once the passing of time up to now is committed. */
  waitForExpiry(session: Session): void;
  /**
   * True where the reads since the last tick have been work enough: no more is to be evaluated now that
   * can wait. Calls `session.advance()` after a later tick.
   */
  mustRest(session: Session): boolean;
  read(bytes: Uint8Array, offset: number, result: Result): void;
  /** Calls `session.resumeHeld()` once a leader is known, and for each command that waits too long. */
  awaitLeader(session: Session): void;
  /** Wakes the session's shell at the end of the turn. */
  markActive(session: Session): void;
  forget(session: Session): void;
}
