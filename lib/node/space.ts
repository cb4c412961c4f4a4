/**
 * What a server without room means for its cluster. It keeps its reserve for deletes, votes and the end
 * of its log. So sets are taken only where a majority has room, and a leader without room hands over to a
 * voter that has some. While a disk is full, a leader without clients' writes adds an entry now and then:
 * a snapshot is only taken with something new in it, and frees the log that the one before it left.
 */
import { allVoters } from "../raft/configuration.ts";
import { hasQuorum, hasQuorumWith } from "../raft/quorum.ts";
import type { LeaderRole, RaftState } from "../raft/state.ts";
import { configurationOf } from "../raft/state.ts";
import type { DiskRoom, Message, ServerId } from "../raft/types.ts";
import type { LogStorage } from "../storage/types.ts";
import type { Replica } from "./replica.ts";
import type { StorageLimits, Timing } from "./limits.ts";
import type { PeerStatuses } from "./peers/peer_status.ts";
import type { NodeHost } from "./api.ts";

/** Between two times that a leader hands over for want of room. */
const HANDOVER_PAUSE_MS = 30_000;
/** This part of the reserve is kept for the hard state alone, but no more bytes than that. */
const KEPT_SHARE = 4;
const KEPT_BYTES_MAX = 65_536;
/** Of what is kept, this part is for nothing else. */
const LAST_SHARE = 8;
/** Sets that come before a leader has looked, once it has no room, leave this part of its reserve. */
const LEFT_SHARE = 0.75;
/** What an entry takes in the log besides its data, in a batch of its own. */
const ENTRY_OVERHEAD_BYTES = 256;
/** How often a leader without room looks whether another one has some. */
const LOOK_MS = 10;
/** After so long without an answer nothing is known of a server. */
const SILENT_ELECTION_TIMEOUTS = 2;
/** An entry that only lets time pass takes less. */
const EMPTY_ENTRY_BYTES_MAX = ENTRY_OVERHEAD_BYTES + 64;
/** A leader adds the first few entries soon after a client's last one, then one now and then. */
const FIRST_ENTRIES = 3;
const FIRST_PAUSE_MS = 1_000;
const LATER_PAUSE_MS = 60_000;

export interface SpaceOptions {
  readonly storage: StorageLimits;
  readonly timing: Timing;
  readonly statuses: Pick<PeerStatuses, "of" | "roomChanges">;
  readonly host: NodeHost;
}

export class Space {
  readonly #options: SpaceOptions;
  readonly #keptBytes: number;
  readonly #silentHeartbeatsMax: number;
  /** Whether sets are taken while this server itself has room, and while it has none. */
  #takesSets = { withRoom: true, without: false };
  /** Whether a majority takes entries where this server itself does, and where it does not. */
  #isOpen = { withThis: true, without: true };
  #handedOverMs = -HANDOVER_PAUSE_MS;
  #elapsedMs = 0;
  /** What this server's own log had at the last look. */
  #hadRoom = true;
  /** Of the last look as a leader: what an earlier leadership saw is not true of the next one. */
  #lookedTerm = 0;
  /** `roomChanges` of the others' reports, as of then. */
  #seenChanges = 0;
  /** The log's end as last seen, since when it is that, and how many entries were added in a row. */
  #lastIndex = 0;
  #sinceMs = 0;
  #added = 0;

  constructor(options: SpaceOptions) {
    this.#options = options;
    const { storage: { reserveBytes }, timing } = options;
    this.#keptBytes = Math.min(KEPT_BYTES_MAX, Math.floor(reserveBytes / KEPT_SHARE));
    const silentMs = SILENT_ELECTION_TIMEOUTS * timing.electionTimeoutMs;
    this.#silentHeartbeatsMax = Math.ceil(silentMs / timing.heartbeatIntervalMs);
  }

