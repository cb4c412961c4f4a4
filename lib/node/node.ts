/**
 * The node: one synchronous loop around the consensus core. Events come in (a tick, a frame, client
 * bytes, a finished sync), `turn()` takes what the core hands out: messages leave, the write-ahead
 * log gets one batch, what is committed is applied, replies are released. Nothing here awaits; the
 * simulator runs this very file.
 */
import { assert } from "../util/assert.ts";
import { readU32 } from "../util/bytes.ts";
import type { Clock, Rng } from "../host/ports.ts";
import { Op } from "../kv/command.ts";
import { Result } from "../kv/result.ts";
import { Store } from "../kv/store.ts";
import { makeConfiguration } from "../raft/configuration.ts";
import { entryStampMs, ENVELOPE_BYTES, writeEnvelope } from "../raft/envelope.ts";
import { Raft, type RaftEvent } from "../raft/raft.ts";
import {
  EntryKind,
  type Message,
  NOBODY,
  type PersistBatch,
  type Ready,
  type ServerId,
} from "../raft/types.ts";
import type { DataDirectory } from "../storage/data_directory.ts";
import type { LogStorage } from "../storage/types.ts";
import { ClientError } from "../wire/command_batch.ts";
import type { ClientAddress } from "../wire/codec.ts";
import { LineCodec, lineCommandBytesMax } from "../wire/line.ts";
import { appendFrameBytesMax } from "../wire/rpc.ts";
import { Appender, type Proposed } from "./append.ts";
import { commit } from "./commit.ts";
import type { Evaluation } from "./evaluation.ts";
import { LeaderClock } from "./leader_clock.ts";
import type { Limits, Timing } from "./limits.ts";
import { Persister } from "./persister.ts";
import { PeerLinks } from "./peer_links.ts";
import { ReadRounds } from "./read_rounds.ts";
import { Session, sessionInputBytesMax } from "./session.ts";
import type { ClientSession, InboundLink, NodeHost, OutboundLink, ServerNode } from "./shells.ts";

/** A server as the cluster file names it. */
export interface ServerAddress {
  readonly id: ServerId;
  readonly hostname: string;
  readonly clientPort: number;
  readonly logPort: number;
}

export interface NodeConfig {
  readonly servers: readonly ServerAddress[];
  readonly timing: Timing;
  readonly limits: Limits;
}

export interface NodeOptions {
  readonly config: NodeConfig;
  readonly serverId: ServerId;
  readonly directory: DataDirectory;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly host: NodeHost;
  /** Checks the core's invariants after every step: for tests and the simulator. */
  readonly checkInvariants?: boolean;
}

const SESSION_CHECK_INTERVAL_MS = 100;
const SHUTDOWN_HANDOVER_MS = 700;
const SHUTDOWN_DRAIN_MS = 1_300;

export class Node implements ServerNode, Evaluation {
  /** Null until the cluster is formed. */
  raft: Raft | null = null;
  /** Null until the cluster is formed. */
  store: Store | null = null;
  readonly links: PeerLinks;
  readonly #options: NodeOptions;
  readonly #timing: Timing;
  readonly #limits: Limits;
  readonly #host: NodeHost;
  readonly #clock: Clock;
  readonly #leaderClock: LeaderClock;
  readonly #addresses = new Map<ServerId, ClientAddress>();
  readonly #appender: Appender;
  readonly #rounds = new ReadRounds();
  readonly #sessions = new Set<Session>();
  readonly #result = new Result();
  #active: Session[] = [];
  #waitingForTime: Session[] = [];
  #persister: Persister | null = null;
  #log: LogStorage | null = null;
  #isTurnScheduled = false;
  /** The term that this node leads, as far as the sessions know; 0 where it does not. */
  #ledTerm = 0;
  /** Index of the last entry that only lets time pass; 0 where none is under way. */
  #timeEntryIndex = 0;
  #lastSessionCheckMs = 0;
  #shutdown: { readonly sinceMs: number; readonly done: () => void; isOver: boolean } | null = null;

