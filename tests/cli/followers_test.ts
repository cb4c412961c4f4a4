/** Which servers a backup can be taken off. */
import { assertEquals } from "@std/assert";
import { followersOf } from "../../lib/cli/status/followers.ts";
import { answer, facts, leaderFacts, silent } from "./status_facts.ts";

const CLUSTER = "c".repeat(32);

Deno.test("followers: who follows by its own word, the one that lags least first", () => {
  const all = {
    1: leaderFacts(),
    2: facts({ appliedIndex: 90 }),
    3: facts({ appliedIndex: 99 }),
    4: null,
  };
  const answers = [answer(1, all), answer(2, all), answer(3, all), silent(4, "it is down")];
  assertEquals(followersOf(answers, CLUSTER, 1).map(({ port }) => port), [9_003, 9_002]);
});

Deno.test("followers: not one that was removed or is cut off, or is of another cluster", () => {
  const all = { 1: leaderFacts(), 2: facts(), 3: facts(), 4: facts() };
  const answers = [
    answer(1, all),
    // It has all, and gets no more.
    answer(2, { 2: facts({ leaderId: 0 }) }),
    // It follows the leader before.
    answer(3, { 3: facts({ leaderId: 2 }) }),
    answer(4, all, { clusterId: "d".repeat(32) }),
  ];
  assertEquals(followersOf(answers, CLUSTER, 1), []);
});
