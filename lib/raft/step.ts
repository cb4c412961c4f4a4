/** A message's way to its handler: first the terms are compared (paper §5.1), then the role acts. */
import { unreachable } from "../util/assert.ts";
import { handleVoteResponse } from "./candidate.ts";
import { handleAppendRequest, handleHeartbeat, handleTimeoutNow } from "./follower.ts";
import {
  handleAppendResponse,
  handleHeartbeatResponse,
  handleSnapshotChunkResponse,
  handleSuspicion,
} from "./leader.ts";
import { handleSnapshotChunk } from "./snapshot.ts";
import { answerHeartbeat } from "./output.ts";
import { becomeFollower } from "./roles.ts";
import type { RaftState } from "./state.ts";
import { handleVoteRequest, noteRemoved } from "./votes.ts";
import { type Incarnation, type Message, NOBODY } from "./types.ts";

export function step(state: RaftState, message: Message, incarnation: Incarnation | null): void {
  const { from } = message;
  if (message.to !== state.id || from === state.id) return;
  if (message.kind === "voteRequest") return handleVoteRequest(state, message, incarnation);
  // An answer counts for one life of its server: an earlier one's vote, ack or term is not the later one's.
  // Requests don't count for anything, so they are taken from whoever sends them (thesis §4.1).
  if (isAnswer(message) && state.configurations.isOtherLife(from, incarnation)) return;
  if (message.kind === "voteResponse" && message.removed) return noteRemoved(state, from);
  // After any message except a granted pre-vote, our term is at least the sender's.
  if (state.suspect && !isGrantedPreVote(message)) state.heardSinceStart.set(from, incarnation);
  if (message.term < state.term) return answerOldTerm(state, message);
  if (message.term > state.term && !isGrantedPreVote(message)) {
    becomeFollower(state, message.term, NOBODY, `server ${message.from} is in a later term`);
  }
  switch (message.kind) {
    case "voteResponse":
      if (state.role.kind === "leader" && message.suspect) return handleSuspicion(state, message);
      return handleVoteResponse(state, message);
    case "appendRequest":
      return handleAppendRequest(state, message);
    case "appendResponse":
      return handleAppendResponse(state, message);
    case "heartbeat":
      return handleHeartbeat(state, message);
    case "heartbeatResponse":
      return handleHeartbeatResponse(state, message);
    case "timeoutNow":
      return handleTimeoutNow(state, message);
    case "snapshotChunk":
      return handleSnapshotChunk(state, message);
    case "snapshotChunkResponse":
      return handleSnapshotChunkResponse(state, message);
    default:
      return unreachable(message);
  }
}

function isAnswer({ kind }: Message): boolean {
  return kind === "appendResponse" || kind === "heartbeatResponse" || kind === "voteResponse" ||
    kind === "snapshotChunkResponse";
}

/** It names the term that the campaign would be for, which nobody is in yet. */
function isGrantedPreVote(message: Message): boolean {
  return message.kind === "voteResponse" && message.preVote && message.granted;
}

/**
 * An old leader learns the term from the answer and steps down. Without one, a server that got ahead
 * of the others' term (it ignores their leader, they ignore its pre-votes) would stay outside.
 * Answers and orders of an old term mean nothing any more.
 */
function answerOldTerm(state: RaftState, message: Message): void {
  const { kind } = message;
  if (kind !== "appendRequest" && kind !== "heartbeat" && kind !== "snapshotChunk") return;
  answerHeartbeat(state, message.from, 0);
}
