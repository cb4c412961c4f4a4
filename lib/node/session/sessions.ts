/** All client sessions of a server: which have output, which wait for time, which are late. */
import { type ClientFilter, type ClientView, isMeant } from "../../wire/clients.ts";
import type { ClientError } from "../../wire/command_batch.ts";
import type { ForwardMeters } from "./forwarding.ts";
import type { NodeSession } from "./session_host.ts";

/** How often deadlines are looked at, and so how exact they are. */
const CHECK_INTERVAL_MS = 100;
/** The same for commands that wait for a leader. */
const HELD_CHECK_INTERVAL_MS = 10;

const KILLED = "it was killed: CLIENT KILL, or raftkv clients kill";

export interface SessionTimes {
  readonly commandTimeoutMs: number;
  readonly leaderWaitMs: number;
  readonly halfCommandTimeoutMs: number;
}

/** How much may still be evaluated in this span of time. */
export interface WorkBudget {
  hasWorkLeft(): boolean;
}

/** What a server holds for its clients. */
export interface ClientLoad {
  readonly connections: number;
  readonly bufferBytes: number;
  /** Entries in the log, and rounds of reads, with clients that wait for them. */
  readonly waitingEntries: number;
  readonly waitingRounds: number;
  /** Commands that only a leader can answer. */
  readonly waitingCommands: number;
  /** Commands that wait until a leader is known. */
  readonly heldCommands: number;
  readonly watches: number;
  readonly subscriptions: number;
  /** Other servers' clients whose commands are forwarded to this one. */
  readonly forwardedClients: number;
  readonly forwarded: ForwardMeters;
}

export class Sessions {
  readonly #all = new Set<NodeSession>();
  /** Of these, those of other servers' clients: their commands were forwarded. */
  readonly #forwarded = new Set<NodeSession>();
  #active: NodeSession[] = [];
  /** A turn is under way, at whose end the active ones are woken. */
  #isTurn = false;
  #waitingForTime: NodeSession[] = [];
  /** Those whose reads were enough work for a span of time; the one that waits longest is first. */
  readonly #resting = new Set<NodeSession>();
  #awaitingLeader: NodeSession[] = [];
  /** To be closed at the end of the turn: whoever asked for it is in the midst of a reply. */
  readonly #dying: { readonly session: NodeSession; readonly isGently: boolean }[] = [];
  #lastCheckMs = 0;
  #lastHeldCheckMs = 0;

  get count(): number {
    return this.#all.size - this.#forwarded.size;
  }

  get forwardedCount(): number {
    return this.#forwarded.size;
  }

