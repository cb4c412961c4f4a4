/**
 * All that a node does with snapshots: takes its own, streams the newest to followers that need entries
 * which are gone, receives those of a leader, and keeps the log short in memory and on disk.
 */
import type { Clock } from "../../host/ports.ts";
import { SNAPSHOT_RECORD_HEAD_BYTES } from "../../kv/snapshot.ts";
import type { Store, StoreOptions } from "../../kv/store.ts";
import type { Raft } from "../../raft/raft.ts";
import type { Entry, Ready, ServerId, SnapshotPosition } from "../../raft/types.ts";
import type { EntriesReader, LogStorage, SnapshotFiles } from "../../storage/types.ts";
import type { StorageLimits } from "../limits.ts";
import type { TimeHistogram } from "../../util/time_histogram.ts";
import { Backups } from "./backups.ts";
import { CatchUpPace, type CatchUpPaceOptions, laggardOf, PACE_LOOK_MS } from "./catch_up_pace.ts";
import {
  type Compaction,
  FollowerFiles,
  neededByLive,
  SILENT_HEARTBEATS_MAX,
} from "./follower_files.ts";
import { LogTrimmer } from "./log_trimmer.ts";
import type { MessageSender, NodeHost } from "../api.ts";
import { SnapshotMaker, type SnapshotTaken } from "./snapshot_maker.ts";
import {
  type ChunkAnswers,
  type ChunkOrigin,
  type ReceivedSnapshot,
  SnapshotReceiver,
} from "./snapshot_receiver.ts";
import { SnapshotSender } from "./snapshot_sender.ts";

export interface SnapshotsOptions {
  readonly raft: Raft;
  readonly files: SnapshotFiles;
  readonly storeOptions: StoreOptions;
  readonly limits: StorageLimits;
  readonly clock: Clock;
  readonly host: NodeHost;
  readonly links: MessageSender;
  /** Of the log on disk. */
  readonly reader: EntriesReader;
  readonly compaction: Compaction;
  readonly catchUp: CatchUpPaceOptions;
  /** How long each of its own snapshots took. */
  readonly taken: TimeHistogram;
}

/**
 * What takes several pieces is worked on with pauses of this length: the runtime looks at its sockets in
 * between, and commands are answered.
 */
const PIECE_PAUSE_MS = 10;
/** The same for a follower's snapshot that a backup waits for. */
const HASTY_PAUSE_MS = 2;
/** How often it is checked whether a stream has ended. */
const LOOK_MS = 100;
const FULL_BEFORE_SNAPSHOT_MS = 1_000;
/** On a full disk a snapshot is taken where it may free more log than this share of its own size. */
const FREED_SHARE = 8;
/** Sections and their heads; where slices are small, the reserve's margin covers them. */
const SNAPSHOT_OVERHEAD_BYTES = 4_096;
/** What an entry takes in the log besides its data. */
const ENTRY_OVERHEAD_BYTES = 20;

export class Snapshots implements SnapshotTaken, ChunkAnswers {
  readonly #options: SnapshotsOptions;
  readonly #raft: Raft;
  readonly #maker: SnapshotMaker;
  readonly #receiver: SnapshotReceiver;
  readonly #trimmer: LogTrimmer;
  readonly backups: Backups;
  /** Of the digest of the contents. */
  readonly hashSeed: number;
  readonly #senders = new Map<ServerId, SnapshotSender>();
  /** Followers that need a newer snapshot than there is yet. */
  readonly #waiting = new Set<ServerId>();
  /** The log's end at startup; 0 once the store has it. */
  #recoveredIndex: number;
  /** Infinity while there is room. */
  #fullSinceMs = Infinity;
  readonly #files: FollowerFiles;
  readonly #pace: CatchUpPace;
  #elapsedMs = 0;

