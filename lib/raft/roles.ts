/** Changes of role: what each must leave behind. */
import { setTerm } from "./output.ts";
import { type RaftState, restartElectionTimer, type RoleState } from "./state.ts";
import { NOBODY, type ServerId } from "./types.ts";

export const FOLLOWER: RoleState = { kind: "follower" };

/** Takes a role and leaves the old one with all that belonged to it; tells the operator's log. */
export function changeRole(
  state: RaftState,
  role: RoleState,
  leaderId: ServerId,
  reason: string,
): void {
  const left = state.role;
  if (left.kind === "leader") {
    state.output.snapshotAnswers = [];
    // Requests of the open round were never confirmed: no later round may bear its number.
    state.lastReadRound = left.reads.openRound;
  }
  state.role = role;
  state.leaderId = leaderId;
  if (leaderId !== NOBODY || role.kind !== "follower") state.successorId = NOBODY;
  state.options.onEvent?.({ from: left.kind, to: role.kind, term: state.term, leaderId, reason });
}

/**
 * Follows `leaderId` (or nobody yet) in `term`. The election timer restarts where a leader is
 * known or this server led; a mere new term does not touch it (paper §5.2: only a granted vote or a
 * leader's message does), else a server that can't win could keep those quiet that can.
 */
export function becomeFollower(
  state: RaftState,
  term: number,
  leaderId: ServerId,
  reason: string,
): void {
  if (term > state.term) setTerm(state, term, NOBODY);
  if (leaderId !== NOBODY || state.role.kind === "leader") restartElectionTimer(state);
  changeRole(state, FOLLOWER, leaderId, reason);
}
