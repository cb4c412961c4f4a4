/**
 * Who gets new entries at once, and who a moment later (the literature on Paxos calls a leader that
 * asks a majority and no more thrifty).
 *
 * A commit takes a majority. Under load the leader sends at once to those that brought about the last
 * commit; the others get what has gathered with the first entry behind a tick: one message, one write
 * and one sync for many entries. That first entry goes to all, so a leader with little to do defers
 * nothing, and whoever answers it first is who is sent to at once from then on. Where nobody answers,
 * all hold the entry within two ticks, and commit it without them.
 *
 * No promise rests on it: what commits is still what a majority has synced. Where the leader's own disk
 * is the slow one, two followers bring about its commits, and neither is deferred.
 */
import { isVoter } from "./configuration.ts";
import type { Progress } from "./progress.ts";
import { hasQuorum } from "./quorum.ts";
import { configurationOf, type RaftState } from "./state.ts";
import type { ServerId } from "./types.ts";

/** So much is an append of a good size: more does not wait to be sent together. */
const DEFERRED_BYTES_MAX = 262_144;

export interface Deferral {
  /** The voters that held the last commit when it was made: a majority, with the leader or without. */
  quickest: readonly ServerId[];
  /** A tick has passed since all were sent to: the next entry goes to all again. */
  isAllDue: boolean;
  /** The log's end when all were last sent to: whoever was not sent up to here lags, and catches up. */
  allIndex: number;
  /** Bytes of entries proposed since then. */
  bytes: number;
  /** The log's end when anybody was last sent to: an entry behind it is new. */
  sentIndex: number;
  /** A second tick has passed without a new entry: what was deferred waits no longer. */
  isOverdue: boolean;
}

export function makeDeferral(): Deferral {
  return { quickest: [], isAllDue: true, allIndex: 0, bytes: 0, sentIndex: 0, isOverdue: false };
}

/** A leadership begins, and knows nobody. */
export function resetDeferral({ deferral }: RaftState): void {
  Object.assign(deferral, makeDeferral());
}

/** The followers that brought about a commit up to `index`. */
export function noteCommitters(state: RaftState, index: number): void {
  const { deferral, progress } = state;
  const held = ({ id, matchIndex }: Progress) =>
    matchIndex >= index && isVoter(configurationOf(state), id);
  deferral.quickest = Array.from(progress.values()).filter(held).map(({ id }) => id);
}

/**
 * True where appends that leave now leave for all. To be asked once for each sending. Answers make the
 * leader send as well: one that comes behind a tick, with nothing new in the log, must not use up what
 * is for the next new entry. Whoever is deferred would get old entries alone, and never be quickest.
 */
export function takeAllDue(state: RaftState): boolean {
  const { deferral, log } = state;
  const isNew = log.lastIndex > deferral.sentIndex;
  deferral.sentIndex = log.lastIndex;
  const isDue = deferral.isAllDue && (isNew || deferral.isOverdue || deferral.bytes === 0);
  const isForAll = !state.options.deferAppends || isDue ||
    deferral.bytes >= DEFERRED_BYTES_MAX ||
    state.transfer !== null || !quickestAreQuorum(state);
  if (isForAll) {
    deferral.allIndex = log.lastIndex;
    deferral.isOverdue = false;
  }
  if (isForAll && deferral.bytes > 0) {
    deferral.isAllDue = false;
    deferral.bytes = 0;
  }
  return isForAll;
}

/**
 * True where this follower is not sent to before all are. One that catches up, whose log is unknown or
 * that needs a snapshot is looked after at once.
 */
export function isDeferred({ deferral, log }: RaftState, progress: Progress): boolean {
  return progress.mode === "replicate" &&
    progress.nextIndex > Math.max(deferral.allIndex, log.snapshot.index) &&
    !deferral.quickest.includes(progress.id);
}

/** A tick has passed. What was deferred waits for an entry to share the message with, for one tick more. */
export function tickDeferral(state: RaftState): void {
  const { deferral, options } = state;
  if (!options.deferAppends) return;
  if (deferral.isAllDue) {
    for (const progress of state.progress.values()) {
      const lags = progress.nextIndex <= state.log.lastIndex;
      if (!lags || !isDeferred(state, progress)) continue;
      state.outbox.appendsDue = deferral.isOverdue = true;
    }
  }
  deferral.isAllDue = true;
}

/** Only those count that are sent to ahead of their answers: the rest may be gone. */
function quickestAreQuorum(state: RaftState): boolean {
  const { deferral, progress } = state;
  return hasQuorum(
    configurationOf(state),
    (id) =>
      id === state.id ||
      (progress.get(id)?.mode === "replicate" && deferral.quickest.includes(id)),
  );
}
