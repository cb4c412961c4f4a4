/**
 * Majorities of a configuration's voters. Learners never count. Joint consensus (thesis §4.3) will
 * take the least of two of these; nobody else counts heads.
 */
import type { Configuration, ServerId } from "./types.ts";

/** How many voters make a majority. */
function majority(configuration: Configuration): number {
  return Math.floor(configuration.voters.length / 2) + 1;
}

/** True where the voters for which `test` holds are a majority. */
export function hasQuorum(
  configuration: Configuration,
  test: (id: ServerId) => boolean,
): boolean {
  let count = 0;
  for (const id of configuration.voters) if (test(id)) count++;
  return count >= majority(configuration);
}

/** The same, where `self` counts in any case: a leader needs no answer of its own. */
export function hasQuorumWith(
  configuration: Configuration,
  self: ServerId,
  test: (id: ServerId) => boolean,
): boolean {
  return hasQuorum(configuration, (id) => id === self || test(id));
}

/** The greatest number that a majority of voters has reached; 0 where there are no voters. */
export function quorumValue(
  configuration: Configuration,
  valueOf: (id: ServerId) => number,
): number {
  const values = configuration.voters.map(valueOf).sort((a, b) => b - a);
  return values[majority(configuration) - 1] ?? 0;
}

/** One voter's answer in an election. */
export interface VoteAnswer {
  readonly granted: boolean;
  readonly suspect: boolean;
  readonly repairing: boolean;
}

export type Tally = "won" | "lost" | "pending";

/**
 * Counts an election. A suspect voter may have forgotten a vote or an acknowledged entry, so its
 * grant does not count towards the majority; but where every single voter grants, nobody is left who
 * could know better, and a cluster whose servers are all suspect must not be dead for ever.
 *
 * A repairing voter has lost something for certain, so it abstains: it is none of those who could
 * know better. Where a majority abstains nobody can be elected: what they lost may be lost everywhere.
 */
export function tally(
  configuration: Configuration,
  answers: ReadonlyMap<ServerId, VoteAnswer>,
): Tally {
  let sound = 0;
  let granted = 0;
  let unanswered = 0;
  let abstained = 0;
  for (const id of configuration.voters) {
    const answer = answers.get(id);
    if (answer === undefined) unanswered++;
    else if (answer.repairing) abstained++;
    else if (answer.granted) {
      granted++;
      if (!answer.suspect) sound++;
    }
  }
  const voters = configuration.voters.length;
  if (voters === 0) return "lost";
  const least = majority(configuration);
  const allMayAgree = abstained < least && granted + abstained + unanswered === voters;
  if (sound >= least || (allMayAgree && unanswered === 0)) return "won";
  const mayStillWin = sound + unanswered >= least || allMayAgree;
  return mayStillWin ? "pending" : "lost";
}
