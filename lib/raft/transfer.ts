/**
 * Handing the leadership to another voter (thesis §3.10): stop taking proposals, wait until the
 * target holds the whole log, then tell it to campaign immediately. Given up after an election timeout.
 *
 * Beyond the thesis, the order waits for what is in the log to be committed here: whoever asked for it
 * gets an answer, and would have to be told that the outcome is unknown once this server does not lead.
 */
import { send } from "./output.ts";
import type { Progress } from "./progress.ts";
import { configurationOf, type LeaderRole, type RaftState, type Transfer } from "./state.ts";
import type { ServerId } from "./types.ts";

/** For how long the order waits for a commit: of an election timeout, and in heartbeats at most. */
const WAITS_SHARE = 0.5;
const WAITS_HEARTBEATS = 3;

/**
 * Begins to hand over to `to`, or to the voter that holds the most among those that answered most
 * recently. False where this server does not lead or there is no such voter.
 */
export function transferLeadership(state: RaftState, to?: ServerId): boolean {
  const leader = state.role;
  if (leader.kind !== "leader") return false;
  const target = chooseTarget(state, leader, to);
  if (target === undefined) return false;
  if (leader.transfer?.target === target.id) return true;
  leader.transfer = {
    target: target.id,
    deadlineMs: state.nowMs + state.options.electionTimeoutMs,
    isOrdered: false,
  };
  state.output.appendsDue = true; // also what was deferred: it needs the whole log
  continueTransfer(state, leader);
  return true;
}

function chooseTarget(
  state: RaftState,
  leader: LeaderRole,
  to: ServerId | undefined,
): Progress | undefined {
  let best: Progress | undefined;
  for (const id of configurationOf(state).voters) {
    const progress = leader.progress.get(id);
    if (progress === undefined || (to !== undefined && id !== to)) continue;
    if (best === undefined || isBetter(progress, best)) best = progress;
  }
  return best;
}

/**
 * A dead server may hold as much as any: who answers goes first. Counted in heartbeats, and not since
 * the last check of the quorum, because right after that one nobody has answered yet.
 */
function isBetter(a: Progress, b: Progress): boolean {
  const [silentA, silentB] = [silence(a), silence(b)];
  if (silentA !== silentB) return silentA < silentB;
  return a.matchIndex > b.matchIndex;
}

/** The answer to the last heartbeat may be on its way: that is no silence yet. */
function silence(progress: Progress): number {
  return Math.max(1, progress.silentHeartbeats);
}

/** Orders the target to campaign, once, where it has caught up. Call it where that may have changed. */
export function continueTransfer(state: RaftState, leader: LeaderRole): void {
  const { transfer } = leader;
  if (transfer === null || transfer.isOrdered) return;
  // Given up, though nobody has looked yet: proposals are taken again in a moment, which the target lacks.
  if (state.nowMs >= transfer.deadlineMs) return;
  const progress = leader.progress.get(transfer.target);
  if (progress === undefined) return;
  if (progress.matchIndex !== state.log.lastIndex) return;
  if (state.commitIndex < state.log.lastIndex && mayWait(state, transfer)) return;
  transfer.isOrdered = true;
  send(state, { kind: "timeoutNow", from: state.id, to: progress.id, term: state.term });
}

/**
 * For half of its time, and less where an election timeout is long: a server that stops waits for its
 * successor for less than a second. A disk that stands still must not keep the leadership here either, it
 * may be the reason.
 */
function mayWait(state: RaftState, transfer: Transfer): boolean {
  return state.nowMs < waitsUntilMs(state, transfer);
}

function waitsUntilMs({ options }: RaftState, { deadlineMs }: Transfer): number {
  const { electionTimeoutMs, heartbeatIntervalMs } = options;
  const waitsMs = Math.min(electionTimeoutMs * WAITS_SHARE, heartbeatIntervalMs * WAITS_HEARTBEATS);
  return deadlineMs - electionTimeoutMs + waitsMs;
}

/** Takes proposals again where the target did not take over in time. */
export function elapseTransfer(state: RaftState, leader: LeaderRole): void {
  if (leader.transfer === null) return;
  if (state.nowMs >= leader.transfer.deadlineMs) leader.transfer = null;
  else continueTransfer(state, leader);
}

/** When `elapseTransfer` has something to do; Infinity where nothing is handed over. */
export function nextTransferMs(state: RaftState, { transfer }: LeaderRole): number {
  if (transfer === null) return Infinity;
  const waits = !transfer.isOrdered && mayWait(state, transfer);
  return waits ? waitsUntilMs(state, transfer) : transfer.deadlineMs;
}
