/** The Evaluator: what becomes of a command on this server now. */
import { assert } from "../util/assert.ts";
import type { Clock } from "../host/ports.ts";
import { Op } from "../kv/commands/command.ts";
import { type Result, Status } from "../kv/commands/result.ts";
import type { Progress } from "../raft/progress.ts";
import { missesLeader, type RaftState } from "../raft/state.ts";
import { NOBODY, type ServerId } from "../raft/types.ts";
import type { ClientAddress, LogTime, PeerView, ServerPlace, ServerView } from "../wire/codec.ts";
import { ClientError } from "../wire/command_batch.ts";
import type { Appender } from "./log/append.ts";
import type { Replica } from "./replica.ts";
import type { Clocks } from "./time/clocks.ts";
import {
  AWAIT_LEADER,
  type NodeSession,
  type Refusal,
  type SessionHost,
} from "./session/session_host.ts";
import { KnownLeader } from "./known_leader.ts";
import type { ServerAddress } from "./node_options.ts";
import type { ReadWaiters } from "./log/read_waiters.ts";
import type { Sessions } from "./session/sessions.ts";
import type { Shutdown } from "./shutdown.ts";
import type { Space } from "./space.ts";

/** Writes that take nothing but what the reserve has room for. */
const NEEDS_NO_SPACE: ReadonlySet<number> = new Set([
  Op.delete,
  Op.deleteGroup,
  Op.getDelete,
  Op.flush,
]);

/**
 * How much of reads is evaluated between two ticks, in steps of about a nanosecond (`readWork`): a client
 * may ask for thousands of walks over all keys at once. One may go beyond. Ticks, as the runtime's event
 * loop takes in what has arrived before it runs one; turns of the node may follow on each other.
 */
const TICK_WORK_MAX = 8_000_000;
/** Reads that take long and show little. */
const WALKS: ReadonlySet<number> = new Set([Op.keys, Op.scan]);
/** What a write that needs no space may take at the most, as a rule. */
const COMMAND_BYTES = 1_024;

export interface EvaluatorParts {
  readonly serverId: ServerId;
  readonly addresses: ReadonlyMap<ServerId, ServerPlace>;
  readonly uncommittedBytesMax: number;
  /** Sets are refused once keys and values take so much. */
  readonly dataBytesMax: number;
  readonly clock: Clock;
  readonly clocks: Clocks;
  readonly appender: Appender;
  readonly readWaiters: ReadWaiters;
  readonly sessions: Sessions;
  readonly space: Space;
  /** Null until the cluster is formed. */
  readonly replica: () => Replica | null;
  readonly peers: (progressOf: (id: ServerId) => Progress | undefined) => PeerView[];
  /** Null while it does not stop. */
  readonly shutdown: () => Shutdown | null;
  /** How long commands wait for a leader; 0: not at all. */
  readonly leaderWaitMs: number;
  readonly scheduleTurn: () => void;
  /** Commits the passing of time where a key is due. */
  readonly proposeTimeEntry: () => void;
}

export class Evaluator implements SessionHost {
  readonly #parts: EvaluatorParts;
  readonly #startedMs: number;
  #workAtTick = 0;
  readonly knownLeader: KnownLeader;

  constructor(parts: EvaluatorParts) {
    this.#parts = parts;
    this.#startedMs = parts.clock.monotonicMs();
    this.knownLeader = new KnownLeader(parts.clock);
  }

  monotonicMs(): number {
    return this.#parts.clock.monotonicMs();
  }

  get leaderTime(): LogTime {
    return this.#parts.clocks.leader;
  }

  get followerTime(): LogTime {
    return this.#parts.clocks.follower;
  }

  refusal(): Refusal {
    const { replica, shutdown, appender, uncommittedBytesMax, leaderWaitMs } = this.#parts;
    const state = replica()?.raft.state;
    const stop = shutdown();
    // A stop that ends while a transfer is under way still answers what waits for the successor.
    const mayWait = leaderWaitMs > 0 && (stop === null || stop.awaitsSuccessor);
    if (state?.role.kind === "leader") {
      const { role } = state;
      if (role.transfer !== null && mayWait) return AWAIT_LEADER;
      if (stop !== null) return ClientError.noLeader;
      const waitingBytes = appender.gatheredBytes + role.uncommittedBytes;
      return waitingBytes >= uncommittedBytesMax ? ClientError.busy : 0;
    }
    const isKnown = state !== undefined && state.leaderId !== NOBODY;
    if (isKnown && (leaderWaitMs === 0 || !missesLeader(state))) return ClientError.redirect;
    return mayWait ? AWAIT_LEADER : ClientError.noLeader;
  }

  knowsLayout(): boolean {
    const { lastId, missingSinceMs } = this.knownLeader;
    if (lastId === NOBODY || missingSinceMs < 0) return false;
    return this.monotonicMs() - missingSinceMs >= this.#parts.leaderWaitMs;
  }

  staleRefusal(): ClientError | 0 {
    const replica = this.#parts.replica();
    if (replica === null) return ClientError.noLeader;
    return isLoading(replica) ? ClientError.loading : 0;
  }

