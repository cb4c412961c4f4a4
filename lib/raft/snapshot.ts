/**
 * Compaction, and snapshots in place of entries that are compacted away (paper §7). Files, pieces and
 * contents are the caller's; what is decided here is what a snapshot may replace.
 *
 * A snapshot ends at a committed index, so it never endangers later commits; the only question is
 * whether it tells us anything new. An older one changes nothing. Where the log holds the entry at its
 * position, nothing is replaced either, since what follows that entry may have been acknowledged.
 */
import { assert } from "../util/assert.ts";
import { commitTo } from "./commit.ts";
import { hearLeader } from "./follower.ts";
import { acknowledge, releaseHeld } from "./output.ts";
import type { RaftState } from "./state.ts";
import { type Configuration, NOBODY, type SnapshotChunk, type SnapshotPosition } from "./types.ts";

/** Drops entries up to `toIndex` from memory; a durable snapshot must cover them. */
export function compact(state: RaftState, toIndex: number): void {
  const { log, output, configurations } = state;
  assert(
    toIndex <= output.applyingIndex,
    `Cannot compact to ${toIndex}: entries were handed out up to ${output.applyingIndex} only`,
  );
  log.compact(toIndex);
  configurations.compact(toIndex);
}

/** A piece of a snapshot: handed out where it is news, else answered with what this server has. */
export function handleSnapshotChunk(state: RaftState, message: SnapshotChunk): void {
  hearLeader(state, message);
  const { index, snapshotTerm: term } = message;
  if (isNews(state, { index, term })) state.output.snapshotChunks.push(message);
  else acknowledgeCommitted(state);
}

/**
 * False where this server has all that a snapshot at `position` holds. Where its log holds that very
 * entry, everything before it is the same too (Log Matching), and it is committed.
 */
function isNews(state: RaftState, position: SnapshotPosition): boolean {
  if (position.index <= state.commitIndex) return false;
  if (state.log.termAt(position.index) !== position.term) return true;
  commitTo(state, position.index);
  return false;
}

/** Tells the leader how far this server is without a snapshot, so that it continues with appends. */
function acknowledgeCommitted(state: RaftState): void {
  if (state.role.kind !== "follower" || state.leaderId === NOBODY) return;
  acknowledge(state, state.commitIndex, 0);
}

/** See Raft.restore. */
export function restore(
  state: RaftState,
  position: SnapshotPosition,
  configuration: Configuration,
): boolean {
  // It was elected since the snapshot began to come, so its log holds all that was committed.
  if (state.role.kind === "leader") return false;
  assert(
    position.term <= state.term,
    `A snapshot of term ${position.term} came to a server that knows ${state.term} only`,
  );
  const replaces = isNews(state, position);
  if (replaces) replaceLog(state, position, configuration);
  acknowledgeCommitted(state);
  return replaces;
}

function replaceLog(
  state: RaftState,
  position: SnapshotPosition,
  configuration: Configuration,
): void {
  const { log, output, configurations } = state;
  log.restart(position);
  configurations.restart(position.index, configuration);
  state.commitIndex = position.index;
  output.applyingIndex = position.index;
  output.batchSuperseded = output.batch !== null;
  // An ack of entries that are gone is dropped: losing a message is always safe.
  output.held = output.held.filter(({ logIndex }) => logIndex <= position.index);
  releaseHeld(state);
}
