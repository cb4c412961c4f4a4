/**
 * Which followers get new entries immediately, and which a moment later (papers on Paxos call a leader
 * that asks just a majority *thrifty*).
 *
 * A commit takes a majority. Under load the leader sends immediately to the followers that brought
 * about the last commit. The others get what has gathered together with the first entry after a moment
 * (`broadcastIntervalMs`): one message, one write and one sync for many entries. That first entry goes
 * to everybody, so a leader with little to do holds nothing back, and whoever answers it first is fast
 * from then on. Where nobody answers, all hold the entry within two moments, and commit it without the
 * fast ones.
 *
 * Example, three servers, 1 leads: entries 10 to 60 come within one moment. 2 acknowledged the last
 * commit first, so 2 gets each of them as it comes, in 30 messages; 3 gets entry 10 (the first of
 * the moment), then 11 to 61 in one message with the first entry of the next.
 *
 * Nothing depends on it for safety: what commits is still what a majority has synced. Where the
 * leader's own disk is the slow one, two followers bring about its commits, and neither is held back.
 */
import { allVoters } from "./configuration.ts";
import type { Progress } from "./progress.ts";
import { hasQuorumWith } from "./quorum.ts";
import { configurationOf, type LeaderRole, type RaftState, type ThriftyAppends } from "./state.ts";

/** So much is an append of a good size: more does not wait to be sent together. */
const DEFERRED_BYTES_MAX = 262_144;

/** A leadership begins, and knows nobody. */
export function makeThriftyAppends(nowMs: number): ThriftyAppends {
  return {
    fastVoters: [],
    broadcastDueMs: nowMs,
    broadcastIndex: 0,
    bytes: 0,
    sentIndex: 0,
    isOverdue: false,
  };
}

/** Notes the followers that brought about a commit up to `index`. */
export function noteCommitters(state: RaftState, leader: LeaderRole, index: number): void {
  leader.thrifty.fastVoters = allVoters(configurationOf(state)).filter((id) =>
    (leader.progress.get(id)?.matchIndex ?? -1) >= index
  );
}

/**
 * True where appends that leave now leave for all. To be asked once for each sending. Answers make the
 * leader send as well: one that comes after the moment, with nothing new in the log, must not use up what
 * is for the next new entry. Whoever is deferred would get old entries alone, and never be fast.
 */
export function takeBroadcast(state: RaftState, leader: LeaderRole): boolean {
  const { log } = state;
  const { thrifty } = leader;
  const isNew = log.lastIndex > thrifty.sentIndex;
  thrifty.sentIndex = log.lastIndex;
  const isDue = state.nowMs >= thrifty.broadcastDueMs &&
    (isNew || thrifty.isOverdue || thrifty.bytes === 0);
  const isForAll = !state.options.thriftyAppends || isDue ||
    thrifty.bytes >= DEFERRED_BYTES_MAX ||
    leader.transfer !== null || !fastVotersAreQuorum(state, leader);
  if (isForAll) {
    thrifty.broadcastIndex = log.lastIndex;
    thrifty.isOverdue = false;
  }
  if (isForAll && thrifty.bytes > 0) {
    thrifty.broadcastDueMs = state.nowMs + state.options.broadcastIntervalMs;
    thrifty.bytes = 0;
  }
  return isForAll;
}

/**
 * True where this follower is not sent to before all are. One that catches up, whose log is unknown or
 * that needs a snapshot is looked after immediately.
 */
export function isDeferred(
  { log }: RaftState,
  { thrifty }: LeaderRole,
  progress: Progress,
): boolean {
  return waitsForBroadcast(thrifty, progress) && progress.nextIndex > log.snapshot.index;
}

/** As `isDeferred`, but also where what was deferred has left memory since: that is still to be sent. */
function waitsForBroadcast(
  { broadcastIndex, fastVoters }: ThriftyAppends,
  { mode, nextIndex, id }: Progress,
): boolean {
  return mode === "replicate" && nextIndex > broadcastIndex && !fastVoters.includes(id);
}

/** What was deferred waits for an entry to share the message with, for one more moment. */
export function noteOverdue(state: RaftState, leader: LeaderRole): void {
  if (state.nowMs < nextOverdueMs(state, leader)) return;
  state.output.appendsDue = leader.thrifty.isOverdue = true;
}

/** When something deferred waits no longer; Infinity where nothing waits. */
export function nextOverdueMs(state: RaftState, leader: LeaderRole): number {
  const { options, log } = state;
  if (!options.thriftyAppends || leader.thrifty.broadcastIndex >= log.lastIndex) return Infinity;
  for (const progress of leader.progress.values()) {
    if (progress.nextIndex > log.lastIndex) continue;
    if (waitsForBroadcast(leader.thrifty, progress)) {
      return leader.thrifty.broadcastDueMs + options.broadcastIntervalMs;
    }
  }
  return Infinity;
}

/** Only those count that are sent to ahead of their answers: the rest may be gone. */
function fastVotersAreQuorum(state: RaftState, { thrifty, progress }: LeaderRole): boolean {
  return hasQuorumWith(
    configurationOf(state),
    state.id,
    (id) => progress.get(id)?.mode === "replicate" && thrifty.fastVoters.includes(id),
  );
}
