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
import { freeBehind } from "../../util/free_now.ts";
import type { TimeHistogram } from "../../util/time_histogram.ts";
import { Backups } from "./backups.ts";
import { CatchUpPace, type CatchUpPaceOptions, laggardOf, PACE_LOOK_MS } from "./catch_up_pace.ts";
import { type Compaction, FollowerFiles, neededByLive } from "./follower_files.ts";
import { LogTrimmer } from "./log_trimmer.ts";
import { ReadableSnapshots } from "./readable_snapshots.ts";
import type { MessageSender, NodeHost } from "../api.ts";
import { SnapshotMaker, type SnapshotTaken } from "./snapshot_maker.ts";
import {
  type ChunkAnswers,
  type ChunkOrigin,
  type ReceivedSnapshot,
  SnapshotReceiver,
} from "./snapshot_receiver.ts";
import { SnapshotStreams } from "./snapshot_streams.ts";
import { WriteLoad } from "./write_load.ts";

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
  /** See SnapshotStreamsOptions. */
  readonly takesPieces: (id: ServerId) => boolean;
  /** How long each of its own snapshots took. */
  readonly taken: TimeHistogram;
}

/**
 * What takes several pieces is worked on with pauses of this length: the runtime looks at its sockets in
 * between, and commands are answered.
 */
const PIECE_PAUSE_MS = 10;
/** The same where a snapshot was received and is loaded: until that is over this server is of no use. */
const LOAD_PAUSE_MS = 6;
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
  readonly #streams: SnapshotStreams;
  /** The log's end at startup; 0 once the store has it. */
  #recoveredIndex: number;
  /** Infinity while there is room. */
  #fullSinceMs = Infinity;
  readonly #files: FollowerFiles;
  readonly #pace: CatchUpPace;
  readonly #load: WriteLoad;
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
    this.#load = new WriteLoad(raft, clock);
    this.#maker = new SnapshotMaker({
      files,
      clock,
      host,
      logBytesMin: limits.snapshotLogBytesMin,
      sliceBytes: limits.snapshotSliceBytes,
      load: this.#load,
      events: this,
    }, bytesBehind);
    const readable = new ReadableSnapshots(files, host);
    this.backups = new Backups(readable, clock, this.#load);
    this.hashSeed = storeOptions.hashSeed;
    this.#receiver = new SnapshotReceiver({ files, storeOptions, clock, host, answers: this });
    this.#files = new FollowerFiles({ ...options, keepFromIndex: newest + 1 });
    this.#pace = new CatchUpPace(options.catchUp);
    this.#streams = new SnapshotStreams({
      ...options,
      readable,
      maker: this.#maker,
      pace: this.#pace,
    });
  }

  snapshotTaken(position: SnapshotPosition, tookMs: number): void {
    this.#options.taken.observe(tookMs);
    this.#files.compact(position.index + 1);
  }

  snapshotWritten(): void {
    if (this.#streams.senders.size === 0) return;
    this.#streams.grown(this.#options.clock.monotonicMs());
    this.#options.host.scheduleTurn(); // what was sent leaves with it
  }

  answerChunk({ from: to, index, snapshotTerm }: ChunkOrigin, offset: number): void {
    const { id: from, term } = this.#raft.state;
    const kind = "snapshotChunkResponse";
    this.#options.links.send({ kind, from, to, term, index, snapshotTerm, offset });
    // It may be the disk that has this sent: the answer leaves, and what is due by now is asked, with a turn.
    this.#options.host.scheduleTurn();
  }

  noteApplied(entry: Entry): void {
    this.#load.noteApplied();
    this.#maker.noteApplied(entry.data.length + ENTRY_OVERHEAD_BYTES);
    this.#trimmer.noteApplied(entry.data.length);
  }

  /** Takes what the core hands out. */
  take(ready: Ready, nowMs: number): void {
    for (const request of ready.entriesNeeded) {
      const prefers = this.#streams.prefersSnapshot(request, nowMs);
      if (prefers) this.#raft.entriesRead(request, null);
      else this.#files.read(request);
    }
    for (const chunk of ready.snapshotChunks) {
      this.#receiver.receive(chunk);
      freeBehind(chunk.data); // it was copied, and as many more come at once
    }
    for (const id of ready.snapshotsNeeded) this.#streams.need(id);
    for (const answer of ready.snapshotAnswers) this.#streams.answered(answer, nowMs);
  }

  /** When `elapse` has something to do, by the monotonic clock. */
  nextDeadlineMs(store: Store, log: LogStorage): number {
    if (this.#receiver.isLoading) return this.#elapsedMs + LOAD_PAUSE_MS;
    // On a full disk a snapshot that frees some of it can't wait: the reserve does not last long.
    const isBusy = this.#streams.isAwaited || this.#trimmer.isDue ||
      this.backups.isWaiting || !log.hasRoom();
    const pieceMs = this.#elapsedMs + PIECE_PAUSE_MS;
    if (isBusy) return pieceMs;
    const lookMs = this.#elapsedMs + LOOK_MS;
    const { files } = this.#options;
    const workMs = Math.min(this.#maker.nextDeadlineMs(this.#raft, store), files.nextReserveMs());
    const paceMs = this.#pace.isWatching ? this.#elapsedMs + PACE_LOOK_MS : Infinity;
    const ownMs = Math.min(this.backups.nextDeadlineMs(), this.#files.nextDeadlineMs(), paceMs);
    let earliestMs = Math.min(Math.max(pieceMs, workMs), ownMs);
    if (this.#receiver.isReceiving) earliestMs = Math.min(earliestMs, lookMs);
    const streamMs = this.#streams.nextDeadlineMs();
    return streamMs < Infinity ? Math.min(earliestMs, lookMs, streamMs) : earliestMs;
  }

  elapse(nowMs: number, store: Store, log: LogStorage): void {
    this.#elapsedMs = nowMs;
    this.#keepReserve(store, nowMs);
    this.#receiver.elapse();
    this.#receiver.giveUpStale(nowMs, this.#raft.state);
    this.#fullSinceMs = log.hasRoom() ? Infinity : Math.min(this.#fullSinceMs, nowMs);
    const mayBegin = log.hasRoom() || this.#freesRoom(nowMs, recordBytes(store), log);
    this.#streams.elapse(nowMs, recordBytes(store));
    this.backups.elapse(nowMs, store, this.#maker, log.hasRoom());
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
    return this.#streams.isSending;
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
    this.#streams.peerLost(id);
  }

  /** Only a leader streams snapshots. */
  leadershipLost(): void {
    this.#streams.leadershipLost();
  }

  /** Live followers need the log after this index; Infinity where none needs more than the others. */
  #pinnedIndex(): number {
    return Math.min(this.#streams.pinnedIndex(), neededByLive(this.#raft.leader));
  }

  /** Slows writes down for the follower that lags most, or gives it up. */
  #keepPace(nowMs: number): void {
    const laggard = laggardOf(this.#raft.leader, this.#streams.senders);
    const { newestIndex } = this.#streams;
    if (!this.#pace.look(nowMs, laggard, newestIndex, this.#files.bytesMax)) return;
    const { id } = laggard!;
    if (!this.#raft.needsSnapshot(id)) return; // it asks for what is gone, and needs one then
    this.peerLost(id);
    this.#raft.snapshotFailed(id);
  }
}

/** What a snapshot of `store` has to hold. */
function recordBytes({ keys, bytes }: Store): number {
  return bytes + keys * SNAPSHOT_RECORD_HEAD_BYTES;
}
