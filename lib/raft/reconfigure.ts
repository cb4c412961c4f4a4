/**
 * Changing who the members are (thesis §4). A configuration is in effect on every server that has its
 * entry, committed or not. A change of voters takes two entries: the joint configuration, in which both
 * halves have to agree, and, once that is committed, the one without the old half. Whoever leads then
 * appends the second, whether it began the change or not.
 */
import { broken } from "../util/assert.ts";
import { hasRoom, isReachable, keepsUp, noteRounds, roomOf } from "./catch_up.ts";
import { allVoters, isJoint, isVoter } from "./configuration.ts";
import { changeConfiguration, describeFounders, leaveJoint } from "./configuration_change.ts";
import { encodeConfiguration } from "./configuration_codec.ts";
import { appendProposal } from "./proposals.ts";
import { hasQuorum } from "./quorum.ts";
import { confirmRound, requestRead } from "./read_index.ts";
import { becomeFollower } from "./roles.ts";
import { configurationOf, type LeaderRole, type RaftState } from "./state.ts";
import { continueTransfer, transferLeadership } from "./transfer.ts";
import { type Configuration, type MemberChange, NOBODY, type ServerId } from "./types.ts";

export type ChangeRefusal =
  | { readonly reason: "notLeader" | "busy" | "transferring" }
  /** Another change is not committed, or joint. */
  | { readonly reason: "changing" }
  /** Nothing of this leader's own term is committed yet: a moment later it is, where a majority answers. */
  | { readonly reason: "newTerm" }
  | { readonly reason: "invalid"; readonly problem: string }
  /** These learners, which are to vote now, don't keep up yet. */
  | { readonly reason: "behind"; readonly learners: readonly ServerId[] }
  /**
   * Without these voters of the new configuration there would be no majority, and they don't answer, or
   * are not known to be sound yet.
   */
  | { readonly reason: "unreachable"; readonly missing: readonly ServerId[] }
  /**
   * The disks of these have no room: of learners, which are to vote now, or of voters without which the new
   * configuration would have no majority with room, though the one before has.
   */
  | { readonly reason: "full"; readonly servers: readonly ServerId[] };

/** `index`: of the entry that begins the change. */
export type ChangeResult =
  | { readonly accepted: true; readonly index: number; readonly term: number }
  | ({ readonly accepted: false } & ChangeRefusal);

/** Begins a change of members; it is over once a configuration is committed that is not joint. */
export function proposeChange(
  state: RaftState,
  changes: readonly MemberChange[],
): ChangeResult {
  const leader = state.role;
  if (leader.kind !== "leader") return { accepted: false, reason: "notLeader" };
  if (leader.transfer !== null) return { accepted: false, reason: "transferring" };
  // Before that an earlier leader's configuration may still get committed beside this one's: each by a
  // majority that the other one's does not meet.
  if (state.log.termAt(state.commitIndex) !== state.term) {
    return { accepted: false, reason: "newTerm" };
  }
  const { configurations } = state;
  if (isJoint(configurations.current) || configurations.currentIndex > state.commitIndex) {
    return { accepted: false, reason: "changing" };
  }
  const described = describeFounders(configurations.current, state.options.founders ?? []);
  const changed = typeof described === "string"
    ? described
    : changeConfiguration(described, changes);
  if (typeof changed === "string") return { accepted: false, reason: "invalid", problem: changed };
  const promoted = changes.filter(({ kind }) => kind === "promote").map(({ id }) => id);
  const learners = promoted.filter((id) => !keepsUp(state, leader, id));
  if (learners.length > 0) return { accepted: false, reason: "behind", learners };
  const missing = missingVoters(state, leader, changed);
  if (missing.length > 0) {
    // Who was suspect, and is sound by now, shows that before the change is asked for again.
    requestRead(state);
    return { accepted: false, reason: "unreachable", missing };
  }
  const servers = fullVoters(state, changed, promoted);
  if (servers.length > 0) return { accepted: false, reason: "full", servers };
  if (leader.uncommittedBytes >= state.options.uncommittedBytesMax) {
    return { accepted: false, reason: "busy" };
  }
  return { accepted: true, index: appendConfiguration(state, leader, changed), term: state.term };
}