  writeRefusal(bytes: Uint8Array, at: number): ClientError | 0 {
    const { replica: current, space, appender, dataBytesMax } = this.#parts;
    const replica = current();
    if (replica === null) return 0; // refused by `refusal()`
    if (!NEEDS_NO_SPACE.has(bytes[at + 4]!)) {
      const hasRoom = space.takesSets(replica.log) && replica.store.bytes < dataBytesMax;
      if (!hasRoom) return ClientError.noSpace;
    }
    // What the reserve has left is for votes: a snapshot makes room, or somebody who has some leads.
    const bytesMax = appender.gatheredBytes + COMMAND_BYTES;
    if (!space.fits(replica, bytesMax)) return ClientError.busy;
    return appender.rewrites.refusal(bytes, at);
  }

  leaderAddress(): ClientAddress | null {
    const { replica, serverId, addresses } = this.#parts;
    const leaderId = replica()?.raft.state.leaderId ?? NOBODY;
    return leaderId === serverId ? null : addresses.get(leaderId) ?? null;
  }

  append(
    session: NodeSession,
    firstPosition: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    count: number,
  ): void {
    this.#parts.appender.append(session, firstPosition, bytes, start, end, count);
    this.#parts.scheduleTurn();
  }

  readRound(): number {
    return this.#parts.replica()?.raft.requestRead() ?? 0;
  }

  expectRound(session: NodeSession, round: number): void {
    this.#parts.readWaiters.expect(round, session);
    this.#parts.scheduleTurn();
  }

  waitForExpiry(session: NodeSession): void {
    this.#parts.sessions.waitForExpiry(session);
    this.#parts.proposeTimeEntry();
  }

  awaitLeader(session: NodeSession): void {
    this.#parts.sessions.awaitLeader(session);
  }

  /** Goes on with all held commands where a leader is known now, or nobody waits for one any more. */
  resumeHeld(): void {
    if (this.refusal() !== AWAIT_LEADER) this.#parts.sessions.resumeHeld(-Infinity);
  }

  read(bytes: Uint8Array, offset: number, result: Result): void {
    const replica = this.#parts.replica();
    assert(replica !== null, "A read before the cluster is formed");
    if (this.#workOfTick() < 5 * TICK_WORK_MAX || !WALKS.has(bytes[offset + 4]!)) {
      replica.store.read(bytes, offset, result);
    } else result.status = Status.tooMuch; // a write behind it is applied now and can't wait
  }

  mustRest(session: NodeSession): boolean {
    if (this.#workOfTick() < TICK_WORK_MAX) return false;
    this.#parts.sessions.rest(session);
    return true;
  }

  /** Sessions that rest go on, as far as the work of one tick lets them. */
  beginTick(): void {
    this.#workAtTick = this.#parts.replica()?.store.readWork ?? 0;
    this.#parts.sessions.resumeRested(() => this.#workOfTick() < TICK_WORK_MAX);
  }

  #workOfTick(): number {
    return (this.#parts.replica()?.store.readWork ?? 0) - this.#workAtTick;
  }

  serverView(): ServerView {
    const { serverId, addresses, clock, sessions, replica } = this.#parts;
    const state = replica()?.raft.state;
    const store = replica()?.store;
    const appliedIndex = store?.appliedIndex ?? 0;
    const progress = replica()?.raft.leader?.progress;
    const followers = [...progress?.values() ?? []];
    const { lastId, missingSinceMs } = this.knownLeader;
    const nowMs = clock.monotonicMs();
    const refusal = this.refusal();
    return {
      serverId,
      leaderId: state?.leaderId ?? NOBODY,
      lastLeaderId: lastId,
      hasLeader: state !== undefined && isLeaderHeard(state),
      leaderMissingMs: missingSinceMs < 0 ? 0 : nowMs - missingSinceMs,
      takesCommands: refusal === AWAIT_LEADER
        ? missingSinceMs < 0 || nowMs - missingSinceMs <= this.#parts.leaderWaitMs
        : refusal !== ClientError.noLeader,
      isLoading: isLoading(replica()),
      isReceivingSnapshot: replica()?.snapshots.isReceiving ?? false,
      isHandingOver: (replica()?.raft.leader?.transfer ?? null) !== null,
      lastIndex: state?.log.lastIndex ?? 0,
      peers: this.#parts.peers((id) => progress?.get(id)),
      servers: [...addresses.values()],
      term: state?.term ?? 0,
      commitIndex: state?.commitIndex ?? 0,
      appliedIndex,
      keys: store?.keys ?? 0,
      keyBytesTotal: store?.bytes ?? 0,
      expiringKeys: store?.expiringKeys ?? 0,
      connections: sessions.count,
      upToDateFollowers: followers.filter((one) => one.matchIndex >= appliedIndex).length,
      wallMs: clock.wallMs(),
      uptimeMs: nowMs - this.#startedMs,
    };
  }

  markActive(session: NodeSession): void {
    if (this.#parts.sessions.markActive(session)) this.#parts.scheduleTurn();
  }

  forget(session: NodeSession): void {
    this.#parts.sessions.forget(session);
  }
}

/** True while there is nothing yet that could be read: nothing was ever applied, or damage is mended. */
function isLoading(replica: Replica | null): boolean {
  return replica === null || replica.store.appliedIndex === 0 || replica.raft.repairing;
}

/** A leader is known, and was heard of late. */
function isLeaderHeard(state: RaftState): boolean {
  return state.role.kind === "leader" || (state.leaderId !== NOBODY && !missesLeader(state));
}

/** By server: where its clients find it. */
export function clientAddresses(servers: readonly ServerAddress[]): Map<ServerId, ServerPlace> {
  return new Map(servers.map(({ clientPort: port, ...one }) => [one.id, { ...one, port }]));
}
