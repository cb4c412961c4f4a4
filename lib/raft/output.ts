/**
 * What waits to be handed out, and what of it has to wait for the disk.
 *
 * A message that promises something (a vote, an append's ack) names what it rests on: a version of
 * the hard state, and an index of the log. It may leave once both are durable; until then it goes
 * with the batch that makes them so. Messages of an older term are dropped when the term changes:
 * losing a message is always safe.
 */
import type { HeldMessage, Output, RaftState } from "./state.ts";
import type { AppendResponse, Message, ServerId } from "./types.ts";

export function makeOutput(applyingIndex: number): Output {
  return {
    messages: [],
    held: [],
    reads: [],
    entriesNeeded: [],
    snapshotsNeeded: [],
    snapshotChunks: [],
    snapshotAnswers: [],
    applyingIndex,
    hardStateVersion: 0,
    submittedVersion: 0,
    durableVersion: 0,
    batch: null,
    batchVersion: 0,
    batchSinceMs: 0,
    isBatchRefused: false,
    batchSuperseded: false,
    appendsDue: false,
  };
}

/** Sends a message that promises nothing. */
export function send(state: RaftState, message: Message): void {
  state.output.messages.push(message);
}

/** Sends a message that must not leave before the hard state, and the log up to `logIndex`, are durable. */
export function sendAfterSync(state: RaftState, message: Message, logIndex = 0): void {
  const { output } = state;
  const { hardStateVersion } = output;
  if (output.durableVersion >= hardStateVersion && state.log.durableIndex >= logIndex) {
    output.messages.push(message);
  } else if (!mergeAck(output.held, message, hardStateVersion)) {
    output.held.push({ message, hardStateVersion, logIndex });
  }
}

/**
 * Tells the leader that this log is equal to its own up to `index`, once it is durable up to there.
 * `readRound`: the round that this confirms; 0 for none.
 */
export function acknowledge(state: RaftState, index: number, readRound: number): void {
  sendAfterSync(state, {
    kind: "appendResponse",
    from: state.id,
    to: state.leaderId,
    term: state.term,
    success: true,
    index,
    hintIndex: 0,
    hintTerm: 0,
    readRound,
  }, index);
}

/** Answers a heartbeat, or whatever an old leader sent: it learns the term. */
export function answerHeartbeat(state: RaftState, to: ServerId, readRound: number): void {
  send(state, { kind: "heartbeatResponse", from: state.id, to, term: state.term, readRound });
}

/** One ack of the whole batch does for all appends in it: merges with an ack that waits already. */
function mergeAck(held: HeldMessage[], message: Message, hardStateVersion: number): boolean {
  if (message.kind !== "appendResponse" || !message.success) return false;
  const at = held.findIndex(({ message: other }) =>
    other.kind === "appendResponse" && other.success && other.to === message.to &&
    other.term === message.term
  );
  if (at < 0) return false;
  const other = held[at]!.message as AppendResponse;
  const index = Math.max(other.index, message.index);
  const readRound = Math.max(other.readRound, message.readRound);
  const logIndex = Math.max(held[at]!.logIndex, index);
  held[at] = { message: { ...message, index, readRound }, hardStateVersion, logIndex };
  return true;
}

/** Moves what has become durable to the messages that may leave now. */
export function releaseHeld(state: RaftState): void {
  const { output, log } = state;
  if (output.held.length === 0) return;
  const waiting: HeldMessage[] = [];
  for (const one of output.held) {
    const durable = output.durableVersion >= one.hardStateVersion &&
      log.durableIndex >= one.logIndex;
    if (durable) output.messages.push(one.message);
    else waiting.push(one);
  }
  output.held = waiting;
}

/** Changes term and vote; both go to disk in one record, with the next batch. */
export function setTerm(state: RaftState, term: number, votedFor: ServerId): void {
  if (term !== state.term) state.output.held = [];
  state.term = term;
  state.votedFor = votedFor;
  state.output.hardStateVersion++;
}

export function clearSuspect(state: RaftState): void {
  if (!state.suspect) return;
  state.suspect = false;
  state.output.hardStateVersion++;
}
