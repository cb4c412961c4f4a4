/**
 * Hands the core's batches to the write-ahead log, one at a time, and watches the disk: a slow sync is
 * logged, a full disk is waited out, any other failure ends the process without a second try.
 */
import { assert } from "../../util/assert.ts";
import { type Clock, DiskFullError } from "../../host/ports.ts";
import type { Raft } from "../../raft/raft.ts";
import type { PersistBatch, SnapshotPosition } from "../../raft/types.ts";
import type { FollowerNeeds, LogStorage } from "../../storage/types.ts";
import type { TimeHistogram } from "../../util/time_histogram.ts";
import { PacedLog } from "../reports/paced_log.ts";
import type { Standstill } from "../reports/standstill.ts";
import type { NodeHost } from "../api.ts";

/** How long the log has to be quiet before its end is marked as synced. */
const IDLE_BEFORE_MARK_MS = 50;
/** How often a disk without room is looked at. */
const FULL_LOOK_MS = 100;
/** How long to wait before a batch that found the disk full is offered again. */
const FULL_RETRY_MS = 200;

export interface PersisterOptions {
  readonly log: LogStorage;
  readonly clock: Clock;
  readonly slowSyncMs: number;
  readonly host: NodeHost;
  readonly meters: DiskMeters;
  readonly events: PersistEvents;
  readonly standstill: Pick<Standstill, "totalMs">;
  /** Hears that the disk answers, while a batch takes long. */
  readonly raft: Pick<Raft, "noteTime" | "noteDiskProgress" | "noteDiskFull">;
  /** At startup, see `HardState.suspect`. */
  readonly isSuspectOnDisk: boolean;
}

/** How long batches take to become durable, in two parts. */
export interface DiskMeters {
  readonly write: TimeHistogram;
  readonly fsync: TimeHistogram;
}

export interface PersistEvents {
  /** A batch is durable; it is `nowMs`. */
  persisted(batch: PersistBatch, nowMs: number): void;
}

export class Persister {
  readonly #options: PersisterOptions;
  readonly #paced: PacedLog;
  /** The batch that is being written, or waits for the disk. */
  #batch: PersistBatch | null = null;
  #restartAt: SnapshotPosition | null = null;
  #keepFromIndex = 0;
  #needs: FollowerNeeds | undefined = undefined;
  #isWaiting = false;
  #isWriting = false;
  #startedMs = 0;
  /** How much of the batch's time the write took, and how much blocked in all: a sync may block too. */
  #writeMs = 0;
  #writeStartedMs = 0;
  #blockedMs = 0;
  #stoodStillBeforeMs = 0;
  #finishedMs = 0;
  #isMarked = true;
  #elapsedMs = 0;
  #isFull = false;
  #isStuck = false;
  /** What of the batch a full disk has not taken yet, and how many entries to try at a time. */
  #rest: PersistBatch | null = null;
  #pieceEntriesMax = Infinity;
  #isSuspectOnDisk: boolean;
  #retryAtMs = 0;

  constructor(options: PersisterOptions) {
    this.#options = options;
    this.#paced = new PacedLog(options.host);
    this.#isSuspectOnDisk = options.isSuspectOnDisk;
  }

  /** True while what has to be written found no room, the reserve included. */
  get isStuck(): boolean {
    return this.#isStuck;
  }

  /** True while a batch is not durable yet. */
  get isBusy(): boolean {
    return this.#batch !== null || this.#restartAt !== null || this.#isWriting;
  }

  /** For how long the batch that is being written and synced has taken; 0 where none is. */
  syncingMs(nowMs: number): number {
    return this.#isWriting && this.#batch !== null ? nowMs - this.#startedMs : 0;
  }

  /** True while the log is being restarted after a snapshot: nothing may be asked of the core. */
  get isRestarting(): boolean {
    return this.#restartAt !== null;
  }

  /** Empties the log, which continues after `position`. Not while a batch is under way. */
  restart(position: SnapshotPosition): void {
    assert(!this.isBusy, "The log was restarted while a batch is under way");
    this.#restartAt = position;
    this.#restart();
  }

  /** Gives up the log's files before an index, as soon as nothing is being written; see LogStorage. */
  compact(keepFromIndex: number, needs?: FollowerNeeds): void {
    this.#keepFromIndex = keepFromIndex;
    this.#needs = needs;
    this.#compactIfIdle();
  }

