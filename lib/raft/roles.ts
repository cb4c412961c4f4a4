/** Changes of role: what each must leave behind. */
import { setTerm } from "./outbox.ts";
import { dropRounds } from "./read_index.ts";
import { type RaftState, restartElectionTimer, type Role } from "./state.ts";
import { NOBODY, type ServerId } from "./types.ts";

/** Sets role and leader, leaving whatever belonged to the old role, and tells the operator's log. */
export function changeRole(
  state: RaftState,
  role: Role,
  leaderId: ServerId,
  reason: string,
): void {
  const from = state.role;
  if (from === "leader") {
    state.progress.clear();
    state.transfer = null;
    state.uncommittedBytes = 0;
    state.outbox.snapshotAnswers = [];
    dropRounds(state);
  }
  state.ballots.clear();
  state.role = role;
  state.leaderId = leaderId;
  state.options.onEvent?.({ from, to: role, term: state.term, leaderId, reason });
}

/**
 * Follows `leaderId` (or nobody yet) in `term`. The election timer starts anew where a leader is
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
  if (leaderId !== NOBODY || state.role === "leader") restartElectionTimer(state);
  changeRole(state, "follower", leaderId, reason);
}
