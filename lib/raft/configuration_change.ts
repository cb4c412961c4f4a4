/**
 * What a change of members makes of a configuration, as a function. Any set of changes is one step: where
 * it changes who votes, by way of a joint configuration (thesis §4.3), whose old half is left by
 * `leaveJoint`.
 *
 * One voter more or less could do without (thesis §4.1). That saves one entry of a change that happens
 * once a month, and costs a second way with rules of its own; so whoever votes changes in one way.
 * Learners and addresses change no majority: one entry does.
 */
import { allVoters, isVoter, memberIds, memberOf, MEMBERS_MAX, sorted } from "./configuration.ts";
import { configurationProblem } from "./configuration_codec.ts";
import type { Configuration, Member, MemberChange, ServerId } from "./types.ts";

/** The configuration after `changes` to `from`, which is not joint and describes its members; or why not. */
export function changeConfiguration(
  from: Configuration,
  changes: readonly MemberChange[],
): Configuration | string {
  if (changes.length === 0) return "Nothing is to be changed";
  const ids = changes.map(({ id }) => id);
  const twice = ids.find((id, at) => ids.indexOf(id) < at);
  if (twice !== undefined) return `Server ${twice} is named twice in one change`;
  for (const change of changes) {
    const problem = changeProblem(from, change);
    if (problem !== null) return problem;
  }
  const changed = applyChanges(from, changes);
  return configurationProblem(changed) ?? changed;
}

function changeProblem(from: Configuration, change: MemberChange): string | null {
  const { id } = change;
  const member = memberOf(from, id);
  if (change.kind === "add") {
    if (member === null) {
      return from.members.length < MEMBERS_MAX ? null : `There are ${MEMBERS_MAX} members already`;
    }
    // Two lives of one id never meet in a configuration, and the later one votes only once the end of
    // the earlier one is committed: so a vote for an id is a vote for one server.
    return member.incarnation === change.incarnation
      ? `Server ${id} is a member already`
      : `Server ${id} is a member with an earlier data directory: remove that first`;
  }
  if (member === null) return `Server ${id} is no member`;
  if (change.kind === "replace") {
    // A voter's end has to be committed first. A learner of either life has no vote that could be counted
    // for the other, and the later one gets one only by a change after this one.
    if (isVoter(from, id)) return `Server ${id} votes: remove it first`;
    return member.incarnation === change.incarnation ? `Server ${id} is a member already` : null;
  }
  if (change.kind === "promote" && isVoter(from, id)) return `Server ${id} votes already`;
  if (change.kind === "demote" && !isVoter(from, id)) return `Server ${id} is a learner already`;
  return null;
}

function applyChanges(from: Configuration, changes: readonly MemberChange[]): Configuration {
  const members = new Map(from.members.map((member) => [member.id, member]));
  const voters = new Set(from.voters);
  const learners = new Set(from.learners);
  const learnersNext: ServerId[] = [];
  for (const change of changes) {
    const { kind, id } = change;
    const member = members.get(id)!;
    if (kind === "add") {
      const { incarnation, addresses, staysLearner } = change;
      members.set(id, { id, incarnation, addresses, staysLearner });
      learners.add(id);
    } else if (kind === "replace") {
      const { incarnation, addresses } = change;
      members.set(id, { ...member, incarnation, addresses });
    } else if (kind === "move") {
      members.set(id, { ...member, addresses: change.addresses });
    } else if (kind === "promote") {
      members.set(id, { ...member, staysLearner: false });
      learners.delete(id);
      voters.add(id);
    } else if (kind === "demote") {
      members.set(id, { ...member, staysLearner: true });
      voters.delete(id);
      learnersNext.push(id);
    } else {
      // An outgoing voter stays described until its half is left.
      if (learners.delete(id)) members.delete(id);
      voters.delete(id);
    }
  }
  const keepsVoters = voters.size === from.voters.length &&
    from.voters.every((id) => voters.has(id));
  return {
    voters: sorted([...voters]),
    votersOutgoing: keepsVoters ? [] : from.voters,
    learners: sorted([...learners]),
    learnersNext: sorted(learnersNext),
    members: inOrder(members.values()),
  };
}

function inOrder(members: Iterable<Member>): Member[] {
  return [...members].sort((a, b) => a.id - b.id);
}

/** The configuration that a joint one leads to: the old half is gone. */
export function leaveJoint(joint: Configuration): Configuration {
  const { voters, learners, learnersNext, members } = joint;
  const left = {
    voters,
    votersOutgoing: [],
    learners: sorted([...learners, ...learnersNext]),
    learnersNext: [],
  };
  const stay = [...left.voters, ...left.learners];
  return { ...left, members: members.filter(({ id }) => stay.includes(id)) };
}

/**
 * The same configuration with all its members described: as they were founded, where their members never
 * changed. A string says who is not described.
 */
export function describeFounders(
  configuration: Configuration,
  founders: readonly Member[],
): Configuration | string {
  if (configuration.members.length > 0) return configuration;
  const ids = sorted(memberIds(configuration));
  const members = founders.filter(({ id }) => ids.includes(id));
  const missing = ids.find((id) => !members.some((member) => member.id === id));
  if (missing !== undefined) return `The incarnation of server ${missing} is not known`;
  const learns = (id: ServerId) => !allVoters(configuration).includes(id);
  return {
    ...configuration,
    members: inOrder(members.map((one) => ({ ...one, staysLearner: learns(one.id) }))),
  };
}
