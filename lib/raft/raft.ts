/**
 * The consensus core: a facade over one plain state object and the functions that change it. It does
 * nothing by itself: messages, time and finished writes come in, `ready()` hands out what is to be
 * done. Start reading at step.ts, then follower.ts, votes.ts, candidate.ts, leader.ts.
 */
import { assert } from "../util/assert.ts";
import { ConfigurationHistory } from "./configuration_history.ts";
import { handleDisconnect } from "./follower.ts";
import { checkDelta, checkState, type StateSummary, summarize } from "./invariants.ts";
import { handleFollowerDisconnect, snapshotFailed } from "./leader.ts";
import { RaftLog } from "./log.ts";
import { makeOutput, setTerm } from "./output.ts";
import { propose, type ProposeResult } from "./proposals.ts";
import { requestRead } from "./read_index.ts";
import { type ChangeResult, proposeChange } from "./reconfigure.ts";
import { advance, hasReady, takeReady } from "./ready.ts";
import { entriesRead } from "./replication.ts";
import {
  leaderOf,
  type LeaderRole,
  type RaftOptions,
  type RaftState,
  restartElectionTimer,
} from "./state.ts";
import { FOLLOWER } from "./roles.ts";
import { compact, restore } from "./snapshot.ts";
import { step } from "./step.ts";
import { elapse, nextDeadlineMs, noteStandstill, noteTime } from "./time.ts";
import { moveLeadership, type MoveResult, transferLeadership } from "./transfer.ts";
import { noteRemoved } from "./votes.ts";
import {
  type Configuration,
  type EntriesRequest,
  type Entry,
  type Incarnation,
  type MemberChange,
  type Message,
  NOBODY,
  type PersistBatch,
  type Ready,
  type ServerId,
  type SnapshotPosition,
} from "./types.ts";

export type { ProposeResult } from "./proposals.ts";
export type { ChangeRefusal, ChangeResult } from "./reconfigure.ts";
export type { MoveResult, UnfitServer } from "./transfer.ts";
export type { LeaderRole, RaftEvent, RaftOptions, RaftState, Role } from "./state.ts";

export class Raft {
  readonly state: RaftState;

  /** A follower with what was recovered, all of it durable. */
  constructor(options: RaftOptions) {
    const { id, hardState, snapshot, entries } = options;
    assert(Number.isSafeInteger(id) && id > NOBODY, `${id} is no server id`);
    assert(
      options.electionTimeoutMs > options.heartbeatIntervalMs && options.heartbeatIntervalMs >= 1,
      "The election timeout must be longer than the heartbeat interval, and that at least 1 ms",
    );
    const lastTerm = entries.at(-1)?.term ?? 0;
    assert(
      lastTerm <= hardState.term,
      `The log's last term is ${lastTerm}, but the hard state knows ${hardState.term} only`,
    );
    const configurations = new ConfigurationHistory(
      snapshot.index,
      options.configuration,
      options.founders,
    );
    // What the snapshot covers has no say: its configuration is the newest of all in front.
    configurations.append(entries.filter(({ index }) => index > snapshot.index));
    this.state = {
      options,
      id,
      role: FOLLOWER,
      term: hardState.term,
      votedFor: hardState.votedFor,
      leaderId: NOBODY,
      removed: false,
      successorId: NOBODY,
      suspect: hardState.suspect || options.repair === true,
      repairing: options.repair === true,
      repairEnd: null,
      suspectToldTerm: -1,
      suspectToldMs: options.nowMs,
      heardSinceStart: new Map(),
      suspectAskMs: options.nowMs,
      log: new RaftLog(snapshot, entries),
      configurations,
      commitIndex: snapshot.index,
      nowMs: options.nowMs,
      heardMs: options.nowMs,
      electionDeadlineMs: options.nowMs,
      isDeadlineMoved: false,
      electionTimeoutMs: options.electionTimeoutMs,
      lastReadRound: 0,
      output: makeOutput(snapshot.index),
    };
    // A snapshot may have become durable before the term that it came in: then nothing was promised
    // in that term yet, and this server has voted for nobody there.
    if (snapshot.term > hardState.term) setTerm(this.state, snapshot.term, NOBODY);
    restartElectionTimer(this.state);
  }

