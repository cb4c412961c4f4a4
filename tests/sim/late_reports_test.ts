/** Reports of the log's time that waited in a socket while their reader stood still, or that hardly had time to be sent. */
import { assertEquals } from "@std/assert";
import { leaderOf, othersThan, runFor, scenario } from "./scenarios.ts";

const HOUR_MS = 3_600_000;

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

Deno.test("short leaderships: who leads next has heard the log's time, however soon the leader dies", () => {
  for (let seed = 1; seed <= 8; seed++) {
    scenario(
      (simulation) => {
        // From here on the log is an hour behind all wall clocks.
        for (const { clock } of simulation.servers) clock.stepWall(HOUR_MS);
        const first = leaderOf(simulation);
        const others = othersThan(simulation, first);
        runFor(simulation, 500);
        first.pause();
        const leading = () =>
          others.find(({ probe }) =>
            probe?.isOpen() === true && probe.isLeader() &&
            probe.termAt(probe.commitIndex()) === probe.term()
          );
        simulation.demand("a second leader that has committed", 20, () => leading() !== undefined);
        const second = leading()!;
        const third = others.find((other) => other !== second)!;
        second.crash("killed as soon as it leads");
        first.resume();
        simulation.demand("a third leader", 20, () => {
          const { probe } = third;
          return probe?.isOpen() === true && probe.isLeader() &&
            probe.appliedIndex() === probe.lastIndex();
        });
        const behindMs = third.clock.wallMs() - third.probe!.clockMs();
        const said = `seed ${seed}: the log is ${behindMs} ms behind the wall`;
        assertEquals(behindMs > HOUR_MS - 2_000, true, said);
      },
      { driftMax: 0, wallOffsetMaxMs: 0, older: [] },
      seed,
    );
  }
});

Deno.test("late reports: a log that is behind the wall stays so where who stood still comes to lead", () => {
  for (let seed = 1; seed <= 8; seed++) {
    scenario(
      (simulation) => {
        // From here on the log is an hour behind all wall clocks.
        for (const { clock } of simulation.servers) clock.stepWall(HOUR_MS);
        const leader = leaderOf(simulation);
        const [one, other] = othersThan(simulation, leader);
        runFor(simulation, 500);
        one!.pause();
        runFor(simulation, 1_500);
        one!.resume();
        // It has heard the leader again: either of the two may lead next.
        runFor(simulation, 200);
        leader.crash("killed while what it said is not trusted");
        const next = () =>
          [one!, other!].find(({ probe }) => probe?.isOpen() === true && probe.isLeader());
        simulation.demand("another leader", 20, () => next() !== undefined);
        runFor(simulation, 50);
        const led = next() ?? leaderOf(simulation);
        const behindMs = led.clock.wallMs() - led.probe!.clockMs();
        const said = `seed ${seed}: the log is ${behindMs} ms behind the wall`;
        assertEquals(behindMs > HOUR_MS - 4_000, true, said);
      },
      { driftMax: 0, wallOffsetMaxMs: 0, older: [] },
      seed,
    );
  }
});
