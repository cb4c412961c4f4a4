/**
 * The node: one synchronous loop around the consensus core. Events come in (a tick, a frame, client
 * bytes, a finished sync), `turn()` takes what the core hands out: messages leave, the write-ahead
 * log gets one batch, what is committed is applied, replies are released. Nothing here awaits; the
 * simulator runs this very file.
 */
import { assert } from "../util/assert.ts";
import type { Clock } from "../host/ports.ts";
import { Result } from "../kv/commands/result.ts";
import type { Store } from "../kv/store.ts";
import type { Raft } from "../raft/raft.ts";
import type { Message, PersistBatch, Ready, ServerId } from "../raft/types.ts";
import { ClientError } from "../wire/command_batch.ts";
import { ClientCodec } from "../wire/client_codec.ts";
import type { DigestNotice } from "../wire/rpc/rpc.ts";
import { Appender, proposeEntry } from "./log/append.ts";
import { applyEntry } from "./log/apply.ts";
import { finishRepair, noteSound, openReplica, type Replica, statusOf } from "./replica.ts";
import { DigestExchange } from "./peers/digest_exchange.ts";
import { clientAddresses, Evaluator } from "./evaluator.ts";
import { Clocks } from "./time/clocks.ts";
import { frameBytesMax } from "./frame_limit.ts";
import type { Limits } from "./limits.ts";
import { knownServers } from "./known_servers.ts";
import { logAddresses, type NodeOptions } from "./node_options.ts";
import { PassingTime } from "./passing_time.ts";
import { PeerLinks } from "./peers/peer_links.ts";
import { peerViews } from "./peers/peer_views.ts";
import { drawStartId } from "./peers/peer_processes.ts";
import { ReadWaiters } from "./log/read_waiters.ts";
import { Session } from "./session/session.ts";
import { type SessionLimits, sessionLimitsOf } from "./session/session_limits.ts";
import { type ClientLoad, Sessions } from "./session/sessions.ts";
import { Shutdown } from "./shutdown.ts";
import { Space } from "./space.ts";
import { Standstill } from "./reports/standstill.ts";
import type { ClientSession, InboundLink, NodeHost, OutboundLink, ServerNode } from "./api.ts";

export type { NodeConfig, NodeOptions, ServerAddress } from "./node_options.ts";

/** What the store can hold, with room for what is in the log already. */
const STORE_BYTES_MAX = 20 * 1024 ** 3;

