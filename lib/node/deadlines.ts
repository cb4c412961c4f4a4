/**
 * What a node does as time passes, and when: each part does what is due, and says when it has something
 * to do next. The earliest of these times is what the node's alarm is set to.
 */
import type { Evaluator } from "./evaluator.ts";
import { addTimeEntry, nextTimeEntryMs, proposeTimeEntry } from "./passing_time.ts";
import type { Replica } from "./replica.ts";
import type { NodeState } from "./state.ts";
import { elapseRaise, nextRaiseMs } from "./version_raise.ts";

/**
 * When `elapse` has something to do; it is `nowMs`. Asked after each turn: no part walks over anything
 * for it, and each may name an earlier time than is right, but no later one. `isWoken`: the alarm went off,
 * and what it was set for may have moved on.
 */
export function nextDeadlineMs(
  state: NodeState,
  evaluator: Evaluator,
  nowMs: number,
  isWoken = false,
): number {
  const { links, sessions, standstill, shutdown, appender, digests, space, replica } = state;
  const { boundedClients } = state;
  const nextMs = Math.min(
    links.nextDeadlineMs(isWoken),
    links.time.clockAt(state.forwards.nextDeadlineMs()),
    sessions.nextDeadlineMs(),
    evaluator.nextDeadlineMs(),
    standstill.nextDeadlineMs(),
    shutdown === null ? Infinity : shutdown.nextDeadlineMs(),
    boundedClients === null ? Infinity : boundedClients.nextDeadlineMs(),
  );
  if (replica === null) return nextMs;
  const { raft, persister, snapshots, store, log, roleLog } = replica;
  return Math.min(
    nextMs,
    raft.nextDeadlineMs(),
    roleLog.nextDeadlineMs(),
    persister.nextDeadlineMs(),
    snapshots.nextDeadlineMs(store, log),
    space.nextDeadlineMs(replica),
    digests.nextDeadlineMs(raft.state.role.kind === "leader", store),
    nextTimeEntryMs(state, nowMs),
    nextRaiseMs(state),
    state.members.nextDeadlineMs(),
    state.removal.nextDeadlineMs(),
    state.moves.nextDeadlineMs(state.ledTerm),
    appender.nextDeadlineMs(),
  );
}

/**
 * A time for the alarm until the turn asks for all deadlines, which comes at once: of a leader's, the core's
 * is the first as a rule.
 */
export function deadlineUntilTurnMs(
  state: NodeState,
  evaluator: Evaluator,
  nowMs: number,
): number {
  const raft = state.ledTerm > 0 ? state.replica?.raft : undefined;
  return raft?.nextDeadlineMs() ?? nextDeadlineMs(state, evaluator, nowMs);
}

/** Does what is due at `nowMs`. */
export function elapse(state: NodeState, evaluator: Evaluator, nowMs: number): void {
  state.links.elapse(nowMs);
  state.forwards.elapse(state.links.time.nowMs(nowMs));
  if (state.replica !== null) elapseReplica(state, state.replica, nowMs);
  proposeTimeEntry(state);
  elapseRaise(state, nowMs);
  evaluator.elapse(nowMs);
  state.boundedClients?.elapse(nowMs);
  state.sessions.checkDeadlines(nowMs, state.options.config.timing);
  state.sessionLimits.batches.spares.elapse(nowMs);
  state.shutdown?.elapse(nowMs, state.replica);
}

function elapseReplica(state: NodeState, replica: Replica, nowMs: number): void {
  const { raft, persister, snapshots, store, log, roleLog } = replica;
  const { clocks, links, space, digests } = state;
  raft.elapse(nowMs);
  roleLog.elapse(nowMs);
  const { role, term, leaderId } = raft.state;
  const report = links.statuses.of(leaderId);
  clocks.elapse(nowMs, term, role.kind === "leader", report, state.seen.atMs);
  persister.elapse(nowMs);
  snapshots.elapse(nowMs, store, log);
  if (space.elapse(nowMs, replica)) {
    const index = addTimeEntry(state);
    if (index > 0) space.added(index, nowMs);
  }
  digests.elapse(nowMs, role.kind === "leader", store);
}
