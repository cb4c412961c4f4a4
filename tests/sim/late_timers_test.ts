/** Servers whose timers come late each time: it costs them time, but no decision waits for ever. */
import { DEFAULT_TIMING } from "../../lib/node/limits.ts";
import { leaderOf, othersThan, runFor, scenario } from "./scenarios.ts";

const ELECTION_TIMEOUT_MS = 1_000;
const TIMING = {
  ...DEFAULT_TIMING,
  heartbeatIntervalMs: 100,
  electionTimeoutMs: ELECTION_TIMEOUT_MS,
  commandTimeoutMs: 2_000,
};

Deno.test("late timers: a leader that hears nobody and is woken late each time steps down all the same", () => {
  scenario(
    (simulation) => {
      const leader = leaderOf(simulation);
      // Each time later than a heartbeat interval: that counts as a standstill.
      leader.timer.lateMs = 160;
      const leftMs = () => {
        const { electionDeadlineMs, nowMs } = leader.probe!.raft()!;
        return electionDeadlineMs - nowMs;
      };
      // Its next check still finds those that it heard before; so it takes two.
      simulation.demand("a check of the quorum", 10, () => leftMs() > 0.9 * ELECTION_TIMEOUT_MS);
      for (const other of othersThan(simulation, leader)) {
        simulation.fabric.cut(leader.id, other.id);
        simulation.fabric.cut(other.id, leader.id);
      }
      runFor(simulation, 3.5 * ELECTION_TIMEOUT_MS);
      if (leader.probe!.isLeader()) throw new Error("It still leads");
      leader.timer.lateMs = 0;
    },
    { timing: TIMING, driftMax: 0 },
  );
});
