/** Situations that are told by a frame and the state of the server that it reaches. */
import { leaderOf, type RaftState } from "../../lib/raft/state.ts";
import { NOBODY } from "../../lib/raft/types.ts";
import { readU32, readU64 } from "../../lib/util/bytes.ts";
import { FrameType } from "../../lib/wire/rpc/rpc_types.ts";
import type { Mark } from "./mark_names.ts";

// docs/protocol.md: length, type, from, to, term, and what the type brings.
const TYPE = 4;
const TERM = 21;
const BODY = 29;
const PRE_VOTE = 1;
// Of a piece of a snapshot.
const OFFSET = BODY + 16;
const TOTAL = BODY + 24;
const SIZE = BODY + 32;

/** Says what situations this frame is, before the server takes it. `sender` is null where it is down. */
export function frameMarks(
  state: RaftState,
  sender: RaftState | null,
  frame: Uint8Array,
  hit: (mark: Mark) => void,
): void {
  const type = frame[TYPE];
  if (type === FrameType.digest) return hit("digests are compared by a leader");
  if (frame.length < BODY) return;
  const term = readU64(frame, TERM);
  const isOld = term < state.term;
  switch (type) {
    case FrameType.voteRequest:
      return voteRequestMarks(state, frame, term, hit);
    case FrameType.voteResponse:
      if (isOld) hit("a vote comes after its term");
      return;
    case FrameType.appendRequest: {
      if (isOld) return hit("an append of an old leader comes");
      const count = readU32(frame, BODY + 40);
      if (count > 0 && readU64(frame, BODY) + count <= state.commitIndex) {
        hit("an append comes whose entries are committed");
      }
      return;
    }
    case FrameType.appendResponse: {
      if (isOld) return hit("an ack of an old term comes");
      if (frame[BODY] === 0) return hit("an append is refused");
      const progress = leaderOf(state)?.progress.get(readU64(frame, 5));
      if (progress !== undefined && readU64(frame, BODY + 1) < progress.matchIndex) {
        hit("an ack is overtaken by a later one");
      }
      return;
    }
    case FrameType.heartbeat:
      if (!isOld && sender !== null && isDivergent(state, sender)) {
        hit("a heartbeat reaches a divergent log");
      }
      return;
    case FrameType.heartbeatResponse: {
      const reads = leaderOf(state)?.reads;
      const round = readU64(frame, BODY);
      if (reads !== undefined && reads.started !== reads.ended && round < reads.started) {
        hit("an answer to an earlier read round comes");
      }
      return;
    }
    case FrameType.snapshotChunk:
      if (isWhole(frame) && readU64(frame, BODY) > state.commitIndex) {
        hit("a snapshot has come whole");
      }
      return snapshotMarks(state, frame, hit);
    case FrameType.snapshotPiece:
      hit("a snapshot comes while it is made");
      return snapshotMarks(state, frame, hit);
  }
}

function voteRequestMarks(
  state: RaftState,
  frame: Uint8Array,
  term: number,
  hit: (mark: Mark) => void,
): void {
  const hearsLeader = state.leaderId !== NOBODY &&
    state.nowMs - state.heardMs < state.options.electionTimeoutMs;
  const isPreVote = (frame[BODY]! & PRE_VOTE) !== 0;
  if (isPreVote && term > 0 && hearsLeader) {
    hit("a pre-vote reaches a server that hears its leader");
  }
  const lastIndex = readU64(frame, BODY + 1);
  const lastTerm = readU64(frame, BODY + 9);
  if (!isPreVote && term >= state.term && !state.log.isUpToDate(lastIndex, lastTerm)) {
    hit("a candidate's log is older than the voter's");
  }
}

function isDivergent(state: RaftState, sender: RaftState): boolean {
  const last = Math.min(state.log.lastIndex, sender.log.lastIndex);
  if (last <= Math.max(state.log.snapshot.index, sender.log.snapshot.index)) return false;
  return state.log.termAt(last) !== sender.log.termAt(last);
}

function isWhole(frame: Uint8Array): boolean {
  return readU64(frame, OFFSET) + readU32(frame, SIZE) === readU64(frame, TOTAL);
}

function snapshotMarks(state: RaftState, frame: Uint8Array, hit: (mark: Mark) => void): void {
  if (state.output.batch !== null) hit("a snapshot comes while a batch is being written");
  const index = readU64(frame, BODY);
  if (index <= state.commitIndex) hit("a snapshot comes that is no news");
  if (state.log.lastIndex > state.commitIndex) {
    hit("a snapshot comes to a server with uncommitted entries");
  }
  if (index < state.log.snapshot.index) {
    hit("a piece of an older snapshot comes after a newer one's");
  }
}
