/** Each fault once over holders of one lock: `deno task locks` has many more. */
import { assert, assertEquals } from "@std/assert";
import { noFakeWall } from "./fake_wall.ts";
import { clusterTest } from "./harness.ts";
import { FAULTS, lockRounds } from "./locks/rounds.ts";

clusterTest(
  "locks: never two holders at a time, whoever is killed or stopped and whatever clocks show",
  {
    notRun: noFakeWall,
  },
  async (cluster) => {
    const told = await lockRounds(cluster, FAULTS.length, 7);
    assertEquals([told.faults, told.refusedInTime], [[], 0]);
    // Who was stopped believed that it holds, and was refused by its token.
    assert(told.stops >= 4 && told.refused >= 1, JSON.stringify(told));
    assert(told.taken > 100, JSON.stringify(told));
  },
);