  constructor(options: NodeOptions) {
    this.#options = options;
    this.#timing = options.config.timing;
    this.#limits = options.config.limits;
    this.#host = options.host;
    this.#clock = options.clock;
    this.#leaderClock = new LeaderClock(options.clock);
    this.#appender = new Appender(this.#limits.entryBytesMax);
    for (const server of options.config.servers) {
      this.#addresses.set(server.id, { hostname: server.hostname, port: server.clientPort });
    }
    this.links = new PeerLinks({
      serverId: options.serverId,
      servers: options.config.servers.map((server) => server.id),
      directory: options.directory,
      host: options.host,
      outboxBytesMax: this.#limits.outboxBytesMax,
      frameBytesMax: frameBytesMax(this.#limits),
      onMessage: (message) => this.#onMessage(message),
      onFormed: () => this.#openLog(),
      onPeerLost: (id) => this.#onPeerLost(id),
    });
    if (this.links.formation.isFormed) this.#openLog();
  }

  // What the shells call.

  get outboundLinks(): readonly OutboundLink[] {
    return this.links.outbound;
  }

  openInboundLink(remote: string): InboundLink {
    return this.links.openInbound(remote);
  }

  openSession(remote: string): ClientSession | null {
    if (this.#sessions.size >= this.#limits.connectionsMax || this.#shutdown !== null) return null;
    const { valueBytesMax, pipelineCommandsMax, outputBytesMax } = this.#limits;
    const codec = new LineCodec({ valueBytesMax });
    const commandBytesMax = lineCommandBytesMax(valueBytesMax);
    const limits = { pipelineCommandsMax, outputBytesMax, commandBytesMax };
    const session = new Session(remote, codec, this, limits);
    this.#sessions.add(session);
    return session;
  }

  /** Every `tickMs`. */
  tick(): void {
    if (this.#isOver) return;
    const nowMs = this.#clock.monotonicMs();
    this.links.tick(nowMs);
    this.raft?.tick();
    this.#persister?.tick(nowMs);
    this.#letTimePass();
    if (nowMs - this.#lastSessionCheckMs >= SESSION_CHECK_INTERVAL_MS) this.#checkSessions(nowMs);
    if (this.#shutdown !== null) this.#goOnShuttingDown(nowMs);
    this.#scheduleTurn();
  }

  turn(): void {
    this.#isTurnScheduled = false;
    const raft = this.raft;
    if (raft !== null && !this.#isOver) {
      this.#appender.flush(this.#leaderClock.nowMs(), (data) => this.#propose(raft, data));
      // What is handed out may make the core ready again: a single voter commits at once.
      do {
        this.#take(raft, raft.ready());
      } while (raft.hasReady() && this.#persister?.isBusy === false);
      this.#noticeLeadership(raft);
    }
    this.#wakeSessions();
    this.links.wake();
  }

  shutdown(done: () => void): void {
    if (this.#shutdown !== null) return;
    this.#shutdown = { sinceMs: this.#clock.monotonicMs(), done, isOver: false };
    if (this.raft?.state.role === "leader") {
      const handsOver = this.raft.transferLeadership();
      this.#say(
        handsOver ? "Handing the leadership over" : "Nobody to hand the leadership to",
      );
    }
    this.#scheduleTurn();
  }

  // What the sessions ask (Evaluation).

  monotonicMs(): number {
    return this.#clock.monotonicMs();
  }

  leaderNowMs(): number {
    return this.#leaderClock.nowMs();
  }

  refusal(): ClientError | 0 {
    const state = this.raft?.state;
    if (state === undefined || this.#log === null) return ClientError.noLeader;
    if (state.role !== "leader") {
      return state.leaderId === NOBODY ? ClientError.noLeader : ClientError.redirect;
    }
    if (this.#shutdown !== null) return ClientError.noLeader;
    const waiting = this.#appender.gatheredBytes + state.uncommittedBytes;
    return waiting >= this.#limits.uncommittedBytesMax ? ClientError.busy : 0;
  }

  writeRefusal(op: number): ClientError | 0 {
    if (op === Op.delete || this.#log === null || this.#log.hasRoom()) return 0;
    return ClientError.noSpace;
  }

  leaderAddress(): ClientAddress | null {
    const leaderId = this.raft?.state.leaderId ?? NOBODY;
    return leaderId === this.#options.serverId ? null : this.#addresses.get(leaderId) ?? null;
  }

  append(
    session: Session,
    firstPosition: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    count: number,
  ): void {
    this.#appender.append(session, firstPosition, bytes, start, end, count);
    this.#scheduleTurn();
  }

  readRound(_session: Session): number {
    return this.raft?.requestRead() ?? 0;
  }

  expectRound(session: Session, round: number): void {
    this.#rounds.expect(round, session);
    this.#scheduleTurn();
  }

  waitForTime(session: Session): void {
    if (session.isWaitingForTime) return;
    session.isWaitingForTime = true;
    this.#waitingForTime.push(session);
    this.#letTimePass();
  }

  read(bytes: Uint8Array, offset: number, result: Result): void {
    assert(this.store !== null, "A read before the cluster is formed");
    this.store.read(bytes, offset, result);
  }

  markActive(session: Session): void {
    if (session.isMarkedActive) return;
    session.isMarkedActive = true;
    this.#active.push(session);
    this.#scheduleTurn();
  }

  forget(session: Session): void {
    this.#sessions.delete(session);
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

  #take(raft: Raft, ready: Ready): void {
    for (const message of ready.messages) this.links.send(message);
    if (ready.persist !== null) this.#persister!.persist(ready.persist);
    for (const entry of ready.committed) {
      const ticket = this.#appender.take(entry.index, entry.term);
      commit(this.store!, entry, ticket, this.#result);
      if (entry.index >= this.#timeEntryIndex) this.#timeEntryIndex = 0;
    }
    for (const { round, readIndex } of ready.reads) {
      assert(this.store!.appliedIndex >= readIndex, "A read round is ahead of what is applied");
      this.#rounds.confirm(round);
    }
    if (ready.committed.length > 0) this.#resumeAfterTime();
    if (raft.hasReady()) this.#scheduleTurn();
  }

  #propose(raft: Raft, data: Uint8Array): Proposed {
    const result = raft.propose(data);
    if (result.accepted) return { index: result.index, term: result.term };
    if (result.reason === "busy") return { error: ClientError.busy };
    return {
      error: result.reason === "transferring" ? ClientError.noLeader : ClientError.redirect,
    };
  }

  #onMessage(message: Message): void {
    if (this.raft === null || this.#isOver) return;
    this.raft.step(message);
    this.#scheduleTurn();
  }

  #onPeerLost(id: ServerId): void {
    this.raft?.peerDisconnected(id);
    this.#scheduleTurn();
  }

  #onPersisted(batch: PersistBatch): void {
    this.raft!.advance(batch);
    for (const message of batch.messagesAfterSync) this.links.send(message);
    this.#scheduleTurn();
  }

  /** Tells the sessions where a leadership was lost, and starts the clock of a new one. */
  #noticeLeadership(raft: Raft): void {
    const state = raft.state;
    const ledTerm = state.role === "leader" ? state.term : 0;
    if (ledTerm === this.#ledTerm) return;
    if (this.#ledTerm !== 0) {
      this.#appender.tickets.clear();
      this.#rounds.clear();
      this.#timeEntryIndex = 0;
      for (const session of this.#sessions) session.leadershipLost(ClientError.redirect);
      this.#waitingForTime = [];
    }
    this.#ledTerm = ledTerm;
  }

  /** The leader commits the passing of time where a key is due: nothing else may expire it. */
  #letTimePass(): void {
    const raft = this.raft;
    const store = this.store;
    if (raft === null || store === null || this.#timeEntryIndex !== 0) return;
    if (raft.state.role !== "leader" || raft.state.term !== this.#ledTerm) return;
    const nowMs = this.#leaderClock.nowMs();
    if (store.nextDeadlineMs() > nowMs && !store.hasDueKeys()) return;
    const result = raft.propose(envelope(nowMs));
    if (!result.accepted) return;
    this.#timeEntryIndex = result.index;
    this.#scheduleTurn();
  }

  #resumeAfterTime(): void {
    if (this.#waitingForTime.length === 0) return;
    const waiting = this.#waitingForTime;
    this.#waitingForTime = [];
    for (const session of waiting) {
      session.isWaitingForTime = false;
      session.advance();
    }
  }

  #wakeSessions(): void {
    while (this.#active.length > 0) {
      const active = this.#active;
      this.#active = [];
      for (const session of active) {
        session.isMarkedActive = false;
        session.onActivity?.();
      }
    }
  }

  #checkSessions(nowMs: number): void {
    this.#lastSessionCheckMs = nowMs;
    const { commandTimeoutMs, halfCommandTimeoutMs } = this.#timing;
    for (const session of this.#sessions) {
      session.checkDeadlines(nowMs, commandTimeoutMs, halfCommandTimeoutMs);
    }
  }

  #goOnShuttingDown(nowMs: number): void {
    const shutdown = this.#shutdown!;
    if (shutdown.isOver) return;
    const passedMs = nowMs - shutdown.sinceMs;
    const leads = this.raft?.state.role === "leader" && this.links.outbound.length > 0;
    const hasPending = [...this.#sessions].some((session) => session.hasPending);
    if (passedMs < SHUTDOWN_HANDOVER_MS && (leads || hasPending)) return;
    for (const session of this.#sessions) {
      session.leadershipLost(ClientError.noLeader);
      session.end("this server is shutting down");
    }
    if (this.#persister?.isBusy && passedMs < SHUTDOWN_DRAIN_MS) return;
    shutdown.isOver = true;
    // A sync that never ends must not keep the process: what it covers was not acknowledged.
    if (this.#persister?.isBusy !== true) this.#log?.close();
    shutdown.done();
  }

  #openLog(): void {
    const { directory, config, serverId, rng } = this.#options;
    const formation = this.links.formation.record!;
    const { log, recovered } = directory.openLog();
    const toTicks = (ms: number) => Math.max(1, Math.ceil(ms / this.#timing.tickMs));
    this.#log = log;
    this.store = new Store({ hashSeed: hashSeed(formation.clusterId) });
    this.#persister = new Persister({
      log,
      clock: this.#clock,
      slowSyncMs: this.#timing.slowSyncMs,
      host: this.#host,
      onPersisted: (batch) => this.#onPersisted(batch),
    });
    this.raft = new Raft({
      id: serverId,
      configuration: makeConfiguration(formation.members.map((member) => member.serverId)),
      hardState: recovered.hardState,
      snapshot: recovered.snapshot,
      entries: recovered.entries,
      electionTimeoutTicks: toTicks(this.#timing.electionTimeoutMs),
      heartbeatTicks: toTicks(this.#timing.heartbeatIntervalMs),
      random: () => rng.u32(),
      makeNoop: () => this.#makeNoop(),
      appendBytesMax: config.limits.appendBytesMax,
      appendsInFlightMax: config.limits.appendsInFlightMax,
      appendBytesInFlightMax: config.limits.appendBytesInFlightMax,
      uncommittedBytesMax: config.limits.uncommittedBytesMax,
      checkInvariants: this.#options.checkInvariants ?? false,
      onEvent: (event) => this.#onRaftEvent(event),
    });
    this.#host.log({
      level: recovered.hardState.suspect ? "warning" : "info",
      message: recovered.hardState.suspect
        ? "Log recovered with its tail cut off: this server's vote counts only with all others' " +
          "until it has caught up"
        : "Log recovered",
      fields: {
        clusterId: formation.clusterId,
        term: recovered.hardState.term,
        lastIndex: recovered.entries.at(-1)?.index ?? recovered.snapshot.index,
        entries: recovered.entries.length,
        logBytes: log.bytes(),
        cutBytes: recovered.cutBytes,
      },
    });
    this.#scheduleTurn();
  }

  /** The core makes this entry when it becomes leader: the moment when a leader's clock starts. */
  #makeNoop(): Uint8Array {
    const last = this.raft?.state.log.entries.at(-1);
    this.#leaderClock.beginTerm(last === undefined ? this.store!.clockMs : entryStampMs(last));
    return envelope(this.#leaderClock.nowMs());
  }

  #onRaftEvent(event: RaftEvent): void {
    const { from, to, term, leaderId, reason } = event;
    const message = from === to ? `Still ${to}` : `Now ${to}, was ${from}`;
    this.#host.log({ level: "info", message, fields: { term, leader: leaderId, reason } });
  }

  #say(message: string): void {
    this.#host.log({ level: "info", message, fields: {} });
  }
}

/**
 * The largest frame that a peer may send. An entry may be larger than `entryBytesMax` by one run of
 * commands, which is at most what a session's input holds; encoded, it is never twice as long.
 */
function frameBytesMax(limits: Limits): number {
  const runBytesMax = 2 * sessionInputBytesMax(lineCommandBytesMax(limits.valueBytesMax));
  return appendFrameBytesMax(limits.appendBytesMax, limits.entryBytesMax + runBytesMax);
}

function envelope(stampMs: number): Uint8Array {
  const data = new Uint8Array(ENVELOPE_BYTES);
  writeEnvelope(data, EntryKind.noop, stampMs);
  return data;
}

/** The seed of the store's hash: a secret of the cluster, the same on all its servers. */
function hashSeed(clusterId: string): number {
  const bytes = new Uint8Array(4);
  for (let i = 0; i < 4; i++) bytes[i] = parseInt(clusterId.slice(i * 2, i * 2 + 2), 16);
  return readU32(bytes, 0);
}
