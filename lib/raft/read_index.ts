/**
 * Linearizable reads without log entries (thesis §6.4), in rounds.
 *
 * Requests gather in one round while the round before is being confirmed; when that ends, the next
 * starts: so the batch grows by itself with the load, and an idle leader confirms at once. A round
 * fixes its read index when it starts, and only an answer to a message sent after that can confirm
 * it: messages carry the round, answers echo it. It never starts before an entry of the leader's own
 * term is committed, since until then the leader may not know of all that is committed.
 */
import { hasQuorum } from "./quorum.ts";
import { sendHeartbeats } from "./replication.ts";
import { configurationOf, type RaftState } from "./state.ts";

export interface ReadRounds {
  /** The round that a request made now belongs to. Numbers are never used twice. */
  gathering: number;
  /** Somebody waits for the round now gathering. */
  wanted: boolean;
  /** The newest round begun; it is under way while above `ended`. */
  started: number;
  startedIndex: number;
  /** The newest round that was confirmed or lost. */
  ended: number;
}

export function makeReadRounds(): ReadRounds {
  return { gathering: 1, wanted: false, started: 0, startedIndex: 0, ended: 0 };
}

/** The round that will serve a read asked for now; 0 where this server does not lead. */
export function requestRead(state: RaftState): number {
  if (state.role !== "leader") return 0;
  state.reads.wanted = true;
  return state.reads.gathering;
}

export function roundIsDue(state: RaftState): boolean {
  const { reads } = state;
  return state.role === "leader" && reads.wanted && reads.started === reads.ended &&
    state.log.termAt(state.commitIndex) === state.term;
}

export function startRound(state: RaftState): void {
  const { reads } = state;
  reads.started = reads.gathering++;
  reads.startedIndex = state.commitIndex;
  reads.wanted = false;
  sendHeartbeats(state);
  confirmRound(state);
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
  state.outbox.reads.push({ round: reads.started, readIndex: reads.startedIndex });
}

/** The leadership is gone, and with it every round that was not confirmed. */
export function dropRounds(state: RaftState): void {
  const { reads } = state;
  reads.started = reads.ended = reads.gathering++;
  reads.wanted = false;
}