export class Node implements ServerNode {
  readonly links: PeerLinks;
  readonly #options: NodeOptions;
  readonly #limits: Limits;
  readonly #host: NodeHost;
  readonly #clock: Clock;
  readonly #clocks: Clocks;
  readonly #standstill: Standstill;
  readonly #appender: Appender;
  readonly #readWaiters = new ReadWaiters();
  readonly #sessions = new Sessions();
  readonly #sessionLimits: SessionLimits;
  readonly #evaluator: Evaluator;
  readonly #result = new Result();
  readonly #digests: DigestExchange;
  readonly #space: Space;
  /** Null until the cluster is formed. */
  #replica: Replica | null = null;
  #isTurnScheduled = false;
  /** True from a tick to the end of its turn. */
  #hasTicked = false;
  #lastClientId = 0;
  /** The term that this node leads, as far as the sessions know; 0 where it does not. */
  #ledTerm = 0;
  readonly #passingTime = new PassingTime({
    ledTerm: () => this.#ledTerm,
    nowMs: () => this.#clocks.leader.nowMs(),
    scheduleTurn: () => this.#scheduleTurn(),
  });
  #shutdown: Shutdown | null = null;

  constructor(options: NodeOptions) {
    const { config, serverId, directory, clock, host } = options;
    this.#options = options;
    this.#limits = config.limits;
    this.#host = host;
    this.#clock = clock;
    this.#clocks = new Clocks(clock, (event) => host.log(event));
    this.#standstill = new Standstill({ clock, host, ...config.timing });
    this.#sessionLimits = sessionLimitsOf(this.#limits);
    this.#appender = new Appender(this.#limits.entryBytesMax, clock, () => this.store);
    const known = knownServers(config.servers, directory.formation, host);
    this.#space = new Space({ ...config, statusOf: (id) => this.links.statuses.of(id), host });
    this.#evaluator = new Evaluator({
      serverId,
      addresses: clientAddresses(known.addresses),
      uncommittedBytesMax: this.#limits.uncommittedBytesMax,
      dataBytesMax: Math.min(config.storage.dataBytesMax || Infinity, STORE_BYTES_MAX),
      clock,
      clocks: this.#clocks,
      appender: this.#appender,
      readWaiters: this.#readWaiters,
      sessions: this.#sessions,
      space: this.#space,
      replica: () => this.#replica,
      shutdown: () => this.#shutdown,
      peers: (progressOf) => peerViews(this.links, progressOf),
      leaderWaitMs: config.timing.leaderWaitMs,
      scheduleTurn: () => this.#scheduleTurn(),
      proposeTimeEntry: () => this.#proposeTimeEntry(),
    });
    this.links = new PeerLinks({
      serverId,
      ...known,
      directory,
      startId: drawStartId(options.rng),
      logAddressOf: logAddresses(config.servers),
      host,
      outboxBytesMax: this.#limits.outboxBytesMax,
      frameBytesMax: frameBytesMax(),
      electionTimeoutMs: config.timing.electionTimeoutMs,
      monotonicMs: () => clock.monotonicMs(),
      ...(options.protocolVersionMax && { protocolVersionMax: options.protocolVersionMax }),
      ownStatus: () => this.#replica && statusOf(this.#replica, this.#clocks, this.#space),
      onMessage: (message) => this.#onMessage(message),
      onDigest: (from, notice) => this.#onDigest(from, notice),
      onFormed: () => this.#open(),
      onPeerLost: (id) => this.#onPeerLost(id),
    });
    this.#digests = new DigestExchange({
      host,
      sendToAll: (notice) => this.links.sendDigestToAll(notice),
      sendTo: (id, notice) => this.links.sendDigest(id, notice),
    });
    if (this.links.formation.isFormed) this.#open();
  }

  /** The consensus core; null until the cluster is formed. */
  get raft(): Raft | null {
    return this.#replica?.raft ?? null;
  }

  /** The key-value store; null until the cluster is formed. */
  get store(): Store | null {
    return this.#replica?.store ?? null;
  }

  /** What clients have open here: nothing of it may stay behind them. */
  get clientLoad(): ClientLoad {
    return {
      connections: this.#sessions.count,
      bufferBytes: this.#sessionLimits.budget.bytes,
      waitingEntries: this.#appender.proposals.length,
      waitingRounds: this.#readWaiters.length,
      waitingCommands: this.#sessions.waitingForLeader,
      heldCommands: this.#sessions.heldCommands,
    };
  }

  // What the shells call.

  get outboundLinks(): readonly OutboundLink[] {
    return this.links.outbound;
  }

  openInboundLink(remote: string): InboundLink {
    return this.links.openInbound(remote);
  }

  openSession(remote: string): ClientSession | null {
    if (this.#sessions.count >= this.#limits.connectionsMax || this.#shutdown !== null) return null;
    const codec = new ClientCodec(this.#limits, { clientId: ++this.#lastClientId, remote });
    const session = new Session(remote, codec, this.#evaluator, this.#sessionLimits);
    this.#sessions.add(session);
    return session;
  }

  /** Every `tickMs`. */
  tick(): void {
    if (this.#isOver) return;
    const nowMs = this.#clock.monotonicMs();
    this.#standstill.tick(nowMs);
    this.links.tick(nowMs);
    if (this.#replica !== null) this.#tickConsensus(this.#replica, nowMs);
    this.#proposeTimeEntry();
    this.#evaluator.beginTick();
    this.#sessions.checkDeadlines(nowMs, this.#options.config.timing);
    this.#shutdown?.tick(nowMs);
    this.#hasTicked = true;
    this.#scheduleTurn();
  }

  turn(): void {
    this.#isTurnScheduled = false;
    const replica = this.#replica;
    if (replica !== null && !this.#isOver) {
      const { raft, persister, snapshots } = replica;
      persister.writeWaiting();
      if (this.#hasTicked || !this.#appender.shouldLinger(raft.state)) {
        this.#appender.flush(this.#clocks.leader, (data) => proposeEntry(raft, data));
      }
      this.#hasTicked = false;
      if (snapshots.hasReceived && !persister.isBusy) this.#install(replica);
      // What is handed out may make the core ready again: a single voter commits at once.
      while (raft.hasReady() && !persister.isRestarting) {
        this.#handleReady(replica, raft.ready());
        if (persister.isBusy || raft.hasCommitted) break;
      }
      this.#noticeLeadership(raft);
      if (this.#sessions.isAwaitingLeader) this.#evaluator.resumeHeld();
    }
    this.#sessions.wake();
    this.links.wake();
  }

  shutdown(done: () => void): void {
    if (this.#shutdown !== null) return;
    this.#shutdown = new Shutdown({
      raft: this.raft,
      sessions: this.#sessions,
      log: this.#replica?.log ?? null,
      isWriting: () => this.#replica?.persister.isBusy === true,
      host: this.#host,
      nowMs: this.#clock.monotonicMs(),
      done,
    });
    this.#scheduleTurn();
  }

  // The loop.

  /** The log is closed and the last replies leave: nothing may ask the core for more to persist. */
  get #isOver(): boolean {
    return this.#shutdown?.isOver === true;
  }

  #scheduleTurn(): void {
    if (this.#isTurnScheduled) return;
    this.#isTurnScheduled = true;
    this.#host.scheduleTurn();
  }

  /** A leader's snapshot takes the place of store and log; the core goes on once that is durable. */
  #install(replica: Replica): void {
    const received = replica.snapshots.takeReceived();
    if (received === null) return;
    replica.store = received.store;
    replica.persister.restart(received.position);
  }

  #handleReady({ raft, store, persister, snapshots }: Replica, ready: Ready): void {
    for (const message of ready.messages) this.links.send(message);
    if (ready.persist !== null) persister.persist(ready.persist, ready.messages.length > 0);
    for (const entry of ready.committed) {
      const proposal = this.#appender.take(entry.index, entry.term);
      applyEntry(store, entry, proposal, this.#result);
      if (proposal !== null) this.#appender.answered(proposal);
      snapshots.noteApplied(entry);
      this.#passingTime.applied(entry.index);
    }
    for (const { round, readIndex } of ready.reads) {
      assert(store.appliedIndex >= readIndex, "A read round is ahead of what is applied");
      this.#readWaiters.confirm(round);
    }
    snapshots.take(ready, this.#clock.monotonicMs());
    this.#clocks.follower.applied(store.clockMs);
    if (ready.committed.length > 0) this.#sessions.resumeAfterTime();
    // What was gathered may have waited for just this commit, which need not wake anybody.
    const mayFlush = ready.committed.length > 0 && this.#appender.gatheredBytes > 0;
    if (raft.hasReady() || persister.isWaiting || mayFlush) this.#scheduleTurn();
  }

  #onMessage(message: Message): void {
    const replica = this.#replica;
    const admitted = replica === null ? null : this.#space.admit(replica, message);
    if (this.#isOver || admitted === null) return;
    replica!.raft.step(admitted);
    this.#scheduleTurn();
  }

  #tickConsensus(replica: Replica, nowMs: number): void {
    const { raft, persister, snapshots, store, log, roleLog } = replica;
    raft.tick();
    roleLog.tick(nowMs);
    const { role, leaderId } = raft.state;
    this.#clocks.tick(nowMs, role.kind === "leader", this.links.statuses.of(leaderId));
    persister.tick(nowMs);
    snapshots.tick(nowMs, store, log);
    if (this.#space.tick(nowMs, replica)) {
      const index = this.#passingTime.add(raft);
      if (index > 0) this.#space.added(index, nowMs);
    }
    this.#digests.tick(nowMs, role.kind === "leader", store);
  }

  #onDigest(from: ServerId, notice: DigestNotice): void {
    if (this.#replica === null) return;
    const { raft, store } = this.#replica;
    this.#digests.receive(from, notice, raft.state.role.kind === "leader", store);
  }

  #onPeerLost(id: ServerId): void {
    this.raft?.peerDisconnected(id);
    this.#replica?.snapshots.peerLost(id);
    this.#scheduleTurn();
  }

  #onPersisted(batch: PersistBatch): void {
    const replica = this.#replica!;
    replica.raft.advance(batch);
    finishRepair(replica, this.#host);
    noteSound(replica, this.#host);
    for (const message of batch.messagesAfterSync) this.links.send(message);
    this.links.wake(); // the turn may begin a sync that blocks
    this.#scheduleTurn();
  }

  /** Tells the sessions where a leadership was lost. */
  #noticeLeadership({ state }: Raft): void {
    this.#evaluator.knownLeader.note(state);
    const ledTerm = state.role.kind === "leader" ? state.term : 0;
    if (ledTerm === this.#ledTerm) return;
    if (this.#ledTerm !== 0) {
      this.#appender.forgetProposals();
      this.#readWaiters.clear();
      this.#passingTime.clear();
      this.#sessions.leadershipLost(ClientError.redirect);
      this.#replica?.snapshots.leadershipLost();
    }
    this.#ledTerm = ledTerm;
  }

  #proposeTimeEntry(): void {
    const replica = this.#replica;
    if (replica !== null) this.#passingTime.letPass(replica.raft, replica.store);
  }

  #open(): void {
    const { config, serverId, directory, rng, checkInvariants } = this.#options;
    this.#replica = openReplica({
      serverId,
      ...config,
      directory,
      formation: this.links.formation.record!,
      clock: this.#clock,
      leaderClock: this.#clocks.leader,
      standstill: this.#standstill,
      rng,
      host: this.#host,
      checkInvariants: checkInvariants ?? false,
      send: (message) => this.links.send(message),
      onPersisted: (batch) => this.#onPersisted(batch),
    });
    this.#scheduleTurn();
  }
}
