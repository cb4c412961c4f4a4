/** Whether clients write, by the entries that are applied. */
import { assertEquals } from "@std/assert";
import { WriteLoad } from "../../lib/node/snapshots/write_load.ts";
import type { Raft } from "../../lib/raft/raft.ts";

Deno.test("clients write where entries come all the time, and until half a second after the last", () => {
  let nowMs = 0;
  const state = {
    role: { kind: "follower" },
    get nowMs() {
      return nowMs;
    },
  };
  const raft = { state } as unknown as Raft;
  const load = new WriteLoad(raft, { monotonicMs: () => nowMs });
  const applied = (untilMs: number, everyMs: number) => {
    for (; nowMs < untilMs; nowMs += everyMs) load.noteApplied();
  };
  assertEquals([load.isBusy, load.isLeader], [false, false]);
  applied(1_000, 50);
  assertEquals(load.isBusy, false, "one now and then");
  applied(1_200, 10);
  assertEquals(load.isBusy, true);
  nowMs += 400;
  assertEquals(load.isBusy, true);
  nowMs += 200;
  assertEquals(load.isBusy, false);
});
