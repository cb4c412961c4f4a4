/** The Evaluator: whether this server takes a command now, and what it does with it. */
import { assert } from "../util/assert.ts";
import { CLUSTER_VERSION_MAX, neededVersion } from "../kv/cluster_version.ts";
import { Op } from "../kv/commands/command.ts";
import { type Result, Status } from "../kv/commands/result.ts";
import { missesLeader } from "../raft/state.ts";
import { NOBODY, type ServerId } from "../raft/types.ts";
import type { BackupSource } from "../wire/backup.ts";
import type { ClientAddress, LogTime, ServerPlace, ServerView } from "../wire/codec.ts";
import { ClientError } from "../wire/command_batch.ts";
import { backupSource } from "./backup_source.ts";
import { statusText } from "./facts/cluster_status.ts";
import { contentBytesMax } from "./limits.ts";
import { proposeTimeEntry } from "./passing_time.ts";
import { isLoading } from "./replica.ts";
import { clientAddresses, serverView } from "./server_view.ts";
import type { RequestMeters } from "./session/request_meters.ts";
import {
  AWAIT_LEADER,
  type NodeSession,
  type Refusal,
  type SessionHost,
} from "./session/session_host.ts";
import type { WorkBudget } from "./session/sessions.ts";
import { type NodeState, scheduleTurn } from "./state.ts";

/** Writes that take nothing but what the reserve has room for. */
const NEEDS_NO_SPACE = new Uint8Array(256);
for (const op of [Op.delete, Op.deleteGroup, Op.getDelete, Op.flush, Op.deleteIfEqual]) {
  NEEDS_NO_SPACE[op] = 1;
}

/**
 * How much work on reads is done in a span of time, in steps of about a nanosecond (`readWork`): a client
 * may ask for thousands of walks over all keys at once. One read may exceed it. The next span begins when
 * the node is woken, as the event loop reads what has arrived before that; turns of the node may follow
 * each other at once.
 */
const SPAN_MS = 10;
const SPAN_WORK_MAX = 8_000_000;
/** Whoever read little keeps his span: it ends with the next waking, whatever that is for. */
const SPAN_WORK_MIN = SPAN_WORK_MAX / 8;
/** Reads that take long and show little. */
const WALKS: ReadonlySet<number> = new Set([Op.keys, Op.scan]);
/** What a write that needs no space takes at most, as a rule. */
const COMMAND_BYTES = 1_024;

export class Evaluator implements SessionHost, WorkBudget {
  readonly meters: RequestMeters;
  readonly #state: NodeState;
  readonly #addresses: ReadonlyMap<ServerId, ServerPlace>;
  /** Sets are refused once keys and values take so much. */
  readonly #dataBytesMax: number;
  /** What had been worked when the present span began, and when that was. */
  #workBefore = 0;
  #spanStartMs = -Infinity;

  constructor(state: NodeState) {
    this.#state = state;
    this.meters = state.meters.requests;
    this.#addresses = clientAddresses(state.addresses);
    this.#dataBytesMax = contentBytesMax(state.options.config.storage);
  }

  monotonicMs(): number {
    const nowMs = this.#state.clock.monotonicMs();
    this.meters.at(nowMs);
    return nowMs;
  }

  get leaderTime(): LogTime {
    return this.#state.clocks.leader;
  }

  get followerTime(): LogTime {
    return this.#state.clocks.follower;
  }

  refusal(): Refusal {
    const { replica, shutdown, appender, options } = this.#state;
    const { timing: { leaderWaitMs }, limits } = options.config;
    const raft = replica?.raft.state;
    // A stop that ends while a transfer is under way still answers what waits for the successor.
    const mayWait = leaderWaitMs > 0 && (shutdown === null || shutdown.awaitsSuccessor);
    if (raft?.role.kind === "leader") {
      const { role } = raft;
      if (role.transfer !== null && mayWait) return AWAIT_LEADER;
      if (shutdown !== null) return ClientError.noLeader;
      const waitingBytes = appender.gatheredBytes + role.uncommittedBytes;
      return waitingBytes >= limits.uncommittedBytesMax ? ClientError.busy : 0;
    }
    const isKnown = raft !== undefined && raft.leaderId !== NOBODY;
    if (isKnown && (leaderWaitMs === 0 || !missesLeader(raft, this.monotonicMs()))) {
      return ClientError.redirect;
    }
    return mayWait ? AWAIT_LEADER : ClientError.noLeader;
  }

  knowsLayout(): boolean {
    const { knownLeader: { lastId, missingSinceMs }, options } = this.#state;
    if (lastId === NOBODY || missingSinceMs < 0) return false;
    return this.monotonicMs() - missingSinceMs >= options.config.timing.leaderWaitMs;
  }

