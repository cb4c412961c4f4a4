/** What a leader does with answers, proposals and time (paper §5.3, §5.4). */
import { advanceCommit, appendToLog } from "./commit.ts";
import { members } from "./configuration.ts";
import { resetDeferral, tickDeferral } from "./deferral.ts";
import { clearSuspect } from "./outbox.ts";
import {
  becomePausedProbe,
  forgetMatch,
  makeProgress,
  noteAccepted,
  noteHeartbeat,
  noteRefused,
  type Progress,
} from "./progress.ts";
import { hasQuorum } from "./quorum.ts";
import { confirmRound, tickRound } from "./read_index.ts";
import { resendStalled, sendHeartbeats } from "./replication.ts";
import { becomeFollower, changeRole } from "./roles.ts";
import { configurationOf, isDiskStalled, isOnlyVoter, type RaftState } from "./state.ts";
import { continueTransfer, tickTransfer } from "./transfer.ts";
import {
  type AppendResponse,
  type HeartbeatResponse,
  NOBODY,
  type ServerId,
  type SnapshotChunkResponse,
  type VoteResponse,
} from "./types.ts";

export type ProposeResult =
  | { readonly accepted: true; readonly index: number; readonly term: number }
  | { readonly accepted: false; readonly reason: "notLeader" | "busy" | "transferring" };

/** Takes over the current term, and begins it with an entry that commits what came before it. */
export function becomeLeader(state: RaftState): void {
  const { log } = state;
  changeRole(state, "leader", state.id, "won the election");
  clearSuspect(state);
  resetDeferral(state);
  state.electionElapsed = 0;
  state.heartbeatElapsed = 0;
  for (const id of members(configurationOf(state))) {
    if (id !== state.id) state.progress.set(id, makeProgress(id, log.lastIndex + 1));
  }
  state.uncommittedBytes = 0;
  for (const entry of log.slice(state.commitIndex + 1)) {
    state.uncommittedBytes += entry.data.length;
  }
  appendProposal(state, state.options.makeNoop());
}

/** Puts `data` into the log as the next entry; it leaves when the turn ends. */
export function propose(state: RaftState, data: Uint8Array): ProposeResult {
  if (state.role !== "leader") return { accepted: false, reason: "notLeader" };
  if (state.transfer !== null) return { accepted: false, reason: "transferring" };
  const { uncommittedBytes } = state;
  if (uncommittedBytes > 0 && uncommittedBytes + data.length > state.options.uncommittedBytesMax) {
    return { accepted: false, reason: "busy" };
  }
  return { accepted: true, index: appendProposal(state, data), term: state.term };
}

function appendProposal(state: RaftState, data: Uint8Array): number {
  const index = state.log.lastIndex + 1;
  appendToLog(state, [{ index, term: state.term, data }]);
  state.uncommittedBytes += data.length;
  state.deferral.bytes += data.length;
  state.outbox.appendsDue = true;
  return index;
}

export function handleAppendResponse(state: RaftState, message: AppendResponse): void {
  const progress = hearFollower(state, message);
  // Nobody can hold more of this term than its only leader.
  if (progress === undefined || message.index > state.log.lastIndex) return;
  if (message.success) {
    noteAccepted(progress, message.index);
    advanceCommit(state);
    continueTransfer(state, progress);
  } else {
    const { hintIndex, hintTerm } = message;
    // A hint in front of the log stays one: the log knows nothing there that could match.
    const lookAt = Math.min(hintIndex, state.log.lastIndexWithTermAtMost(hintIndex, hintTerm));
    if (!noteRefused(progress, message.index, lookAt)) return;
  }
  state.outbox.appendsDue = true;
}

export function handleHeartbeatResponse(state: RaftState, message: HeartbeatResponse): void {
  const progress = hearFollower(state, message);
  if (progress !== undefined) resendStalled(state, progress);
}

/** Any answer in this term shows that the follower follows, and confirms the round that it echoes. */
function hearFollower(
  state: RaftState,
  message: AppendResponse | HeartbeatResponse | SnapshotChunkResponse,
): Progress | undefined {
  if (state.role !== "leader") return undefined;
  const progress = state.progress.get(message.from);
  if (progress === undefined) return undefined;
  progress.recentlyActive = true;
  progress.silentHeartbeats = 0;
  if (message.kind === "snapshotChunkResponse") return progress;
  if (message.readRound > progress.readRound && message.readRound <= state.reads.started) {
    progress.readRound = message.readRound;
    confirmRound(state);
  }
  return progress;
}

/** The caller streams the snapshot, so the answer is its; one to no stream of today is dropped. */
export function handleSnapshotChunkResponse(
  state: RaftState,
  message: SnapshotChunkResponse,
): void {
  const progress = hearFollower(state, message);
  if (progress?.mode === "snapshot") state.outbox.snapshotAnswers.push(message);
}

/** The stream of a snapshot ended before its end: tries again once the follower is heard. */
export function snapshotFailed(state: RaftState, id: ServerId): void {
  const progress = state.progress.get(id);
  if (progress?.mode === "snapshot") becomePausedProbe(progress);
}

/** A follower says that it may have lost what it acknowledged: nothing of it counts any more. */
export function handleSuspicion(state: RaftState, message: VoteResponse): void {
  forgetFollower(state, message.from);
}

/** The connection to a follower broke, and a snapshot's stream with it: its process may have died. */
export function handleFollowerDisconnect(state: RaftState, id: ServerId): void {
  forgetFollower(state, id);
  snapshotFailed(state, id);
}

/** What a follower acknowledged does not count: its process may have forgotten it. */
function forgetFollower(state: RaftState, id: ServerId): void {
  const progress = state.progress.get(id);
  if (progress === undefined) return;
  forgetMatch(progress);
  state.outbox.appendsDue = true;
}

export function tickLeader(state: RaftState): void {
  if (isDiskStalled(state)) {
    return becomeFollower(
      state,
      state.term,
      NOBODY,
      "a sync takes longer than an election timeout",
    );
  }
  tickTransfer(state);
  if (state.electionElapsed >= state.options.electionTimeoutTicks) {
    state.electionElapsed = 0;
    if (!checkQuorum(state)) {
      return becomeFollower(state, state.term, NOBODY, "a majority has not answered");
    }
  }
  tickRound(state);
  tickDeferral(state);
  if (++state.heartbeatElapsed < state.options.heartbeatTicks) return;
  state.heartbeatElapsed = 0;
  for (const progress of state.progress.values()) noteHeartbeat(progress);
  sendHeartbeats(state);
}

/** Whether a majority answered since the last check (thesis §6.2); starts counting anew. */
function checkQuorum(state: RaftState): boolean {
  const heard = isOnlyVoter(state) || hasQuorum(
    configurationOf(state),
    (id) => id === state.id || state.progress.get(id)?.recentlyActive === true,
  );
  for (const progress of state.progress.values()) progress.recentlyActive = false;
  return heard;
}
