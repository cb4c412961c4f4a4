/**
 * Takes this server's own snapshots while writes continue: slice by slice, all of one index. About a
 * megabyte at a time is written and synced off the event loop, so that the log's syncs never wait for
 * much, and memory holds no more than twice that. While a follower waits for the snapshot, slices are as
 * large as the time for one allows.
 */
import { ByteWriter } from "../../util/bytes.ts";
import { type Clock, DiskFullError } from "../../host/ports.ts";
import type { Snapshot } from "../../kv/snapshot.ts";
import type { Store } from "../../kv/store.ts";
import type { Raft } from "../../raft/raft.ts";
import type { SnapshotPosition } from "../../raft/types.ts";
import type { SnapshotFiles, SnapshotWriter, WrittenBody } from "../../storage/types.ts";
import type { NodeHost } from "../api.ts";

/** Bytes that are written and synced together. Larger ones keep the log's own syncs waiting. */
const FLUSH_BYTES = 1_048_576;
/** How long commands may wait for one slice; checked between pieces of `sliceBytes`. */
const SLICE_MS = 1.5;
/** A slice has no more pieces than this while a follower waits. */
const URGENT_PIECES = 8;
/** The same where a backup does, and clients write: these are not to feel it. */
const BACKUP_PIECES = 2;
/** How long to wait after a full or a far too slow disk before the next try. */
const FULL_PAUSE_MS = 5_000;
/** A snapshot is given up once more than this was overwritten while it waited for the disk. */
const SAVED_BYTES_MAX = 33_554_432;

export interface SnapshotMakerOptions {
  readonly files: SnapshotFiles;
  readonly clock: Clock;
  readonly host: NodeHost;
  readonly logBytesMin: number;
  readonly sliceBytes: number;
  readonly load: MakerLoad;
  readonly events: SnapshotTaken;
}

/** What this server has to do besides. */
export interface MakerLoad {
  /** Clients write. */
  readonly isBusy: boolean;
  readonly isLeader: boolean;
}

export interface SnapshotTaken {
  /** A snapshot of this server's own is durable. */
  snapshotTaken(position: SnapshotPosition, tookMs: number): void;
  /** More of the one that is being taken is in its file. */
  snapshotWritten(): void;
}

/** A snapshot that is being written, open for reading. */
export interface RunningSnapshot {
  readonly position: SnapshotPosition;
  readonly body: WrittenBody;
}

interface Running {
  readonly snapshot: Snapshot;
  readonly writer: SnapshotWriter;
  readonly startedMs: number;
  /** Followers wait for it. */
  isUrgent: boolean;
  /** Backups do. */
  isForBackup: boolean;
  bytes: number;
  /** Bytes that are not on their way to the disk yet. */
  bytesSinceFlush: number;
  /** All of it was handed to the writer. */
  isWhole: boolean;
  slices: number;
  longestSliceMs: number;
}

export class SnapshotMaker {
  readonly #options: SnapshotMakerOptions;
  readonly #piece = new ByteWriter(0);
  #running: Running | null = null;
  /** What runs off the event loop. */
  #writing: "nothing" | "flush" | "finish" = "nothing";
  #isWanted = false;
  #isSpoolWanted = false;
  #pauseUntilMs = 0;
  #lastBytes = 0;
  /** Bytes of entries applied since the last snapshot. */
  #logBytes: number;

  /** `logBytes`: of the entries recovered after the last snapshot. */
  constructor(options: SnapshotMakerOptions, logBytes: number) {
    this.#options = options;
    this.#logBytes = logBytes;
  }

  /** The index of the snapshot that is being taken; Infinity where none is. */
  get runningIndex(): number {
    return this.#running?.snapshot.head.index ?? Infinity;
  }

  /** Bytes of the snapshot that is being taken that are made. */
  get madeBytes(): number {
    return this.#running?.bytes ?? 0;
  }

  /** Entries of so many bytes were applied. */
  noteApplied(bytes: number): void {
    this.#logBytes += bytes;
  }

