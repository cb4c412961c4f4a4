/** The leader's messages to its followers: appends within a window, and heartbeats. */
import { assert, broken } from "../util/assert.ts";
import { NO_TERM } from "./log.ts";
import { send } from "./output.ts";
import {
  becomePausedProbe,
  becomeProbe,
  becomeSnapshot,
  dropAhead,
  lookFurtherBack,
  noteSent,
  type Progress,
  windowIsFull,
} from "./progress.ts";
import { leaderOf, type LeaderRole, type RaftState } from "./state.ts";
import { isDeferred, takeBroadcast } from "./thrifty_appends.ts";
import type { EntriesRequest, Entry, ServerId } from "./types.ts";

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
  if (progress.nextIndex <= log.snapshot.index) {
    sendAhead(state, leader, progress);
    if (progress.nextIndex <= log.snapshot.index) return;
    dropAhead(progress);
  }
  if (progress.mode === "probe") {
    if (progress.probeSent) return;
    const entries = log.slice(progress.nextIndex, log.lastIndex, options.appendBytesMax);
    progress.probeSent = true;
    sendAppend(state, leader, progress, log.termAt(progress.nextIndex - 1), entries);
    return;
  }
  while (progress.nextIndex <= log.lastIndex && !isWindowFull(state, progress)) {
    const entries = log.slice(progress.nextIndex, log.lastIndex, options.appendBytesMax);
    sendAppend(state, leader, progress, log.termAt(progress.nextIndex - 1), entries);
    noteSent(progress, entries[entries.length - 1]!, bytesOf(entries));
  }
}

function isWindowFull({ options }: RaftState, progress: Progress): boolean {
  return windowIsFull(progress, options.appendsInFlightMax, options.appendBytesInFlightMax);
}

function bytesOf(entries: readonly Entry[]): number {
  let bytes = 0;
  for (const entry of entries) bytes += entry.data.length;
  return bytes;
}

/**
 * Sends what was read for this follower, and asks for more where it needs more and the window has room: so
 * the next entries are read while these are on their way.
 */
function sendAhead(state: RaftState, leader: LeaderRole, progress: Progress): void {
  const { log, options } = state;
  while (progress.nextIndex <= log.snapshot.index) {
    if (progress.mode === "replicate" && isWindowFull(state, progress)) return;
    const { ahead, nextIndex } = progress;
    const at = ahead.length === 0 ? 0 : nextIndex - ahead[0]!.index;
    const previous = ahead[at - 1];
    if (ahead[at] === undefined || previous === undefined) {
      dropAhead(progress);
      return needEntries(state, progress);
    }
    const entries = firstBytes(ahead, at, options.appendBytesMax);
    sendAppend(state, leader, progress, previous.term, entries);
    if (progress.mode === "probe") {
      progress.probeSent = true;
      return;
    }
    noteSent(progress, entries[entries.length - 1]!, bytesOf(entries));
  }
}

/** As `RaftLog.slice`: from `at` on as many as fit, one at least. */
function firstBytes(entries: readonly Entry[], at: number, bytesMax: number): readonly Entry[] {
  let end = at + 1;
  let bytes = entries[at]!.data.length;
  while (end < entries.length && bytes + entries[end]!.data.length <= bytesMax) {
    bytes += entries[end++]!.data.length;
  }
  return entries.slice(at, end);
}

/**
 * What this follower gets next is not in memory any more. One whose log is unknown and that is silent gets
 * nothing read before it has answered a heartbeat.
 */
function needEntries({ log, options, output }: RaftState, progress: Progress): void {
  if (progress.reading !== null) return;
  if (progress.mode === "probe") {
    if (!progress.recentlyActive) return becomePausedProbe(progress);
    lookFurtherBack(progress);
  }
  progress.reading = {
    follower: progress.id,
    fromIndex: progress.nextIndex - 1,
    toIndex: log.snapshot.index,
    bytesMax: options.appendBytesMax,
  };
  output.entriesNeeded.push(progress.reading);
}

/** See Raft.entriesRead. */
export function entriesRead(
  state: RaftState,
  request: EntriesRequest,
  entries: readonly Entry[] | null,
): void {
  const progress = leaderOf(state)?.progress.get(request.follower);
  // Another leadership, or the follower's log turned out to be another: what was read is for nobody.
  if (progress?.reading !== request) return;
  progress.reading = null;
  state.output.appendsDue = true;
  assert(
    entries === null || entries[0]?.index === request.fromIndex,
    `The files gave other entries than from ${request.fromIndex} on`,
  );
  // It may have accepted meanwhile what was sent before: what memory has is not kept twice.
  if (progress.nextIndex > state.log.snapshot.index) return;
  if (entries !== null) progress.ahead = entries;
  else needSnapshot(state, progress);
}

/** No file has what this follower gets next, so nothing could be appended. */
function needSnapshot(state: RaftState, progress: Progress): void {
  becomeSnapshot(progress);
  state.output.snapshotsNeeded.push(progress.id);
}

/** Sends `entries`, which begin at nextIndex; none only asks whether the follower holds the one before. */
function sendAppend(
  state: RaftState,
  { reads }: LeaderRole,
  progress: Progress,
  prevTerm: number,
  entries: readonly Entry[],
): void {
  const prevIndex = progress.nextIndex - 1;
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
    return;
  }
  const inMemory = state.log.termAt(progress.nextIndex - 1);
  const prevTerm = inMemory === NO_TERM ? progress.sentTerm : inMemory;
  if (prevTerm !== NO_TERM) return sendAppend(state, leader, progress, prevTerm, []);
  // Nothing was sent since it accepted what it has: that is where it continues.
  becomeProbe(progress, progress.matchIndex + 1);
  state.output.appendsDue = true;
}
