/** Real servers in the simulator: replay, seeds, and fixed scenarios. */
import { assert, assertEquals } from "@std/assert";
import { DEFAULT_STORAGE_LIMITS } from "../../lib/node/limits.ts";
import { Random } from "../../lib/util/random.ts";
import { realServers } from "./make_node.ts";
import { drawOptions } from "./options.ts";
import { between } from "./partitions.ts";
import { demandWrites, leaderOf, othersThan, runFor, scenario } from "./scenarios.ts";
import { simulate } from "./simulate.ts";
import { failureText } from "./summary.ts";

/** How many seeds the gate runs; more by the environment variable of this name. */
const SEEDS = Number(Deno.env.get("SIM_SEEDS") || 20);

Deno.test("a seed replays byte for byte", () => {
  for (const seed of [3, 12]) {
    const run = () => simulate(drawOptions(seed), realServers);
    assertEquals(run(), run());
  }
});

Deno.test(`${SEEDS} seeds pass`, () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const options = drawOptions(seed);
    const result = simulate(options, realServers);
    assert(result.check === null, failureText(result, options, "of this tree"));
    assert(result.acknowledged >= 500 && result.simulatedMs >= 60_000);
  }
});

Deno.test("a leader that is cut off is replaced, and fits in again", () => {
  scenario((simulation) => {
    const leader = leaderOf(simulation);
    const cuts = between([leader.id], othersThan(simulation, leader).map((other) => other.id));
    for (const [from, to] of cuts) simulation.fabric.cut(from, to);
    demandWrites(simulation, 10);
    runFor(simulation, 3_000);
    assert(leaderOf(simulation) !== leader);
  });
});

Deno.test("writes resume soon after the leader's death", () => {
  for (let seed = 1; seed <= 5; seed++) {
    scenario(
      (simulation) => {
        for (let round = 0; round < 4; round++) {
          const leader = leaderOf(simulation);
          leader.crash("the scenario");
          demandWrites(simulation, 5);
          leader.restartIn(100_000);
          runFor(simulation, 2_000);
        }
      },
      {},
      seed,
    );
  }
});

Deno.test("all servers lose power at once, and nothing acknowledged is lost", () => {
  scenario((simulation) => {
    for (let round = 0; round < 5; round++) {
      runFor(simulation, 700);
      for (const server of simulation.servers) {
        server.crash("the scenario");
        server.restartIn(200_000);
      }
      demandWrites(simulation, 15);
    }
  });
});

Deno.test("a leader that can only send, or only receive, does not hold up the others", () => {
  for (const sends of [true, false]) {
    scenario((simulation) => {
      const leader = leaderOf(simulation);
      for (const other of othersThan(simulation, leader)) {
        if (sends) simulation.fabric.cut(other.id, leader.id);
        else simulation.fabric.cut(leader.id, other.id);
      }
      runFor(simulation, 1_000);
      demandWrites(simulation, 10);
    });
  }
});

Deno.test("a paused leader is replaced, and serves nothing stale when it goes on", () => {
  scenario((simulation) => {
    for (let round = 0; round < 4; round++) {
      const leader = leaderOf(simulation);
      leader.pause();
      demandWrites(simulation, 10);
      runFor(simulation, 1_000);
      leader.resume();
      runFor(simulation, 1_000);
    }
  });
});

Deno.test("a leader that sleeps with entries of several clients wakes up to what replaced them, and answers none", () => {
  const mark = "a leader of before hears what was committed in its clients' place";
  let overtaken = 0;
  for (let seed = 1; seed <= 6; seed++) {
    scenario(
      (simulation) => {
        const { marks, world } = simulation;
        for (let round = 0; round < 4; round++) {
          leaderOf(simulation);
          const end = simulation.faults.inject("overtaken", 2_000, new Random(seed * 10 + round));
          runFor(simulation, 2_000);
          end?.();
          demandWrites(simulation, 12);
          runFor(simulation, 500);
        }
        overtaken += marks.all(world.counters)[mark] ?? 0;
      },
      { checkInvariants: false },
      seed,
    );
  }
  assert(overtaken >= 5, `it came to that ${overtaken} times`);
});

