import { assertEquals } from "@std/assert";
import { LeaderClock } from "../../lib/node/time/leader_clock.ts";

function setup() {
  const clock = {
    mono: 1000,
    wall: 50_000,
    monotonicMs: () => clock.mono,
    wallMs: () => clock.wall,
  };
  return { clock, leaderClock: new LeaderClock(clock) };
}

Deno.test("a leader's time starts at the wall clock and continues by the monotonic one", () => {
  const { clock, leaderClock } = setup();
  leaderClock.beginTerm(0, null);
  assertEquals(leaderClock.nowMs(), 50_000);
  clock.mono += 10;
  clock.wall += 3_600_000; // a step of the wall clock in mid-term moves nothing
  assertEquals(leaderClock.nowMs(), 50_010);
});

Deno.test("time never goes back before the log's last stamp, and continues from there", () => {
  const { clock, leaderClock } = setup();
  leaderClock.beginTerm(650_000, null);
  assertEquals(leaderClock.nowMs(), 650_000);
  clock.mono += 300_000;
  clock.wall += 300_000;
  assertEquals(leaderClock.nowMs(), 950_000);
});

Deno.test("a later term does not take time back", () => {
  const { clock, leaderClock } = setup();
  leaderClock.beginTerm(0, null);
  clock.mono += 500;
  leaderClock.nowMs();
  clock.wall -= 40_000;
  leaderClock.beginTerm(0, null);
  assertEquals(leaderClock.nowMs(), 50_500);
});
