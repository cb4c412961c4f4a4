/** Entries that only let time pass, one under way at a time: nothing else may expire a key. */
import { timeEntry } from "./replica.ts";
import { type NodeState, scheduleTurn } from "./state.ts";

/** Proposes one where a key is due, and this server leads. */
export function proposeTimeEntry(state: NodeState): void {
  if (state.timeEntryIndex !== 0 || state.replica?.raft.state.role.kind !== "leader") return;
  const { store } = state.replica;
  if (store.nextDeadlineMs() > state.clocks.leader.nowMs() && !store.hasDueKeys()) return;
  addTimeEntry(state);
}

/** By the monotonic clock, which shows `nowMs`: when `proposeTimeEntry` would propose one. */
export function nextTimeEntryMs(
  { replica, timeEntryIndex, clocks }: NodeState,
  nowMs: number,
): number {
  if (timeEntryIndex !== 0 || replica?.raft.state.role.kind !== "leader") return Infinity;
  // Long ago: so the alarm keeps its pace (RETRY_MS), which a moment after the waking would not.
  if (replica.store.hasDueKeys()) return 0;
  const dueMs = replica.store.nextDeadlineMs();
  return dueMs === Infinity ? Infinity : nowMs + dueMs - clocks.leader.nowMs();
}

/** Proposes one. Returns its index, or 0 where it was not taken. */
export function addTimeEntry(state: NodeState): number {
  const { replica, ledTerm, clocks } = state;
  if (state.timeEntryIndex !== 0 || replica?.raft.state.term !== ledTerm) return 0;
  const result = replica.raft.propose(timeEntry(clocks.leader.nowMs()));
  if (!result.accepted) return 0;
  state.timeEntryIndex = result.index;
  scheduleTurn(state);
  return result.index;
}

/** The entry at `index` was applied. */
export function timeEntryApplied(state: NodeState, index: number): void {
  if (index >= state.timeEntryIndex) state.timeEntryIndex = 0;
}

/** The leadership was lost, and what was under way with it. */
export function forgetTimeEntry(state: NodeState): void {
  state.timeEntryIndex = 0;
}
