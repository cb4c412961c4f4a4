/** Moving commitIndex, which never goes back, and the entries that come into the log. */
import { assert, broken } from "../util/assert.ts";
import { syncProgress } from "./membership.ts";
import { quorumValue } from "./quorum.ts";
import { configurationOf, type LeaderRole, type RaftState } from "./state.ts";
import { noteCommitters } from "./thrifty_appends.ts";
import type { Entry } from "./types.ts";

/** Appends entries after the last one; configurations among them take effect immediately (thesis §4.1). */
export function appendToLog(state: RaftState, entries: readonly Entry[]): void {
  state.log.append(entries);
  if (state.configurations.append(entries)) syncProgress(state);
}

/** Drops the entry at `from` and all after it: they differ from the leader's (paper §5.3). */
export function truncateLog(state: RaftState, from: number): void {
  assert(
    from > state.commitIndex,
    `Server ${state.id} was asked to replace entry ${from}, but ${state.commitIndex} is committed`,
  );
  state.log.truncate(from);
  state.configurations.truncate(from);
}

export function commitTo(state: RaftState, index: number): void {
  if (index <= state.commitIndex) return;
  if (index > state.log.lastIndex) {
    broken(`Server ${state.id} cannot commit ${index}: its log ends at ${state.log.lastIndex}`);
  }
  state.commitIndex = index;
}

/**
 * Leader: commits what a majority holds durably, itself included only up to its own last sync. Only
 * an entry of the own term commits by counting; older ones commit with it (paper §5.4.2).
 */
export function advanceCommit(state: RaftState, leader: LeaderRole): void {
  if (state.commitIndex === state.log.lastIndex) return;
  const index = quorumValue(
    configurationOf(state),
    (id) => id === state.id ? state.log.durableIndex : leader.progress.get(id)?.matchIndex ?? 0,
    state.commitIndex,
  );
  if (index <= state.commitIndex || state.log.termAt(index) !== state.term) return;
  for (let i = state.commitIndex + 1; i <= index; i++) {
    leader.uncommittedBytes -= state.log.at(i).data.length;
  }
  commitTo(state, index);
  noteCommitters(state, leader, index);
}
