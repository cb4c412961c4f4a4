/**
 * The node: one synchronous loop around the consensus core. Events come in (a deadline, a frame, client
 * bytes, a finished sync), `turn()` takes what the core hands out: messages leave, the write-ahead
 * log gets one batch, what is committed is applied, replies are released. Nothing here awaits; the
 * simulator runs this very file. Its data is in state.ts.
 */
import { assert } from "../util/assert.ts";
import { Result } from "../kv/commands/result.ts";
import type { Store } from "../kv/store.ts";
import type { Raft } from "../raft/raft.ts";
import type { Incarnation, Message, PersistBatch, Ready, ServerId } from "../raft/types.ts";
import type { LogStorage } from "../storage/types.ts";
import type { DigestNotice, FactsNotice, StatusNotice } from "../wire/rpc/rpc.ts";
import type { ClientSession, InboundLink, OutboundLink, ServerNode } from "./api.ts";
import { deadlineUntilTurnMs, elapse, nextDeadlineMs } from "./deadlines.ts";
import { Evaluator } from "./evaluator.ts";
import { backedUpServer } from "./backup_source.ts";
import { CountedLoad, nodeView } from "./facts/node_counts.ts";
import { factsNotice } from "./facts/facts_notice.ts";
import { acceptForwarded, noteForwards } from "./forward_host.ts";
import { openSession } from "./open_session.ts";
import { hearLeader, isOtherLeadership, noticeLeadership } from "./leadership.ts";
import { applyCommitted } from "./apply_committed.ts";
import type { PersistEvents } from "./log/persister.ts";
import { checkNode } from "./invariants.ts";
import { MemberChanges } from "./members/member_changes.ts";
import { wantedMoves } from "./members/moves.ts";
import type { NodeOptions } from "./node_options.ts";
import type { PeerEvents } from "./peers/peer_events.ts";
import type { PeerLinks } from "./peers/peer_links.ts";
import { beginReplica } from "./begin_replica.ts";
import { finishRepair, noteSound, type Replica, statusOf } from "./replica.ts";
import type { ClientLoad } from "./session/sessions.ts";
import { Shutdown } from "./shutdown.ts";
import { makeNodeState, type NodeState, scheduleTurn } from "./state.ts";
import { neededVersion, noteClusterVersion, noteRaiseAhead } from "./version_raise.ts";

export type { NodeConfig, NodeOptions, ServerAddress } from "./node_options.ts";

/** Where changes are told, followers hear within this what is committed: they tell it, too. */
const COMMIT_NEWS_MS = 5;

export class Node implements ServerNode, PeerEvents, PersistEvents {
  readonly #state: NodeState;
  readonly #evaluator: Evaluator;
  readonly #result = new Result();
  turnedAwayWith = "";
  turnedAwayBecause = "";
  #lastClientId = 0;
  /** The core took this server for removed, as of the last turn. */
  #wasRemoved = false;

