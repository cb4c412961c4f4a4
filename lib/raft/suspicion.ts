/**
 * How a suspect server (see HardState.suspect) becomes sound again. It may have forgotten an ack, a
 * vote and the term that they were of, so it needs to know both of the terms and of the log:
 *
 * - every other member has answered since this process started, and this server's term is at least
 *   theirs. Whoever got the forgotten vote was in that vote's term before it asked, durably; so a
 *   vote in a later term is no second one, and the vote of this term is given to its leader. Before
 *   that a leader must not count on this server at all: it might lead a term that this server had
 *   left behind, and commit what the forgotten term's leader commits otherwise;
 * - its log has matched an index that the leader committed in its own term: all that was ever
 *   committed before comes before it. An older index would not do, as a new leader's commitIndex
 *   may lag behind entries that this server once acknowledged. Nor would a message from before the
 *   leader was told to forget those acks.
 *
 * Whose answers? It can't know the configuration that it forgot. So it asks the members of every
 * configuration that it holds, both halves, and learners: whoever votes was a learner first, in an earlier
 * configuration that was committed, so a leader of today holds that and this server gets it before it
 * acknowledges anything after it. A read round is confirmed without that, so not before suspicion has
 * ended. Two cases show that it is enough:
 *
 * - What was cut off held a joint configuration, and a vote for one of its new voters, N. N was a learner in
 *   the configuration before, was heard, and so this server is in N's term.
 * - What was cut off held the configuration after that, and a removed voter R is gone for ever. Before
 *   R is heard none of this server's acks count; so what the leader commits in its own term is held by a
 *   majority of its configuration without this server, and R, or whoever still votes by the old
 *   configuration, can't win without one of these. Hence suspicion ends without R once such a commit covers
 *   the configuration that does without it: from then on only its members have to have been heard.
 *
 * Nobody but the only voter of a cluster can forget a configuration that no other voter holds.
 *
 * A repairing server (see RaftOptions.repair) is a suspect server that knows for certain that it lost
 * something, so in elections it has no say at all. The rest is the same, ending included: that its log
 * holds all it may have forgotten is just what the end of suspicion shows.
 */
import { memberIds } from "./configuration.ts";
import { clearSuspect, send, setTerm } from "./output.ts";
import type { RaftState } from "./state.ts";
import { type AppendRequest, NOBODY, type ServerId } from "./types.ts";

/** False while this server may have forgotten a term: then it confirms nothing that counts. */
function hasHeardAll(state: RaftState): boolean {
  return !state.suspect || unheard(state).length === 0;
}

/** The log is equal to the leader's up to `verifiedIndex`: how much of that the leader may count. */
export function ackableIndex(state: RaftState, verifiedIndex: number): number {
  // What is committed can be counted by anybody; saying so keeps the appends coming.
  return hasHeardAll(state) ? Math.max(verifiedIndex, state.commitIndex) : state.commitIndex;
}

/**
 * The read round to confirm in an answer to one that carries `readRound`. None while suspect: unlike an
 * ack, an answer does not show that this server holds the leader's configuration, so it may not have
 * heard the voter that it elected and forgot.
 */
export function ackableRound(state: RaftState, readRound: number): number {
  return state.suspect ? 0 : readRound;
}

/** An append of the leader was taken in and verified the log up to `verifiedIndex`. */
export function tryClearSuspect(
  state: RaftState,
  message: AppendRequest,
  verifiedIndex: number,
): void {
  if (!state.suspect) return;
  if (state.suspectToldTerm !== state.term) return tellSuspicion(state);
  const isLogSound = message.commitIndex <= verifiedIndex &&
    state.log.termAt(message.commitIndex) === message.term;
  if (!isLogSound || unheard(state, message.commitIndex).length > 0) return;
  // Whom this server voted for in this term it can't know; its leader is the only safe answer.
  if (state.votedFor === NOBODY) setTerm(state, state.term, message.from);
  state.heardSinceStart.clear();
  clearSuspect(state);
  if (state.repairing) {
    const { hardStateVersion } = state.output;
    state.repairEnd = { hardStateVersion, logIndex: message.commitIndex };
  }
}

/** Ends a repair that has settled, once what it rests on is durable: called after each sync. */
export function endRepairOnceDurable(state: RaftState): void {
  const { repairEnd, output, log } = state;
  if (repairEnd === null || output.durableVersion < repairEnd.hardStateVersion) return;
  if (log.durableIndex < repairEnd.logIndex) return;
  state.repairing = false;
  state.repairEnd = null;
}

/** Tells the leader of this term, once, not to count on earlier acks. */
export function tellSuspicionOnce(state: RaftState): void {
  if (state.suspect && state.suspectToldTerm !== state.term) tellSuspicion(state);
}

/**
 * A heartbeat came. A suspect server says so again where it lacks nothing but a look at its log: it
 * gets an append that shows whether it is sound by now. It also does once an election timeout: a process that
 * has just started is often reached before it reaches the others, and what it says then is lost. Its leader
 * would take it for sound and build on it, such as by making a voter of it.
 */
export function requestProbe(state: RaftState): void {
  const isLongAgo = state.nowMs - state.suspectToldMs >= state.options.electionTimeoutMs;
  if (state.suspectToldTerm !== state.term || hasHeardAll(state) || isLongAgo) tellSuspicion(state);
}

/** By a vote response that grants nothing. */
function tellSuspicion(state: RaftState): void {
  state.suspectToldTerm = state.term;
  state.suspectToldMs = state.nowMs;
  send(state, {
    kind: "voteResponse",
    from: state.id,
    to: state.leaderId,
    term: state.term,
    preVote: true,
    granted: false,
    suspect: true,
    repairing: state.repairing,
    removed: false,
  });
}

/**
 * Asks the voters that were not heard yet for their terms, once an election timeout: followers have
 * nothing else to say to each other. A request of term 0 is always refused, with the own term.
 */
export function askTermsNowAndThen(state: RaftState): void {
  if (state.role.kind !== "follower" || state.leaderId === NOBODY) return;
  if (state.nowMs < state.suspectAskMs) return;
  state.suspectAskMs = state.nowMs + state.options.electionTimeoutMs;
  for (const to of unheard(state)) {
    send(state, {
      kind: "voteRequest",
      from: state.id,
      to,
      term: 0,
      preVote: true,
      lastIndex: 0,
      lastTerm: 0,
      transfer: false,
    });
  }
}

/** When `askTermsNowAndThen` next asks somebody; Infinity where there is nobody to ask. */
export function nextAskMs(state: RaftState): number {
  if (state.role.kind !== "follower" || state.leaderId === NOBODY) return Infinity;
  return unheard(state).length > 0 ? state.suspectAskMs : Infinity;
}

/** The members of the configurations in effect at `fromIndex` and later that did not answer yet. */
function unheard(state: RaftState, fromIndex = 0): ServerId[] {
  const missing = new Set<ServerId>();
  for (const { configuration, incarnations } of state.configurations.from(fromIndex)) {
    for (const id of memberIds(configuration)) {
      const life = state.heardSinceStart.get(id);
      const meant = incarnations.get(id);
      const isHeard = life !== undefined &&
        (life === null || meant === undefined || life === meant);
      if (id !== state.id && !isHeard) missing.add(id);
    }
  }
  return [...missing];
}