  constructor(options: SnapshotsOptions) {
    const { raft, files, storeOptions, limits, clock, host } = options;
    this.#options = options;
    this.#raft = raft;
    this.#recoveredIndex = raft.state.log.lastIndex;
    const newest = files.list()[0]?.index ?? 0;
    let bytesInFront = 0;
    let bytesBehind = 0;
    for (const entry of raft.state.log.entries) {
      if (entry.index <= newest) bytesInFront += entry.data.length;
      else bytesBehind += entry.data.length + ENTRY_OVERHEAD_BYTES;
    }
    this.#trimmer = new LogTrimmer(limits.logMemoryBytes, bytesInFront);
    this.#maker = new SnapshotMaker({
      files,
      clock,
      host,
      logBytesMin: limits.snapshotLogBytesMin,
      sliceBytes: limits.snapshotSliceBytes,
      events: this,
    }, bytesBehind);
    this.backups = new Backups(files, clock);
    this.hashSeed = storeOptions.hashSeed;
    this.#receiver = new SnapshotReceiver({ files, storeOptions, clock, host, answers: this });
    this.#files = new FollowerFiles({ ...options, keepFromIndex: newest + 1 });
    this.#pace = new CatchUpPace(options.catchUp);
  }

  snapshotTaken(position: SnapshotPosition, tookMs: number): void {
    this.#options.taken.observe(tookMs);
    this.#files.compact(position.index + 1);
  }

  answerChunk({ from: to, index, snapshotTerm }: ChunkOrigin, offset: number): void {
    const { id: from, term } = this.#raft.state;
    const kind = "snapshotChunkResponse";
    this.#options.links.send({ kind, from, to, term, index, snapshotTerm, offset });
  }

  noteApplied(entry: Entry): void {
    this.#maker.noteApplied(entry.data.length + ENTRY_OVERHEAD_BYTES);
    this.#trimmer.noteApplied(entry.data.length);
  }

  /** Takes what the core hands out. */
  take(ready: Ready, nowMs: number): void {
    for (const request of ready.entriesNeeded) this.#files.read(request);
    for (const chunk of ready.snapshotChunks) this.#receiver.receive(chunk);
    for (const id of ready.snapshotsNeeded) {
      // The leadership that needed it may be over: the core hands needs out with whatever comes next.
      if (this.#raft.needsSnapshot(id)) this.#waiting.add(id);
    }
    for (const answer of ready.snapshotAnswers) {
      this.#senders.get(answer.from)?.answered(this.#raft, answer, nowMs);
    }
  }

  /** When `elapse` has something to do, by the monotonic clock. */
  nextDeadlineMs(store: Store, log: LogStorage): number {
    // On a full disk a snapshot that frees some of it can't wait: the reserve does not last long.
    const isBusy = this.#receiver.isLoading || this.#waiting.size > 0 || this.#trimmer.isDue ||
      this.backups.isWaiting || !log.hasRoom();
    const isHasty = this.backups.isWaiting && this.#maker.isUrgent &&
      this.#raft.state.role.kind !== "leader";
    const pieceMs = this.#elapsedMs + (isHasty ? HASTY_PAUSE_MS : PIECE_PAUSE_MS);
    if (isBusy) return pieceMs;
    const lookMs = this.#elapsedMs + LOOK_MS;
    const { files } = this.#options;
    const workMs = Math.min(this.#maker.nextDeadlineMs(this.#raft, store), files.nextReserveMs());
    const paceMs = this.#pace.isWatching ? this.#elapsedMs + PACE_LOOK_MS : Infinity;
    const ownMs = Math.min(this.backups.nextDeadlineMs(), this.#files.nextDeadlineMs(), paceMs);
    let earliestMs = Math.min(Math.max(pieceMs, workMs), ownMs);
    if (this.#receiver.isReceiving) earliestMs = Math.min(earliestMs, lookMs);
    if (this.#senders.size === 0) return earliestMs;
    for (const sender of this.#senders.values()) {
      earliestMs = Math.min(earliestMs, lookMs, sender.nextDeadlineMs());
    }
    return earliestMs;
  }

  elapse(nowMs: number, store: Store, log: LogStorage): void {
    this.#elapsedMs = nowMs;
    this.#keepReserve(store, nowMs);
    this.#receiver.elapse();
    this.#receiver.giveUpStale(nowMs, this.#raft.state);
    this.#fullSinceMs = log.hasRoom() ? Infinity : Math.min(this.#fullSinceMs, nowMs);
    const mayBegin = log.hasRoom() || this.#freesRoom(nowMs, recordBytes(store), log);
    this.#leaveSilent();
    this.#elapseSenders(nowMs);
    this.#serveWaiting(nowMs);
    this.backups.elapse(nowMs, store, this.#maker);
    if (this.#receiver.isReceiving) this.#maker.giveWay();
    else this.#maker.elapse(nowMs, this.#raft, store, mayBegin);
    this.#files.elapse(nowMs, this.#pinnedIndex(), store.bytes, log.hasRoom());
    this.#keepPace(nowMs);
    this.#trimmer.trim(this.#raft, store.appliedIndex);
  }

  /**
   * After startup the store is empty until a leader tells which part of the log is committed. By such a
   * store the reserve would be far too long, and what it gave back would be missing on a full disk. So
   * it stays as it is until the store has what the log held.
   */
  #keepReserve(store: Store, nowMs: number): void {
    const { lastIndex } = this.#raft.state.log;
    if (store.appliedIndex < Math.min(this.#recoveredIndex, lastIndex)) return;
    this.#recoveredIndex = 0;
    this.#options.files.keepReserve(recordBytes(store) + SNAPSHOT_OVERHEAD_BYTES, nowMs);
  }

  /**
   * On a full disk a snapshot is taken if it needs no more room and frees some: that is how a server
   * recovers from a disk that it has filled itself. Any other snapshot has to wait.
   */
  #freesRoom(nowMs: number, bytes: number, log: LogStorage): boolean {
    const { files, limits } = this.#options;
    if (!this.#maker.isReserved) this.#maker.postpone(nowMs);
    // Entries that were under way when the disk became full may still make the contents larger.
    if (nowMs - this.#fullSinceMs < FULL_BEFORE_SNAPSHOT_MS) return false;
    // Tried even where it should just fit: a file that held a snapshot of the same contents does fit.
    if (!files.reserveHolds(bytes)) return false;
    const earlierBytes = log.earlierBytes();
    const freesLog = earlierBytes > bytes / FREED_SHARE ||
      (earlierBytes > 0 && log.roomBytes() < limits.reserveBytes / 2);
    if (!freesLog && !files.wouldShrink(bytes)) return false;
    this.#maker.wantToFree();
    return true;
  }

  /** The index of the snapshot that is being taken; Infinity where none is. */
  get runningIndex(): number {
    return this.#maker.runningIndex;
  }

  /** How many bytes of the snapshot that is being taken are made, and of about how many. */
  made(store: Store): { readonly bytes: number; readonly of: number } {
    return { bytes: this.#maker.madeBytes, of: recordBytes(store) };
  }

  /** True while followers get a snapshot, or wait for one. */
  get isSending(): boolean {
    return this.#senders.size > 0 || this.#waiting.size > 0;
  }

  get isReceiving(): boolean {
    return this.#receiver.isReceiving;
  }

  /** True once a leader's snapshot is whole and waits to replace what this server has. */
  get hasReceived(): boolean {
    return this.#receiver.isReady;
  }

  /**
   * Has the core restored from the leader's snapshot; null where it does not need that any more. The
   * caller replaces the store and restarts the log.
   */
  takeReceived(): ReceivedSnapshot | null {
    const received = this.#receiver.takeReady();
    if (received === null) return null;
    if (!this.#raft.restore(received.position, received.configuration)) return null;
    this.#maker.abort();
    this.#trimmer.reset();
    this.#files.restarted(received.position.index + 1);
    return received;
  }

  /** The link to a follower broke: what is on its way is lost. */
  peerLost(id: ServerId): void {
    this.#closeSender(id);
    this.#waiting.delete(id);
  }

  /** Only a leader streams snapshots. */
  leadershipLost(): void {
    for (const id of [...this.#senders.keys()]) this.#closeSender(id);
    this.#waiting.clear();
  }

  /**
   * Gives up on followers that answer nothing: they get their snapshot once they are heard again. One
   * that never returns would otherwise keep the log in memory from being cut, and its snapshot open.
   */
  #leaveSilent(): void {
    for (const { id, silentHeartbeats } of this.#raft.leader?.progress.values() ?? []) {
      if (silentHeartbeats <= SILENT_HEARTBEATS_MAX) continue;
      if (!this.#senders.has(id) && !this.#waiting.has(id)) continue;
      this.peerLost(id);
      this.#raft.snapshotFailed(id);
    }
  }

  #elapseSenders(nowMs: number): void {
    for (const [id, sender] of this.#senders) {
      if (!this.#raft.needsSnapshot(id)) this.#closeSender(id);
      else sender.elapse(this.#raft, nowMs);
    }
  }

  #serveWaiting(nowMs: number): void {
    if (this.#waiting.size === 0) return;
    const { limits, links, files, host } = this.#options;
    const newest = this.#newest();
    for (const id of this.#waiting) {
      if (!this.#pace.mayServe(id, nowMs)) continue;
      const matchIndex = this.#raft.leader?.progress.get(id)?.matchIndex ?? Infinity;
      if (!this.#raft.needsSnapshot(id)) {
        this.#waiting.delete(id);
      } else if (newest !== null && newest.index > matchIndex && this.#isEnough(newest)) {
        this.#waiting.delete(id);
        this.#closeSender(id);
        const file = files.open(newest);
        const sender = new SnapshotSender(id, file, limits.snapshotChunkBytes, nowMs, links);
        this.#senders.set(id, sender);
        const fields = { peer: id, index: newest.index, bytes: file.bodyBytes };
        host.log({ level: "info", message: "Sending a snapshot", fields });
        sender.begin(this.#raft);
      } else this.#maker.want();
    }
  }

  /** True where the log continues after the snapshot without a gap, in memory or in files. */
  #isEnough({ index }: SnapshotPosition): boolean {
    return index >= this.#raft.state.log.firstIndex - 1 || this.#options.reader.reaches(index);
  }

  #newest(): SnapshotPosition | null {
    return this.#options.files.list()[0] ?? null;
  }

  /** Live followers need the log after this index; Infinity where none needs more than the others. */
  #pinnedIndex(): number {
    let index = Infinity;
    if (this.#waiting.size > 0) {
      const { runningIndex } = this.#maker;
      index = runningIndex < Infinity ? runningIndex : this.#newest()?.index ?? 0;
    }
    index = Math.min(index, neededByLive(this.#raft.leader));
    for (const sender of this.#senders.values()) {
      index = Math.min(index, sender.file.position.index);
    }
    return index;
  }

  /** Slows writes down for the follower that lags most, or gives it up. */
  #keepPace(nowMs: number): void {
    const laggard = laggardOf(this.#raft.leader, this.#senders);
    const newestIndex = this.#newest()?.index ?? 0;
    if (!this.#pace.look(nowMs, laggard, newestIndex, this.#files.bytesMax)) return;
    const { id } = laggard!;
    if (!this.#raft.needsSnapshot(id)) return; // it asks for what is gone, and needs one then
    this.peerLost(id);
    this.#raft.snapshotFailed(id);
  }

  #closeSender(id: ServerId): void {
    this.#senders.get(id)?.close();
    this.#senders.delete(id);
  }
}

/** What a snapshot of `store` has to hold. */
function recordBytes({ keys, bytes }: Store): number {
  return bytes + keys * SNAPSHOT_RECORD_HEAD_BYTES;
}
