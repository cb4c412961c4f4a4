/** Answering vote requests (paper §5.2, §5.4.1) and pre-votes (thesis §9.6). */
import { isMember } from "./configuration.ts";
import { send, sendAfterSync, setTerm } from "./output.ts";
import { becomeFollower } from "./roles.ts";
import { type RaftState, startElectionTimer } from "./state.ts";
import { isOtherLifeMeant } from "./own_life.ts";
import { type Incarnation, NOBODY, type ServerId, type VoteRequest } from "./types.ts";

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
export function handleVoteRequest(
  state: RaftState,
  request: VoteRequest,
  incarnation: Incarnation | null,
): void {
  // Who only asks for terms (suspicion.ts) names none of its own, and does not tell its log.
  const isQuestion = request.term === 0;
  if (!isQuestion && isRemoved(state, request, incarnation)) return tellRemoved(state, request);
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
  const granted = free && !isOtherLifeMeant(state) &&
    state.log.isUpToDate(request.lastIndex, request.lastTerm);
  if (granted) {
    if (state.votedFor === NOBODY) setTerm(state, state.term, request.from);
    startElectionTimer(state);
  }
  respond(state, request, granted);
}

/**
 * True where whoever asks was removed, for certain: a committed configuration does without it, and its log
 * is not beyond this one's. If an entry added it again later, its log would have that entry, or this one
 * (Log Matching), as whoever votes was a learner first, in a configuration that is committed.
 */
function isRemoved(
  { configurations, commitIndex, log }: RaftState,
  { from, lastIndex, lastTerm }: VoteRequest,
  incarnation: Incarnation | null,
): boolean {
  const { current, currentIndex } = configurations;
  if (currentIndex === 0 || currentIndex > commitIndex) return false;
  if (isMember(current, from) && !configurations.isOtherLife(from, incarnation)) return false;
  return lastTerm < log.lastTerm || (lastTerm === log.lastTerm && lastIndex <= log.lastIndex);
}

/** Neither its term nor its log matter here any more. */
function tellRemoved(state: RaftState, request: VoteRequest): void {
  const { id, term } = state;
  const { from, preVote } = request;
  const refusal = { granted: false, suspect: false, repairing: false, removed: true } as const;
  send(state, { kind: "voteResponse", from: id, to: from, term, preVote, ...refusal });
}

/** Another server knows that this one was removed: it has nothing to campaign for, and is quiet. */
export function noteRemoved(state: RaftState, from: ServerId): void {
  if (state.removed || state.role.kind === "leader") return;
  state.removed = true;
  becomeFollower(state, state.term, NOBODY, `server ${from} knows that this one was removed`);
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

/**
 * Would this server vote so? Neither term, vote nor timer change. Not where the sender has its vote for that
 * term already: it was in the term durably before it asked for the vote, so it has forgotten that, and may
 * have led it. The refusal names the term, and it campaigns for the next one.
 */
function canGrantPreVote(state: RaftState, request: VoteRequest): boolean {
  if (winsTie(state, request)) return false;
  const free = request.term > state.term ||
    (state.votedFor === NOBODY && state.leaderId === NOBODY);
  return free && !isOtherLifeMeant(state) &&
    state.log.isUpToDate(request.lastIndex, request.lastTerm);
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
    removed: false,
  } as const;
  if (granted && !preVote) sendAfterSync(state, response);
  else send(state, response);
}
