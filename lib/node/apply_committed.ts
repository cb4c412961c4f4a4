/** Applies what a turn is handed: entries that a majority holds. */
import type { Result } from "../kv/commands/result.ts";
import type { Ready } from "../raft/types.ts";
import { applyEntry } from "./log/apply.ts";
import { timeEntryApplied } from "./passing_time.ts";
import type { Replica } from "./replica.ts";
import type { NodeState } from "./state.ts";

/** It is `nowMs`, or was when the turn began. Not for a `Ready` that commits nothing. */
export function applyCommitted(
  state: NodeState,
  { store, snapshots }: Replica,
  { committed, persist }: Ready,
  nowMs: number,
  result: Result,
): void {
  const { appender, meters, clock, clocks } = state;
  // What was written just now may have blocked.
  const fromMs = persist !== null ? clock.look() : clock.monotonicMs();
  for (const entry of committed) {
    const proposal = appender.take(entry.index, entry.term);
    applyEntry(store, entry, proposal, result);
    if (proposal !== null) {
      meters.commit.observe(nowMs - proposal.proposedMs);
      appender.answered(proposal);
    }
    snapshots.noteApplied(entry);
    timeEntryApplied(state, entry.index);
  }
  meters.apply.observe(clock.look() - fromMs);
  clocks.follower.applied(store.clockMs);
}
