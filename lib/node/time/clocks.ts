/** The log's time on one server: as it makes it where it leads, and as it hears of it elsewhere. */
import type { Clock } from "../../host/ports.ts";
import { ClockWatch } from "./clock_watch.ts";
import { FollowerTime, type TimeReport } from "./follower_time.ts";
import { LeaderClock } from "./leader_clock.ts";
import type { NodeHost } from "../api.ts";

/**
 * A process that did not run for so long takes no report for fresh that it reads before as much time has
 * passed again: by then it has read all that lay there. A machine that slept is not told from a wall clock
 * that was put right, after which the reports are what keeps the log's time.
 */
const STOOD_STILL_MS = 1_000;

export class Clocks {
  readonly leader: LeaderClock;
  readonly follower: FollowerTime;
  readonly #clock: Clock;
  readonly #watch: ClockWatch;
  #term = 0;
  /** The last tick before this term was seen: what a leader told before, it told in another one. */
  #termSinceMs = -Infinity;
  #lastTickMs = -Infinity;
  /** Reports that were received before may have lain in a socket for long. */
  #trustedSinceMs = -Infinity;

  constructor(clock: Clock, host: Pick<NodeHost, "log">) {
    this.#clock = clock;
    this.leader = new LeaderClock(clock);
    this.follower = new FollowerTime(clock);
    this.#watch = new ClockWatch(host);
  }

  /**
   * This server comes to lead a log whose last entry has this stamp and term: its time continues where
   * the leader before has it, as far as that is known here.
   */
  beginTerm(lastStampMs: number, lastTerm: number): void {
    this.leader.beginTerm(lastStampMs, this.follower.knownMs(lastTerm));
  }

  /**
   * `leads`: whether this server leads `term`; `report`: what its leader last said of its time, null
   * where it said nothing, or long ago.
   */
  tick(nowMs: number, term: number, leads: boolean, report: TimeReport | null): void {
    if (term !== this.#term) {
      this.#term = term;
      this.#termSinceMs = this.#lastTickMs;
    }
    if (nowMs - this.#lastTickMs >= STOOD_STILL_MS && this.#lastTickMs > -Infinity) {
      // By its time of arrival a report that waited for this process would tell a time long past.
      this.follower.distrust();
      this.#trustedSinceMs = nowMs + STOOD_STILL_MS;
    }
    this.#lastTickMs = nowMs;
    if (leads) {
      // Should another lead for a while and say nothing of its time, it continues by this.
      const receivedMs = this.#clock.monotonicMs();
      this.follower.heard({ logTimeMs: this.leader.nowMs(), receivedMs }, term);
      this.#watch.look(nowMs, this.leader.aheadOfWallMs());
    } else if (
      report !== null && report.logTimeMs !== 0 &&
      report.receivedMs >= Math.max(this.#termSinceMs, this.#trustedSinceMs)
    ) {
      this.follower.heard(report, term);
      this.#watch.look(nowMs, this.follower.aheadOfWallMs());
    }
  }
}
