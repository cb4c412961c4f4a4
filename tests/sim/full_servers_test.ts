/** Each of the seven sets of servers with full disks among three: who leads, and what is served. */
import { assert, assertEquals } from "@std/assert";
import { leaderOf, runFor, scenario } from "./scenarios.ts";
import type { Simulation } from "./simulation.ts";

/** Refusals in words, and writes that were acknowledged, in so many seconds. */
function watch(simulation: Simulation, ms: number) {
  const { counters } = simulation.world;
  const before = {
    refused: counters.get("ERR_NO_SPACE"),
    acknowledged: simulation.history.acknowledgedWrites,
    timeouts: counters.get("ERR_TIMEOUT"),
    decided: simulation.history.acknowledged,
  };
  runFor(simulation, ms);
  return {
    refused: counters.get("ERR_NO_SPACE") - before.refused,
    acknowledged: simulation.history.acknowledgedWrites - before.acknowledged,
    timeouts: counters.get("ERR_TIMEOUT") - before.timeouts,
    decided: simulation.history.acknowledged - before.decided,
  };
}

/** Clients that delete as often as they set, and values that fill what is left of a disk. */
const CLIENTS = {
  count: 4,
  keys: 6,
  expiringKeys: 0,
  thinkMeanMs: 20,
  burstMax: 2,
  timeoutMs: 1_000,
  noreply: 0,
  valueBytesMax: 400,
  reads: 0.2,
  cas: 0,
  deletes: 0.4,
  large: 0,
  split: false,
};

for (const full of [[1], [2], [3], [1, 2], [1, 3], [2, 3], [1, 2, 3]]) {
  const isMinority = full.length === 1;
  const what = isMinority
    ? "one with room leads, and sets are taken"
    : "sets are refused in words, and deletes are done";
  Deno.test(`full disks of servers ${full.join(", ")} of three: ${what}`, () => {
    scenario((simulation) => {
      for (const id of full) simulation.servers[id - 1]!.disk.setFull(true, true);
      runFor(simulation, 10_000);
      const { refused, acknowledged, timeouts, decided } = watch(simulation, 20_000);
      const note = `${refused} refused, ${acknowledged} acknowledged, ${timeouts} timed out`;
      const leader = leaderOf(simulation);
      assertEquals(timeouts, 0, note);
      if (isMinority) {
        assert(!full.includes(leader.id), `server ${leader.id} leads, and its disk is full`);
        assertEquals(refused, 0, note);
        assert(acknowledged > 200, note);
      } else {
        assert(refused > 100, note);
        // There is nothing left to delete by now: they are decided all the same.
        assert(decided > 100, `${decided} deletes and reads were decided`);
      }
      // Whoever is left elects a leader after its death, one with room where there is one.
      leader.crash("the scenario");
      leader.restartIn(20_000_000);
      runFor(simulation, 5_000);
      const next = leaderOf(simulation);
      const hasRoom = (id: number) => !full.includes(id);
      const alive = [1, 2, 3].filter((id) => id !== leader.id);
      if (alive.some(hasRoom)) assert(hasRoom(next.id), `server ${next.id} leads, and is full`);
      const after = watch(simulation, 5_000);
      // No majority has room now. Few are refused where the full one has used up its reserve and is behind:
      // without it not even a delete commits, so each of the four clients waits for its second.
      assert(after.refused > 0, "nothing was refused after the leader's death");
      assertEquals(
        after.acknowledged,
        0,
        "a set was acknowledged without a majority that has room",
      );
    }, { clients: CLIENTS, older: [] });
  });
}
