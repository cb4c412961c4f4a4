/**
 * Who votes and who only listens, as a value. Nothing assumes a fixed count or ids 1..N. Its bytes are
 * those of configuration_codec.ts; what a change makes of it is in configuration_change.ts.
 */
import type { Configuration, Member, ServerId } from "./types.ts";

/**
 * So many members a configuration has at most, learners and both halves of a joint one included: twice
 * the voters that a cluster file may list, so that even a change that replaces all of them fits, and
 * one that keeps growing. Every member is one more copy of each entry for the leader to send.
 */
export const MEMBERS_MAX = 31;

const NOBODY_ELSE: readonly ServerId[] = [];
const NOT_DESCRIBED: readonly Member[] = [];

/** A configuration with its ids sorted, without incarnations and addresses; refuses duplicates. */
export function makeConfiguration(
  voters: readonly ServerId[],
  learners: readonly ServerId[] = [],
): Configuration {
  const all = [...voters, ...learners];
  if (new Set(all).size !== all.length) throw new Error(`Server ids repeat: ${all.join(", ")}`);
  return {
    voters: sorted(voters),
    votersOutgoing: NOBODY_ELSE,
    learners: sorted(learners),
    learnersNext: NOBODY_ELSE,
    members: NOT_DESCRIBED,
  };
}

export function sorted(ids: readonly ServerId[]): ServerId[] {
  return [...ids].sort((a, b) => a - b);
}

/** True between the two entries of a change of voters (thesis §4.3): both majorities count. */
export function isJoint(configuration: Configuration): boolean {
  return configuration.votersOutgoing.length > 0;
}

/** All who vote: in a joint configuration those of both halves. */
export function allVoters({ voters, votersOutgoing }: Configuration): readonly ServerId[] {
  if (votersOutgoing.length === 0) return voters;
  return [...voters, ...votersOutgoing.filter((id) => !voters.includes(id))];
}

/** All who get the log: voters, then learners. */
export function memberIds(configuration: Configuration): ServerId[] {
  return [...allVoters(configuration), ...configuration.learners];
}

/** True where `id` votes, in whichever half. */
export function isVoter({ voters, votersOutgoing }: Configuration, id: ServerId): boolean {
  return voters.includes(id) || votersOutgoing.includes(id);
}

export function isMember(configuration: Configuration, id: ServerId): boolean {
  return isVoter(configuration, id) || configuration.learners.includes(id);
}

export function memberOf({ members }: Configuration, id: ServerId): Member | null {
  return members.find((member) => member.id === id) ?? null;
}