  /** Whether sets are taken here, where this server leads; `gatheredBytes` wait for the log already. */
  takesSets({ raft, log }: Replica, hasRoom: boolean, gatheredBytes = 0): boolean {
    const { withRoom, without } = this.#takesSets;
    if (hasRoom) return withRoom;
    if (!this.#hadRoom) return without;
    // The next look tells whether it hands over: nobody is refused just before that, as long as the
    // reserve is there for what may come after.
    const leftBytes = log.roomBytes() - waitingBytes(raft.state) - gatheredBytes;
    return withRoom && leftBytes >= LEFT_SHARE * this.#options.storage.reserveBytes;
  }

  /**
   * False while no majority takes entries, if this server does: what is appended here would only wait.
   * Of the others by the last look; of this server `takesEntries` tells, which may change with each entry.
   */
  get isMajorityOpen(): boolean {
    return this.#isOpen.withThis;
  }

  /**
   * Whether entries of `bytes` more fit, after all that already waits for the disk, without using the
   * room that is kept for the hard state.
   */
  fits(replica: Replica, bytes: number): boolean {
    const { raft: { state }, log } = replica;
    if (state.role.kind === "leader") {
      const { withThis, without } = this.#isOpen;
      if (!(this.takesEntries(replica) ? withThis : without)) return false;
    }
    return this.#fitsHere(state, log, bytes);
  }

  /** Whether this server takes entries at all; the others are told. */
  takesEntries({ raft, log, persister }: Replica): boolean {
    return !persister.isStuck && this.#fitsHere(raft.state, log, EMPTY_ENTRY_BYTES_MAX);
  }

  #fitsHere(state: RaftState, log: LogStorage, bytes: number): boolean {
    if (log.hasRoom()) return true;
    const waiting = waitingBytes(state);
    // A leader's empty entries are what the next snapshot needs: they always go.
    const kept = bytes <= EMPTY_ENTRY_BYTES_MAX ? this.#keptBytes / 2 : this.#keptBytes;
    return log.roomBytes() >= kept + waiting + bytes + ENTRY_OVERHEAD_BYTES;
  }

