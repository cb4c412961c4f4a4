/**
 * The node: one synchronous loop around the consensus core. Events come in (a tick, a frame, client
 * bytes, a finished sync), `turn()` takes what the core hands out: messages leave, the write-ahead
 * log gets one batch, what is committed is applied, replies are released. Nothing here awaits; the
 * simulator runs this very file. Its data is in state.ts.
 */
import { assert } from "../util/assert.ts";
import { Result } from "../kv/commands/result.ts";
import type { Store } from "../kv/store.ts";
import type { Raft } from "../raft/raft.ts";
import type { Message, PersistBatch, Ready, ServerId } from "../raft/types.ts";
import { ClientCodec } from "../wire/client_codec.ts";
import { ClientError } from "../wire/command_batch.ts";
import type { DigestNotice, FactsNotice, StatusNotice } from "../wire/rpc/rpc.ts";
import type { ClientSession, InboundLink, OutboundLink, ServerNode } from "./api.ts";
import { Evaluator } from "./evaluator.ts";
import { clusterStatus } from "./facts/cluster_status.ts";
import { nodeCounts, nodeHealth } from "./facts/node_counts.ts";
import type { NodeView } from "./facts/node_view.ts";
import { factsNotice } from "./facts/facts_notice.ts";
import { applyEntry } from "./log/apply.ts";
import type { PersistEvents } from "./log/persister.ts";
import { checkNode } from "./invariants.ts";
import type { NodeOptions } from "./node_options.ts";
import {
  addTimeEntry,
  forgetTimeEntry,
  proposeTimeEntry,
  timeEntryApplied,
} from "./passing_time.ts";
import type { PeerEvents, PeerLinks } from "./peers/peer_links.ts";
import { finishRepair, noteSound, openReplica, type Replica, statusOf } from "./replica.ts";
import { Session } from "./session/session.ts";
import type { ClientLoad } from "./session/sessions.ts";
import { Shutdown } from "./shutdown.ts";
import { makeNodeState, type NodeState, scheduleTurn } from "./state.ts";

export type { NodeConfig, NodeOptions, ServerAddress } from "./node_options.ts";

export class Node implements ServerNode, PeerEvents, PersistEvents {
  readonly #state: NodeState;
  readonly #evaluator: Evaluator;
  readonly #result = new Result();
  #lastClientId = 0;
  /** When the present turn began, by the monotonic clock. */
  #turnMs = 0;

  constructor(options: NodeOptions) {
    this.#state = makeNodeState(options, this);
    this.#evaluator = new Evaluator(this.#state);
    if (this.links.formation.isFormed) this.formed();
  }

  /** The consensus core; null until the cluster is formed. */
  get raft(): Raft | null {
    return this.#state.replica?.raft ?? null;
  }

  /** The key-value store; null until the cluster is formed. */
  get store(): Store | null {
    return this.#state.replica?.store ?? null;
  }

  get links(): PeerLinks {
    return this.#state.links;
  }

  /** What clients have open here: nothing of it may be left after them. */
  get clientLoad(): ClientLoad {
    const { sessions, sessionLimits, appender, readWaiters } = this.#state;
    return {
      connections: sessions.count,
      bufferBytes: sessionLimits.budget.bytes,
      waitingEntries: appender.proposals.length,
      waitingRounds: readWaiters.length,
      waitingCommands: sessions.waitingForLeader,
      heldCommands: sessions.heldCommands,
    };
  }

  // What the shells call.

  get outboundLinks(): readonly OutboundLink[] {
    return this.links.outbound;
  }

  openInboundLink(remote: string): InboundLink {
    return this.links.openInbound(remote);
  }