/** The voters that can't be counted on, where too few of `changed` can for it to commit anything. */
function missingVoters(
  state: RaftState,
  { progress }: LeaderRole,
  changed: Configuration,
): readonly ServerId[] {
  const counts = (id: ServerId) =>
    id === state.id ||
    (isReachable(state, progress.get(id)) && progress.get(id)?.isSuspect === false);
  return hasQuorum(changed, counts) ? [] : allVoters(changed).filter((id) => !counts(id));
}

/**
 * The voters without room that stand in the way of `changed`: those of `promoted`, and where others with room
 * are no majority of it, all of them.
 *
 * Entries of the kind of this change's fit into a reserve, so servers without room can commit it. But sets
 * need a majority with room: a change must not end that. Where there is none before either, it may be the
 * way out, such as one that takes the full servers away; then a majority must be able to take the change's
 * entries at least.
 */
function fullVoters(
  state: RaftState,
  changed: Configuration,
  promoted: readonly ServerId[],
): readonly ServerId[] {
  const full = promoted.filter((id) => !hasRoom(state, id));
  if (full.length > 0) return full;
  const isFree = (id: ServerId) => hasRoom(state, id);
  const takesEntries = (id: ServerId) => roomOf(state, id) !== "none";
  const counts = hasQuorum(configurationOf(state), isFree) ? isFree : takesEntries;
  return hasQuorum(changed, counts) ? [] : allVoters(changed).filter((id) => !counts(id));
}

function appendConfiguration(
  state: RaftState,
  leader: LeaderRole,
  configuration: Configuration,
): number {
  const payload = encodeConfiguration(configuration);
  const index = appendProposal(state, leader, state.options.makeConfigurationEntry(payload));
  // Fewer answers may do from now on: nobody else would look.
  confirmRound(state, leader);
  return index;
}

/**
 * A commit has moved on, or time has: takes a change's next step. A leader that is no voter any more hands
 * over once that is committed (thesis §4.2.2): until then it is needed, as nobody else may have its entry.
 */
export function continueReconfiguring(state: RaftState, leader: LeaderRole): void {
  if (!leader.isReconfiguring) return;
  noteRounds(state, leader);
  const { current, currentIndex } = state.configurations;
  // Its own term's commit: what an earlier leader left behind is committed by that alone (paper §5.4.2).
  const isCommitted = currentIndex <= state.commitIndex &&
    state.log.termAt(state.commitIndex) === state.term;
  if (!isCommitted) return;
  if (isJoint(current)) {
    if (leader.transfer === null) appendConfiguration(state, leader, leaveJoint(current));
  } else if (!isVoter(current, state.id)) handOver(state, leader);
  else if (leader.transfer === null) promoteLearners(state, leader, current);
}

/**
 * Makes those learners voters that keep up, unless they are to stay what they are. Not those of a
 * configuration that does not describe its members: no leader of this build has added them.
 */
function promoteLearners(state: RaftState, leader: LeaderRole, current: Configuration): void {
  const ready = current.members.filter(({ id, staysLearner }) =>
    !staysLearner && current.learners.includes(id) && keepsUp(state, leader, id) &&
    hasRoom(state, id)
  );
  if (ready.length === 0) return;
  const changed = changeConfiguration(current, ready.map(({ id }) => ({ kind: "promote", id })));
  if (typeof changed === "string") broken(`Learners can't be made voters: ${changed}`);
  if (missingVoters(state, leader, changed).length > 0) return;
  if (fullVoters(state, changed, []).length > 0) return;
  appendConfiguration(state, leader, changed);
}

/** To the best voter, and steps down with the order, or once it took too long. */
function handOver(state: RaftState, leader: LeaderRole): void {
  if (!leader.isHandingOver) leader.isHandingOver = transferLeadership(state);
  else if (leader.transfer !== null) continueTransfer(state, leader);
  if (leader.transfer !== null && !leader.transfer.isOrdered) return;
  state.successorId = leader.transfer?.target ?? NOBODY;
  becomeFollower(state, state.term, NOBODY, "this server is no voter any more");
}