Deno.test("a server that is stopped in order hands over, and starts sound", () => {
  scenario((simulation) => {
    const counts = () => simulation.marks.all(simulation.world.counters);
    for (let round = 0; round < 6; round++) {
      const leader = leaderOf(simulation);
      leader.orders.stop(100_000);
      runFor(simulation, 1_500);
      demandWrites(simulation, 8);
      assert(leader.probe?.isOpen() === true && !leader.probe.isSuspect());
    }
    assert((counts()["a server campaigns by its leader's order"] ?? 0) >= 4);
    // Nothing was cut: each found its log as it had left it.
    assertEquals(counts()["a tail is cut off at a start"] ?? 0, 0);
  });
});

Deno.test("a leader whose disk hangs is replaced while it hangs", () => {
  scenario((simulation) => {
    const leader = leaderOf(simulation);
    leader.disk.stall(60_000);
    runFor(simulation, 1_000);
    demandWrites(simulation, 12);
    assert(leaderOf(simulation) !== leader);
  });
});

Deno.test("a chain of three, and five with one that all others reach, go on writing", () => {
  scenario((simulation) => {
    const leader = leaderOf(simulation);
    const [left, right] = othersThan(simulation, leader);
    for (const [from, to] of between([left!.id], [right!.id])) simulation.fabric.cut(from, to);
    demandWrites(simulation, 10);
    // Now the leader is an end of the chain.
    simulation.fabric.mendAll();
    for (const [from, to] of between([leader.id], [right!.id])) simulation.fabric.cut(from, to);
    runFor(simulation, 2_000);
    demandWrites(simulation, 10);
  });
  scenario((simulation) => {
    const leader = leaderOf(simulation);
    const [bridge, ...others] = othersThan(simulation, leader).map((other) => other.id);
    const cuts = between([leader.id], others).concat(
      others.flatMap((a) => others.filter((b) => b > a).flatMap((b) => between([a], [b]))),
    );
    for (const [from, to] of cuts) simulation.fabric.cut(from, to);
    assert(bridge !== undefined);
    runFor(simulation, 1_000);
    demandWrites(simulation, 10);
  }, { servers: 5 });
});

Deno.test("servers that start on full disks take writes again once there is room", () => {
  scenario((simulation) => {
    for (const server of simulation.servers) {
      server.condition.mayExit = true;
      server.disk.setFull(true);
    }
    runFor(simulation, 5_000);
    for (const server of simulation.servers) {
      server.crash("the scenario");
      server.restartIn(50_000);
    }
    runFor(simulation, 5_000);
    for (const server of simulation.servers) server.disk.setFull(false);
    // Room counts once it has been there for five seconds.
    demandWrites(simulation, 40);
  }, { storage: { ...DEFAULT_STORAGE_LIMITS, segmentBytesMax: 4_096, reserveBytes: 8_192 } });
});

Deno.test("a cluster forms only with all its servers, whatever crashes on the way", () => {
  for (let seed = 1; seed <= 10; seed++) {
    // A world that begins at a later index begins with a cluster that is formed.
    const origin = { index: 0, term: 0, version: 0 };
    const options = drawOptions(seed, { servers: 3, faults: {}, coreFirst: false, origin });
    const result = simulate(options, realServers, null, false, (simulation) => {
      const [first, second, third] = simulation.servers;
      for (const server of [first!, second!]) server.restartIn(1_000);
      runFor(simulation, 5_000);
      assert(first!.probe?.isOpen() === false && second!.probe?.isOpen() === false);
      third!.restartIn(1_000);
      for (let round = 0; round < 6; round++) {
        const server = simulation.servers[round % 3]!;
        server.disk.crashSoon();
        runFor(simulation, 150);
      }
      simulation.demand(
        "no formation",
        30,
        () => simulation.servers.every(({ probe }) => probe?.isOpen() === true),
      );
    });
    assertEquals(result.check, null, `seed ${seed}: ${result.message}\n${result.stack}`);
  }
});