  /** What belongs to the leadership, where this server leads. */
  get leader(): LeaderRole | null {
    return leaderOf(this.state);
  }

  /** It is `nowMs`, in ms counted as `RaftOptions.nowMs`: does what is due. */
  elapse(nowMs: number): void {
    const before = this.#before();
    elapse(this.state, nowMs);
    this.#check(before);
  }

  /**
   * For so long this process did not run, up to now: the election timer, or a leader's check of its
   * quorum, waits that much longer, since nobody was silent whom this server could not hear. That is so
   * once for each such wait, or one who is late all the time would wait for ever. To be told before
   * what arrived meanwhile is handed in. Whatever others rely on continues by real
   * time: whether this server heard a leader lately, and how long its sync takes.
   */
  noteStandstill(stoodStillMs: number): void {
    noteStandstill(this.state, stoodStillMs);
  }

  /** It is `nowMs`: what comes next happens then. Nothing that is due is done. */
  noteTime(nowMs: number): void {
    noteTime(this.state, nowMs);
  }

  /**
   * When `elapse` is to be called, unless something else happens before: then it may be another time.
   * Infinity: there is nothing to wait for. Late or lost calls cost latency, never safety.
   */
  nextDeadlineMs(): number {
    return nextDeadlineMs(this.state);
  }

  /** A leader's next heartbeats, which say what is committed, leave within `ms`. */
  heartbeatWithin(ms: number): void {
    const { leader, state: { nowMs } } = this;
    if (leader !== null) leader.heartbeatDueMs = Math.min(leader.heartbeatDueMs, nowMs + ms);
  }

  /**
   * A message of another server has arrived; it was checked for form only. `incarnation`: which life of
   * that server it comes from, as its connection said; null where that is not known.
   */
  step(message: Message, incarnation: Incarnation | null = null): void {
    const before = this.#before();
    step(this.state, message, incarnation);
    this.#check(before);
  }

  /**
   * Another server has refused this one's connection because it was removed: it does not campaign before
   * it hears a leader again.
   */
  noteRemoved(by: ServerId): void {
    const before = this.#before();
    noteRemoved(this.state, by);
    this.#check(before);
  }

  /** Appends an entry with this envelope, where this server leads and has room. */
  propose(data: Uint8Array): ProposeResult {
    const before = this.#before();
    const result = propose(this.state, data);
    this.#check(before);
    return result;
  }

  /**
   * Begins a change of members, all of it in one step, where this server leads and no other change is
   * under way. It is committed, and over, once a configuration is that is not joint.
   */
  proposeChange(changes: readonly MemberChange[]): ChangeResult {
    const before = this.#before();
    const result = proposeChange(this.state, changes);
    this.#check(before);
    return result;
  }

  /** The number of the read round that will serve a read asked for now; 0 where this can't. */
  requestRead(): number {
    return requestRead(this.state);
  }

  /**
   * Hands over to `to`, or to the most up-to-date voter; false where there is none that can take over, see
   * transfer.ts.
   */
  transferLeadership(to?: ServerId): boolean {
    const before = this.#before();
    const begun = transferLeadership(this.state, to);
    this.#check(before);
    return begun;
  }

  /**
   * Hands over to `to`, or to the best voter (null), because somebody asked for it: only where that one
   * answers, keeps up, is sound and has room. It is over when `leader.transfer` is
   * null again: this server leads no more, or does so still, an election timeout later.
   */
  moveLeadership(to: ServerId | null): MoveResult {
    const before = this.#before();
    const result = moveLeadership(this.state, to);
    this.#check(before);
    return result;
  }

