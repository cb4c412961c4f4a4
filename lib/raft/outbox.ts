/**
 * What waits to be handed out, and what of it has to wait for the disk.
 *
 * A message that promises something (a vote, an append's ack) names what it rests on: a version of
 * the hard state, and an index of the log. It may leave once both are durable; until then it goes
 * with the batch that makes them so. Messages of an older term are dropped when the term changes:
 * losing a message is always safe.
 */
import type { RaftState } from "./state.ts";
import type {
  AppendResponse,
  Message,
  PersistBatch,
  ReadState,
  ServerId,
  SnapshotChunk,
  SnapshotChunkResponse,
} from "./types.ts";

interface Pledge {
  readonly message: Message;
  readonly hardStateVersion: number;
  readonly logIndex: number;
}

export interface Outbox {
  /** May leave now. */
  messages: Message[];
  /** May leave once durable, in order. */
  promises: Pledge[];
  reads: ReadState[];
  /** See Ready; filled with the appends when a turn ends. */
  snapshotsNeeded: ServerId[];
  snapshotChunks: SnapshotChunk[];
  snapshotAnswers: SnapshotChunkResponse[];
  /** Committed entries up to here were handed out. */
  appliedIndex: number;
  /** Grows with each change of the hard state. */
  hardStateVersion: number;
  handedVersion: number;
  durableVersion: number;
  /** The batch under way, the version of the hard state in it, and for how many ticks. */
  batch: PersistBatch | null;
  batchVersion: number;
  batchTicks: number;
  /** A snapshot replaced the log while the batch was under way: its entries don't count any more. */
  batchOvertaken: boolean;
  /** A leader may have appends to send: looked at when the turn ends, so a turn's proposals share. */
  appendsDue: boolean;
}

export function makeOutbox(appliedIndex: number): Outbox {
  return {
    messages: [],
    promises: [],
    reads: [],
    snapshotsNeeded: [],
    snapshotChunks: [],
    snapshotAnswers: [],
    appliedIndex,
    hardStateVersion: 0,
    handedVersion: 0,
    durableVersion: 0,
    batch: null,
    batchVersion: 0,
    batchTicks: 0,
    batchOvertaken: false,
    appendsDue: false,
  };
}

/** Sends a message that promises nothing. */
export function send(state: RaftState, message: Message): void {
  state.outbox.messages.push(message);
}

/** Sends a message that must not leave before the hard state, and the log up to `logIndex`, are durable. */
export function sendOnceDurable(state: RaftState, message: Message, logIndex = 0): void {
  const { outbox } = state;
  const { hardStateVersion } = outbox;
  if (outbox.durableVersion >= hardStateVersion && state.log.durableIndex >= logIndex) {
    outbox.messages.push(message);
  } else if (!mergeAck(outbox.promises, message, hardStateVersion)) {
    outbox.promises.push({ message, hardStateVersion, logIndex });
  }
}

/** One ack of the whole batch does for all appends in it: merges with an ack that waits already. */
function mergeAck(promises: Pledge[], message: Message, hardStateVersion: number): boolean {
  if (message.kind !== "appendResponse" || !message.success) return false;
  const at = promises.findIndex(({ message: other }) =>
    other.kind === "appendResponse" && other.success && other.to === message.to &&
    other.term === message.term
  );
  if (at < 0) return false;
  const other = promises[at]!.message as AppendResponse;
  const index = Math.max(other.index, message.index);
  const readRound = Math.max(other.readRound, message.readRound);
  const logIndex = Math.max(promises[at]!.logIndex, index);
  promises[at] = { message: { ...message, index, readRound }, hardStateVersion, logIndex };
  return true;
}

/** Moves what has become durable to the messages that may leave now. */
export function releasePromises(state: RaftState): void {
  const { outbox, log } = state;
  if (outbox.promises.length === 0) return;
  const waiting: Pledge[] = [];
  for (const promise of outbox.promises) {
    const durable = outbox.durableVersion >= promise.hardStateVersion &&
      log.durableIndex >= promise.logIndex;
    if (durable) outbox.messages.push(promise.message);
    else waiting.push(promise);
  }
  outbox.promises = waiting;
}

/** Changes term and vote; both go to disk in one record, with the next batch. */
export function setTerm(state: RaftState, term: number, votedFor: ServerId): void {
  if (term !== state.term) state.outbox.promises = [];
  state.term = term;
  state.votedFor = votedFor;
  state.outbox.hardStateVersion++;
}

export function clearSuspect(state: RaftState): void {
  if (!state.suspect) return;
  state.suspect = false;
  state.outbox.hardStateVersion++;
}
