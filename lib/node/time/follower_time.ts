/**
 * The log's time as a follower knows it, for replies to reads from what it has applied: what time a key
 * has left, and when it expires. It decides nothing: no key comes or goes by it. The leader's reports
 * tell the time; between them, and where the leader's build sends none, it continues from the last one
 * or the last stamp applied by this server's monotonic clock. So a time to live counts down while
 * nobody writes.
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
  readonly #wallOffset = new WallOffset();
  /** The last stamp applied: the store's own time, which nothing shown is earlier than. */
  #appliedMs = 0;
  /** The log's time at a moment of the monotonic clock. */
  #logMs = 0;
  #monotonicMs = 0;
  #hasReport = false;

  constructor(clock: Clock) {
    this.#clock = clock;
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

  /** The leader's latest report; null where none is fresh. */
  heard(report: TimeReport | null): void {
    if (report === null || report.logTimeMs === 0) return;
    this.#logMs = report.logTimeMs;
    this.#monotonicMs = report.receivedMs;
    this.#hasReport = true;
  }

  nowMs(): number {
    return Math.max(this.#appliedMs, Math.floor(this.#at(this.#clock.monotonicMs())));
  }

  /** Without any report of a leader this server can't tell: none. */
  aheadOfWallMs(): number {
    if (!this.#hasReport) return 0;
    return this.#wallOffset.measure(this.nowMs(), Math.floor(this.#clock.wallMs()));
  }

  #at(monotonicMs: number): number {
    return this.#logMs + monotonicMs - this.#monotonicMs;
  }
}
