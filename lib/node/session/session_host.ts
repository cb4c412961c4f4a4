/**
 * What a session and the node ask of each other. `SessionHost` is the mission's Evaluator, seen from one
 * connection: commands go into the log, reads wait for a round, everything else is refused with the
 * reason. `NodeSession` is a connection, seen from the node. Each side knows the other by these alone.
 */
import type { Result } from "../../kv/commands/result.ts";
import type { ClientView } from "../../wire/clients.ts";
import type { ClientAddress, LogTime, ServerViewSource } from "../../wire/codec.ts";
import type { ClientAccess } from "../../wire/client_access.ts";
import type { ClientError } from "../../wire/command_batch.ts";
import type { Answer, Question } from "../../wire/questions.ts";
import type { ClientPace } from "./client_pace.ts";
import type { PubSub } from "../pubsub/pubsub.ts";
import type { HeldForwarder } from "./forwarding.ts";
import type { Watches } from "../watches/watches.ts";
import type { RequestMeters } from "./request_meters.ts";
import type { CheckedSession } from "./session_invariants.ts";

/** No leader is known, and there may be one soon: commands that need one are held until then. */
export const AWAIT_LEADER = -1;
/** Another server leads, and commands are sent to it: on connections of the forward port alone. */
export const FORWARD = -2;
/** Why a server takes no commands now; 0 where it does. */
export type OwnRefusal = ClientError | 0 | typeof AWAIT_LEADER;
export type Refusal = OwnRefusal | typeof FORWARD;

/** Bounds how many connections a user has. */
export interface UserGate {
  /** The connection becomes that of this user; false where the user has as many as it may. */
  admits(userId: number): boolean;
}

/** One client connection, as the node sees it. */
export interface NodeSession {
  /** Notes of the node's lists (sessions.ts): this session is in one of them already. */
  isMarkedActive: boolean;
  isWaitingForTime: boolean;
  isAwaitingLeader: boolean;
  /** It is to be closed at the end of this turn. */
  isDying: boolean;
  /** It was disconnected: nothing is to be told to it any more. */
  readonly isGone: boolean;
  readonly pace: ClientPace;
  /** What sends its commands to the server that leads; null where nothing is sent. */
  readonly forwarded: HeldForwarder | null;
  readonly remote: string;
  readonly access: ClientAccess;
  /** Null where nothing is bounded. */
  readonly gate: UserGate | null;
  /** See ByteSource. */
  readonly onActivity: (() => void) | null;
  /** True while any command is not answered. */
  readonly hasPending: boolean;
  /** Commands that only a leader can answer. */
  readonly waitingForLeader: number;
  /** Commands that wait until a leader is known. */
  readonly heldCommands: number;
  /** The write at `position` is about to be applied: reads before it are evaluated now. */
  beforeApply(position: number): void;
  /** The write at `position` was applied, with this result. */
  applied(position: number, result: Result): void;
  /** The node answers what it was asked at `position`, unless that was given up. */
  answered(position: number, answer: Answer | ClientError): void;
  /** A read round was confirmed, and the store holds all up to its read index. */
  confirmed(round: number): void;
  /** Something that replies may have waited for has happened. */
  advance(): void;
  /** `count` writes from `position` on, encoded from `bytes[start]` on, did not come into the log. */
  refuseWrites(
    position: number,
    count: number,
    error: ClientError,
    bytes: Uint8Array,
    start: number,
  ): void;
  /**
   * Resumes held commands where a leader is known, or nobody waits for one any more; otherwise refuses
   * those submitted at or before `cutoffMs`.
   */
  resumeHeld(cutoffMs: number): void;
  /**
   * The leadership that gave out read rounds is gone; a later one counts its own. Writes in the log have
   * an unknown outcome. Reads after the last of those wait for the next leader. A read before it must not
   * see it, but a later leader may have applied it by the time it is asked: such a read is refused.
   */
  leadershipLost(readError: ClientError): void;
  checkDeadlines(nowMs: number, commandTimeoutMs: number, halfCommandTimeoutMs: number): void;
  /** Closes once what is due has gone out. */
  end(reason: string): void;
  /** Closes at once, whatever is due: it is not answered. */
  kill(reason: string): void;
  /** As CLIENT LIST shows it. */
  view(nowMs: number): ClientView;
  /** What `checkSession` reads; for tests and the simulator. */
  inspect(): CheckedSession;
}

/** Whose commands an entry carries: a connection, or a script of one. */
export type Proposer = Pick<
  NodeSession,
  "isGone" | "pace" | "beforeApply" | "applied" | "advance" | "refuseWrites"
>;

export interface SessionHost extends ServerViewSource {
  readonly meters: RequestMeters;
  readonly watches: Watches;
  readonly pubsub: PubSub;
  monotonicMs(): number;
  /** The log's time as this server makes it where it leads; never less than the log's last stamp. */
  readonly leaderTime: LogTime;
  /** And as it knows it where another leads. */
  readonly followerTime: LogTime;
  /** Why this server takes no commands at all now (redirect, noLeader, busy); 0 where it does. */
  refusal(): OwnRefusal;
  /**
   * Asked while commands wait for a leader: true where the last known layout of the cluster is a better
   * answer than further waiting, as no leader has come in the time in which one usually does.
   */
  knowsLayout(): boolean;
  /** Why READONLY connections can't read this server's store as it is; 0 where they can. */
  staleRefusal(): ClientError | 0;
  /** Why it does not take the write at `bytes[at]`; 0 where it does, and then that must be appended. */
  writeRefusal(bytes: Uint8Array, at: number): ClientError | 0;
  /** The leader's client address, from the configuration; null where none is known. */
  leaderAddress(): ClientAddress | null;
  /**
   * Puts `count` encoded writes, `bytes[start, end)`, into the log's next entry; their positions in
   * the session are `firstPosition` and on. The bytes are copied.
   */
  append(
    session: Proposer,
    firstPosition: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    count: number,
  ): void;
  /** Asks for a read round; the number of the one that serves reads submitted now. */
  readRound(): number;
  /** Calls `session.confirmed(round)` once that round is. */
  expectRound(session: NodeSession, round: number): void;
  /**
   * Calls `session.advance()` once something more was applied: where this server leads, that is the passing
   * of time up to now.
   */
  waitForExpiry(session: NodeSession): void;
  /**
   * True where the reads of this span of time have been enough work: nothing more that can wait is to be
   * evaluated now. Calls `session.advance()` in a later span.
   */
  mustRest(session: NodeSession): boolean;
  read(bytes: Uint8Array, offset: number, result: Result): void;
  /**
   * Puts a question about members or users, or a script, once its round is confirmed. The answer, or why
   * there is none; null: it comes by `session.answered(position, …)`. `command`: the number of what asks.
   */
  ask(
    session: NodeSession,
    position: number,
    request: Question,
    command: number,
  ): Answer | ClientError | null;
  /** Asks whether this is a user's name and password; the answer comes by `session.answered(position, …)`. */
  authenticate(session: NodeSession, position: number, name: string, password: Uint8Array): void;
  /** Calls `session.resumeHeld()` once a leader is known, and for each command that waits too long. */
  awaitLeader(session: NodeSession): void;
  /** Wakes the session's shell at the end of the turn. */
  markActive(session: NodeSession): void;
  forget(session: NodeSession): void;
}