  readonly view: NodeView = {
    serverView: () => this.#evaluator.serverView(),
    status: () => clusterStatus(this.#state),
    counts: () => nodeCounts(this.#state),
    health: () => nodeHealth(this.#state),
  };

  openSession(remote: string): ClientSession | null {
    const { options: { config: { limits } }, sessions, sessionLimits, shutdown } = this.#state;
    if (sessions.count >= limits.connectionsMax || shutdown !== null) return null;
    const codec = new ClientCodec(limits, { clientId: ++this.#lastClientId, remote });
    const session = new Session(remote, codec, this.#evaluator, sessionLimits);
    sessions.add(session);
    return session;
  }

  /** Every `tickMs`. */
  tick(): void {
    if (this.#isOver) return;
    const state = this.#state;
    const { clock, config } = state.options;
    const nowMs = clock.monotonicMs();
    state.standstill.tick(nowMs);
    state.links.tick(nowMs);
    if (state.replica !== null) this.#tickReplica(state.replica, nowMs);
    proposeTimeEntry(state);
    this.#evaluator.beginTick();
    state.sessions.checkDeadlines(nowMs, config.timing);
    state.shutdown?.tick(nowMs, state.replica);
    state.hasTicked = true;
    scheduleTurn(state);
  }

  turn(): void {
    const state = this.#state;
    state.isTurnScheduled = false;
    this.#turnMs = state.options.clock.monotonicMs();
    state.meters.requests.at(this.#turnMs);
    if (state.replica !== null && !this.#isOver) this.#turnReplica(state.replica);
    if (state.options.checkInvariants === true) checkNode(state);
    state.sessions.wake();
    state.links.wake();
  }

  shutdown(done: () => void): void {
    const state = this.#state;
    if (state.shutdown !== null) return;
    const { replica, sessions, options: { host, clock } } = state;
    state.shutdown = new Shutdown({ replica, sessions, host, nowMs: clock.monotonicMs(), done });
    scheduleTurn(state);
  }

  // What the links call.

  ownStatus(): StatusNotice | null {
    const { replica, clocks, space } = this.#state;
    return replica && statusOf(replica, clocks, space);
  }

  ownFacts(): FactsNotice {
    return factsNotice(this.#state);
  }

  messageReceived(message: Message): void {
    const { replica, space } = this.#state;
    const admitted = replica === null ? null : space.admit(replica, message);
    if (this.#isOver || admitted === null) return;
    replica!.raft.step(admitted);
    scheduleTurn(this.#state);
  }

  digestReceived(from: ServerId, notice: DigestNotice): void {
    const { replica, digests } = this.#state;
    if (replica === null) return;
    digests.receive(from, notice, replica.raft.state.role.kind === "leader", replica.store);
  }

  peerLost(id: ServerId): void {
    this.raft?.peerDisconnected(id);
    this.#state.replica?.snapshots.peerLost(id);
    scheduleTurn(this.#state);
  }

  /** Opens what a formed server runs. */
  formed(): void {
    const state = this.#state;
    const { config, checkInvariants = false, ...options } = state.options;
    state.replica = openReplica({
      ...options,
      ...config,
      checkInvariants,
      formation: state.links.formation.record!,
      clocks: state.clocks,
      standstill: state.standstill,
      meters: state.meters,
      links: state.links,
      events: this,
    });
    scheduleTurn(state);
  }

  // What the log calls.

  persisted(batch: PersistBatch): void {
    const { replica, links, options: { host } } = this.#state;
    assert(replica !== null, "A batch is durable before the log was opened");
    replica.raft.advance(batch);
    finishRepair(replica, host);
    noteSound(replica, host);
    for (const message of batch.messagesAfterSync) links.send(message);
    links.wake(); // the turn may begin a sync that blocks
    scheduleTurn(this.#state);
  }

  // The loop.

  /** The log is closed and the last replies leave: nothing may ask the core for more to persist. */
  get #isOver(): boolean {
    return this.#state.shutdown?.isOver === true;
  }

  #turnReplica(replica: Replica): void {
    const state = this.#state;
    const { raft, persister, snapshots } = replica;
    persister.writeWaiting();
    if (state.hasTicked || !state.appender.shouldLinger(raft.state)) {
      state.appender.flush(state.clocks.leader, raft, this.#turnMs);
    }
    state.hasTicked = false;
    if (snapshots.hasReceived && !persister.isBusy) this.#install(replica);
    // What is handed out may make the core ready again: a single voter commits at once.
    while (raft.hasReady() && !persister.isRestarting) {
      this.#handleReady(replica, raft.ready());
      if (persister.isBusy || raft.hasCommitted) break;
    }
    this.#noticeLeadership(raft);
    if (state.sessions.isAwaitingLeader) this.#evaluator.resumeHeld();
  }

  /** A leader's snapshot replaces store and log; the core continues once that is durable. */
  #install(replica: Replica): void {
    const received = replica.snapshots.takeReceived();
    if (received === null) return;
    replica.store = received.store;
    replica.persister.restart(received.position);
  }

  #handleReady({ raft, store, persister, snapshots }: Replica, ready: Ready): void {
    const state = this.#state;
    const { appender, links, readWaiters, meters, options: { clock } } = state;
    for (const message of ready.messages) links.send(message);
    if (ready.persist !== null) persister.persist(ready.persist, ready.messages.length > 0);
    const appliesFromMs = ready.committed.length > 0 ? clock.monotonicMs() : 0;
    for (const entry of ready.committed) {
      const proposal = appender.take(entry.index, entry.term);
      applyEntry(store, entry, proposal, this.#result);
      if (proposal !== null) {
        meters.commit.observe(this.#turnMs - proposal.proposedMs);
        appender.answered(proposal);
      }
      snapshots.noteApplied(entry);
      timeEntryApplied(state, entry.index);
    }
    if (ready.committed.length > 0) meters.apply.observe(clock.monotonicMs() - appliesFromMs);
    for (const { round, readIndex } of ready.reads) {
      assert(store.appliedIndex >= readIndex, "A read round is ahead of what is applied");
      readWaiters.confirm(round);
    }
    snapshots.take(ready, state.options.clock.monotonicMs());
    state.clocks.follower.applied(store.clockMs);
    if (ready.committed.length > 0) state.sessions.resumeAfterTime();
    // What was gathered may have waited for just this commit, which need not wake anybody.
    const mayFlush = ready.committed.length > 0 && appender.gatheredBytes > 0;
    if (raft.hasReady() || persister.isWaiting || mayFlush) scheduleTurn(state);
  }

  #tickReplica(replica: Replica, nowMs: number): void {
    const { raft, persister, snapshots, store, log, roleLog } = replica;
    const { clocks, links, space, digests } = this.#state;
    raft.tick();
    roleLog.tick(nowMs);
    const { role, term, leaderId } = raft.state;
    clocks.tick(nowMs, term, role.kind === "leader", links.statuses.of(leaderId));
    persister.tick(nowMs);
    snapshots.tick(nowMs, store, log);
    if (space.tick(nowMs, replica)) {
      const index = addTimeEntry(this.#state);
      if (index > 0) space.added(index, nowMs);
    }
    digests.tick(nowMs, role.kind === "leader", store);
  }

  /** Tells the sessions where a leadership was lost, and the other servers where one was won. */
  #noticeLeadership(raft: Raft): void {
    const state = this.#state;
    const { role, term } = raft.state;
    state.knownLeader.note(raft.state);
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
    if (ledTerm !== 0) state.links.statuses.leadershipWon();
  }
}