  /**
   * The message without the entries that this server has no room for, or null: those are dropped as if
   * the network had lost them, and come again. In the core they would keep votes from the disk.
   */
  admit(replica: Replica, message: Message): Message | null {
    if (message.kind !== "appendRequest" || message.entries.length === 0) return message;
    if (replica.log.hasRoom()) return message;
    let bytes = 0;
    let count = 0;
    for (const { data } of message.entries) {
      bytes += data.length + ENTRY_OVERHEAD_BYTES;
      if (!this.#fitsHere(replica.raft.state, replica.log, bytes)) break;
      count++;
    }
    // A new leader's first entry, without which it serves no reads.
    if (count === 0 && bytes <= EMPTY_ENTRY_BYTES_MAX && this.#isSpared(replica)) count = 1;
    if (count === message.entries.length) return message;
    return count === 0 ? null : { ...message, entries: message.entries.slice(0, count) };
  }

  /** What is kept is for hard states, but one small entry at a time takes little more than one of those. */
  #isSpared({ raft: { state }, log }: Replica): boolean {
    return log.roomBytes() >= this.#keptBytes / LAST_SHARE + waitingBytes(state);
  }

  /**
   * When a leader is to look again: at once where it is new, soon where it has no room, or others report
   * a change of theirs.
   */
  nextDeadlineMs({ raft, log }: Replica): number {
    if (raft.state.role.kind !== "leader") return Infinity;
    if (raft.state.term !== this.#lookedTerm) return this.#elapsedMs;
    const isNews = this.#options.statuses.roomChanges !== this.#seenChanges;
    return isNews || !log.hasRoom() ? this.#elapsedMs + LOOK_MS : Infinity;
  }

  /** Whenever time passes: a leader's does with each heartbeat. Returns true where it is to add an entry. */
  elapse(nowMs: number, replica: Replica): boolean {
    const { raft, log } = replica;
    const { state } = raft;
    this.#elapsedMs = nowMs;
    this.#hadRoom = log.hasRoom();
    this.#seenChanges = this.#options.statuses.roomChanges;
    if (state.role.kind !== "leader") return false;
    this.#lookedTerm = state.term;
    const voters = allVoters(configurationOf(state));
    const isFull = !log.hasRoom() ||
      voters.some((id) => this.#options.statuses.of(id)?.hasRoom === false);
    if (!isFull) {
      this.#takesSets = { withRoom: true, without: true };
      this.#isOpen = { withThis: true, without: true };
      return false;
    }
    const { role } = state;
    const configuration = configurationOf(state);
    const target = this.#bestTarget(state, role);
    const hasRoom = (id: ServerId) => this.#hasRoom(id, role);
    const withoutThis = hasQuorum(configuration, (id) => id !== state.id && hasRoom(id));
    this.#takesSets = {
      withRoom: hasQuorumWith(configuration, state.id, hasRoom),
      without: target !== null && withoutThis && log.roomBytes() > 2 * this.#keptBytes,
    };
    const isOpen = (id: ServerId) => this.#options.statuses.of(id)?.canWrite !== false;
    this.#isOpen = {
      withThis: hasQuorumWith(configuration, state.id, isOpen),
      without: hasQuorum(configuration, (id) => id !== state.id && isOpen(id)),
    };
    const mayHandOver = nowMs - this.#handedOverMs >= HANDOVER_PAUSE_MS;
    if (!log.hasRoom() && target !== null && mayHandOver && state.role.transfer === null) {
      if (raft.transferLeadership(target)) {
        this.#handedOverMs = nowMs;
        this.#logHandover(target);
      }
    }
    return this.#wantsEntry(nowMs, state);
  }

  /** The entry that `elapse` asked for is at `index`. */
  added(index: number, nowMs: number): void {
    this.#added++;
    this.#lastIndex = index;
    this.#sinceMs = nowMs;
  }

  #logHandover(to: ServerId): void {
    this.#options.host.log({
      level: "warning",
      message: "Handing the leadership over: this server's disk is full, and that one's is not",
      fields: { to },
    });
  }

  /** See RaftOptions.roomOf: by the last report of a server; `replica`: what this one runs. */
  roomOf(id: ServerId, replica: Replica | null): DiskRoom {
    const isOwn = replica !== null && id === replica.raft.state.id;
    const { hasRoom, canWrite } = isOwn
      ? { hasRoom: replica.log.hasRoom(), canWrite: this.takesEntries(replica) }
      : this.#options.statuses.of(id) ?? { hasRoom: true, canWrite: true };
    if (!canWrite) return "none";
    return hasRoom ? "free" : "reserve";
  }

  /** A server whose state is unknown counts as having room, unless it does not answer. */
  #hasRoom(id: ServerId, { progress }: LeaderRole): boolean {
    const status = this.#options.statuses.of(id);
    if (status !== null) return status.hasRoom && status.canWrite;
    return (progress.get(id)?.silentHeartbeats ?? 0) <= this.#silentHeartbeatsMax;
  }

  /** The voter with room that holds the most of the log; null where none reports that it has room. */
  #bestTarget(state: RaftState, { progress }: LeaderRole): ServerId | null {
    let best: ServerId | null = null;
    let bestIndex = -1;
    for (const id of configurationOf(state).voters) {
      const status = id === state.id ? null : this.#options.statuses.of(id);
      if (status === null || !status.hasRoom || !status.canWrite) continue;
      if (status.isSuspect || status.isRepairing) continue;
      const { matchIndex, silentHeartbeats } = progress.get(id)!;
      if (silentHeartbeats > this.#silentHeartbeatsMax || matchIndex <= bestIndex) continue;
      best = id;
      bestIndex = matchIndex;
    }
    return best;
  }

  #wantsEntry(nowMs: number, { log: { lastIndex } }: RaftState): boolean {
    if (lastIndex !== this.#lastIndex) {
      this.#added = 0;
      this.#lastIndex = lastIndex;
      this.#sinceMs = nowMs;
      return false;
    }
    const pauseMs = this.#added < FIRST_ENTRIES ? FIRST_PAUSE_MS : LATER_PAUSE_MS;
    return nowMs - this.#sinceMs >= pauseMs;
  }
}

/** What the entries that are not durable here take, or a little more. */
function waitingBytes({ role, log }: RaftState): number {
  const { lastIndex, durableIndex } = log;
  const overhead = (lastIndex - durableIndex) * ENTRY_OVERHEAD_BYTES;
  if (role.kind === "leader") return role.uncommittedBytes + overhead;
  let bytes = overhead;
  if (lastIndex > durableIndex) {
    for (const { data } of log.slice(durableIndex + 1)) bytes += data.length;
  }
  return bytes;
}
