/** Clients of the Redis protocol in the simulator: checks that can fail, and servers that pass them. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { ClientConnection } from "./client_connection.ts";
import { checkCounter, checkSum, type CounterOperation } from "./redis_checks.ts";
import { demandWrites, leaderOf, runFor, scenario } from "./scenarios.ts";
import type { Simulation } from "./simulation.ts";
import { timeProblem } from "./version_task.ts";

type Written = [
  kind: CounterOperation["kind"],
  beganAt: number,
  endedAt: number,
  value: number | null,
  connection?: number,
];

/** A history on one counter; no value is an unknown outcome. */
function counterHistory(...written: Written[]): CounterOperation[] {
  return written.map(([kind, beganAt, endedAt, value, connection], at) => ({
    key: "counter",
    kind,
    connection: connection ?? at,
    beganAt,
    endedAt: value === null ? Infinity : endedAt,
    value: value ?? 0,
    outcome: value === null ? "unknown" : "done",
  }));
}

function assertRefused(why: string, ...written: Written[]): void {
  assertStringIncludes(checkCounter(counterHistory(...written)) ?? "nothing is wrong", why);
}

Deno.test("a true history of a counter passes, with unknown increments done or not", () => {
  const histories: Written[][] = [
    [],
    [["read", 0, 1, 0]],
    [["increment", 0, 10, 2], ["increment", 0, 10, 1], ["read", 11, 12, 2]],
    [["increment", 0, 1, 1], ["increment", 2, 9, null], ["increment", 3, 4, 2]],
    [["increment", 0, 1, 1], ["increment", 2, 9, null], ["increment", 3, 4, 3]],
    // Done only long after nobody waited any more.
    [["increment", 0, 1, null], ["read", 5, 6, 0], ["read", 90, 91, 1]],
    [["read", 0, 9, 1], ["increment", 5, 6, 1], ["read", 1, 8, 0]],
  ];
  for (const history of histories) assertEquals(checkCounter(counterHistory(...history)), null);
});

Deno.test("a lost increment is refused", () => {
  assertRefused("belongs to", ["increment", 0, 1, 1], ["read", 2, 3, 0]);
  assertRefused("belongs to", ["increment", 0, 1, 1], ["increment", 2, 3, 2], ["read", 4, 5, 1]);
  assertRefused("answered 1", ["increment", 0, 1, 1], ["increment", 2, 3, 1]);
});

Deno.test("an increment that was done twice is refused", () => {
  assertRefused("was reached by", ["increment", 0, 1, 1], ["read", 2, 3, 2]);
  assertRefused("was reached by", ["increment", 0, 1, 2]);
  assertRefused("was reached by", ["increment", 0, 1, null], ["read", 2, 3, 2]);
});

Deno.test("an increment that was refused and yet done is refused", () => {
  const history = counterHistory(["increment", 0, 1, null], ["read", 2, 3, 1]);
  assertEquals(checkCounter(history), null);
  history[0]!.outcome = "nothing";
  assertStringIncludes(checkCounter(history)!, "was reached by");
});

Deno.test("replies against real time are refused, those of unknown increments too", () => {
  assertRefused("belongs to", ["increment", 0, 1, 2], ["increment", 2, 3, 1]);
  assertRefused("belongs to", ["increment", 0, 1, 1], ["read", 2, 3, 0], ["read", 4, 5, 1]);
  // The value was read before anybody began the only increment that can have led to it.
  assertRefused("belongs to", ["read", 0, 1, 1], ["increment", 2, 3, null]);
});

Deno.test("a connection whose replies go back is refused, though they overlap", () => {
  assertRefused("behind 2", ["increment", 0, 9, 2, 7], ["increment", 0, 9, 1, 7]);
  assertRefused("behind 1", ["increment", 0, 9, 1, 7], ["read", 0, 9, 0, 7]);
});

