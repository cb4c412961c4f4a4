/**
 * What the servers tell each other of themselves: now and then, and soon after something changed. A
 * report that is older than two election timeouts counts for nothing: its server is then *unknown*,
 * neither well nor in trouble. Servers of builds without this feature are always unknown.
 */
import type { ServerId } from "../../raft/types.ts";
import type { StatusNotice } from "../../wire/rpc/rpc.ts";

/** The last report of another server. */
export interface PeerStatus extends StatusNotice {
  /** By the monotonic clock: not the last tick's time, which is old after a standstill. */
  readonly receivedMs: number;
}

/** A report is sent again after this share of an election timeout. */
const REPEAT_SHARE = 1 / 2;
/** What changes back and forth is reported no more often than this. */
const CHANGE_PAUSE_MS = 50;
const VALID_ELECTION_TIMEOUTS = 2;

/** Whose links tell the others. */
export interface StatusLinks {
  /** This server's own; null while it has none to tell. */
  ownStatus(): StatusNotice | null;
  sendStatusToAll(status: StatusNotice): void;
}

export class PeerStatuses {
  readonly #electionTimeoutMs: number;
  readonly #links: StatusLinks;
  readonly #byId = new Map<ServerId, PeerStatus>();
  #nowMs = 0;
  #sent: StatusNotice | null = null;
  #sentMs = 0;

  constructor(electionTimeoutMs: number, links: StatusLinks) {
    this.#electionTimeoutMs = electionTimeoutMs;
    this.#links = links;
  }

  /** The last report of a server, where it is not too old; null: unknown. */
  of(id: ServerId): PeerStatus | null {
    const status = this.#byId.get(id);
    if (status === undefined) return null;
    const ageMs = this.#nowMs - status.receivedMs;
    return ageMs <= VALID_ELECTION_TIMEOUTS * this.#electionTimeoutMs ? status : null;
  }

  receive(from: ServerId, notice: StatusNotice, receivedMs: number): void {
    this.#byId.set(from, { ...notice, receivedMs });
  }

  tick(nowMs: number): void {
    this.#nowMs = nowMs;
    const own = this.#links.ownStatus();
    if (own === null) return;
    const isChanged = this.#sent === null || !isSameReport(own, this.#sent);
    const pauseMs = isChanged ? CHANGE_PAUSE_MS : REPEAT_SHARE * this.#electionTimeoutMs;
    if (this.#sent !== null && nowMs - this.#sentMs < pauseMs) return;
    this.#tell(own);
  }

  /** A link has come up: its server gets a report at the next tick, not after the pause. */
  linkUp(): void {
    this.#sent = null;
  }

  /**
   * This server has come to lead: its report leaves with the term's first entry. Whoever leads next has
   * heard the log's time by then, however soon that is, and takes it from no wall clock.
   */
  leadershipWon(): void {
    const own = this.#links.ownStatus();
    if (own !== null) this.#tell(own);
  }

  #tell(own: StatusNotice): void {
    this.#sent = own;
    this.#sentMs = this.#nowMs;
    this.#links.sendStatusToAll(own);
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
