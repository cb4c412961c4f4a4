/**
 * The end of a run: whoever is lost by then comes back as what it was, however many voters there are; no place
 * is waited for in the log that its leader has no cause to add; and those that kept their founders change them.
 */
import { assert, assertEquals } from "@std/assert";
import { founderAddress } from "./address_book.ts";
import { realServers } from "./make_node.ts";
import { drawOptions } from "./options.ts";
import { leaderOf, othersThan, scenario } from "./scenarios.ts";
import { simulate } from "./simulate.ts";
import type { Simulation } from "./simulation.ts";

/** Three found a cluster that is to have two voters at the most. */
const WITH_ROOM_FOR_TWO = {
  servers: 3,
  older: [],
  members: { votersMin: 1, votersMax: 2, learners: 0, wipes: 0, moves: 0, replaced: 1 },
};

function counts(simulation: Simulation): { voters: number; learners: number } {
  const { voters, learners } = simulation.checks.ledgerVotings.current;
  return { voters: voters.length, learners: learners.length };
}

Deno.test("a lost learner is replaced by a learner where no other voter may come", () => {
  scenario((simulation) => {
    simulation.demand("no raise of the cluster version", 20, () => simulation.operator!.isReady);
    const leader = leaderOf(simulation);
    const [other] = othersThan(simulation, leader);
    leader.orders.changeMembers(() => [{ kind: "demote", id: other!.serverId }]);
    simulation.demand("no learner", 20, () => counts(simulation).learners === 1);
    other!.turnOff("the scenario");
    simulation.settleMembers();
    assertEquals(counts(simulation), { voters: 2, learners: 1 });
  }, WITH_ROOM_FOR_TWO);
});

Deno.test("a lost voter is replaced by a voter where there are more than drawn already", () => {
  scenario((simulation) => {
    simulation.demand("no raise of the cluster version", 20, () => simulation.operator!.isReady);
    const [other] = othersThan(simulation, leaderOf(simulation));
    other!.turnOff("the scenario");
    simulation.settleMembers();
    assertEquals(counts(simulation), { voters: 3, learners: 0 });
  }, WITH_ROOM_FOR_TWO);
});

Deno.test("where the leader's file is right about all who moved, the log is told nothing", () => {
  scenario((simulation) => {
    simulation.demand("no raise of the cluster version", 20, () => simulation.operator!.isReady);
    const { servers, checks } = simulation;
    const old = servers.map(({ address }) => address);
    const places = new Map(servers.map(({ serverId }, at) => [serverId, old[(at + 1) % 3]!]));
    for (const server of servers) {
      server.crash("the scenario");
      server.place.moveTo(places.get(server.serverId)!, places);
    }
    for (const server of servers) server.restartIn(100_000);
    simulation.settleMembers();
    assertEquals(checks.ledgerVotings.current.logPorts.size, 0);
  }, WITH_ROOM_FOR_TWO);
});

Deno.test("where the leader's file is not, the log is told", () => {
  scenario((simulation) => {
    simulation.demand("no raise of the cluster version", 20, () => simulation.operator!.isReady);
    const leader = leaderOf(simulation);
    const [other] = othersThan(simulation, leader);
    const address = founderAddress(4);
    other!.crash("the scenario");
    other!.place.moveTo(
      address,
      new Map(simulation.servers.map((one) => [one.serverId, one.address])),
    );
    other!.restartIn(100_000);
    simulation.settleMembers();
    const { logPorts } = simulation.checks.ledgerVotings.current;
    assertEquals(logPorts.get(other!.id), address.logPort);
  }, WITH_ROOM_FOR_TWO);
});

Deno.test("a run that keeps its founders changes them after its end, and is the same run", () => {
  const drawn = { members: null, older: [], coreFirst: false, faultsMs: 2_000, operationsMin: 20 };
  for (const seed of [1, 2]) {
    const options = drawOptions(seed, drawn);
    const whole = simulate(options, realServers);
    const short = simulate(options, realServers, null, false, (one) => one.runToItsEnd());
    assertEquals([whole.check, short.check], [null, null], whole.message);
    assertEquals(whole.hash, short.hash);
    const changed = [whole, short].map(({ counters }) => counters["members changed after the end"]);
    assertEquals(changed, [1, undefined]);
    assert(whole.events > short.events);
  }
});