  /**
   * The connection from or to that server broke: its process most likely died. The caller drops what
   * it had queued for it, so that nothing older than this call reaches its next process.
   */
  peerDisconnected(id: ServerId): void {
    const before = this.#before();
    if (this.state.role.kind === "leader") handleFollowerDisconnect(this.state, id);
    else handleDisconnect(this.state, id);
    this.#check(before);
  }

  /**
   * Drops the entries up to `toIndex` from memory: at most the index of the newest durable snapshot,
   * less where followers that lag a little shall do without one. Throws beyond what was handed out
   * to be applied, or what is durable.
   */
  compact(toIndex: number): void {
    const before = this.#before();
    compact(this.state, toIndex);
    this.#check(before);
  }

  /**
   * A snapshot from a leader is here whole: checked, durable, its contents ready to be taken over.
   *
   * True: the log is empty and begins after `position`, all up to there counts as committed, applied
   * and durable, and `configuration` is in effect; the caller replaces its contents and restarts its log
   * there. A batch under way stays under way: `advance()` is to be called once its hard state is
   * durable, but its entries count no more, written or not.
   *
   * False: this server has all of that already, or leads; the caller drops the snapshot's contents.
   */
  restore(position: SnapshotPosition, configuration: Configuration): boolean {
    const before = this.#before();
    const replaced = restore(this.state, position, configuration);
    this.#check(before);
    return replaced;
  }

  /** The configuration as of `index`, for a snapshot that ends there: not before the last one. */
  configurationAt(index: number): Configuration {
    return this.state.configurations.at(index);
  }

  /**
   * What the files have of the entries that were asked for (`Ready.entriesNeeded`): contiguous from
   * `fromIndex` on, at least two, checked; never changed afterwards. Null: one of the first two is in no
   * file any more, or can't be read, or a snapshot is there sooner; the follower gets that. An answer that
   * comes too late changes nothing: in another leadership, or when the follower needs other entries by now.
   */
  entriesRead(request: EntriesRequest, entries: readonly Entry[] | null): void {
    const before = this.#before();
    entriesRead(this.state, request, entries);
    this.#check(before);
  }

  /** True while this server leads and that follower waits for a snapshot. */
  needsSnapshot(id: ServerId): boolean {
    return this.leader?.progress.get(id)?.mode === "snapshot";
  }

  /** The snapshot for that follower can't continue; its id is handed out again once it is heard. */
  snapshotFailed(id: ServerId): void {
    const before = this.#before();
    snapshotFailed(this.state, id);
    this.#check(before);
  }

  /**
   * True until the lost entries (RaftOptions.repair) are here again, or shown to be of no account,
   * and durable, term and vote included. It turns false in `advance()`, for good.
   */
  get repairing(): boolean {
    return this.state.repairing;
  }

  /**
   * True while committed entries wait to be handed out. A leader gets them in pieces, and lets the
   * replies to one leave before it takes the next.
   */
  get hasCommitted(): boolean {
    return this.state.commitIndex > this.state.output.applyingIndex;
  }

  hasReady(): boolean {
    return hasReady(this.state);
  }

  /** Everything that is to be done now, each thing once. */
  ready(): Ready {
    const before = this.#before();
    const ready = takeReady(this.state);
    this.#check(before);
    return ready;
  }

  /** That batch is durable, so what it promises may be counted on. */
  advance(batch: PersistBatch): void {
    const before = this.#before();
    advance(this.state, batch);
    this.#check(before);
  }

  /**
   * The disk has finished a sync on the way to making the batch under way durable, and begins another:
   * only one that takes an election timeout by itself is a stall.
   */
  noteDiskProgress(): void {
    this.state.output.batchSinceMs = this.state.nowMs;
  }

  /** The disk has no room for the batch under way; it was asked, and answered. */
  noteDiskFull(): void {
    this.noteDiskProgress();
    this.state.output.isBatchRefused = this.state.output.batch !== null;
  }

  #before(): StateSummary | null {
    return this.state.options.checkInvariants ? summarize(this.state) : null;
  }

  #check(before: StateSummary | null): void {
    if (before === null) return;
    checkState(this.state);
    checkDelta(before, this.state);
  }
}