  /** Takes a snapshot as soon as may be, whatever the log's length: a follower needs one. */
  want(): void {
    if (this.#running === null) this.#isWanted = true;
    else this.#running.isUrgent = true;
  }

  /** The same for a backup, to which a spool is as good: a snapshot that is not made durable. */
  wantSpool(): void {
    if (this.#running === null) this.#isSpoolWanted = true;
    else this.#running.isForBackup = true;
  }

  /** Opens what is written of the one that is being taken; null where none is, or it is about to be there. */
  openRunning(): RunningSnapshot | null {
    if (this.#running === null) return null;
    const { writer } = this.#running;
    const body = writer.openBody();
    return body && { position: writer.position, body };
  }

  /** True where what is being taken needs no room but its own; also where nothing is. */
  get isReserved(): boolean {
    return this.#running?.writer.isReserved ?? true;
  }

  /** Takes a snapshot as soon as may be: the disk is full, and needs what it frees. */
  wantToFree(): void {
    if (this.#running === null) this.#isWanted = true;
  }

  /** Gives up what is being taken or wanted: the store is about to be replaced. */
  abort(): void {
    this.#isWanted = false;
    this.#isSpoolWanted = false;
    this.#running?.snapshot.close();
    this.#running?.writer.abort();
    this.#running = null;
    this.#writing = "nothing";
    this.#logBytes = 0;
  }

  /** Gives up what is being taken, to begin again a while later: there is no room for it. */
  postpone(nowMs: number): void {
    this.#pauseUntilMs = nowMs + FULL_PAUSE_MS;
    this.giveWay();
  }

  /**
   * Gives up what is being taken, to begin again as soon as `elapse` is called again: its room and its disk
   * are needed for something that may not last long. A pause after that would be one too many: a follower
   * may wait for a snapshot of a server that has just received one and leads now.
   */
  giveWay(): void {
    if (this.#running === null) return;
    // Who needs a spool gives it up as well, and asks again.
    const { isSpool } = this.#running.writer;
    this.abort();
    this.#isWanted = !isSpool;
  }

  /** Begins a snapshot where one is due and nothing is against it, or writes the next slice. */
  elapse(nowMs: number, raft: Raft, store: Store, mayBegin = true): void {
    if (this.#running !== null) return this.#continue(this.#running);
    if (!mayBegin || nowMs < this.#pauseUntilMs || !this.#isDue()) return;
    if (this.#hasNews(raft, store)) this.#begin(nowMs, raft, store);
  }

  /** From when on there is something to do: the past where there is now, Infinity where nothing is. */
  nextDeadlineMs(raft: Raft, store: Store): number {
    if (this.#running !== null) return 0;
    return this.#isDue() && this.#hasNews(raft, store) ? this.#pauseUntilMs : Infinity;
  }

  /** What a snapshot holds has to be durable in the log; what the last one holds needs no second one. */
  #hasNews(raft: Raft, { appliedIndex }: Store): boolean {
    const newest = this.#options.files.list()[0]?.index ?? 0;
    return appliedIndex > newest && appliedIndex <= raft.state.log.durableIndex;
  }

  #isDue(): boolean {
    return this.#isSpoolWanted || this.#isDurableDue();
  }

  #isDurableDue(): boolean {
    const { logBytesMin } = this.#options;
    return this.#isWanted || this.#logBytes > Math.max(logBytesMin, this.#lastBytes);
  }

  #begin(nowMs: number, raft: Raft, store: Store): void {
    const index = store.appliedIndex;
    const position = { index, term: raft.state.log.termAt(index) };
    const configuration = raft.configurationAt(index);
    const { files } = this.#options;
    let writer: SnapshotWriter;
    try {
      writer = this.#isDurableDue()
        ? files.begin(position, configuration)
        : files.beginSpool(position, configuration);
    } catch (error) {
      if (!(error instanceof DiskFullError)) throw error;
      return this.#noteFull(nowMs, error);
    }
    const snapshot = store.beginSnapshot();
    writer.head(snapshot.head);
    const counters = { bytes: 0, bytesSinceFlush: 0, slices: 0, longestSliceMs: 0, isWhole: false };
    const isForBackup = writer.isSpool;
    this.#running = {
      snapshot,
      writer,
      startedMs: nowMs,
      isUrgent: false,
      isForBackup,
      ...counters,
    };
    this.#isSpoolWanted = false;
    if (writer.isSpool) return;
    this.#isWanted = false;
    this.#logBytes = 0;
  }

  /** Makes the next slice, while the one before may still be on its way to the disk. */
  #continue(running: Running): void {
    if (running.snapshot.savedBytes > SAVED_BYTES_MAX) {
      const fields = { savedBytes: running.snapshot.savedBytes };
      const message = "A snapshot is given up and begun again later: the disk is too slow for it";
      this.#options.host.log({ level: "warning", message, fields });
      return this.postpone(this.#options.clock.monotonicMs());
    }
    if (!running.isWhole && running.bytesSinceFlush < FLUSH_BYTES) this.#next(running);
    this.#write(running);
  }

  #next(running: Running): void {
    const { clock } = this.#options;
    const startMs = clock.monotonicMs();
    let isMore = true;
    let tookMs = 0;
    const pieces = this.#pieces(running);
    for (let i = 0; i < pieces && isMore && tookMs < SLICE_MS; i++) {
      isMore = this.#nextPiece(running);
      tookMs = clock.monotonicMs() - startMs;
    }
    running.slices++;
    running.longestSliceMs = Math.max(running.longestSliceMs, tookMs);
    running.isWhole = !isMore;
  }

  #nextPiece(running: Running): boolean {
    const piece = this.#piece;
    piece.clear();
    const isMore = running.snapshot.next(piece, this.#options.sliceBytes);
    if (piece.length > 0) running.writer.records(piece.view());
    running.bytes += piece.length;
    running.bytesSinceFlush += piece.length;
    if (!isMore) piece.free();
    return isMore;
  }

  #pieces({ isUrgent, isForBackup }: Running): number {
    if (isUrgent) return URGENT_PIECES;
    if (!isForBackup) return 1;
    return this.#options.load.isBusy ? BACKUP_PIECES : URGENT_PIECES;
  }

  /**
   * The next slice is made as soon as the disk has the one before, and not once a tick: where nobody waits
   * for this server meanwhile, as all clients do for a leader.
   */
  #hurries({ isForBackup, isUrgent }: Running): boolean {
    const { isBusy, isLeader } = this.#options.load;
    return isUrgent || (isForBackup && !isBusy && !isLeader);
  }

  /** What was made meanwhile goes to the disk, and while that is written the next slice is made. */
  #hurry(running: Running): void {
    if (running.bytesSinceFlush === 0 && !running.isWhole) this.#next(running);
    this.#write(running);
    if (!running.isWhole) this.#next(running);
  }