Deno.test("a sum that is not conserved is refused, and so are accounts that are gone", () => {
  const read = (...balances: (number | null)[]) => ({ beganAt: 10, endedAt: 11, balances });
  assertEquals(checkSum(read(70, 130), 200, 5), null);
  assertEquals(checkSum(read(null, null), 200, 15), null);
  assert(checkSum(read(70, 100), 200, 5) !== null);
  assert(checkSum(read(70, 131), 200, 5) !== null);
  assert(checkSum(read(200, null), 200, 15) !== null);
  assert(checkSum(read(null, null), 200, 5) !== null);
});

Deno.test("a time to live that is not that of the write is refused", () => {
  for (const [liveMs, givenMs] of [[-1, 0], [1, 1], [1, 50], [50, 50]] as const) {
    assertEquals(timeProblem(liveMs, givenMs), null);
  }
  for (
    const [liveMs, givenMs] of [[5, 0], [0, 0], [-1, 50], [0, 50], [51, 50], [-2, 50]] as const
  ) {
    assert(timeProblem(liveMs, givenMs) !== null, `${liveMs} of ${givenMs}`);
  }
});

/** By turns the leader crashes, stands still or loses its clients; returns what ends that. */
function disturbLeader(simulation: Simulation, round: number): () => void {
  const leader = leaderOf(simulation);
  if (round % 3 === 0) {
    leader.crash("the scenario");
    return () => leader.restartIn(100_000);
  }
  if (round % 3 === 1) {
    leader.pause();
    return () => leader.resume();
  }
  for (const connection of [...leader.clients]) {
    if (connection instanceof ClientConnection) connection.reset();
  }
  return () => {};
}

Deno.test("versions by the Redis protocol and by lines are one history while leaders come and go", () => {
  for (let seed = 1; seed <= 2; seed++) {
    scenario(
      (simulation) => {
        let held = 0;
        for (let round = 0; round < 6; round++) {
          const end = disturbLeader(simulation, round);
          for (let i = 0; i < 10; i++) {
            runFor(simulation, 50);
            for (const { probe } of simulation.servers) held += probe?.heldCommands() ?? 0;
          }
          demandWrites(simulation, 12);
          runFor(simulation, 500);
          end();
          runFor(simulation, 1_500);
        }
        assert(held > 0, "no command waited for a leader");
        const counts = simulation.world.counters;
        assert(counts.get("redis versions answered") > 200 && counts.get("redis MOVED") > 0);
        const own = simulation.history.operations.filter(({ client }) => client > 1_000);
        for (const kind of ["set", "cas", "get", "delete"]) {
          const outcomes = new Set(
            own.filter((one) => one.kind === kind).map((one) => one.outcome),
          );
          for (const outcome of ["ok", "nothing", "unknown"] as const) {
            assert(outcomes.has(outcome), `no ${kind} came to "${outcome}"`);
          }
        }
        const cas = own.filter(({ kind }) => kind === "cas").map(({ outcome }) => outcome);
        assert(cas.includes("versionDiffers") && cas.includes("notFound"));
      },
      {
        checkInvariants: false,
        redis: {
          counterClients: 1,
          transferClients: 1,
          counters: 1,
          accounts: 2,
          thinkMeanMs: 20,
          burstMax: 4,
          versionClients: 3,
        },
      },
      seed,
    );
  }
});

Deno.test("increments and transfers by the Redis protocol hold while leaders come and go", () => {
  for (let seed = 1; seed <= 2; seed++) {
    scenario(
      (simulation) => {
        for (let round = 0; round < 6; round++) {
          const end = disturbLeader(simulation, round);
          demandWrites(simulation, 12);
          runFor(simulation, 500);
          end();
          runFor(simulation, 1_500);
        }
        const { history } = simulation.redis!;
        assert(history.acknowledged > 100 && history.transfers > 20 && history.sums.length > 10);
        const counts = simulation.world.counters;
        assert(counts.get("redis MOVED") > 0 && history.watchesLost > 0);
        assert(history.operations.some(({ outcome }) => outcome === "unknown"));
      },
      {
        // They cost time linear in the log, which grows fast here; others run with them.
        checkInvariants: false,
        redis: {
          counterClients: 3,
          transferClients: 3,
          counters: 2,
          accounts: 3,
          thinkMeanMs: 20,
          burstMax: 4,
        },
      },
      seed,
    );
  }
});
