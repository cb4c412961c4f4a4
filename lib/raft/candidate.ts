/** Campaigning: first a pre-vote that changes nothing anywhere (thesis §9.6), then the election. */
import { allVoters } from "./configuration.ts";
import { becomeLeader } from "./leader.ts";
import { send, sendAfterSync, setTerm } from "./output.ts";
import { tally, type VoteAnswer } from "./quorum.ts";
import { becomeFollower, changeRole } from "./roles.ts";
import {
  type CandidateRole,
  configurationOf,
  isDiskFull,
  isDiskStalled,
  type RaftState,
  restartElectionTimer,
} from "./state.ts";
import { isOtherLifeMeant, votesHere } from "./own_life.ts";
import { NOBODY, type VoteRequest, type VoteResponse } from "./types.ts";

/** True where this server may run for a term of its own accord. */
export function mayCampaign(state: RaftState): boolean {
  return isNeeded(state) && canWriteVote(state) && !state.repairing && !state.removed;
}

/**
 * True for a voter, and for one that is none by an entry that may not be committed: the others may need it,
 * as its log may be the only one that can win (thesis §4.2.2, figure 4.6). Its own vote counts for nothing.
 *
 * Not where the configuration in effect gives its id to another life. Then nobody needs it: there is one
 * change at a time, so whoever appended that entry knew the removal of this life to be committed. And here
 * its vote would count: for the voter of that id, which may vote for somebody else meanwhile.
 */
function isNeeded(state: RaftState): boolean {
  const { configurations, commitIndex } = state;
  if (isOtherLifeMeant(state)) return false;
  if (votesHere(state, configurations.newest)) return true;
  if (configurations.currentIndex <= commitIndex) return false;
  return configurations.from(commitIndex).some((version) => votesHere(state, version));
}

/** The election timer ran out, or the leader's connection broke. */
export function preCampaign(state: RaftState, reason: string): void {
  if (!mayCampaign(state)) return;
  restartElectionTimer(state);
  changeRole(state, { kind: "preCandidate", answers: new Map() }, NOBODY, reason);
  for (const request of voteRequests(state, state.term + 1, true, false)) send(state, request);
  countAnswer(state, state.id, { granted: true, suspect: state.suspect, repairing: false });
}

/** Runs for the next term. `transfer`: by order of the leader, so voters answer although it lives. */
export function campaign(state: RaftState, transfer: boolean, reason: string): void {
  if (!canWriteVote(state)) return;
  restartElectionTimer(state);
  setTerm(state, state.term + 1, state.id);
  const ownVoteVersion = state.output.hardStateVersion;
  changeRole(state, { kind: "candidate", answers: new Map(), ownVoteVersion }, NOBODY, reason);
  // The own vote must be durable before anybody may answer it; it counts from then on, too.
  for (const request of voteRequests(state, state.term, false, transfer)) {
    sendAfterSync(state, request);
  }
}

function canWriteVote(state: RaftState): boolean {
  return !isDiskStalled(state) && !isDiskFull(state);
}

/** A candidate's own vote counts once it is durable: called after each sync. */
export function noteOwnVoteDurable(state: RaftState, candidate: CandidateRole): void {
  if (state.output.durableVersion < candidate.ownVoteVersion) return;
  if (candidate.answers.has(state.id)) return;
  countAnswer(state, state.id, { granted: true, suspect: state.suspect, repairing: false });
}

function voteRequests(
  state: RaftState,
  term: number,
  preVote: boolean,
  transfer: boolean,
): VoteRequest[] {
  return allVoters(configurationOf(state)).filter((id) => id !== state.id).map((to) => ({
    kind: "voteRequest",
    from: state.id,
    to,
    term,
    preVote,
    lastIndex: state.log.lastIndex,
    lastTerm: state.log.lastTerm,
    transfer,
  }));
}

/** An answer of the current campaign; others are dropped. */
export function handleVoteResponse(state: RaftState, message: VoteResponse): void {
  if (state.role.kind !== (message.preVote ? "preCandidate" : "candidate")) return;
  // A granted pre-vote carries the term that it was asked for, a refused one the voter's own.
  if (message.preVote && message.granted && message.term !== state.term + 1) return;
  countAnswer(state, message.from, message);
}

function countAnswer(state: RaftState, from: number, answer: VoteAnswer): void {
  const { role } = state;
  if (role.kind !== "preCandidate" && role.kind !== "candidate") return;
  // The first answer stands: a grant is never taken back, and copies may come late.
  const { granted, suspect, repairing } = answer;
  if (!role.answers.has(from)) role.answers.set(from, { granted, suspect, repairing });
  const result = tally(configurationOf(state), role.answers);
  if (result === "lost") {
    becomeFollower(state, state.term, NOBODY, "the voters refused");
  } else if (result === "won") {
    if (role.kind === "preCandidate") campaign(state, false, "the pre-vote was granted");
    else becomeLeader(state);
  }
}
