/** What a leader does with answers, proposals and time (paper §5.3, §5.4). */
import { advanceCommit } from "./commit.ts";
import { memberIds } from "./configuration.ts";
import { needsReconfiguring, syncCatchUps } from "./membership.ts";
import { clearSuspect } from "./output.ts";
import {
  becomePausedProbe,
  dropAhead,
  forgetMatch,
  makeProgress,
  noteAccepted,
  noteHeartbeat,
  noteRefused,
  type Progress,
} from "./progress.ts";
import { appendProposal } from "./proposals.ts";
import { hasQuorumWith } from "./quorum.ts";
import {
  askAllWhenDue,
  confirmRound,
  makeReadIndexState,
  nextAskAllMs,
  requestRead,
  roundIsDue,
  startRound,
} from "./read_index.ts";
import { resendStalled, sendHeartbeats } from "./replication.ts";
import { continueReconfiguring } from "./reconfigure.ts";
import { becomeFollower, changeRole } from "./roles.ts";
import {
  type CatchUp,
  configurationOf,
  diskStallsMs,
  isDiskStalled,
  isOnlyVoter,
  leaderOf,
  type LeaderRole,
  type RaftState,
  startElectionTimer,
} from "./state.ts";
import { makeThriftyAppends, nextOverdueMs, noteOverdue } from "./thrifty_appends.ts";
import { continueTransfer, elapseTransfer, giveUpTransferTo, nextTransferMs } from "./transfer.ts";
import {
  type AppendResponse,
  type HeartbeatResponse,
  NOBODY,
  type ServerId,
  type SnapshotChunkResponse,
  type VoteResponse,
} from "./types.ts";

/** A check of the quorum waits so long for the heartbeats, if these are due: one waking does for both. */
const SHARED_WAKING_MS = 10;

/** Takes over the current term, and begins it with an entry that commits what came before it. */
export function becomeLeader(state: RaftState): void {
  const leader = makeLeader(state);
  changeRole(state, leader, state.id, "won the election");
  clearSuspect(state);
  startElectionTimer(state, state.options.electionTimeoutMs);
  appendProposal(state, leader, state.options.makeNoop());
}

function makeLeader(state: RaftState): LeaderRole {
  const { log } = state;
  const progress = new Map<ServerId, Progress>();
  for (const id of memberIds(configurationOf(state))) {
    if (id !== state.id) progress.set(id, makeProgress(id, log.lastIndex + 1));
  }
  let uncommittedBytes = 0;
  for (const entry of log.slice(state.commitIndex + 1)) uncommittedBytes += entry.data.length;
  const catchUps = new Map<ServerId, CatchUp>();
  syncCatchUps(state, { catchUps });
  return {
    kind: "leader",
    progress,
    catchUps,
    heartbeatDueMs: state.nowMs + state.options.heartbeatIntervalMs,
    uncommittedBytes,
    transfer: null,
    thrifty: makeThriftyAppends(state.nowMs),
    reads: makeReadIndexState(state.lastReadRound),
    isReconfiguring: needsReconfiguring(state),
    isHandingOver: false,
  };
}

export function handleAppendResponse(state: RaftState, message: AppendResponse): void {
  const leader = state.role;
  if (leader.kind !== "leader") return;
  const progress = hearFollower(state, leader, message);
  // Nobody can hold more of this term than its only leader.
  if (progress === undefined || message.index > state.log.lastIndex) return;
  const committedBefore = state.commitIndex;
  if (message.success) {
    noteAccepted(progress, message.index);
    advanceCommit(state, leader);
    continueTransfer(state, leader);
    continueReconfiguring(state, leader);
    // It has all, and those who get entries first are the same.
    const hasAll = progress.nextIndex > state.log.lastIndex;
    if (hasAll && state.commitIndex === committedBefore) return;
  } else {
    const { hintIndex, hintTerm } = message;
    // A hint before the start of the log stays one: the log knows nothing there that could match.
    const lookAt = Math.min(hintIndex, state.log.lastIndexWithTermAtMost(hintIndex, hintTerm));
    if (!noteRefused(progress, message.index, lookAt)) return;
  }
  state.output.appendsDue = true;
}

export function handleHeartbeatResponse(state: RaftState, message: HeartbeatResponse): void {
  const leader = state.role;
  if (leader.kind !== "leader") return;
  const progress = hearFollower(state, leader, message);
  if (progress !== undefined) resendStalled(state, leader, progress);
}

/** Any answer in this term shows that the follower follows, and confirms the round that it echoes. */
function hearFollower(
  state: RaftState,
  leader: LeaderRole,
  message: AppendResponse | HeartbeatResponse | SnapshotChunkResponse,
): Progress | undefined {
  const progress = leader.progress.get(message.from);
  if (progress === undefined) return undefined;
  progress.recentlyActive = true;
  progress.isHeard = true;
  progress.silentHeartbeats = 0;
  if (leader.catchUps.has(message.from) && !progress.isSoundAsked) {
    // Now, so that no learner waits for a heartbeat; what is lost of it, heartbeats ask for again.
    progress.isSoundAsked = true;
    requestRead(state);
  }
  if (message.kind === "snapshotChunkResponse") return progress;
  if (message.readRound > progress.readRound && message.readRound <= leader.reads.started) {
    progress.readRound = message.readRound;
    progress.isSuspect = false;
    progress.isKnownSound = true;
    confirmRound(state, leader);
  }
  return progress;
}

