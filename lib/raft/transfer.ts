/**
 * Handing the leadership to another voter (thesis §3.10): stop taking proposals, wait until the
 * target holds the whole log, then tell it to campaign immediately. Given up after an election timeout.
 *
 * Beyond the thesis, the order waits for what is in the log to be committed here: whoever asked for it
 * gets an answer, and would have to be told that the outcome is unknown once this server does not lead.
 */
import { hasRoom, isReachable } from "./catch_up.ts";
import { send } from "./output.ts";
import type { Progress } from "./progress.ts";
import { configurationOf, type LeaderRole, type RaftState, type Transfer } from "./state.ts";
import type { ServerId } from "./types.ts";

/** For how long the order waits for a commit: of an election timeout, and in heartbeats at most. */
const WAITS_SHARE = 0.5;
const WAITS_HEARTBEATS = 3;

/**
 * Begins to hand over to `to`, or to the voter that holds the most among those that answered most
 * recently. False where this server does not lead or there is no such voter, none that can take over:
 * who is suspect ignores the order (paper §5.2: it may have voted in the next term), and of a server that
 * is named but does not answer, such as an earlier life of it, nothing can be expected. Proposals would be
 * refused for an election timeout, and for nothing.
 */
export function transferLeadership(state: RaftState, to?: ServerId): boolean {
  const leader = state.role;
  if (leader.kind !== "leader") return false;
  const target = chooseTarget(state, leader, to);
  if (target === undefined) return false;
  beginTransfer(state, leader, target);
  return true;
}

/** Why a server can't take the leadership now: see `moveLeadership`. */
export type UnfitReason =
  | "noVoter"
  | "unreachable"
  | "suspect"
  /** What its log has is not known yet: that takes an answer or two. */
  | "probed"
  | "behind"
  | "noRoom";

export interface UnfitServer {
  readonly id: ServerId;
  readonly reason: UnfitReason;
}

/** `unfit`: the server that was asked for; else all other voters. */
export type MoveResult =
  | { readonly accepted: true; readonly target: ServerId }
  | { readonly accepted: false; readonly reason: "notLeader" }
  | { readonly accepted: false; readonly reason: "transferring"; readonly target: ServerId }
  | { readonly accepted: false; readonly reason: "unfit"; readonly unfit: readonly UnfitServer[] };

/**
 * Begins to hand over because somebody wants that, not because this server has to: to `to`, or to the best
 * voter (null), and only where that will do. Proposals wait meanwhile, so for a server that does not
 * answer, or lacks much, clients would stand still for an election timeout, and for nothing; a suspect one
 * acknowledges nothing but what is committed; one without room could not write down its own term.
 */
export function moveLeadership(
  state: RaftState,
  to: ServerId | null,
): MoveResult {
  const leader = state.role;
  if (leader.kind !== "leader") return { accepted: false, reason: "notLeader" };
  if (leader.transfer !== null) {
    const { target } = leader.transfer;
    return { accepted: false, reason: "transferring", target };
  }
  const { voters } = configurationOf(state);
  const unfit: UnfitServer[] = [];
  let best: Progress | undefined;
  for (const id of to === null ? voters.filter((one) => one !== state.id) : [to]) {
    const progress = voters.includes(id) ? leader.progress.get(id) : undefined;
    const reason = unfitReason(state, progress);
    if (reason !== null) unfit.push({ id, reason });
    else if (best === undefined || isBetter(progress!, best)) best = progress;
  }
  if (best === undefined) return { accepted: false, reason: "unfit", unfit };
  beginTransfer(state, leader, best);
  return { accepted: true, target: best.id };
}

function unfitReason(state: RaftState, progress: Progress | undefined): UnfitReason | null {
  if (progress === undefined) return "noVoter";
  if (!isReachable(state, progress)) return "unreachable";
  if (progress.isSuspect) return "suspect";
  if (progress.mode === "probe") return "probed";
  if (!lacksLittle(state, progress)) return "behind";
  return hasRoom(state, progress.id) ? null : "noRoom";
}

/** What it lacks can all be on its way at once, without an answer in between. */
function lacksLittle({ log, options }: RaftState, { mode, matchIndex }: Progress): boolean {
  if (mode !== "replicate" || matchIndex < log.firstIndex - 1) return false;
  let bytes = 0;
  for (let index = matchIndex + 1; index <= log.lastIndex; index++) {
    bytes += log.at(index).data.length;
    if (bytes > options.appendBytesInFlightMax) return false;
  }
  return true;
}

function beginTransfer(state: RaftState, leader: LeaderRole, target: Progress): void {
  if (leader.transfer?.target === target.id) return;
  leader.transfer = {
    target: target.id,
    deadlineMs: state.nowMs + state.options.electionTimeoutMs,
    isOrdered: false,
  };
  state.output.appendsDue = true; // also what was deferred: it needs the whole log
  continueTransfer(state, leader);
}

function chooseTarget(
  state: RaftState,
  leader: LeaderRole,
  to: ServerId | undefined,
): Progress | undefined {
  let best: Progress | undefined;
  for (const id of configurationOf(state).voters) {
    const progress = leader.progress.get(id);
    if (progress === undefined || progress.isSuspect) continue;
    if (to !== undefined && (id !== to || !isReachable(state, progress))) continue;
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

/** That server can't take over after all: proposals are taken again. */
export function giveUpTransferTo(leader: LeaderRole, id: ServerId): void {
  if (leader.transfer?.target === id) leader.transfer = null;
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
