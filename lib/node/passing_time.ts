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
