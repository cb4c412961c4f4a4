/** The leader's messages to its followers: appends within a window, and heartbeats. */
import { broken } from "../util/assert.ts";
import { NO_TERM } from "./log.ts";
import { send } from "./output.ts";
import {
  becomePausedProbe,
  becomeProbe,
  becomeSnapshot,
  noteSent,
  type Progress,
  windowIsFull,
} from "./progress.ts";
import type { LeaderRole, RaftState } from "./state.ts";
import { isDeferred, takeBroadcast } from "./thrifty_appends.ts";
import type { Entry, ServerId } from "./types.ts";

/** Sends what is due now, see thrifty_appends.ts. Called once a turn, so a turn's proposals share. */
export function sendDueAppends(state: RaftState): void {
  state.output.appendsDue = false;
  const leader = state.role;
  if (leader.kind !== "leader") return;
  const isForAll = takeBroadcast(state, leader);
  for (const progress of leader.progress.values()) {
    if (isForAll || !isDeferred(state, leader, progress)) sendAppends(state, leader, progress);
  }
}

function sendAppends(state: RaftState, leader: LeaderRole, progress: Progress): void {
  const { options, log } = state;
  if (progress.mode === "snapshot" || (progress.mode === "probe" && progress.probeSent)) return;
  if (progress.nextIndex <= log.snapshot.index) return wantSnapshot(state, progress);
  if (progress.mode === "probe") {
    const entries = log.slice(progress.nextIndex, log.lastIndex, options.appendBytesMax);
    progress.probeSent = true;
    sendAppend(state, leader, progress, entries);
    return;
  }
  const { appendsInFlightMax, appendBytesInFlightMax } = options;
  while (
    progress.nextIndex <= log.lastIndex &&
    !windowIsFull(progress, appendsInFlightMax, appendBytesInFlightMax)
  ) {
    const entries = log.slice(progress.nextIndex, log.lastIndex, options.appendBytesMax);
    sendAppend(state, leader, progress, entries);
    let bytes = 0;
    for (const entry of entries) bytes += entry.data.length;
    noteSent(progress, progress.nextIndex + entries.length - 1, bytes);
  }
}

/**
 * The entry before what this follower gets next is compacted away, so nothing could be appended
 * after it: it needs a snapshot. One that is silent gets none before it has answered a heartbeat.
 */
function wantSnapshot(state: RaftState, progress: Progress): void {
  if (!progress.recentlyActive) return becomePausedProbe(progress);
  becomeSnapshot(progress);
  state.output.snapshotsNeeded.push(progress.id);
}

/** Sends `entries`, which begin at nextIndex; none only asks whether the follower holds the one before. */
function sendAppend(
  state: RaftState,
  { reads }: LeaderRole,
  progress: Progress,
  entries: readonly Entry[],
): void {
  const prevIndex = progress.nextIndex - 1;
  const prevTerm = state.log.termAt(prevIndex);
  if (prevTerm === NO_TERM) {
    broken(`Server ${progress.id} needs entry ${prevIndex}, which is not here`);
  }
  send(state, {
    kind: "appendRequest",
    from: state.id,
    to: progress.id,
    term: state.term,
    prevIndex,
    prevTerm,
    entries,
    commitIndex: state.commitIndex,
    readRound: reads.started,
  });
}

/** A heartbeat to every follower, or to those that `toWhom` names. */
export function sendHeartbeats(
  state: RaftState,
  { progress, reads }: LeaderRole,
  toWhom = (_id: ServerId) => true,
): void {
  for (const { id, matchIndex } of progress.values()) {
    if (!toWhom(id)) continue;
    send(state, {
      kind: "heartbeat",
      from: state.id,
      to: id,
      term: state.term,
      // Only what this follower is known to hold: its tail may differ after that.
      commitIndex: Math.min(state.commitIndex, matchIndex),
      readRound: reads.started,
    });
  }
}

/**
 * A follower answers heartbeats, but what it was sent stays unanswered: sends the probe again, or
 * asks whether it holds everything sent. If not, its refusal says where to continue.
 */
export function resendStalled(state: RaftState, leader: LeaderRole, progress: Progress): void {
  if (!progress.resendDue) return;
  progress.resendDue = false;
  if (progress.mode === "probe") {
    becomeProbe(progress, progress.nextIndex);
    state.output.appendsDue = true;
  } else if (progress.nextIndex <= state.log.snapshot.index) {
    state.output.appendsDue = true;
  } else {
    sendAppend(state, leader, progress, []);
  }
}
