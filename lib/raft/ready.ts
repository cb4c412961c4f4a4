/** What one turn hands out, and what happens when a batch is durable. */
import { assert } from "../util/assert.ts";
import { noteOwnVoteDurable } from "./candidate.ts";
import { advanceCommit } from "./commit.ts";
import { releaseHeld } from "./output.ts";
import { roundIsDue, startRound } from "./read_index.ts";
import { continueReconfiguring } from "./reconfigure.ts";
import { sendDueAppends } from "./replication.ts";
import { leaderOf, type RaftState } from "./state.ts";
import { endRepairOnceDurable } from "./suspicion.ts";
import { continueTransfer } from "./transfer.ts";
import type {
  EntriesRequest,
  Entry,
  HardState,
  Message,
  PersistBatch,
  ReadState,
  Ready,
  ServerId,
  SnapshotChunk,
  SnapshotChunkResponse,
} from "./types.ts";

const NO_MESSAGES: readonly Message[] = [];
const NO_ENTRIES: readonly Entry[] = [];
const NO_READS: readonly ReadState[] = [];
const NO_REQUESTS: readonly EntriesRequest[] = [];
const NO_SERVERS: readonly ServerId[] = [];
const NO_CHUNKS: readonly SnapshotChunk[] = [];
const NO_ANSWERS: readonly SnapshotChunkResponse[] = [];

export function hasReady(state: RaftState): boolean {
  const { output } = state;
  return output.messages.length > 0 || output.appendsDue || output.reads.length > 0 ||
    state.commitIndex > output.applyingIndex || roundIsDue(state) ||
    (output.batch === null && hasUnpersisted(state)) || output.snapshotChunks.length > 0 ||
    output.snapshotAnswers.length > 0;
}

function hasUnpersisted(state: RaftState): boolean {
  return state.log.lastIndex > state.log.submittedIndex ||
    state.output.hardStateVersion > state.output.submittedVersion;
}

/** Takes everything that waits; nothing is handed out twice. */
export function takeReady(state: RaftState): Ready {
  const { output } = state;
  const leader = leaderOf(state);
  if (leader !== null && roundIsDue(state)) startRound(state, leader);
  if (output.appendsDue) sendDueAppends(state);
  // The batch is made last: it counts what this very turn added.
  const persist = output.batch === null ? takeBatch(state) : null;
  const messages = output.messages.length > 0 ? output.messages : NO_MESSAGES;
  if (messages.length > 0) output.messages = [];
  const committed = takeCommitted(state, persist !== null);
  const reads = takeReads(state);
  const entriesNeeded = output.entriesNeeded.length > 0 ? output.entriesNeeded : NO_REQUESTS;
  if (entriesNeeded.length > 0) output.entriesNeeded = [];
  const snapshotsNeeded = output.snapshotsNeeded.length > 0 ? output.snapshotsNeeded : NO_SERVERS;
  if (snapshotsNeeded.length > 0) output.snapshotsNeeded = [];
  const snapshotChunks = output.snapshotChunks.length > 0 ? output.snapshotChunks : NO_CHUNKS;
  if (snapshotChunks.length > 0) output.snapshotChunks = [];
  const snapshotAnswers = output.snapshotAnswers.length > 0 ? output.snapshotAnswers : NO_ANSWERS;
  if (snapshotAnswers.length > 0) output.snapshotAnswers = [];
  return {
    messages,
    persist,
    committed,
    reads,
    entriesNeeded,
    snapshotsNeeded,
    snapshotChunks,
    snapshotAnswers,
  };
}

/** Rounds are handed out in order, each after the entries that its reads have to see. */
function takeReads({ output }: RaftState): readonly ReadState[] {
  const { reads, applyingIndex } = output;
  if (reads.length === 0 || reads[0]!.readIndex > applyingIndex) return NO_READS;
  const later = reads.findIndex(({ readIndex }) => readIndex > applyingIndex);
  if (later >= 0) return reads.splice(0, later);
  output.reads = [];
  return reads;
}

/**
 * Committed entries are handed out even where the own disk does not hold them yet: a majority does.
 * A snapshot must not be taken beyond durableIndex, though. A leader gets a piece at a time: it
 * answers the clients of one while it applies the next. Nobody waits for a follower to apply, but
 * somebody does for what its batch holds: that is handed out first (`hasBatch`), and this after it.
 */
function takeCommitted(state: RaftState, hasBatch: boolean): readonly Entry[] {
  const { output } = state;
  if (state.commitIndex === output.applyingIndex) return NO_ENTRIES;
  const leads = state.role.kind === "leader";
  if (hasBatch && !leads) return NO_ENTRIES;
  const bytesMax = leads ? state.options.committedBytesMax : Infinity;
  const committed = state.log.slice(output.applyingIndex + 1, state.commitIndex, bytesMax);
  output.applyingIndex += committed.length;
  return committed;
}

function takeBatch(state: RaftState): PersistBatch | null {
  const { output } = state;
  if (!hasUnpersisted(state)) {
    // No batch is under way and nothing is new, so all is durable and no message can be held.
    assert(output.held.length === 0, "A message waits for a sync that nobody will ask for");
    return null;
  }
  const changed = output.hardStateVersion > output.submittedVersion;
  const batch: PersistBatch = {
    hardState: changed ? hardStateOf(state) : null,
    entries: state.log.submit(),
    messagesAfterSync: output.held.map(({ message }) => message),
  };
  output.held = [];
  output.submittedVersion = output.hardStateVersion;
  output.batch = batch;
  output.batchVersion = output.hardStateVersion;
  output.batchSinceMs = state.nowMs;
  output.isBatchRefused = false;
  output.batchSuperseded = false;
  return batch;
}

function hardStateOf(state: RaftState): HardState {
  return { term: state.term, votedFor: state.votedFor, suspect: state.suspect };
}

/** The batch under way is durable; its messages after the sync are the caller's to send. */
export function advance(state: RaftState, batch: PersistBatch): void {
  const { output } = state;
  assert(batch === output.batch, "advance() was called for a batch that is not under way");
  output.batch = null;
  output.durableVersion = output.batchVersion;
  if (!output.batchSuperseded) state.log.markDurable(batch.entries);
  releaseHeld(state);
  endRepairOnceDurable(state);
  if (state.role.kind === "candidate") noteOwnVoteDurable(state, state.role);
  if (state.role.kind === "leader") {
    advanceCommit(state, state.role);
    continueTransfer(state, state.role);
    continueReconfiguring(state, state.role);
  }
}
