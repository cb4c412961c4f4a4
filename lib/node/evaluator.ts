/** The Evaluator: whether this server takes a command now, and what it does with it. */
import { assert } from "../util/assert.ts";
import { CLUSTER_VERSION_MAX, neededVersion } from "../kv/cluster_version.ts";
import { commandLength, innerOf, Op } from "../kv/commands/command.ts";
import { type Result, Status } from "../kv/commands/result.ts";
import { firstNumberOf } from "../kv/sessions/operations.ts";
import { missesLeader } from "../raft/state.ts";
import { NOBODY } from "../raft/types.ts";
import type { BackupSource } from "../wire/backup.ts";
import type { ClientFilter, ClientView } from "../wire/clients.ts";
import type { ClientAddress, LogTime, ServerView } from "../wire/codec.ts";
import { ClientError } from "../wire/command_batch.ts";
import { type Answer, isAboutScripts, isAboutUsers, type Question } from "../wire/questions.ts";
import { backupSource } from "./backup_source.ts";
import { statusText } from "./facts/cluster_status.ts";
import { contentBytesMax } from "./limits.ts";
import type { MemberChanges } from "./members/member_changes.ts";
import type { MemberCommands } from "./members/member_commands.ts";
import { memberCommandsOf } from "./node_members.ts";
import { scriptQueueOf } from "./node_scripts.ts";
import { NodeUsers } from "./node_users.ts";
import { isTooMuchToJudge } from "./log/rewrite_limit.ts";
import { proposeTimeEntry } from "./passing_time.ts";
import { isLoading, tooEarly } from "./replica.ts";
import type { ScriptQueue } from "./scripts/script_queue.ts";
import { serverView } from "./server_view.ts";
import { SessionKeeper } from "./session_keeper.ts";
import type { RequestMeters } from "./session/request_meters.ts";
import {
  AWAIT_LEADER,
  type NodeSession,
  type OwnRefusal,
  type Proposer,
  type SessionHost,
} from "./session/session_host.ts";
import type { WorkBudget } from "./session/sessions.ts";
import type { PubSub } from "./pubsub/pubsub.ts";
import type { Watches } from "./watches/watches.ts";
import { type NodeState, scheduleTurn } from "./state.ts";

/** Writes that take nothing but what the reserve has room for. */
const NEEDS_NO_SPACE = new Uint8Array(256);
for (
  const op of [Op.delete, Op.deleteGroup, Op.getDelete, Op.flush, Op.deleteIfEqual, Op.deleteIf]
) NEEDS_NO_SPACE[op] = 1;
for (const op of [Op.deleteUser, Op.closeSession, Op.flushScripts]) NEEDS_NO_SPACE[op] = 1;

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
/** To look at one connection, for CLIENT LIST and KILL. */
const LISTED_CLIENT_WORK = 2_000;
/** What a write that needs no space takes at most, as a rule. */
const COMMAND_BYTES = 1_024;

/** A short change of a user needs none: whoever is to be kept out is kept out of a full server, too. */
function needsSpace(bytes: Uint8Array, at: number): boolean {
  const op = bytes[at + 4]!;
  if (op === Op.changeUser) return commandLength(bytes, at) > COMMAND_BYTES;
  return NEEDS_NO_SPACE[op] === 0;
}

export class Evaluator implements SessionHost, WorkBudget {
  readonly meters: RequestMeters;
  readonly watches: Watches;
  readonly pubsub: PubSub;
  readonly members: MemberCommands;
  readonly users: NodeUsers;
  readonly scripts: ScriptQueue;
  readonly #keeper = new SessionKeeper();
  readonly #state: NodeState;
  /** Sets are refused once keys and values take so much. */
  readonly #dataBytesMax: number;
  /** What had been worked when the present span began, and when that was. */
  #workBefore = 0;
  /** And since then on lists of clients. */
  #listWork = 0;
  #spanStartMs = -Infinity;