  /** Writes what there is, once that is enough and nothing else is being written. */
  #write(running: Running): void {
    if (this.#writing !== "nothing") return;
    if (running.isWhole) return this.#finish(running);
    const hurries = this.#hurries(running);
    if (running.bytesSinceFlush < (hurries ? 1 : FLUSH_BYTES)) return;
    this.#writing = "flush";
    running.bytesSinceFlush = 0;
    const { writer } = running;
    const then = (error: Error | null) => {
      this.#writing = "nothing";
      if (error !== null) return this.#failed(running, error);
      this.#options.events.snapshotWritten();
      if (this.#hurries(running)) this.#hurry(running);
      else this.#write(running);
    };
    if (running.isUrgent) writer.flushSome(then);
    else writer.flush(then);
  }

  #finish(running: Running): void {
    const { host, clock, events } = this.#options;
    running.snapshot.close();
    this.#writing = "finish";
    running.writer.finish((error) => {
      this.#writing = "nothing";
      if (error !== null) return this.#failed(running, error);
      this.#running = null;
      const { isSpool } = running.writer;
      if (!isSpool) this.#lastBytes = running.bytes;
      const { index, keys } = running.snapshot.head;
      const { bytes, slices, startedMs } = running;
      const tookMs = Math.round(clock.monotonicMs() - startedMs);
      const longestSliceMs = Math.round(running.longestSliceMs * 100) / 100;
      const fields = { index, keys, bytes, tookMs, slices, longestSliceMs };
      const message = isSpool ? "Contents written for a backup" : "Snapshot taken";
      host.log({ level: "info", message, fields });
      events.snapshotWritten();
      if (!isSpool) events.snapshotTaken(running.writer.position, tookMs);
    });
  }

  /** The writer has aborted. A full disk ends the snapshot, and only that. */
  #failed(running: Running, error: Error): void {
    const { host, clock } = this.#options;
    running.snapshot.close();
    this.#running = null;
    if (error instanceof DiskFullError) this.#noteFull(clock.monotonicMs(), error);
    else host.fatal(error);
  }

  #noteFull(nowMs: number, error: DiskFullError): void {
    this.#pauseUntilMs = nowMs + FULL_PAUSE_MS;
    this.#isWanted = true;
    const fields = { reason: error.message };
    this.#options.host.log({ level: "warning", message: "No room for a snapshot", fields });
  }
}
