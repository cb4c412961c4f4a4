/**
 * The passing of time: election timeouts and, for leaders, heartbeats and checks. The core has no clock.
 * Whoever calls it says what time it is, in milliseconds since any start, and asks when it is to be
 * called next; a call that comes late costs latency, one that comes early costs nothing.
 */
import { mayCampaign, preCampaign } from "./candidate.ts";
import { elapseLeader, nextLeaderDeadlineMs } from "./leader.ts";
import { askTermsNowAndThen, nextAskMs } from "./suspicion.ts";
import { isOnlyVoter, type RaftState } from "./state.ts";

/** It is `nowMs`. Time never goes back. */
export function noteTime(state: RaftState, nowMs: number): void {
  if (nowMs > state.nowMs) state.nowMs = nowMs;
}

/**
 * This process did not run for so long: see `Raft.noteStandstill`. What was heard after it has set a
 * deadline of its own, so only the part since then moves one.
 */
export function noteStandstill(state: RaftState, stoodStillMs: number): void {
  const heldUpMs = Math.min(stoodStillMs, state.nowMs - state.heardMs);
  if (state.isDeadlineMoved || heldUpMs <= 0) return;
  state.isDeadlineMoved = true;
  state.electionDeadlineMs += heldUpMs;
}

/** Does what is due at `nowMs`. */
export function elapse(state: RaftState, nowMs: number): void {
  noteTime(state, nowMs);
  if (state.role.kind === "leader") return elapseLeader(state, state.role);
  if (state.suspect) askTermsNowAndThen(state);
  if (isOnlyVoter(state)) {
    // Nobody else could lead, so there is nothing to wait for but the own vote's sync.
    if (state.role.kind === "follower") preCampaign(state, "this is the only voter");
  } else if (state.nowMs >= state.electionDeadlineMs) {
    preCampaign(state, "no leader was heard");
  }
}

/** When `elapse` has something to do, unless something else happens before; Infinity: never. */
export function nextDeadlineMs(state: RaftState): number {
  if (state.role.kind === "leader") return nextLeaderDeadlineMs(state, state.role);
  const askMs = state.suspect ? nextAskMs(state) : Infinity;
  // What keeps a server from campaigning ends with an event, not with time.
  if (!mayCampaign(state)) return askMs;
  if (!isOnlyVoter(state)) return Math.min(askMs, state.electionDeadlineMs);
  return state.role.kind === "follower" ? state.nowMs : Infinity;
}