  constructor(state: NodeState, changes: MemberChanges) {
    this.#state = state;
    this.watches = state.watches;
    this.pubsub = state.pubsub;
    this.members = memberCommandsOf(state, changes);
    this.meters = state.meters.requests;
    this.#dataBytesMax = contentBytesMax(state.options.config.storage);
    this.users = new NodeUsers(state);
    this.scripts = scriptQueueOf(state, this);
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

  refusal(): OwnRefusal {
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
    // It hears no more who leads, nor where: what it knew would send clients round in a circle one day.
    if (this.#state.removal.isSure) return ClientError.removed;
    // Until it is told that it was removed, whoever asks finds the leader where it handed over.
    if (raft !== undefined && raft.successorId !== NOBODY) return ClientError.redirect;
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
    const { replica, removal } = this.#state;
    if (replica === null) return ClientError.noLeader;
    // What it has is not only old: it will never be newer.
    if (removal.isSure) return ClientError.removed;
    return isLoading(replica) ? ClientError.loading : 0;
  }

  writeRefusal(bytes: Uint8Array, at: number): ClientError | 0 {
    const { replica, space, appender } = this.#state;
    if (replica === null) return 0; // refused by `refusal()`
    const { clusterVersion } = replica.store;
    if (clusterVersion < CLUSTER_VERSION_MAX && neededVersion(bytes, at) > clusterVersion) {
      return tooEarly(replica);
    }
    const hasRoom = replica.log.hasRoom();
    const { gatheredBytes } = appender;
    if (needsSpace(bytes, innerOf(bytes, at))) {
      const isWithinQuota = replica.store.bytes < this.#dataBytesMax;
      const takesSets = isWithinQuota && space.takesSets(replica, hasRoom, gatheredBytes);
      if (!takesSets) return ClientError.noSpace;
    }
    // The rest of the reserve is for votes: a snapshot makes room, or a server with room comes to lead.
    const isShort = !hasRoom || !space.isMajorityOpen;
    if (isShort && !space.fits(replica, gatheredBytes + COMMAND_BYTES)) return ClientError.busy;
    return appender.rewrites.refusal(replica.store, bytes, at);
  }

  leaderAddress(): ClientAddress | null {
    const { replica, options, members } = this.#state;
    const raft = replica?.raft.state;
    const leaderId = raft === undefined ? NOBODY : raft.leaderId || raft.successorId;
    const place = leaderId === options.serverId ? null : members.placeOf(leaderId);
    return place === null ? null : { hostname: place.hostname, port: place.clientPort };
  }

  append(
    session: Proposer,
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
    const inner = innerOf(bytes, offset);
    const op = bytes[inner + 4]!;
    if (op === Op.readGroup && isTooMuchToJudge(replica.store.users, bytes, offset)) {
      result.status = Status.tooMuch;
    } else if (this.#workOfSpan() < 5 * SPAN_WORK_MAX || !WALKS.has(op)) {
      replica.store.read(bytes, offset, result);
      if (op === Op.pingSession && result.status === Status.integer) {
        this.#keeper.note(firstNumberOf(bytes, inner));
        scheduleTurn(this.#state);
      }
    } else result.status = Status.tooMuch; // a write after it is applied now and can't wait
  }

  ask(
    session: NodeSession,
    position: number,
    question: Question,
    command: number,
  ): Answer | ClientError | null {
    if (isAboutScripts(question)) return this.scripts.ask(session, position, command, question);
    const answer = (answer: Answer | ClientError) => session.answered(position, answer);
    if (!isAboutUsers(question)) return this.members.ask(question, answer);
    return this.users.ask(session, position, question);
  }

  authenticate(session: NodeSession, position: number, name: string, password: Uint8Array): void {
    this.users.authenticate(session, position, name, password);
  }

  randomHex(digits: number): string {
    let text = "";
    while (text.length < digits) {
      text += this.#state.options.rng.u32().toString(16).padStart(8, "0");
    }
    return text.slice(0, digits);
  }

  mustRest(session: NodeSession): boolean {
    if (this.hasWorkLeft()) return false;
    this.#state.sessions.rest(session);
    return true;
  }

  /** Once a turn: what is decided by now is answered; `leads`: that about members may be. */
  note(leads: boolean): void {
    if (leads) this.members.note();
    if (this.scripts.isUsed) this.scripts.note();
  }

  /** When `elapse` has something to do, by the monotonic clock. */
  nextDeadlineMs(): number {
    const isWaiting = this.#state.sessions.areResting || this.scripts.isBehind;
    const isUsed = isWaiting || this.#workOfSpan() >= SPAN_WORK_MIN;
    const spanEndMs = isUsed ? this.#spanStartMs + SPAN_MS : Infinity;
    return Math.min(spanEndMs, this.users.nextDeadlineMs(), this.#keeper.nextDeadlineMs());
  }

  /** Begins the next span where it is time: sessions that rest continue, as far as its work allows. */
  elapse(nowMs: number): void {
    this.users.elapse(nowMs);
    this.#keeper.elapse(this.#state, nowMs);
    if (nowMs - this.#spanStartMs < SPAN_MS) return;
    this.#spanStartMs = nowMs;
    this.#workBefore += this.#workOfSpan() - this.#listWork;
    this.#listWork = 0;
    this.scripts.note();
    this.#state.sessions.resumeRested(this);
  }

  hasWorkLeft(): boolean {
    return this.#workOfSpan() < SPAN_WORK_MAX;
  }

  #workOfSpan(): number {
    const workSoFar = (this.#state.replica?.store.readWork ?? 0) + this.scripts.work;
    return workSoFar - this.#workBefore + this.#listWork;
  }

  serverView(): ServerView {
    return serverView(this.#state, this.refusal());
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

  clients(filter: ClientFilter): ClientView[] {
    const nowMs = this.monotonicMs();
    this.#listWork += LISTED_CLIENT_WORK * this.#state.sessions.count;
    return this.#state.sessions.viewsOf(filter, nowMs).map(({ view }) => view);
  }

  killClients(filter: ClientFilter, clientId: number): number {
    const { sessions } = this.#state;
    this.#listWork += LISTED_CLIENT_WORK * sessions.count;
    const found = sessions.viewsOf(filter, this.monotonicMs());
    for (const { session, view } of found) sessions.kill(session, view.clientId === clientId);
    this.#state.meters.connections.killed += found.length;
    if (found.length > 0) scheduleTurn(this.#state);
    return found.length;
  }

  knowsUser(name: string): boolean {
    const { users } = this.users;
    return users.count === 0 ? name === "default" : users.idOf(name) !== 0;
  }

  markActive(session: NodeSession): void {
    if (this.#state.sessions.markActive(session)) scheduleTurn(this.#state);
  }

  forget(session: NodeSession): void {
    this.#state.sessions.forget(session);
  }
}
