/**
 * What the servers tell each other of themselves: now and then, and soon after something changed. A
 * report that is older than two election timeouts counts for nothing: its server is then *unknown*,
 * neither well nor in trouble. Servers of builds without this feature are always unknown.
 */
import type { Clock } from "../../host/ports.ts";
import type { ServerId } from "../../raft/types.ts";
import type { StatusNotice } from "../../wire/rpc/rpc.ts";

/** The last report of another server. */
export interface PeerStatus extends StatusNotice {
  /** By the monotonic clock. */
  readonly receivedMs: number;
}

/** A report is sent again after this share of an election timeout, */
const REPEAT_SHARE = 3 / 4;
/** or after a little less, where this server is awake anyway. */
const EARLY_SHARE = 3 / 5;
/** What changes back and forth is reported no more often than this. */
const CHANGE_PAUSE_MS = 50;
const VALID_ELECTION_TIMEOUTS = 2;

/** Whose links tell the others. */
export interface StatusLinks {
  /** This server's own; null while it has none to tell. */
  ownStatus(): StatusNotice | null;
  /** It is `nowMs`. */
  sendStatusToAll(status: StatusNotice, nowMs: number): void;
}

export class PeerStatuses {
  readonly #electionTimeoutMs: number;
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #links: StatusLinks;
  readonly #byId = new Map<ServerId, PeerStatus>();
  /** Grows with each report that comes. */
  received = 0;
  /** Grows where a server reports another state of its disk than before. */
  roomChanges = 0;
  #sent: StatusNotice | null = null;
  #sentMs = 0;

  constructor(electionTimeoutMs: number, clock: Pick<Clock, "monotonicMs">, links: StatusLinks) {
    this.#clock = clock;
    this.#electionTimeoutMs = electionTimeoutMs;
    this.#links = links;
  }

  /** The last report of a server, where it is not too old; null: unknown. */
  of(id: ServerId): PeerStatus | null {
    const status = this.#byId.get(id);
    if (status === undefined) return null;
    const ageMs = this.#clock.monotonicMs() - status.receivedMs;
    return ageMs <= VALID_ELECTION_TIMEOUTS * this.#electionTimeoutMs ? status : null;
  }

  receive(from: ServerId, notice: StatusNotice, receivedMs: number): void {
    this.received++;
    const before = this.#byId.get(from);
    const isSame = notice.hasRoom === (before?.hasRoom ?? true) &&
      notice.canWrite === (before?.canWrite ?? true);
    if (!isSame) this.roomChanges++;
    this.#byId.set(from, { ...notice, receivedMs });
  }

  /** That server is gone, or another one has its id. */
  forget(id: ServerId): void {
    this.#byId.delete(id);
  }

  /** When this server's own report is due again: soon, where it says something else by now. */
  nextDeadlineMs(): number {
    const sent = this.#sent;
    if (sent === null) return this.#sentMs;
    const own = this.#links.ownStatus();
    const isChanged = own !== null && !isSameReport(own, sent);
    return this.#sentMs + (isChanged ? CHANGE_PAUSE_MS : REPEAT_SHARE * this.#electionTimeoutMs);
  }

  elapse(nowMs: number): void {
    const own = this.#links.ownStatus();
    if (own === null) return;
    const isChanged = this.#sent === null || !isSameReport(own, this.#sent);
    const pauseMs = isChanged ? CHANGE_PAUSE_MS : EARLY_SHARE * this.#electionTimeoutMs;
    if (this.#sent !== null && nowMs - this.#sentMs < pauseMs) return;
    this.#tell(own, nowMs);
  }

  /** Something else is sent: a report that is due soon goes along, and costs no write of its own. */
  sendEarly(): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#sentMs >= EARLY_SHARE * this.#electionTimeoutMs) this.elapse(nowMs);
  }

  /** A link has come up: its server gets a report as soon as may be, not after the pause. */
  linkUp(): void {
    this.#sent = null;
  }

  /**
   * This server has come to lead, at `nowMs`: its report leaves with the term's first entry. Whoever leads
   * next has heard the log's time by then, however soon that is, and takes it from no wall clock.
   */
  leadershipWon(nowMs: number): void {
    const own = this.#links.ownStatus();
    if (own !== null) this.#tell(own, nowMs);
  }

  #tell(own: StatusNotice, nowMs: number): void {
    this.#sent = own;
    this.#sentMs = nowMs;
    this.#links.sendStatusToAll(own, nowMs);
  }
}

/**
 * How far the log is applied, and its time, change all the time: only their beginning is a reason for a
 * report. Until it is reported that something is applied, a server is left out of the layout that clients
 * get; and whoever comes to lead next continues the time that it was told.
 */
function isSameReport(a: StatusNotice, b: StatusNotice): boolean {
  return a.hasRoom === b.hasRoom && a.canWrite === b.canWrite && a.isSuspect === b.isSuspect &&
    a.isRepairing === b.isRepairing && (a.appliedIndex === 0) === (b.appliedIndex === 0) &&
    (a.logTimeMs === 0) === (b.logTimeMs === 0);
}