  /**
   * Writes and syncs `batch`; the one before must be durable. Entries that also go to other servers
   * (`isSent`) go there first, as that takes longer: such a batch waits for `writeWaiting`.
   */
  persist(batch: PersistBatch, isSent = false): void {
    assert(this.#batch === null, "A batch was handed out before the last one is durable");
    this.#batch = batch;
    this.#isWaiting = true;
    if (!isSent || batch.entries.length === 0) this.writeWaiting();
  }

  /** True while a batch is not begun. */
  get isWaiting(): boolean {
    return this.#isWaiting;
  }

  /** Begins to write the batch that waits, if any; so does the passing of time. */
  writeWaiting(): void {
    if (this.#isWaiting && !this.#isWriting) this.#write();
  }

  /** When `elapse` has something to do, by the monotonic clock. */
  nextDeadlineMs(): number {
    const isFull = this.#isFull || !this.#options.log.hasRoom();
    const lookMs = isFull ? this.#elapsedMs + FULL_LOOK_MS : Infinity;
    return Math.min(lookMs, this.#paced.nextDeadlineMs(), this.#nextWriteMs());
  }

  #nextWriteMs(): number {
    if (this.#isWriting || this.#isWaiting) return Infinity;
    if (this.isBusy) return this.#retryAtMs;
    return this.#isMarked ? Infinity : this.#finishedMs + IDLE_BEFORE_MARK_MS;
  }

  elapse(nowMs: number): void {
    const { log } = this.#options;
    this.#elapsedMs = nowMs;
    this.#paced.elapse(nowMs);
    log.seekRoom(nowMs);
    // That is also so where a reserve can't grow, or this process started on a full disk.
    if (!log.hasRoom()) this.#noteFull("a reserve is in use or can't grow");
    else if (this.#isFull && !this.#isStuck) this.#noteRoom();
    if (this.#isWriting) return;
    if (this.#restartAt !== null) {
      if (nowMs >= this.#retryAtMs) this.#restart();
      return;
    }
    if (this.#batch !== null) {
      if (nowMs >= this.#retryAtMs) this.#write();
      return;
    }
    if (this.#isMarked || nowMs - this.#finishedMs < IDLE_BEFORE_MARK_MS) return;
    this.#isWriting = true;
    log.markSynced((error) => {
      if (error !== null && !(error instanceof DiskFullError)) {
        this.#options.host.fatal(error);
        return;
      }
      this.#isWriting = false;
      this.#isMarked = true;
      this.#compactIfIdle();
      if (this.#batch !== null) this.#write();
      // A snapshot may have come meanwhile, which is installed by a turn that finds nothing being written.
      else this.#options.host.scheduleTurn();
    });
  }

  #compactIfIdle(): void {
    if (this.#isWriting || this.#restartAt !== null || this.#keepFromIndex === 0) return;
    this.#options.log.compact(this.#keepFromIndex, this.#needs);
    this.#keepFromIndex = 0;
  }

  #restart(): void {
    const { log, host, clock } = this.#options;
    this.#isWriting = true;
    log.restart(this.#restartAt!, (error) => {
      if (error !== null && !(error instanceof DiskFullError)) {
        host.fatal(error);
        return;
      }
      this.#isWriting = false;
      this.#isStuck = error !== null;
      if (error !== null) {
        this.#noteFull(error.message);
        this.#retryAtMs = clock.monotonicMs() + FULL_RETRY_MS;
        this.#noteDiskFull();
        return;
      }
      this.#restartAt = null;
      this.#keepFromIndex = 0;
      host.scheduleTurn();
    });
  }

  #write(): void {
    const rest = this.#rest ?? this.#batch!;
    const piece = firstPiece(rest, this.#pieceEntriesMax);
    const { log, clock } = this.#options;
    this.#isWaiting = false;
    this.#isWriting = true;
    this.#isMarked = false;
    this.#startedMs = clock.monotonicMs();
    this.#stoodStillBeforeMs = this.#stoodStillMs(this.#startedMs);
    this.#writeMs = 0;
    const done = (error: Error | null) => this.#written(rest, piece, error);
    log.persist(piece, done, this.#onSync, this.#onWrite);
    this.#blockedMs = clock.monotonicMs() - this.#startedMs;
  }

  /** A batch that takes several syncs has one less to go. */
  readonly #onSync = (): void => {
    const { raft, clock } = this.#options;
    raft.noteTime(clock.monotonicMs()); // a stall is counted from now
    raft.noteDiskProgress();
  };

  #noteDiskFull(): void {
    const { raft, clock } = this.#options;
    raft.noteTime(clock.monotonicMs());
    raft.noteDiskFull();
  }

  readonly #onWrite = (isOver: boolean): void => {
    const nowMs = this.#options.clock.monotonicMs();
    if (isOver) this.#writeMs += nowMs - this.#writeStartedMs;
    else this.#writeStartedMs = nowMs;
  };

  /** `piece` of `rest`, or all of that. */
  #written(rest: PersistBatch, piece: PersistBatch, error: Error | null): void {
    const { clock, host, slowSyncMs, events, log } = this.#options;
    const nowMs = clock.monotonicMs();
    if (error !== null && !(error instanceof DiskFullError)) {
      host.fatal(error); // and `#isWriting` stays set: nothing is ever written after a failed sync
      return;
    }
    this.#isWriting = false;
    this.#finishedMs = nowMs;
    this.#options.meters.write.observe(this.#writeMs);
    this.#options.meters.fsync.observe(Math.max(0, nowMs - this.#startedMs - this.#writeMs));
    if (error !== null) {
      this.#isStuck = true;
      // A hard state that ends suspicion must not be durable before the entries that justify it.
      if (!this.#isSuspectOnDisk) this.#pieceEntriesMax = lessThan(piece);
      this.#noteFull(error.message);
      this.#retryAtMs = nowMs + FULL_RETRY_MS;
      this.#noteDiskFull();
      this.#compactIfIdle();
      return;
    }
    if (piece.hardState !== null) this.#isSuspectOnDisk = piece.hardState.suspect;
    if (piece !== rest) {
      this.#rest = withoutPiece(rest, piece);
      // All entries at once found no room.
      if (piece.entries.length === 0) this.#pieceEntriesMax = Math.ceil(rest.entries.length / 2);
      this.#compactIfIdle();
      this.#onSync();
      return this.#write();
    }
    const batch = this.#batch!;
    this.#isStuck = false;
    this.#rest = null;
    this.#pieceEntriesMax = Infinity;
    const tookMs = nowMs - this.#startedMs;
    if (tookMs >= slowSyncMs) this.#logSlow(batch, tookMs, nowMs);
    this.#batch = null;
    this.#compactIfIdle();
    if (!log.hasRoom()) this.#noteFull("the reserve is in use");
    events.persisted(batch, nowMs);
  }

  /**
   * Tells apart what makes a batch slow: the write, which blocks; the time for which this server stood
   * still for other reasons and could not see the sync end; and the rest, the sync.
   */
  #logSlow(batch: PersistBatch, tookMs: number, nowMs: number): void {
    const stoodMs = this.#stoodStillMs(nowMs) - this.#stoodStillBeforeMs - this.#blockedMs;
    const stoodStillMs = Math.round(Math.max(0, Math.min(stoodMs, tookMs - this.#writeMs)));
    const writeMs = Math.round(this.#writeMs);
    const syncMs = Math.max(0, Math.round(tookMs) - writeMs - stoodStillMs);
    const fields = { tookMs: Math.round(tookMs), writeMs, syncMs, stoodStillMs };
    this.#paced.log("slow", {
      level: "warning",
      message: "Slow disk: writing and syncing took long",
      fields: { ...fields, entries: batch.entries.length },
    }, nowMs);
  }

  #stoodStillMs(nowMs: number): number {
    return this.#options.standstill.totalMs(nowMs);
  }

  #noteFull(reason: string): void {
    if (this.#isFull) return;
    this.#isFull = true;
    this.#options.host.log({
      level: "error",
      message: "Disk full: sets are refused until there is room; deletes and reads continue",
      fields: { reason },
    });
  }

  #noteRoom(): void {
    this.#isFull = false;
    this.#options.host.log({ level: "info", message: "There is room again", fields: {} });
  }
}

/** Hard state and no more than so many entries. */
function firstPiece(batch: PersistBatch, entriesMax: number): PersistBatch {
  const { entries } = batch;
  return entries.length <= entriesMax ? batch : { ...batch, entries: entries.slice(0, entriesMax) };
}

function withoutPiece(batch: PersistBatch, piece: PersistBatch): PersistBatch {
  return { ...batch, hardState: null, entries: batch.entries.slice(piece.entries.length) };
}

/**
 * How many entries to try next after a full disk refused `piece`: first the hard state alone, as votes
 * need no more; then half as many entries, as a shorter file may have room for them. The part of a batch
 * that is on the disk before all of it is promises nothing: it is as if less had arrived.
 */
function lessThan({ hardState, entries }: PersistBatch): number {
  if (hardState !== null) return 0;
  return Math.max(1, Math.floor(entries.length / 2));
}
