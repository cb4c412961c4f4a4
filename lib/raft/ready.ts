/** What one turn hands out, and what happens when a batch is durable. */
import { assert } from "../util/assert.ts";
import { noteOwnVoteDurable } from "./candidate.ts";
import { advanceCommit } from "./commit.ts";
import { releasePromises } from "./outbox.ts";
import { roundIsDue, startRound } from "./read_index.ts";
import { sendDueAppends } from "./replication.ts";
import type { RaftState } from "./state.ts";
import { endRepairOnceDurable } from "./suspicion.ts";
import type {
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
const NO_SERVERS: readonly ServerId[] = [];
const NO_CHUNKS: readonly SnapshotChunk[] = [];
const NO_ANSWERS: readonly SnapshotChunkResponse[] = [];

export function hasReady(state: RaftState): boolean {
  const { outbox } = state;
  return outbox.messages.length > 0 || outbox.appendsDue || outbox.reads.length > 0 ||
    state.commitIndex > outbox.appliedIndex || roundIsDue(state) ||
    (outbox.batch === null && hasUnpersisted(state)) || outbox.snapshotChunks.length > 0 ||
    outbox.snapshotAnswers.length > 0;
}

function hasUnpersisted(state: RaftState): boolean {
  return state.log.lastIndex > state.log.handedIndex ||
    state.outbox.hardStateVersion > state.outbox.handedVersion;
}

/** Takes everything that waits; nothing is handed out twice. */
export function takeReady(state: RaftState): Ready {
  const { outbox } = state;
  if (roundIsDue(state)) startRound(state);
  if (outbox.appendsDue) sendDueAppends(state);
  // The batch is made last: it counts what this very turn added.
  const persist = outbox.batch === null ? takeBatch(state) : null;
  const messages = outbox.messages.length > 0 ? outbox.messages : NO_MESSAGES;
  if (messages.length > 0) outbox.messages = [];
  const committed = takeCommitted(state);
  const reads = takeReads(state);
  const snapshotsNeeded = outbox.snapshotsNeeded.length > 0 ? outbox.snapshotsNeeded : NO_SERVERS;
  if (snapshotsNeeded.length > 0) outbox.snapshotsNeeded = [];
  const snapshotChunks = outbox.snapshotChunks.length > 0 ? outbox.snapshotChunks : NO_CHUNKS;
  if (snapshotChunks.length > 0) outbox.snapshotChunks = [];
  const snapshotAnswers = outbox.snapshotAnswers.length > 0 ? outbox.snapshotAnswers : NO_ANSWERS;
  if (snapshotAnswers.length > 0) outbox.snapshotAnswers = [];
  return {
    messages,
    persist,
    committed,
    reads,
    snapshotsNeeded,
    snapshotChunks,
    snapshotAnswers,
  };
}

/** Rounds are handed out in order, each behind the entries that its reads have to see. */
function takeReads({ outbox }: RaftState): readonly ReadState[] {
  const { reads, appliedIndex } = outbox;
  if (reads.length === 0 || reads[0]!.readIndex > appliedIndex) return NO_READS;
  const later = reads.findIndex(({ readIndex }) => readIndex > appliedIndex);
  if (later >= 0) return reads.splice(0, later);
  outbox.reads = [];
  return reads;
}

/**
 * Committed entries are handed out even where the own disk does not hold them yet: a majority does.
 * A snapshot must not be taken beyond durableIndex, though. A leader gets a piece at a time: it
 * answers the clients of one while it applies the next.
 */
function takeCommitted(state: RaftState): readonly Entry[] {
  const { outbox } = state;
  if (state.commitIndex === outbox.appliedIndex) return NO_ENTRIES;
  const bytesMax = state.role === "leader" ? state.options.committedBytesMax : Infinity;
  const committed = state.log.slice(outbox.appliedIndex + 1, state.commitIndex, bytesMax);
  outbox.appliedIndex += committed.length;
  return committed;
}

function takeBatch(state: RaftState): PersistBatch | null {
  const { outbox } = state;
  if (!hasUnpersisted(state)) {
    // No batch is under way and nothing is new, so all is durable and no promise can be waiting.
    assert(outbox.promises.length === 0, "A message waits for a sync that nobody will ask for");
    return null;
  }
  const changed = outbox.hardStateVersion > outbox.handedVersion;
  const batch: PersistBatch = {
    hardState: changed ? hardStateOf(state) : null,
    entries: state.log.handOver(),
    messagesAfterSync: outbox.promises.map((promise) => promise.message),
  };
  outbox.promises = [];
  outbox.handedVersion = outbox.hardStateVersion;
  outbox.batch = batch;
  outbox.batchVersion = outbox.hardStateVersion;
  outbox.batchTicks = 0;
  outbox.batchOvertaken = false;
  return batch;
}

function hardStateOf(state: RaftState): HardState {
  return { term: state.term, votedFor: state.votedFor, suspect: state.suspect };
}

/** The batch under way is durable; its messages after the sync are the caller's to send. */
export function advance(state: RaftState, batch: PersistBatch): void {
  const { outbox } = state;
  assert(batch === outbox.batch, "advance() was called for a batch that is not under way");
  outbox.batch = null;
  outbox.durableVersion = outbox.batchVersion;
  if (!outbox.batchOvertaken) state.log.confirm(batch.entries);
  releasePromises(state);
  endRepairOnceDurable(state);
  if (state.role === "candidate") noteOwnVoteDurable(state);
  if (state.role === "leader") advanceCommit(state);
}