  /** Commands of all sessions that only a leader can answer. */
  get waitingForLeader(): number {
    let count = 0;
    for (const session of this.#all) count += session.waitingForLeader;
    return count;
  }

  /** Commands of all sessions that wait until a leader is known, those to be forwarded aside. */
  get heldCommands(): number {
    let count = 0;
    for (const session of this.#awaitingLeader) {
      if (session.forwarded === null) count += session.heldCommands;
    }
    return count;
  }

  /** True while any command is not answered. */
  get havePending(): boolean {
    for (const session of this.#all) {
      if (session.hasPending) return true;
    }
    return false;
  }

  all(): Iterable<NodeSession> {
    return this.#all;
  }

  add(session: NodeSession): void {
    this.#all.add(session);
  }

  /** It is no client's connection here: nobody finds it in a list of those. */
  addForwarded(session: NodeSession): void {
    this.#all.add(session);
    this.#forwarded.add(session);
  }

  forget(session: NodeSession): void {
    this.#all.delete(session);
    this.#forwarded.delete(session);
    this.#resting.delete(session);
  }

  /** Those that are meant, as CLIENT LIST shows them, in the order in which they came. */
  viewsOf(filter: ClientFilter, nowMs: number): { session: NodeSession; view: ClientView }[] {
    const found: { session: NodeSession; view: ClientView }[] = [];
    for (const session of this.#all) {
      if (session.isDying || this.#forwarded.has(session)) continue;
      const view = session.view(nowMs);
      if (isMeant(filter, view)) found.push({ session, view });
    }
    return found;
  }

  /** Remembers to wake the session's shell at the end of the turn; true where one has to be asked for. */
  markActive(session: NodeSession): boolean {
    if (session.isMarkedActive) return false;
    session.isMarkedActive = true;
    this.#active.push(session);
    return !this.#isTurn;
  }

  turnBegins(): void {
    this.#isTurn = true;
  }

  /** Closes the session at the end of the turn: `isGently` once its replies are out, else at once. */
  kill(session: NodeSession, isGently: boolean): void {
    session.isDying = true;
    this.#dying.push({ session, isGently });
  }

  /** Wakes the shells of all marked sessions, and of those that are marked meanwhile. */
  wake(): void {
    if (this.#dying.length > 0) this.#endDying();
    while (this.#active.length > 0) {
      const active = this.#active;
      this.#active = [];
      for (const session of active) {
        session.isMarkedActive = false;
        session.onActivity?.();
      }
    }
    this.#isTurn = false;
  }

  #endDying(): void {
    for (const { session, isGently } of this.#dying.splice(0)) {
      if (isGently) session.end(KILLED);
      else session.kill(KILLED);
    }
  }

  /** Remembers a session that continues in a later span of time. */
  rest(session: NodeSession): void {
    this.#resting.add(session);
  }

  /** One after the other continues, within `budget`; one that has to rest again does so after the others. */
  resumeRested(budget: WorkBudget): void {
    if (this.#resting.size === 0) return;
    for (const session of [...this.#resting]) {
      if (!budget.hasWorkLeft()) return;
      this.#resting.delete(session);
      session.advance();
    }
  }

  waitForExpiry(session: NodeSession): void {
    if (session.isWaitingForTime) return;
    session.isWaitingForTime = true;
    this.#waitingForTime.push(session);
  }

  /** Something was committed: the log's time may have passed for sessions that wait for that. */
  resumeAfterTime(): void {
    if (this.#waitingForTime.length === 0) return;
    const waiting = this.#waitingForTime;
    this.#waitingForTime = [];
    for (const session of waiting) {
      session.isWaitingForTime = false;
      session.advance();
    }
  }

  awaitLeader(session: NodeSession): void {
    if (session.isAwaitingLeader) return;
    session.isAwaitingLeader = true;
    this.#awaitingLeader.push(session);
  }

  /** True while any session holds commands until a leader is known. */
  get isAwaitingLeader(): boolean {
    return this.#awaitingLeader.length > 0;
  }

  /** Has all sessions resume what they hold, or refuse what waits since before `cutoffMs`. */
  resumeHeld(cutoffMs: number): void {
    const waiting = this.#awaitingLeader;
    this.#awaitingLeader = [];
    for (const session of waiting) {
      session.isAwaitingLeader = false;
      session.resumeHeld(cutoffMs);
      if (session.heldCommands > 0) this.awaitLeader(session);
    }
  }

  /** When `checkDeadlines` has something to look at. */
  nextDeadlineMs(): number {
    if (this.isAwaitingLeader) return this.#lastHeldCheckMs + HELD_CHECK_INTERVAL_MS;
    return this.#all.size > 0 ? this.#lastCheckMs + CHECK_INTERVAL_MS : Infinity;
  }

  /** True while any session rests. */
  get areResting(): boolean {
    return this.#resting.size > 0;
  }

  checkDeadlines(nowMs: number, times: SessionTimes): void {
    this.#lastHeldCheckMs = nowMs;
    if (this.isAwaitingLeader) this.resumeHeld(nowMs - times.leaderWaitMs);
    if (nowMs - this.#lastCheckMs < CHECK_INTERVAL_MS) return;
    this.#lastCheckMs = nowMs;
    for (const session of this.#all) {
      session.checkDeadlines(nowMs, times.commandTimeoutMs, times.halfCommandTimeoutMs);
    }
  }

  /** Answers everything that waits: reads with `readError`, writes with an unknown outcome. */
  leadershipLost(readError: ClientError): void {
    for (const session of this.#waitingForTime) session.isWaitingForTime = false;
    this.#waitingForTime = [];
    for (const session of this.#all) session.leadershipLost(readError);
    this.resumeHeld(-Infinity);
  }

  /** Closes every session once its last replies have gone out. */
  endAll(reason: string): void {
    for (const session of this.#all) session.end(reason);
  }
}
