/**
 * Linearizable reads without log entries (thesis §6.4), in rounds.
 *
 * Requests gather in the open round while the round before is being confirmed; when that ends, the
 * open one starts: so a batch grows by itself with the load, and an idle leader confirms immediately. A
 * round fixes its read index when it starts, and only an answer to a message sent after that can
 * confirm it: messages carry the round, answers echo it. It never starts before an entry of the
 * leader's own term is committed, since until then the leader may not know of all that is committed.
 *
 * Under load only the voters that answered fast before are asked, where they and the leader are a
 * majority: that halves what a round costs three servers. Where they don't answer soon, all others are
 * asked too; and now and then everybody is, to learn who is fast. A round of few requests asks everybody:
 * the fastest of several answers comes sooner than one particular answer.
 */
import { allVoters } from "./configuration.ts";
import { hasQuorumWith } from "./quorum.ts";
import { sendHeartbeats } from "./replication.ts";
import { configurationOf, type LeaderRole, type RaftState, type ReadIndexState } from "./state.ts";

/** Rounds of so many requests, and more, count as load. */
const LOAD_REQUESTS = 4;
/** Every so many rounds all are asked: who was fast once need not stay so. */
const LEARN_ROUNDS = 256;

/** A leadership's rounds, numbered from `lastRound + 1` on. */
export function makeReadIndexState(lastRound: number): ReadIndexState {
  return {
    openRound: lastRound + 1,
    requests: 0,
    started: lastRound,
    startedIndex: 0,
    ended: lastRound,
    fastVoters: [],
    allAsked: false,
    startedMs: 0,
  };
}

/** The round that will serve a read asked for now; 0 where this server does not lead. */
export function requestRead(state: RaftState): number {
  if (state.role.kind !== "leader") return 0;
  const { reads } = state.role;
  reads.requests++;
  return reads.openRound;
}

export function roundIsDue(state: RaftState): boolean {
  if (state.role.kind !== "leader") return false;
  const { reads } = state.role;
  return reads.requests > 0 && reads.started === reads.ended &&
    state.log.termAt(state.commitIndex) === state.term;
}

export function startRound(state: RaftState, leader: LeaderRole): void {
  const { reads } = leader;
  reads.started = reads.openRound++;
  reads.startedIndex = state.commitIndex;
  reads.startedMs = state.nowMs;
  const isFast = (id: number) => reads.fastVoters.includes(id);
  reads.allAsked = reads.requests < LOAD_REQUESTS || reads.started % LEARN_ROUNDS === 0 ||
    !hasQuorumWith(configurationOf(state), state.id, isFast);
  reads.requests = 0;
  sendHeartbeats(state, leader, (id) => reads.allAsked || isFast(id));
  confirmRound(state, leader);
}

/** Asks the others too, where those that were asked don't answer in time. */
export function askAllWhenDue(state: RaftState, leader: LeaderRole): void {
  const { reads } = leader;
  if (state.nowMs < nextAskAllMs(state, leader)) return;
  reads.allAsked = true;
  sendHeartbeats(state, leader, (id) => !reads.fastVoters.includes(id));
}

/** When all are to be asked; Infinity where they are, or no round is under way. */
export function nextAskAllMs({ options }: RaftState, { reads }: LeaderRole): number {
  if (reads.started === reads.ended || reads.allAsked) return Infinity;
  return reads.startedMs + options.readPatienceMs;
}

/** Ends the round under way where a majority, the leader included, has answered it. */
export function confirmRound(state: RaftState, { reads, progress }: LeaderRole): void {
  if (reads.started === reads.ended) return;
  const hasAnswered = (id: number) => (progress.get(id)?.readRound ?? 0) >= reads.started;
  if (!hasQuorumWith(configurationOf(state), state.id, hasAnswered)) return;
  reads.ended = reads.started;
  // Whether asked or not: whoever answers appends sooner than those that were asked is faster too.
  reads.fastVoters = allVoters(configurationOf(state)).filter(hasAnswered);
  state.output.reads.push({ round: reads.started, readIndex: reads.startedIndex });
}
