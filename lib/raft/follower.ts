/** What a server does with a leader's messages (paper §5.2, §5.3). */
import { broken } from "../util/assert.ts";
import { appendToLog, commitTo, truncateLog } from "./commit.ts";
import { acknowledge, answerHeartbeat, send } from "./output.ts";
import { becomeFollower } from "./roles.ts";
import { type RaftState, startElectionTimer } from "./state.ts";
import { votesHere } from "./own_life.ts";
import {
  ackableIndex,
  ackableRound,
  requestProbe,
  tellSuspicionOnce,
  tryClearSuspect,
} from "./suspicion.ts";
import { campaign } from "./candidate.ts";
import {
  type AppendRequest,
  type Heartbeat,
  NOBODY,
  type SnapshotChunk,
  type TimeoutNow,
} from "./types.ts";

/** A message of the current term's leader: follow it, and be quiet for an election timeout. */
export function hearLeader(
  state: RaftState,
  message: AppendRequest | Heartbeat | SnapshotChunk,
): void {
  if (state.role.kind === "leader") {
    broken(`Servers ${state.id} and ${message.from} both lead term ${state.term}`);
  }
  if (state.role.kind !== "follower" || state.leaderId !== message.from) {
    becomeFollower(state, state.term, message.from, `heard from leader ${message.from}`);
  }
  state.removed = false;
  startElectionTimer(state);
}

export function handleAppendRequest(state: RaftState, message: AppendRequest): void {
  hearLeader(state, message);
  const { log } = state;
  // What is committed equals every later leader's log, so only a previous entry after that can differ.
  const matches = message.prevIndex <= state.commitIndex ||
    log.termAt(message.prevIndex) === message.prevTerm;
  if (!matches) return reject(state, message);

  takeEntries(state, message);
  const verifiedIndex = message.prevIndex + message.entries.length;
  // This message vouches for the log up to here and no further: a tail after it may differ.
  commitTo(state, Math.min(message.commitIndex, verifiedIndex));
  tryClearSuspect(state, message, verifiedIndex);

  const index = ackableIndex(state, verifiedIndex);
  acknowledge(state, index, ackableRound(state, message.readRound));
}

/**
 * Adds what is new. Entries that are there already stay, whatever follows them: a late or repeated
 * message must not cut off what a newer one brought. Only a real conflict truncates.
 */
function takeEntries(state: RaftState, message: AppendRequest): void {
  const { log } = state;
  const { entries } = message;
  let known = 0;
  while (known < entries.length) {
    const entry = entries[known]!;
    if (entry.index > state.commitIndex && log.termAt(entry.index) !== entry.term) break;
    known++;
  }
  if (known === entries.length) return;
  const from = entries[known]!.index;
  if (from <= log.lastIndex) truncateLog(state, from);
  appendToLog(state, known === 0 ? entries : entries.slice(known));
}

/** Refuses, with the nearest index that could match (paper §5.3, last part). */
function reject(state: RaftState, message: AppendRequest): void {
  tellSuspicionOnce(state);
  const hintIndex = state.log.lastIndexWithTermAtMost(message.prevIndex, message.prevTerm);
  send(state, {
    kind: "appendResponse",
    from: state.id,
    to: message.from,
    term: state.term,
    success: false,
    index: message.prevIndex,
    hintIndex,
    hintTerm: state.log.termAt(hintIndex),
    readRound: ackableRound(state, message.readRound),
  });
}

export function handleHeartbeat(state: RaftState, message: Heartbeat): void {
  hearLeader(state, message);
  // A heartbeat's commitIndex rests on acks that a suspect server may have forgotten.
  if (state.suspect) requestProbe(state);
  else commitTo(state, Math.min(message.commitIndex, state.log.lastIndex));
  answerHeartbeat(state, message.from, ackableRound(state, message.readRound));
}

/** The leader orders this server to take over (thesis §3.10); without a pre-vote, since it agrees. */
export function handleTimeoutNow(state: RaftState, message: TimeoutNow): void {
  const able = votesHere(state, state.configurations.newest) && !state.suspect;
  if (state.role.kind !== "follower" || message.from !== state.leaderId || !able) return;
  campaign(state, true, `leader ${message.from} hands over`);
}

/** The connection to `id` broke. Where that is the leader, its process has most likely died. */
export function handleDisconnect(state: RaftState, id: number): void {
  if (state.role.kind !== "follower" || id !== state.leaderId) return;
  becomeFollower(state, state.term, NOBODY, `connection to leader ${id} broke`);
  const { electionTimeoutMs, random } = state.options;
  const low = Math.max(1, Math.floor(electionTimeoutMs / 10));
  const high = Math.max(low, Math.floor(electionTimeoutMs / 3));
  startElectionTimer(state, low + random() % (high - low + 1));
}
