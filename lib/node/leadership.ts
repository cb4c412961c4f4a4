/** What follows where this server came to lead, or leads no more. */
import type { Raft } from "../raft/raft.ts";
import { ClientError } from "../wire/command_batch.ts";
import { forgetTimeEntry } from "./passing_time.ts";
import type { NodeState } from "./state.ts";

/** Tells the sessions where a leadership was lost, and the other servers where one was won. */
export function noticeLeadership(state: NodeState, raft: Raft, nowMs: number): void {
  const { role, term } = raft.state;
  state.knownLeader.note(raft.state);
  state.clocks.noteTerm(nowMs, term);
  const ledTerm = role.kind === "leader" ? term : 0;
  if (ledTerm === state.ledTerm) return;
  if (state.ledTerm !== 0) {
    state.appender.forgetProposals();
    state.readWaiters.clear();
    forgetTimeEntry(state);
    state.sessions.leadershipLost(ClientError.redirect);
    state.replica?.snapshots.leadershipLost();
  }
  state.ledTerm = ledTerm;
  if (ledTerm !== 0) state.links.statuses.leadershipWon(nowMs);
}