  constructor(options: NodeOptions) {
    this.#state = makeNodeState(options, this);
    this.#evaluator = new Evaluator(this.#state, this.members);
    if (this.links.formation.isFormed) this.formed();
    scheduleTurn(this.#state);
  }

  /** The consensus core, the key-value store and the log on disk; null until the cluster is formed. */
  get raft(): Raft | null {
    return this.#state.replica?.raft ?? null;
  }

  get store(): Store | null {
    return this.#state.replica?.store ?? null;
  }

  get log(): LogStorage | null {
    return this.#state.replica?.log ?? null;
  }

  get links(): PeerLinks {
    return this.#state.links;
  }
  readonly members = new MemberChanges({
    raftNow: () => this.#raftNow(),
    clusterVersion: () => this.store?.clusterVersion ?? 0,
    moves: () => wantedMoves(this.#state.members, true),
    scheduleTurn: () => scheduleTurn(this.#state),
  });

  get clientLoad(): ClientLoad {
    return new CountedLoad(this.#state);
  }

  // What the shells call.

  get outboundLinks(): readonly OutboundLink[] {
    return this.#state.forwards.outbound(this.links.outbound);
  }

  openInboundLink(remote: string, peerNames?: readonly string[]): InboundLink {
    scheduleTurn(this.#state);
    return this.links.openInbound(remote, peerNames);
  }

  readonly view = nodeView(() => this.#state, () => this.#evaluator.serverView());

  readonly backedUp = backedUpServer(() => this.#state, () => this.#evaluator);

  openSession(remote: string, local = "", isForwarding = false): ClientSession | null {
    const client = { clientId: this.#lastClientId + 1, remote, local, isForwarding };
    const session = openSession(this.#state, this.#evaluator, client);
    if ("line" in session) {
      [this.turnedAwayWith, this.turnedAwayBecause] = [session.line, session.why];
      return null;
    }
    this.#lastClientId++;
    return session;
  }

  /**
   * Whatever is due is done. Not immediately, where this comes later than one heartbeat interval: a
   * process that was stopped finds every deadline over, and what would have moved them unread. So what has
   * arrived comes in before, and nobody is taken for silent for as long as this server could not hear.
   */
  wake(): void {
    if (this.#isOver) return;
    const state = this.#state;
    const { alarm, clock, options: { config } } = state;
    const nowMs = clock.look();
    const stoodStillMs = alarm.rang(nowMs);
    state.clocks.noteStandstill(nowMs, stoodStillMs);
    this.raft?.noteTime(nowMs);
    if (stoodStillMs > config.timing.heartbeatIntervalMs && !state.isCatchingUp) {
      state.isCatchingUp = true;
      this.raft?.noteStandstill(stoodStillMs);
      return alarm.set(nowMs, nowMs);
    }
    state.isCatchingUp = false;
    state.meters.at(nowMs);
    const nextMs = nextDeadlineMs(state, this.#evaluator, nowMs, true);
    if (nextMs > nowMs) return alarm.set(nextMs, nowMs);
    elapse(state, this.#evaluator, nowMs);
    alarm.done(nowMs);
    scheduleTurn(state);
    // Now already: should this process be stopped before the turn, it is to notice that.
    alarm.set(deadlineUntilTurnMs(state, this.#evaluator, nowMs), nowMs);
  }

  turn(): void {
    const state = this.#state;
    const { clock, alarm, appender, options: { host, checkInvariants } } = state;
    const asked = host.turnBegins();
    clock.turn();
    const nowMs = clock.monotonicMs();
    // Nothing has happened since the messages left that go before this write.
    if (asked === "write") this.#beginWrite();
    else this.#wholeTurn(nowMs);
    if (checkInvariants === true) checkNode(state);
    state.seen.atMs = nowMs;
    if (host.isTurnAsked) return clock.begin();
    clock.end();
    if (this.#isOver) return;
    const isBusy = alarm.turned(nowMs);
    // Writes wait for others no longer than such a node sleeps, unless they are slowed down.
    if (isBusy && alarm.isNear(nowMs) && appender.pace.nextMs === 0) return;
    const nextMs = isBusy
      ? appender.nextDeadlineMs()
      : nextDeadlineMs(state, this.#evaluator, nowMs);
    alarm.set(nextMs, nowMs);
  }

  shutdown(done: () => void): void {
    const state = this.#state;
    if (state.shutdown !== null) return;
    const { replica, sessions, clock, options: { host } } = state;
    const nowMs = clock.monotonicMs();
    replica?.raft.noteTime(nowMs);
    const { members } = this.#evaluator;
    state.shutdown = new Shutdown({ replica, sessions, members, host, nowMs, done });
    scheduleTurn(state);
  }

  // What the links call.

  /** What a link has taken in may be due soon: the turn asks when. */
  linkActive(): void {
    scheduleTurn(this.#state);
  }

  ownStatus(): StatusNotice | null {
    const { replica, clocks, space } = this.#state;
    return replica && statusOf(replica, clocks, space);
  }

  ownFacts(): FactsNotice {
    return factsNotice(this.#state);
  }

  neededVersion(): number {
    return neededVersion(this.#state);
  }

  messageReceived(message: Message, incarnation: Incarnation): void {
    const state = this.#state;
    const { replica, space } = state;
    const admitted = replica === null ? null : space.admit(replica, message);
    if (this.#isOver || replica === null || admitted === null) return;
    const raft = this.#raftNow()!;
    raft.step(admitted, incarnation);
    // Most answers say no more than that a follower is there, or has what others have: no work.
    const { kind } = message;
    const isAnswer = kind === "heartbeatResponse" || kind === "appendResponse";
    if (!isAnswer || raft.leader === null || raft.hasReady()) scheduleTurn(state);
  }

  toldRemoved(by: ServerId): void {
    this.#raftNow()?.noteRemoved(by);
    scheduleTurn(this.#state);
  }

  digestReceived(from: ServerId, notice: DigestNotice): void {
    const { replica, digests } = this.#state;
    if (replica === null) return;
    digests.receive(from, notice, replica.raft.state.role.kind === "leader", replica.store);
  }

  readonly acceptForwarded: PeerEvents["acceptForwarded"] = (from, pipe) =>
    acceptForwarded(this.#state, this.#evaluator, from, pipe);
  readonly secretExchanged = () => this.#state.forwards.secretExchanged();

  peerLost(id: ServerId): void {
    this.#raftNow()?.peerDisconnected(id);
    this.#state.replica?.snapshots.peerLost(id);
    scheduleTurn(this.#state);
  }

  formed(): void {
    beginReplica(this.#state, this);
    scheduleTurn(this.#state);
  }

  // What the log calls.

  persisted(batch: PersistBatch, nowMs: number): void {
    const { replica, links, clock, options: { host } } = this.#state;
    assert(replica !== null, "A batch is durable before the log was opened");
    scheduleTurn(this.#state);
    clock.note(nowMs);
    this.#raftNow()!.advance(batch);
    finishRepair(replica, host);
    noteSound(replica, host);
    for (const message of batch.messagesAfterSync) links.send(message);
    links.wake(); // the turn may begin a sync that blocks
  }

  // The loop.

  /** The log is closed and the last replies leave: nothing may ask the core for more to persist. */
  get #isOver(): boolean {
    return this.#state.shutdown?.isOver === true;
  }

  #beginWrite(): void {
    if (!this.#isOver) this.#state.replica?.persister.writeWaiting();
  }

  #wholeTurn(nowMs: number): void {
    const { meters, sessions, replica, watches, pubsub, links, forwards } = this.#state;
    meters.rotate(nowMs);
    sessions.turnBegins();
    if (replica !== null && !this.#isOver) this.#turnReplica(replica, nowMs);
    if (forwards.isUsed) noteForwards(this.#state);
    watches.wake();
    pubsub.wake();
    sessions.wake();
    links.wake();
    if (forwards.isUsed) forwards.wake();
  }

  #turnReplica(replica: Replica, nowMs: number): void {
    const state = this.#state;
    const { raft, persister, snapshots } = replica;
    raft.noteTime(nowMs);
    // Before any message leaves that goes by the configuration.
    state.members.note(raft.state, nowMs);
    persister.writeWaiting();
    const leads = raft.state.role.kind === "leader";
    // Nothing is gathered anywhere else, but what a leadership that is over has left, however short it was.
    if (leads || state.appender.gatheredBytes > 0) {
      state.meters.requests.at(nowMs);
      if (!state.appender.shouldLinger(raft.state, nowMs)) {
        state.appender.flush(state.clocks.leader, raft, nowMs);
      }
    }
    if (snapshots.hasReceived && !persister.isBusy) this.#install(replica);
    // What is handed out may make the core ready again: a single voter commits at once.
    while (raft.hasReady() && !persister.isRestarting) {
      this.#handleReady(replica, raft.ready(), nowMs);
      if (persister.isBusy || raft.hasCommitted) break;
    }
    const isOther = isOtherLeadership(state, raft.state);
    if (isOther) noticeLeadership(state, raft, nowMs);
    // What is asked of a leader ends with its leadership, or when another one is known.
    if (leads || isOther) this.members.note();
    this.#evaluator.note(leads || isOther);
    if (state.links.statuses.received !== state.seen.reports) hearLeader(state, raft, nowMs);
    const { removed } = raft.state;
    if (removed || this.#wasRemoved) state.removal.note(raft.state, nowMs);
    this.#wasRemoved = removed;
    if (!state.raise.isSaid) noteRaiseAhead(state);
    if (state.sessions.isAwaitingLeader) this.#evaluator.resumeHeld();
    state.members.note(raft.state, nowMs);
    if (leads) state.moves.elapse(nowMs, state.ledTerm, raft.state, this.members);
  }

  /** A leader's snapshot replaces store and log; the core continues once that is durable. */
  #install(replica: Replica): void {
    const received = replica.snapshots.takeReceived();
    if (received === null) return;
    replica.store = received.store;
    noteClusterVersion(this.#state, received.store.clusterVersion);
    this.#state.clocks.follower.applied(received.store.clockMs);
    replica.persister.restart(received.position);
    this.#evaluator.users.note();
  }

  #handleReady(replica: Replica, ready: Ready, nowMs: number): void {
    const { raft, store, persister, snapshots } = replica;
    const state = this.#state;
    const { appender, links, readWaiters, watches, pubsub } = state;
    for (const message of ready.messages) links.send(message);
    if (ready.persist !== null) persister.persist(ready.persist, ready.messages.length > 0);
    const applies = ready.committed.length > 0;
    if (applies) applyCommitted(state, replica, ready, nowMs, this.#result);
    for (const { round, readIndex } of ready.reads) {
      assert(store.appliedIndex >= readIndex, "A read round is ahead of what is applied");
      readWaiters.confirm(round);
    }
    snapshots.take(ready, nowMs);
    if (applies) {
      state.sessions.resumeAfterTime();
      noteClusterVersion(state, store.clusterVersion);
      this.#evaluator.users.note();
      if (watches.isKeeping || pubsub.wantsNews) raft.heartbeatWithin(COMMIT_NEWS_MS);
    }
    // What was gathered may have waited for just this commit, which need not wake anybody.
    const mayFlush = applies && appender.gatheredBytes + appender.comingBytes > 0;
    if (raft.hasReady() || mayFlush) scheduleTurn(state);
    else if (persister.isWaiting) state.options.host.scheduleWrite();
  }

  /** The core, told what time it is: for what happens outside of turns. */
  #raftNow(): Raft | null {
    this.raft?.noteTime(this.#state.clock.monotonicMs());
    return this.raft;
  }
}
