/**
 * The log's time as this server knows it while another leads: for replies to reads from what it has
 * applied, what time a key has left and when it expires; and where its own time begins, should it come
 * to lead. No key comes or goes by it meanwhile. The leader's reports tell the time; between them, and
 * where the leader's build sends none, it continues from the last one or the last stamp applied by this
 * server's monotonic clock. So a time to live counts down while nobody writes.
 */
import type { Clock } from "../../host/ports.ts";
import type { LogTime } from "../../wire/codec.ts";
import { WallOffset } from "./wall_offset.ts";

/** What the leader said of its time. */
export interface TimeReport {
  readonly logTimeMs: number;
  /** When that arrived, by this server's monotonic clock. */
  readonly receivedMs: number;
}

export class FollowerTime implements LogTime {
  readonly #clock: Clock;
  readonly #machine: Clock;
  readonly #wallOffset = new WallOffset();
  /** The last stamp applied: the store's own time, which nothing shown is earlier than. */
  #appliedMs = 0;
  /** The log's time at a moment of the monotonic clock. */
  #logMs = 0;
  #monotonicMs = 0;
  #report: TimeReport | null = null;
  /** Whose leader made the report; 0 without one. */
  #reportTerm = 0;
  /** For so long, at most, it may have waited for this process before it was read. */
  #lateMs = 0;
  /** This server made it, as it led then: it has waited for nobody. */
  #isOwn = false;

  /** `machine`: compared with its wall clock, what `clock` shows may be from a moment ago. */
  constructor(clock: Clock, machine = clock) {
    this.#clock = clock;
    this.#machine = machine;
  }

  /** The store has applied all up to this stamp. */
  applied(stampMs: number): void {
    if (stampMs === this.#appliedMs) return;
    this.#appliedMs = stampMs;
    const monotonicMs = this.#clock.monotonicMs();
    if (stampMs <= this.#at(monotonicMs)) return;
    this.#logMs = stampMs;
    this.#monotonicMs = monotonicMs;
  }

  /** See `knownMs`. */
  get lateMs(): number {
    return this.#lateMs;
  }

  /**
   * The latest report of the leader of this term; the same one may come again, and changes nothing.
   * `lateMs`: for so long, at most, it may have waited to be read. Such a one tells nothing that is not known
   * better where its leader was heard before: its time goes on by this server's monotonic clock.
   */
  heard(report: TimeReport | null, term: number, lateMs = 0): void {
    if (report === null || report.logTimeMs === 0) return;
    const isKnownLeader = this.#report !== null && this.#reportTerm === term;
    this.#reportTerm = term;
    if (report.receivedMs === this.#report?.receivedMs || (lateMs > 0 && isKnownLeader)) return;
    this.#report = report;
    this.#lateMs = lateMs;
    this.#isOwn = false;
    this.#logMs = report.logTimeMs;
    this.#monotonicMs = report.receivedMs;
  }

  /** As `heard`, of this server's own leadership. */
  made(report: TimeReport, term: number): void {
    this.heard(report, term);
    this.#lateMs = 0;
    this.#isOwn = true;
  }

  /** What was heard last may have waited to be read: for so long at most. */
  distrust(lateMs: number): void {
    if (!this.#isOwn) this.#lateMs = Math.max(this.#lateMs, lateMs);
  }

  /**
   * The log's time now, for whoever comes to lead a log whose last entry is of `lastTerm`. Null where the
   * leader of that term, or of a later one, has told none to this process: it may have begun elsewhere. It
   * may be later than that by up to `lateMs`.
   */
  knownMs(lastTerm: number): number | null {
    return this.#report === null || this.#reportTerm < lastTerm ? null : this.nowMs();
  }

  nowMs(): number {
    return this.#shownAt(this.#clock.monotonicMs());
  }

  /** Without any report of a leader this server can't tell: none. */
  aheadOfWallMs(): number {
    if (this.#report === null) return 0;
    const logMs = this.#shownAt(this.#machine.monotonicMs());
    const wallMs = Math.floor(this.#machine.wallMs());
    const isAhead = wallMs > logMs && wallMs - logMs <= this.#lateMs;
    return this.#wallOffset.measure(isAhead ? wallMs : logMs, wallMs);
  }

  #shownAt(monotonicMs: number): number {
    return Math.max(this.#appliedMs, Math.floor(this.#at(monotonicMs)));
  }

  #at(monotonicMs: number): number {
    return this.#logMs + monotonicMs - this.#monotonicMs;
  }
}