  staleRefusal(): ClientError | 0 {
    const { replica } = this.#state;
    if (replica === null) return ClientError.noLeader;
    return isLoading(replica) ? ClientError.loading : 0;
  }

  writeRefusal(bytes: Uint8Array, at: number): ClientError | 0 {
    const { replica, space, appender } = this.#state;
    if (replica === null) return 0; // refused by `refusal()`
    const { clusterVersion } = replica.store;
    if (clusterVersion < CLUSTER_VERSION_MAX && neededVersion(bytes, at) > clusterVersion) {
      return ClientError.clusterVersion;
    }
    const hasRoom = replica.log.hasRoom();
    if (NEEDS_NO_SPACE[bytes[at + 4]!] === 0) {
      const takesSets = space.takesSets(hasRoom) && replica.store.bytes < this.#dataBytesMax;
      if (!takesSets) return ClientError.noSpace;
    }
    // The rest of the reserve is for votes: a snapshot makes room, or a server with room comes to lead.
    const isShort = !hasRoom || !space.isMajorityOpen;
    if (isShort && !space.fits(replica, appender.gatheredBytes + COMMAND_BYTES)) {
      return ClientError.busy;
    }
    return appender.rewrites.refusal(replica.store, bytes, at);
  }

  leaderAddress(): ClientAddress | null {
    const { replica, options } = this.#state;
    const leaderId = replica?.raft.state.leaderId ?? NOBODY;
    return leaderId === options.serverId ? null : this.#addresses.get(leaderId) ?? null;
  }

  append(
    session: NodeSession,
    firstPosition: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    count: number,
  ): void {
    this.#state.appender.append(session, firstPosition, bytes, start, end, count);
    scheduleTurn(this.#state);
  }

  readRound(): number {
    return this.#state.replica?.raft.requestRead() ?? 0;
  }

  expectRound(session: NodeSession, round: number): void {
    this.#state.readWaiters.expect(round, session);
    scheduleTurn(this.#state);
  }

  waitForExpiry(session: NodeSession): void {
    this.#state.sessions.waitForExpiry(session);
    proposeTimeEntry(this.#state);
  }

  awaitLeader(session: NodeSession): void {
    this.#state.sessions.awaitLeader(session);
  }

  /** Resumes all held commands where a leader is known now, or nobody waits for one any more. */
  resumeHeld(): void {
    if (this.refusal() !== AWAIT_LEADER) this.#state.sessions.resumeHeld(-Infinity);
  }

  read(bytes: Uint8Array, offset: number, result: Result): void {
    const { replica } = this.#state;
    assert(replica !== null, "A read before the cluster is formed");
    if (this.#workOfSpan() < 5 * SPAN_WORK_MAX || !WALKS.has(bytes[offset + 4]!)) {
      replica.store.read(bytes, offset, result);
    } else result.status = Status.tooMuch; // a write after it is applied now and can't wait
  }

  mustRest(session: NodeSession): boolean {
    if (this.hasWorkLeft()) return false;
    this.#state.sessions.rest(session);
    return true;
  }

  /** When `elapse` has something to do, by the monotonic clock. */
  nextDeadlineMs(): number {
    const isUsed = this.#state.sessions.areResting || this.#workOfSpan() >= SPAN_WORK_MIN;
    return isUsed ? this.#spanStartMs + SPAN_MS : Infinity;
  }

  /** Begins the next span where it is time: sessions that rest continue, as far as its work allows. */
  elapse(nowMs: number): void {
    if (nowMs - this.#spanStartMs < SPAN_MS) return;
    this.#spanStartMs = nowMs;
    this.#workBefore = this.#state.replica?.store.readWork ?? 0;
    this.#state.sessions.resumeRested(this);
  }

  hasWorkLeft(): boolean {
    return this.#workOfSpan() < SPAN_WORK_MAX;
  }

  #workOfSpan(): number {
    return (this.#state.replica?.store.readWork ?? 0) - this.#workBefore;
  }

  serverView(): ServerView {
    return serverView(this.#state, this.#addresses, this.refusal());
  }

  statusText(): string {
    return statusText(this.#state);
  }

  backups(): BackupSource | null {
    const { replica, options, links: { formation } } = this.#state;
    if (replica === null || isLoading(replica)) return null;
    const { serverId, version = "" } = options;
    const { clusterId } = formation;
    return backupSource(replica, { clusterId, serverId, version }, () => scheduleTurn(this.#state));
  }

  markActive(session: NodeSession): void {
    if (this.#state.sessions.markActive(session)) scheduleTurn(this.#state);
  }

  forget(session: NodeSession): void {
    this.#state.sessions.forget(session);
  }
}
