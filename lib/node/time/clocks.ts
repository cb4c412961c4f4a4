/** The log's time on one server: as it makes it where it leads, and as it hears of it elsewhere. */
import type { Clock } from "../../host/ports.ts";
import { ClockWatch } from "./clock_watch.ts";
import { FollowerTime, type TimeReport } from "./follower_time.ts";
import { LeaderClock } from "./leader_clock.ts";
import type { LogEvent } from "../api.ts";

export class Clocks {
  readonly leader: LeaderClock;
  readonly follower: FollowerTime;
  readonly #watch: ClockWatch;

  constructor(clock: Clock, log: (event: LogEvent) => void) {
    this.leader = new LeaderClock(clock);
    this.follower = new FollowerTime(clock);
    this.#watch = new ClockWatch(log);
  }

  /** `report`: what the leader last said of its time; null where it said nothing, or long ago. */
  tick(nowMs: number, leads: boolean, report: TimeReport | null): void {
    if (leads) this.#watch.look(nowMs, this.leader.aheadOfWallMs(), true);
    else if (report !== null && report.logTimeMs !== 0) {
      this.follower.heard(report);
      this.#watch.look(nowMs, this.follower.aheadOfWallMs(), false);
    }
  }
}
