/** The log's time on one server: as it makes it where it leads, and as it hears of it elsewhere. */
import type { Clock } from "../../host/ports.ts";
import { ClockWatch } from "./clock_watch.ts";
import { FollowerTime, type TimeReport } from "./follower_time.ts";
import { LeaderClock } from "./leader_clock.ts";
import type { NodeHost } from "../api.ts";

/**
 * A process that did not run for so long takes no report for fresh that it reads before as much time has
 * passed again: by then it has read all that lay there since it was stopped, which may be that much
 * before it was to be woken. A machine that slept is not told from a wall clock that was put right, after
 * which the reports are what keeps the log's time.
 */
const STOOD_STILL_MS = 1_000;

export class Clocks {
  readonly leader: LeaderClock;
  readonly follower: FollowerTime;
  readonly #clock: Clock;
  readonly #watch: ClockWatch;
  #term = 0;
  /** When this term was not seen yet: what a leader told before, it told in another one. */
  #termSinceMs = -Infinity;
  #lookedMs = -Infinity;
  /** Reports that were received before may have lain in a socket: for so long at most. */
  #trustedSinceMs = -Infinity;
  #lateMs = 0;

  /** `clock`: as the node reads `machine`, see moment.ts. */
  constructor(clock: Clock, host: Pick<NodeHost, "log">, machine = clock) {
    this.#clock = clock;
    this.leader = new LeaderClock(clock, machine);
    this.follower = new FollowerTime(clock, machine);
    this.#watch = new ClockWatch(host);
  }

  /**
   * This server comes to lead a log whose last entry has this stamp and term: its time continues where
   * the leader before has it, as far as that is known here.
   */
  beginTerm(lastStampMs: number, lastTerm: number): void {
    const { follower } = this;
    this.leader.beginTerm(lastStampMs, follower.knownMs(lastTerm), follower.lateMs);
  }

  /**
   * It is `nowMs`, and the term is this. At `lookedMs`, which is to be soon before that, for nobody notes
   * when a term begins, it was the one that was noted last.
   */
  noteTerm(nowMs: number, term: number, lookedMs: number): void {
    if (term !== this.#term) {
      this.#term = term;
      this.#termSinceMs = Math.max(this.#lookedMs, lookedMs);
    }
    this.#lookedMs = nowMs;
  }

  /**
   * It is `nowMs`, and this process has not run for `stoodStillMs` before that. By its time of arrival a
   * report that waited for it meanwhile would tell a time long past.
   */
  noteStandstill(nowMs: number, stoodStillMs: number): void {
    if (stoodStillMs < STOOD_STILL_MS) return;
    const beforeMs = nowMs < this.#trustedSinceMs ? this.#lateMs : 2 * STOOD_STILL_MS;
    this.#lateMs = beforeMs + stoodStillMs;
    this.#trustedSinceMs = nowMs + STOOD_STILL_MS;
    this.follower.distrust(this.#lateMs);
  }

  /**
   * `leads`: whether this server leads `term`; `report`: what its leader last said of its time, null
   * where it said nothing, or long ago; `lookedMs`: see `noteTerm`.
   */
  elapse(
    nowMs: number,
    term: number,
    leads: boolean,
    report: TimeReport | null,
    lookedMs = -Infinity,
  ): void {
    this.noteTerm(nowMs, term, lookedMs);
    if (leads) {
      // Should another lead for a while and say nothing of its time, it continues by this.
      const receivedMs = this.#clock.monotonicMs();
      this.follower.made({ logTimeMs: this.leader.nowMs(), receivedMs }, term);
      this.#watch.look(nowMs, this.leader.aheadOfWallMs());
    } else if (
      report !== null && report.logTimeMs !== 0 && report.receivedMs >= this.#termSinceMs
    ) {
      const isLate = report.receivedMs < this.#trustedSinceMs;
      this.follower.heard(report, term, isLate ? this.#lateMs : 0);
      if (!isLate) this.#watch.look(nowMs, this.follower.aheadOfWallMs());
    }
  }
}
