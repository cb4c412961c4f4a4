/**
 * Linearizable reads without log entries (thesis §6.4), in rounds.
 *
 * Requests gather in one round while the round before is being confirmed; when that ends, the next
 * starts: so the batch grows by itself with the load, and an idle leader confirms at once. A round
 * fixes its read index when it starts, and only an answer to a message sent after that can confirm
 * it: messages carry the round, answers echo it. It never starts before an entry of the leader's own
 * term is committed, since until then the leader may not know of all that is committed.
 *
 * Under load only those are asked who were quickest before, themselves and the leader a majority: that
 * halves what a round costs three servers. Where they don't answer soon, all the others are asked too;
 * and now and then all are, to learn who is quickest. A round of few requests asks all: the first of
 * many answers comes sooner than that of one.
 */
import { hasQuorum } from "./quorum.ts";
import { sendHeartbeats } from "./replication.ts";
import { configurationOf, type RaftState } from "./state.ts";
import type { ServerId } from "./types.ts";

/** Ticks without a majority's answers from which on all others are asked as well. */
const PATIENCE_TICKS = 2;
/** Rounds of so many requests, and more, count as load. */
const LOAD_REQUESTS = 4;
/** Every so many rounds all are asked: who was quickest once need not stay it. */
const LEARN_ROUNDS = 256;

export interface ReadRounds {
  /** The round that a request made now belongs to. Numbers are never used twice. */
  gathering: number;
  /** How often the round now gathering was asked for. */
  requests: number;
  /** The newest round begun; it is under way while above `ended`. */
  started: number;
  startedIndex: number;
  /** The newest round that was confirmed or lost. */
  ended: number;
  /** The voters that had answered when the last round was confirmed: a majority, with the leader. */
  quickest: readonly ServerId[];
  /** All were asked for the round under way. */
  allAsked: boolean;
  /** Ticks since the round under way began. */
  ticks: number;
}

export function makeReadRounds(): ReadRounds {
  return {
    gathering: 1,
    requests: 0,
    started: 0,
    startedIndex: 0,
    ended: 0,
    quickest: [],
    allAsked: false,
    ticks: 0,
  };
}

/** The round that will serve a read asked for now; 0 where this server does not lead. */
export function requestRead(state: RaftState): number {
  if (state.role !== "leader") return 0;
  state.reads.requests++;
  return state.reads.gathering;
}

export function roundIsDue(state: RaftState): boolean {
  const { reads } = state;
  return state.role === "leader" && reads.requests > 0 && reads.started === reads.ended &&
    state.log.termAt(state.commitIndex) === state.term;
}

export function startRound(state: RaftState): void {
  const { reads } = state;
  reads.started = reads.gathering++;
  reads.startedIndex = state.commitIndex;
  reads.ticks = 0;
  const { quickest } = reads;
  reads.allAsked = reads.requests < LOAD_REQUESTS || reads.started % LEARN_ROUNDS === 0 ||
    !hasQuorum(configurationOf(state), (id) => id === state.id || quickest.includes(id));
  reads.requests = 0;
  sendHeartbeats(state, (id) => reads.allAsked || quickest.includes(id));
  confirmRound(state);
}

/** A tick has passed: asks the others too, where those that were asked don't answer. */
export function tickRound(state: RaftState): void {
  const { reads } = state;
  if (reads.started === reads.ended || reads.allAsked || ++reads.ticks < PATIENCE_TICKS) return;
  reads.allAsked = true;
  sendHeartbeats(state, (id) => !reads.quickest.includes(id));
}

/** Ends the round under way where a majority, the leader included, has answered it. */
export function confirmRound(state: RaftState): void {
  const { reads } = state;
  if (reads.started === reads.ended) return;
  const answered = hasQuorum(
    configurationOf(state),
    (id) => id === state.id || (state.progress.get(id)?.readRound ?? 0) >= reads.started,
  );
  if (!answered) return;
  reads.ended = reads.started;
  // Whether asked or not: what answers appends sooner than who was asked is quicker too.
  reads.quickest = whoAnswered(state);
  state.outbox.reads.push({ round: reads.started, readIndex: reads.startedIndex });
}

function whoAnswered(state: RaftState): ServerId[] {
  const { progress, reads } = state;
  return configurationOf(state).voters.filter((id) =>
    (progress.get(id)?.readRound ?? 0) >= reads.started
  );
}

/** The leadership is gone, and with it every round that was not confirmed. */
export function dropRounds(state: RaftState): void {
  const { reads } = state;
  reads.quickest = [];
  reads.requests = 0;
  reads.started = reads.ended = reads.gathering++;
}
