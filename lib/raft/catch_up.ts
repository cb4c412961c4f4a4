/**
 * Whether a learner keeps up, in rounds (thesis §4.2.1). A round replicates what the leader's log holds when
 * it begins, and ends when the learner has that durably; meanwhile new entries arrive, for the next round. A
 * round that takes less than an election timeout shows that, as a voter, the learner would hold up a commit
 * for no longer than clients wait for a new leader anyway.
 *
 * The thesis gives up after ten rounds, since its caller waits. Here a learner costs nobody anything, so the
 * rounds continue: it is made a voter whenever it comes to keep up, and whoever waits sees the count.
 */
import type { Progress } from "./progress.ts";
import type { CatchUp, LeaderRole, RaftState } from "./state.ts";
import type { DiskRoom, ServerId } from "./types.ts";

export function makeCatchUp({ nowMs, log }: RaftState): CatchUp {
  return { rounds: 0, wasFast: false, startedMs: nowMs, targetIndex: log.lastIndex };
}

/** Ends the rounds that have replicated what they were to, and begins the next. */
export function noteRounds(state: RaftState, leader: LeaderRole): void {
  for (const [id, catchUp] of leader.catchUps) {
    if ((leader.progress.get(id)?.matchIndex ?? 0) < catchUp.targetIndex) continue;
    catchUp.rounds++;
    catchUp.wasFast = state.nowMs - catchUp.startedMs < state.options.electionTimeoutMs;
    catchUp.startedMs = state.nowMs;
    catchUp.targetIndex = state.log.lastIndex;
  }
}

/**
 * True for a learner that could vote without holding anybody up. While it is suspect it acknowledges nothing
 * but what is committed, and as a voter it would count for more to be reached, and for nothing. That it has
 * not told of it is not enough: what a process that has just started says is lost where it has no connection
 * yet, and meanwhile its acks of what is committed end rounds. Room on its disk is looked at apart from that,
 * see `hasRoom`.
 */
export function keepsUp(state: RaftState, leader: LeaderRole, id: ServerId): boolean {
  const catchUp = leader.catchUps.get(id);
  if (catchUp === undefined || leader.progress.get(id)?.isKnownSound !== true) return false;
  return catchUp.wasFast && isReachable(state, leader.progress.get(id)) &&
    state.nowMs - catchUp.startedMs < state.options.electionTimeoutMs;
}

/** See RaftOptions.roomOf. */
export function roomOf({ options }: RaftState, id: ServerId): DiskRoom {
  return options.roomOf?.(id) ?? "free";
}

/**
 * True for a server whose disk takes any entries. One without room may be reached, and keep up while
 * little is written; as a voter it would hold up the first large set.
 */
export function hasRoom(state: RaftState, id: ServerId): boolean {
  return roomOf(state, id) === "free";
}

/**
 * True where a follower has answered in this term, its connection did not break since, and the heartbeats
 * that it owes an answer to are those of less than an election timeout.
 */
export function isReachable(
  { options }: RaftState,
  progress: Progress | undefined,
): boolean {
  return progress !== undefined && progress.isHeard &&
    progress.silentHeartbeats * options.heartbeatIntervalMs < options.electionTimeoutMs;
}
