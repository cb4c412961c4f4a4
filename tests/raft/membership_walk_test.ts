/** Random walks with changes of members: see membership_walk.ts. */
import { assert } from "@std/assert";
import { MembershipWalk } from "./membership_walk.ts";

Deno.test("300 random walks with changes of members keep every property, and then make progress", () => {
  const sums = { proposals: 0, changes: 0, replaced: 0, jointCommits: 0, elections: 0 };
  const refusals = new Map<string, number>();
  for (let seed = 1; seed <= 300; seed++) {
    const walk = new MembershipWalk(seed);
    try {
      for (let i = 0; i < 1_500; i++) walk.step();
      walk.recover();
    } catch (error) {
      throw new Error(`seed ${seed}: ${error instanceof Error ? error.stack : error}`);
    }
    sums.proposals += walk.proposals;
    sums.changes += walk.changes;
    sums.replaced += walk.replaced;
    sums.jointCommits += walk.quorums.jointCommits;
    sums.elections += walk.quorums.elections;
    for (const [reason, n] of walk.refusals) refusals.set(reason, (refusals.get(reason) ?? 0) + n);
  }
  // A walk in which nothing happens would prove nothing.
  const text = `${JSON.stringify(sums)} ${JSON.stringify([...refusals])}`;
  assert(sums.changes > 1_000, text);
  assert(sums.replaced > 100, text);
  assert(sums.jointCommits > 300, text);
  assert(sums.elections > 600, text);
  for (
    const reason of ["changing", "newTerm", "invalid", "behind", "unreachable", "transferring"]
  ) {
    assert((refusals.get(reason) ?? 0) > 0, `${reason} never came up: ${text}`);
  }
});

Deno.test("150 random walks in which one server's disk loses what it held as well", () => {
  let damages = 0;
  let changes = 0;
  for (let seed = 1_001; seed <= 1_150; seed++) {
    const walk = new MembershipWalk(seed, { hasVictim: true });
    try {
      for (let i = 0; i < 1_500; i++) walk.step();
      walk.recover();
    } catch (error) {
      throw new Error(`seed ${seed}: ${error instanceof Error ? error.stack : error}`);
    }
    damages += walk.damages;
    changes += walk.changes;
  }
  assert(damages > 100 && changes > 300, `${damages} damages, ${changes} changes`);
});
