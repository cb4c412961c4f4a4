/**
 * Majorities of a configuration's voters. Learners never count. In a joint configuration both halves
 * have to agree, each by a majority of its own (thesis §4.3). Nobody else counts heads.
 */
import { isJoint } from "./configuration.ts";
import type { Configuration, ServerId } from "./types.ts";

/** How many of `voters` make a majority. */
function majority(voters: readonly ServerId[]): number {
  return Math.floor(voters.length / 2) + 1;
}

/** True where the voters for which `test` holds are a majority. */
export function hasQuorum(
  configuration: Configuration,
  test: (id: ServerId) => boolean,
): boolean {
  const { voters, votersOutgoing } = configuration;
  return hasMajority(voters, test) &&
    (!isJoint(configuration) || hasMajority(votersOutgoing, test));
}

function hasMajority(voters: readonly ServerId[], test: (id: ServerId) => boolean): boolean {
  let count = 0;
  for (const id of voters) if (test(id)) count++;
  return count >= majority(voters);
}

/** One half of a configuration that lacks a majority. */
export interface ShortHalf {
  readonly count: number;
  readonly of: number;
  readonly needed: number;
}

/** The first half in which the voters for which `test` holds are no majority; null where each has one. */
export function shortHalf(
  { voters, votersOutgoing }: Configuration,
  test: (id: ServerId) => boolean,
): ShortHalf | null {
  for (const half of [voters, votersOutgoing]) {
    if (half.length === 0 || hasMajority(half, test)) continue;
    return { count: half.filter(test).length, of: half.length, needed: majority(half) };
  }
  return null;
}

/** The same, where `self` counts in any case: a leader needs no answer of its own. */
export function hasQuorumWith(
  configuration: Configuration,
  self: ServerId,
  test: (id: ServerId) => boolean,
): boolean {
  return hasQuorum(configuration, (id) => id === self || test(id));
}

/** The greatest number above `floor` that a majority of voters has reached; `floor` where there is none. */
export function quorumValue(
  configuration: Configuration,
  valueOf: (id: ServerId) => number,
  floor = 0,
): number {
  const value = majorityValue(configuration.voters, valueOf, floor);
  if (!isJoint(configuration)) return value;
  return Math.min(value, majorityValue(configuration.votersOutgoing, valueOf, floor));
}

/** Asked with every ack: a few comparisons, and nothing allocated. */
function majorityValue(
  voters: readonly ServerId[],
  valueOf: (id: ServerId) => number,
  floor: number,
): number {
  const least = majority(voters);
  let greatest = floor;
  for (const candidate of voters) {
    const value = valueOf(candidate);
    if (value <= greatest) continue;
    let count = 0;
    for (const id of voters) if (valueOf(id) >= value) count++;
    if (count >= least) greatest = value;
  }
  return greatest;
}

/** One voter's answer in an election. */
export interface VoteAnswer {
  readonly granted: boolean;
  readonly suspect: boolean;
  readonly repairing: boolean;
}

export type Tally = "won" | "lost" | "pending";

/**
 * Counts an election: won where each half is won, lost as soon as one is.
 *
 * A suspect voter may have forgotten a vote or an acknowledged entry, so its grant does not count towards
 * the majority; but where every single voter grants, nobody is left who could know better, and a
 * cluster whose servers are all suspect must not be dead for ever.
 *
 * A repairing voter has lost something for certain, so it abstains: it is none of those who could
 * know better. Where a majority abstains nobody can be elected: what they lost may be lost everywhere.
 *
 * Both halves of a joint configuration apply these rules apart. Whatever a suspect voter may have
 * forgotten (a vote for another, or an entry that got committed with its ack) took a majority in each half
 * of the configuration that it was counted in, and any two configurations that can both elect or commit
 * have a half in common, the same voters in both (thesis §4.3). In that half the argument is the one
 * of a configuration without halves: a sound majority has a server that knows, and where all voters of the
 * half agree, none does. So neither may the voters of one half stand for those of the other, nor has
 * "all agree" to mean all of both: the half where a sound majority grants needs no more than that.
 */
export function tally(
  configuration: Configuration,
  answers: ReadonlyMap<ServerId, VoteAnswer>,
): Tally {
  const incoming = tallyHalf(configuration.voters, answers);
  if (!isJoint(configuration) || incoming === "lost") return incoming;
  const outgoing = tallyHalf(configuration.votersOutgoing, answers);
  return outgoing === "won" ? incoming : outgoing;
}

function tallyHalf(
  voters: readonly ServerId[],
  answers: ReadonlyMap<ServerId, VoteAnswer>,
): Tally {
  let sound = 0;
  let granted = 0;
  let unanswered = 0;
  let abstained = 0;
  for (const id of voters) {
    const answer = answers.get(id);
    if (answer === undefined) unanswered++;
    else if (answer.repairing) abstained++;
    else if (answer.granted) {
      granted++;
      if (!answer.suspect) sound++;
    }
  }
  if (voters.length === 0) return "lost";
  const least = majority(voters);
  const allMayAgree = abstained < least && granted + abstained + unanswered === voters.length;
  if (sound >= least || (allMayAgree && unanswered === 0)) return "won";
  const mayStillWin = sound + unanswered >= least || allMayAgree;
  return mayStillWin ? "pending" : "lost";
}
