/** Reports of the log's time that waited in a socket while their reader stood still. */
import { assertEquals } from "@std/assert";
import { leaderOf, othersThan, runFor, scenario } from "./scenarios.ts";

Deno.test("late reports: a server that stood still and comes to lead does not begin in the past", () => {
  for (let seed = 1; seed <= 4; seed++) {
    scenario(
      (simulation) => {
        const leader = leaderOf(simulation);
        const others = othersThan(simulation, leader);
        runFor(simulation, 500);
        for (const other of others) other.pause();
        runFor(simulation, 300); // the leader's reports wait for them
        leader.pause();
        runFor(simulation, 60_000);
        for (const other of others) other.resume();
        const leads = () =>
          others.find(({ probe }) => probe?.isOpen() === true && probe.isLeader());
        simulation.demand("another leader", 20, () => leads() !== undefined);
        runFor(simulation, 50);
        const next = leads()!;
        const behindMs = next.clock.wallMs() - next.probe!.clockMs();
        assertEquals(
          behindMs < 2_000,
          true,
          `seed ${seed}: the log is ${behindMs} ms behind the wall`,
        );
        leader.resume();
      },
      { driftMax: 0, wallOffsetMaxMs: 0, older: [] },
      seed,
    );
  }
});
