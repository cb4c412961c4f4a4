/** Campaigning: first a pre-vote that changes nothing anywhere (thesis §9.6), then the election. */
import { isVoter } from "./configuration.ts";
import { becomeLeader } from "./leader.ts";
import { send, sendOnceDurable, setTerm } from "./outbox.ts";
import { type Ballot, tally } from "./quorum.ts";
import { becomeFollower, changeRole } from "./roles.ts";
import { configurationOf, isDiskStalled, type RaftState, restartElectionTimer } from "./state.ts";
import { NOBODY, type VoteRequest, type VoteResponse } from "./types.ts";

/** The election timer ran out, or the leader's connection broke. */
export function preCampaign(state: RaftState, reason: string): void {
  if (!isVoter(configurationOf(state), state.id) || isDiskStalled(state)) return;
  if (state.repairing) return;
  restartElectionTimer(state);
  changeRole(state, "preCandidate", NOBODY, reason);
  for (const request of voteRequests(state, state.term + 1, true, false)) send(state, request);
  countBallot(state, state.id, { granted: true, suspect: state.suspect, repairing: false });
}

/** Runs for the next term. `transfer`: by order of the leader, so voters answer although it lives. */
export function campaign(state: RaftState, transfer: boolean, reason: string): void {
  if (isDiskStalled(state)) return;
  restartElectionTimer(state);
  setTerm(state, state.term + 1, state.id);
  state.ownVoteVersion = state.outbox.hardStateVersion;
  changeRole(state, "candidate", NOBODY, reason);
  // The own vote must be durable before anybody may answer it; it counts from then on, too.
  for (const request of voteRequests(state, state.term, false, transfer)) {
    sendOnceDurable(state, request);
  }
}

export function noteOwnVoteDurable(state: RaftState): void {
  if (state.outbox.durableVersion < state.ownVoteVersion || state.ballots.has(state.id)) return;
  countBallot(state, state.id, { granted: true, suspect: state.suspect, repairing: false });
}

function voteRequests(
  state: RaftState,
  term: number,
  preVote: boolean,
  transfer: boolean,
): VoteRequest[] {
  return configurationOf(state).voters.filter((id) => id !== state.id).map((to) => ({
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
  if (state.role !== (message.preVote ? "preCandidate" : "candidate")) return;
  // A granted pre-vote carries the term that it was asked for, a refused one the voter's own.
  if (message.preVote && message.granted && message.term !== state.term + 1) return;
  countBallot(state, message.from, message);
}

function countBallot(state: RaftState, from: number, ballot: Ballot): void {
  // The first answer stands: a grant is never taken back, and copies may come late.
  const { granted, suspect, repairing } = ballot;
  if (!state.ballots.has(from)) state.ballots.set(from, { granted, suspect, repairing });
  const result = tally(configurationOf(state), state.ballots);
  if (result === "lost") {
    becomeFollower(state, state.term, NOBODY, "the voters refused");
  } else if (result === "won") {
    if (state.role === "preCandidate") campaign(state, false, "the pre-vote was granted");
    else becomeLeader(state);
  }
}
