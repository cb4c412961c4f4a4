/** Time in the tests of the core: it passes in ticks of a millisecond, as small as the core's times here. */
import type { Raft, RaftState } from "../../lib/raft/raft.ts";

/** Lets one tick pass. */
export function tick(raft: Raft): void {
  raft.elapse(raft.state.nowMs + 1);
}

/** Has the election timer be as if it had been started `ticks` ago; nothing runs out before time passes. */
export function setElapsed(state: RaftState, ticks: number): void {
  const timeoutMs = state.electionDeadlineMs - state.heardMs;
  state.heardMs = state.nowMs - ticks;
  state.electionDeadlineMs = state.heardMs + timeoutMs;
}

/** How long ago the election timer was started. */
export function elapsedTicks({ nowMs, heardMs }: RaftState): number {
  return nowMs - heardMs;
}
