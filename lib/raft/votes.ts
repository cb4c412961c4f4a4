/** Answering vote requests (paper §5.2, §5.4.1) and pre-votes (thesis §9.6). */
import { send, sendAfterSync, setTerm } from "./output.ts";
import { becomeFollower } from "./roles.ts";
import { type RaftState, startElectionTimer } from "./state.ts";
import { NOBODY, type VoteRequest } from "./types.ts";

/**
 * True while this server leads or has heard from a leader within the least election timeout: then
 * the cluster is well, and whoever campaigns has lost touch or was removed (thesis §4.2.3).
 */
function hasLiveLeader(state: RaftState): boolean {
  // However late its own check of the quorum is, which alone ends its leadership.
  if (state.role.kind === "leader") return true;
  return state.leaderId !== NOBODY &&
    state.nowMs - state.heardMs < state.options.electionTimeoutMs;
}

/** Handles requests of any term: they don't follow the common rule for higher terms. */
export function handleVoteRequest(state: RaftState, request: VoteRequest): void {
  // A lower term is always answered: a candidate that is behind learns the term only this way.
  if (request.term < state.term) return respond(state, request, false);
  if (!request.transfer && hasLiveLeader(state)) {
    if (request.preVote) respond(state, request, false);
    return;
  }
  if (state.repairing) return abstain(state, request);
  if (request.preVote) return respond(state, request, canGrantPreVote(state, request));
  if (request.term > state.term) {
    becomeFollower(state, request.term, NOBODY, `server ${request.from} campaigns`);
  }
  const free = state.votedFor === request.from ||
    (state.votedFor === NOBODY && state.leaderId === NOBODY);
  const granted = free && state.log.isUpToDate(request.lastIndex, request.lastTerm);
  if (granted) {
    if (state.votedFor === NOBODY) setTerm(state, state.term, request.from);
    startElectionTimer(state);
  }
  respond(state, request, granted);
}

/** Refuses without a say. The term must not be lower than the candidate's, or nobody would listen. */
function abstain(state: RaftState, request: VoteRequest): void {
  // A pre-vote names the term after the one that its sender is in.
  const term = request.preVote ? request.term - 1 : request.term;
  if (term > state.term) becomeFollower(state, term, NOBODY, `server ${request.from} campaigns`);
  respond(state, request, false);
}

/**
 * Two servers with equal logs that time out together would split the vote, the likelier the fewer
 * are left: the one with the lower id goes first. Only while its own campaign is fresh, since it may
 * have no majority within reach where the other has.
 */
function winsTie(state: RaftState, request: VoteRequest): boolean {
  return state.role.kind === "preCandidate" && state.id < request.from &&
    state.nowMs - state.heardMs < state.options.heartbeatIntervalMs &&
    request.lastIndex === state.log.lastIndex && request.lastTerm === state.log.lastTerm;
}

/** Would this server vote so? Neither term, vote nor timer change. */
function canGrantPreVote(state: RaftState, request: VoteRequest): boolean {
  if (winsTie(state, request)) return false;
  const free = request.term > state.term || state.votedFor === request.from ||
    (state.votedFor === NOBODY && state.leaderId === NOBODY);
  return free && state.log.isUpToDate(request.lastIndex, request.lastTerm);
}

function respond(state: RaftState, request: VoteRequest, granted: boolean): void {
  const { preVote } = request;
  const response = {
    kind: "voteResponse",
    from: state.id,
    to: request.from,
    // A granted pre-vote names the term it is for, a refusal the own term, which may be the news.
    term: granted ? request.term : state.term,
    preVote,
    granted,
    suspect: state.suspect,
    repairing: state.repairing,
  } as const;
  if (granted && !preVote) sendAfterSync(state, response);
  else send(state, response);
}
