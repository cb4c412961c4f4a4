/** What follows where this server came to lead, or leads no more, or knows another leader or term. */
import type { Raft, RaftState } from "../raft/raft.ts";
import { NOBODY } from "../raft/types.ts";
import { ClientError } from "../wire/command_batch.ts";
import { forgetTimeEntry } from "./passing_time.ts";
import type { NodeState } from "./state.ts";

/** True where the core's leadership is another one than the last turn has seen. */
export function isOtherLeadership({ seen }: NodeState, raft: RaftState): boolean {
  return raft.role !== seen.role || raft.term !== seen.term || raft.leaderId !== seen.leaderId;
}

/**
 * Tells the sessions where a leadership was lost, and the other servers where one was won. Called in a turn,
 * before `seen.atMs` is its time.
 */
export function noticeLeadership(state: NodeState, raft: Raft, nowMs: number): void {
  const { seen } = state;
  const { role, term, leaderId } = raft.state;
  seen.role = role;
  seen.term = term;
  seen.leaderId = leaderId;
  state.knownLeader.note(raft.state);
  state.clocks.noteTerm(nowMs, term, seen.atMs);
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

/** Reports have come: should this server lead next, however soon, it continues the leader's time. */
export function hearLeader(state: NodeState, raft: Raft, nowMs: number): void {
  const { seen, clocks, standstill, links: { statuses } } = state;
  const { role, term, leaderId } = raft.state;
  if (leaderId === NOBODY) return;
  seen.reports = statuses.received;
  clocks.noteStandstill(nowMs, standstill.lateMs(nowMs));
  clocks.elapse(nowMs, term, role.kind === "leader", statuses.of(leaderId));
}
