/** Links that stay cut, on whole servers: where a majority is in touch, writes have to go on. */
import { assert } from "@std/assert";
import { between, type Cut } from "./partitions.ts";
import { demandWrites, leaderOf, othersThan, runFor, scenario } from "./scenarios.ts";
import type { SimServer } from "./sim_server.ts";
import type { Simulation } from "./simulation.ts";

/** Election timeouts within which a write has to be acknowledged. */
const ALLOWED = 10;

function cutAll(simulation: Simulation, cuts: readonly Cut[]): void {
  for (const [from, to] of cuts) simulation.fabric.cut(from, to);
}

/** Cuts every pair that is not named, both ways. */
function leaveOnly(
  simulation: Simulation,
  links: readonly (readonly [SimServer, SimServer])[],
): void {
  const { servers } = simulation;
  for (const a of servers) {
    for (const b of servers) {
      const stays = links.some(([one, other]) =>
        (one === a && other === b) || (one === b && other === a)
      );
      if (a !== b && !stays) simulation.fabric.cut(a.id, b.id);
    }
  }
}

function newestTerm(simulation: Simulation): number {
  return Math.max(...simulation.servers.map(({ probe }) => probe!.term()));
}

Deno.test("quorum loss: a leader that reaches only the hub gives way to it", () => {
  for (let seed = 1; seed <= 3; seed++) {
    scenario(
      (simulation) => {
        const leader = leaderOf(simulation);
        const [hub, ...rest] = othersThan(simulation, leader);
        leaveOnly(simulation, [leader, ...rest].map((other) => [hub!, other] as const));
        runFor(simulation, 1_000);
        demandWrites(simulation, ALLOWED);
        assert(leaderOf(simulation) === hub);
      },
      { servers: 5 },
      seed,
    );
  }
});

Deno.test("old-leader bridge: a leader without a majority does not keep its last follower quiet", () => {
  for (let seed = 1; seed <= 3; seed++) {
    scenario(
      (simulation) => {
        const leader = leaderOf(simulation);
        const [bridge, ...rest] = othersThan(simulation, leader);
        cutAll(simulation, between([leader.id], rest.map((other) => other.id)));
        runFor(simulation, 1_000);
        demandWrites(simulation, ALLOWED);
        assert(leaderOf(simulation) !== leader && bridge !== undefined);
      },
      { servers: 4 },
      seed,
    );
  }
});

Deno.test("flapping: servers that can't hear the leader, but others can, don't depose it for ever", () => {
  for (let seed = 1; seed <= 3; seed++) {
    scenario(
      (simulation) => {
        const leader = leaderOf(simulation);
        const [b, c, d, e] = othersThan(simulation, leader);
        cutAll(simulation, between([leader.id], [d!.id, e!.id]));
        cutAll(simulation, between([b!.id], [e!.id]));
        assert(c !== undefined);
        runFor(simulation, 1_000);
        demandWrites(simulation, ALLOWED);
        const term = newestTerm(simulation);
        runFor(simulation, 20_000);
        assert(newestTerm(simulation) <= term + 1, `term ${term} became ${newestTerm(simulation)}`);
        demandWrites(simulation, ALLOWED);
      },
      { servers: 5 },
      seed,
    );
  }
});

Deno.test("constrained election: where only an older log is in touch with a majority, Raft stalls safely", () => {
  for (let seed = 1; seed <= 3; seed++) {
    scenario(
      (simulation) => {
        const leader = leaderOf(simulation);
        const [hub, ...rest] = othersThan(simulation, leader);
        // The hub misses writes that all others have, then becomes the only one in touch with them.
        cutAll(simulation, between([hub!.id], [leader, ...rest].map((other) => other.id)));
        runFor(simulation, 3_000);
        simulation.fabric.mendAll();
        leaveOnly(simulation, rest.map((other) => [hub!, other] as const));
        runFor(simulation, 3_000);
        const term = newestTerm(simulation);
        const writes = simulation.history.acknowledgedWrites;
        runFor(simulation, 20_000);
        assert(
          simulation.history.acknowledgedWrites === writes,
          "somebody led without the newest log",
        );
        assert(newestTerm(simulation) <= term + 1, `term ${term} became ${newestTerm(simulation)}`);
        // One link more, between two that have the newest log: one of them can win now.
        const [first, second] = rest;
        simulation.fabric.mend(first!.id, second!.id);
        simulation.fabric.mend(second!.id, first!.id);
        demandWrites(simulation, ALLOWED);
      },
      { servers: 5 },
      seed,
    );
  }
});

Deno.test("a wiped server stays out, and its cluster stays as it was", () => {
  for (let seed = 1; seed <= 3; seed++) {
    scenario(
      (simulation) => {
        const leader = leaderOf(simulation);
        const term = newestTerm(simulation);
        const [wiped] = othersThan(simulation, leader);
        wiped!.crash("the scenario");
        wiped!.harm("wipe", simulation.servers[0]!.random);
        wiped!.restartIn(100_000);
        runFor(simulation, 10_000);
        demandWrites(simulation, 2);
        assert(leaderOf(simulation) === leader);
        assert(wiped!.probe?.isOpen() === false);
        assert(leader.probe!.term() === term);
      },
      { damageable: [1, 2, 3] },
      seed,
    );
  }
});

Deno.test("a wiped server and a live one found no second cluster while the third is away", () => {
  scenario((simulation) => {
    const leader = leaderOf(simulation);
    const [wiped, live] = othersThan(simulation, leader);
    cutAll(simulation, between([leader.id], [wiped!.id, live!.id]));
    wiped!.crash("the scenario");
    wiped!.harm("wipe", simulation.servers[0]!.random);
    wiped!.restartIn(100_000);
    runFor(simulation, 2_000);
    const writes = simulation.history.acknowledgedWrites;
    runFor(simulation, 20_000);
    assert(simulation.history.acknowledgedWrites === writes, "a write without a sound majority");
    assert(!live!.probe!.isLeader());
  }, { damageable: [1, 2, 3] });
});
