import { assertEquals } from "@std/assert";
import { makeConfiguration } from "../../lib/raft/configuration.ts";
import { hasQuorum, quorumValue, tally, type VoteAnswer } from "../../lib/raft/quorum.ts";
import type { Configuration } from "../../lib/raft/types.ts";
import { Random } from "../../lib/util/random.ts";

/** Every subset of `ids`. */
function subsets(ids: number[]): number[][] {
  return ids.reduce<number[][]>((all, id) => [...all, ...all.map((one) => [...one, id])], [[]]);
}

Deno.test("quorumValue is the greatest number that more than half of the voters reach", () => {
  const random = new Random(1);
  for (let run = 0; run < 2_000; run++) {
    const voters = Array.from({ length: random.between(1, 7) }, (_, i) => i * 3 + 1);
    const values = new Map(voters.map((id) => [id, random.between(0, 9)]));
    values.set(99, 100); // a learner: must not count
    const configuration = makeConfiguration(voters, [99]);
    let expected = 0;
    for (const set of subsets(voters)) {
      if (set.length * 2 > voters.length) {
        expected = Math.max(expected, Math.min(...set.map((id) => values.get(id)!)));
      }
    }
    assertEquals(quorumValue(configuration, (id) => values.get(id)!), expected);
    assertEquals(quorumValue(configuration, (id) => values.get(id)!, 4), Math.max(4, expected));
    const test = (id: number) => values.get(id)! >= 5;
    assertEquals(hasQuorum(configuration, test), expected >= 5);
  }
});

/** Tries all ways that the missing answers could come out. */
function dumbTally(voters: number[], ballots: Map<number, VoteAnswer>): string {
  const wins = (given: Map<number, VoteAnswer>) => {
    const withSay = voters.filter((id) => given.get(id)?.repairing !== true);
    const granted = withSay.filter((id) => given.get(id)?.granted);
    const sound = granted.filter((id) => !given.get(id)!.suspect);
    const mostAbstain = (voters.length - withSay.length) * 2 > voters.length;
    return sound.length * 2 > voters.length ||
      (granted.length === withSay.length && !mostAbstain);
  };
  if (wins(ballots)) return "won";
  const all = new Map(ballots);
  const best = { granted: true, suspect: false, repairing: false };
  for (const id of voters) if (!all.has(id)) all.set(id, best);
  return wins(all) ? "pending" : "lost";
}

Deno.test("tally agrees with trying all outcomes, suspect and repairing voters included", () => {
  const random = new Random(2);
  const seen = new Set<string>();
  for (let run = 0; run < 3_000; run++) {
    const voters = Array.from({ length: random.between(1, 6) }, (_, i) => i + 1);
    const ballots = new Map<number, VoteAnswer>();
    for (const id of [...voters, 50]) {
      if (random.chance(0.7)) {
        const [granted, suspect] = [random.chance(0.6), random.chance(0.4)];
        ballots.set(id, { granted, suspect, repairing: random.chance(0.2) });
      }
    }
    const expected = dumbTally(voters, ballots);
    seen.add(expected);
    assertEquals(tally(makeConfiguration(voters, [50]), ballots), expected);
  }
  assertEquals(seen.size, 3);
});

/** A joint configuration of any two sets of voters out of eight servers. */
function drawJoint(random: Random): Configuration {
  const draw = () => {
    const ids = [1, 2, 3, 4, 5, 6, 7, 8].filter(() => random.chance(0.4));
    return ids.length > 0 ? ids : [random.between(1, 8)];
  };
  return { ...makeConfiguration(draw(), [99]), votersOutgoing: draw() };
}

Deno.test("a joint quorum is a majority of each half, tried over all sets of servers", () => {
  const random = new Random(3);
  for (let run = 0; run < 500; run++) {
    const configuration = drawJoint(random);
    const { voters, votersOutgoing } = configuration;
    const values = new Map([1, 2, 3, 4, 5, 6, 7, 8, 99].map((id) => [id, random.between(0, 9)]));
    const most = (ids: readonly number[], set: number[]) =>
      ids.filter((id) => set.includes(id)).length * 2 > ids.length;
    let expected = 0;
    for (const set of subsets([1, 2, 3, 4, 5, 6, 7, 8])) {
      if (!most(voters, set) || !most(votersOutgoing, set)) continue;
      const counted = set.filter((id) => voters.includes(id) || votersOutgoing.includes(id));
      expected = Math.max(expected, Math.min(...counted.map((id) => values.get(id)!)));
    }
    assertEquals(quorumValue(configuration, (id) => values.get(id)!), expected);
    assertEquals(quorumValue(configuration, (id) => values.get(id)!, 4), Math.max(4, expected));
    assertEquals(hasQuorum(configuration, (id) => values.get(id)! >= 5), expected >= 5);
  }
});

Deno.test("a joint election is won where both halves are, each by its own rule, and lost with one", () => {
  const random = new Random(4);
  const seen = new Set<string>();
  for (let run = 0; run < 3_000; run++) {
    const configuration = drawJoint(random);
    const ballots = new Map<number, VoteAnswer>();
    for (const id of [1, 2, 3, 4, 5, 6, 7, 8, 50]) {
      if (!random.chance(0.8)) continue;
      const [granted, suspect] = [random.chance(0.7), random.chance(0.3)];
      ballots.set(id, { granted, suspect, repairing: random.chance(0.1) });
    }
    const halves = [configuration.voters, configuration.votersOutgoing].map((voters) =>
      dumbTally([...voters], ballots)
    );
    const expected = halves.includes("lost")
      ? "lost"
      : halves.includes("pending")
      ? "pending"
      : "won";
    seen.add(`${halves.join()} ${expected}`);
    assertEquals(tally(configuration, ballots), expected);
  }
  assertEquals(seen.size, 9);
});

Deno.test("nobody wins without voters", () => {
  assertEquals(tally(makeConfiguration([]), new Map()), "lost");
  assertEquals(quorumValue(makeConfiguration([]), () => 9), 0);
});