/** The caller streams the snapshot, so the answer is its; one to no stream of today is dropped. */
export function handleSnapshotChunkResponse(
  state: RaftState,
  message: SnapshotChunkResponse,
): void {
  if (state.role.kind !== "leader") return;
  const progress = hearFollower(state, state.role, message);
  if (progress?.mode === "snapshot") state.output.snapshotAnswers.push(message);
}

/** The stream of a snapshot ended before its end: tries again once the follower is heard. */
export function snapshotFailed(state: RaftState, id: ServerId): void {
  const progress = leaderOf(state)?.progress.get(id);
  if (progress?.mode === "snapshot") becomePausedProbe(progress);
}

/** A follower says that it may have lost what it acknowledged: nothing of it counts any more. */
export function handleSuspicion(state: RaftState, message: VoteResponse): void {
  const leader = leaderOf(state);
  const progress = leader?.progress.get(message.from);
  if (leader !== null && progress !== undefined) {
    progress.isSuspect = true;
    progress.isKnownSound = false;
    giveUpTransferTo(leader, message.from);
  }
  forgetFollower(state, message.from);
}

/** The connection to a follower broke, and a snapshot's stream with it: its process may have died. */
export function handleFollowerDisconnect(state: RaftState, id: ServerId): void {
  const progress = leaderOf(state)?.progress.get(id);
  if (progress !== undefined) {
    progress.isHeard = progress.isKnownSound = progress.isSoundAsked = false;
  }
  forgetFollower(state, id);
  snapshotFailed(state, id);
}

/** What a follower acknowledged does not count: its process may have forgotten it. */
function forgetFollower(state: RaftState, id: ServerId): void {
  const leader = leaderOf(state);
  const progress = leader?.progress.get(id);
  if (leader === null || progress === undefined) return;
  forgetMatch(progress);
  // An order to campaign may be lost with the connection.
  if (leader.transfer?.target === id) leader.transfer.isOrdered = false;
  state.output.appendsDue = true;
}

/** Does what is due now. */
export function elapseLeader(state: RaftState, leader: LeaderRole): void {
  if (isDiskStalled(state)) {
    return becomeFollower(
      state,
      state.term,
      NOBODY,
      "a sync takes longer than an election timeout",
    );
  }
  elapseTransfer(state, leader);
  continueReconfiguring(state, leader);
  if (leader !== state.role) return;
  if (state.nowMs >= state.electionDeadlineMs) {
    startElectionTimer(state, state.options.electionTimeoutMs);
    if (!checkQuorum(state, leader)) {
      return becomeFollower(state, state.term, NOBODY, "a majority has not answered");
    }
  }
  askAllWhenDue(state, leader);
  noteOverdue(state, leader);
  if (state.nowMs < leader.heartbeatDueMs) return;
  leader.heartbeatDueMs = state.nowMs + state.options.heartbeatIntervalMs;
  for (const progress of leader.progress.values()) noteHeartbeat(progress);
  if (!asksSuspects(state, leader)) sendHeartbeats(state, leader);
}

/**
 * Who was suspect is known to be sound once it confirms a read round, and so is a learner, which is made a
 * voter only then. It may be that nobody reads, and neither a handover nor a change of members counts on who
 * is suspect: so the heartbeats of this moment are a round's. True where they left.
 */
function asksSuspects(state: RaftState, leader: LeaderRole): boolean {
  const { progress, reads, catchUps } = leader;
  const isToShow = ({ id, isSuspect, isHeard, isKnownSound }: Progress) =>
    isSuspect || (isHeard && !isKnownSound && catchUps.has(id));
  if (![...progress.values()].some(isToShow)) return false;
  requestRead(state);
  if (!roundIsDue(state)) return false;
  startRound(state, leader);
  return reads.allAsked;
}

/** When `elapseLeader` has something to do. */
export function nextLeaderDeadlineMs(state: RaftState, leader: LeaderRole): number {
  const { heartbeatDueMs } = leader;
  const isShared = heartbeatDueMs - state.electionDeadlineMs <= SHARED_WAKING_MS;
  return Math.min(
    heartbeatDueMs,
    isShared ? heartbeatDueMs : state.electionDeadlineMs,
    diskStallsMs(state),
    nextTransferMs(state, leader),
    nextAskAllMs(state, leader),
    nextOverdueMs(state, leader),
  );
}

/** Whether a majority answered since the last check (thesis §6.2); starts counting again. */
function checkQuorum(state: RaftState, leader: LeaderRole): boolean {
  const heard = isOnlyVoter(state) || hasQuorumWith(
    configurationOf(state),
    state.id,
    (id) => leader.progress.get(id)?.recentlyActive === true,
  );
  for (const progress of leader.progress.values()) {
    // What was read from files for a follower that is silent is read again once it answers.
    if (!progress.recentlyActive) dropAhead(progress);
    progress.recentlyActive = false;
  }
  return heard;
}
