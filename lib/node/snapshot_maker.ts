/**
 * Takes this server's own snapshots while writes go on: one slice a tick, against one index, synced
 * bit by bit so that the log's syncs do not have to wait behind one large one.
 */
import { ByteWriter } from "../util/bytes.ts";
import { DiskFullError } from "../host/ports.ts";
import type { Snapshot } from "../kv/snapshot.ts";
import type { Store } from "../kv/store.ts";
import type { Raft } from "../raft/raft.ts";
import type { SnapshotPosition } from "../raft/types.ts";
import type { SnapshotFiles, SnapshotWriter } from "../storage/types.ts";
import type { NodeHost } from "./shells.ts";

/** Bytes written between two syncs. */
const FLUSH_BYTES = 2_097_152;
/** How long to wait after a full disk before the next try. */
const FULL_PAUSE_MS = 5_000;

export interface SnapshotMakerOptions {
  readonly files: SnapshotFiles;
  readonly host: NodeHost;
  readonly logBytesMin: number;
  readonly sliceBytes: number;
  /** A snapshot became durable. */
  readonly onDone: (position: SnapshotPosition) => void;
}

interface Running {
  readonly snapshot: Snapshot;
  readonly writer: SnapshotWriter;
  readonly startedMs: number;
  bytes: number;
  bytesSinceFlush: number;
}

export class SnapshotMaker {
  readonly #options: SnapshotMakerOptions;
  readonly #slice = new ByteWriter(0);
  #running: Running | null = null;
  #isWaiting = false;
  #isWanted = false;
  #pauseUntilMs = 0;
  #lastBytes = 0;
  /** Bytes of entries applied since the last snapshot. */
  #logBytes: number;

  /** `logBytes`: of the entries recovered behind the last snapshot. */
  constructor(options: SnapshotMakerOptions, logBytes: number) {
    this.#options = options;
    this.#logBytes = logBytes;
  }

  /** The index of the snapshot that is being taken; Infinity where none is. */
  get runningIndex(): number {
    return this.#running?.snapshot.head.index ?? Infinity;
  }

  /** Entries of so many bytes were applied. */
  noteApplied(bytes: number): void {
    this.#logBytes += bytes;
  }

  /** Takes a snapshot as soon as may be, whatever the log's length: a follower needs one. */
  want(): void {
    this.#isWanted = true;
  }

  /** Gives up what is being taken: the store is about to be replaced. */
  abort(): void {
    this.#running?.snapshot.close();
    this.#running?.writer.abort();
    this.#running = null;
    this.#isWaiting = false;
    this.#logBytes = 0;
  }

  /** Ends what is being taken, to be begun anew: its room or its disk is needed for something else. */
  postpone(nowMs: number): void {
    this.#pauseUntilMs = nowMs + FULL_PAUSE_MS;
    if (this.#running === null) return;
    this.abort();
    this.#isWanted = true;
  }

  /** Begins where it is time to, or writes the next slice. */
  tick(nowMs: number, raft: Raft, store: Store): void {
    if (this.#isWaiting) return;
    if (this.#running !== null) return this.#next(this.#running, nowMs);
    if (nowMs < this.#pauseUntilMs || !this.#isDue()) return;
    const index = store.appliedIndex;
    const newest = this.#options.files.list()[0]?.index ?? 0;
    // What is in a snapshot has to be durable here; what is in the last one needs no second.
    if (index <= newest || index > raft.state.log.durableIndex) return;
    this.#begin(nowMs, raft, store);
  }

  #isDue(): boolean {
    const { logBytesMin } = this.#options;
    return this.#isWanted || this.#logBytes > Math.max(logBytesMin, this.#lastBytes / 2);
  }

  #begin(nowMs: number, raft: Raft, store: Store): void {
    const index = store.appliedIndex;
    const position = { index, term: raft.state.log.termAt(index) };
    this.#try(nowMs, () => {
      const writer = this.#options.files.begin(position, raft.configurationAt(index));
      const snapshot = store.beginSnapshot();
      this.#running = { snapshot, writer, startedMs: nowMs, bytes: 0, bytesSinceFlush: 0 };
      this.#isWanted = false;
      this.#logBytes = 0;
      writer.head(snapshot.head);
    });
  }

  #next(running: Running, nowMs: number): void {
    const slice = this.#slice;
    slice.clear();
    const isMore = running.snapshot.next(slice, this.#options.sliceBytes);
    this.#try(nowMs, () => {
      if (slice.length > 0) running.writer.records(slice.view());
      running.bytes += slice.length;
      running.bytesSinceFlush += slice.length;
      if (!isMore) this.#finish(running);
      else if (running.bytesSinceFlush >= FLUSH_BYTES) this.#flush(running);
    });
  }

  #flush(running: Running): void {
    running.bytesSinceFlush = 0;
    this.#isWaiting = true;
    running.writer.flush((error) => {
      this.#isWaiting = false;
      if (error !== null) this.#options.host.fatal(error);
    });
  }

  #finish(running: Running): void {
    const { host, onDone } = this.#options;
    running.snapshot.close();
    this.#isWaiting = true;
    running.writer.finish((error) => {
      this.#isWaiting = false;
      this.#running = null;
      if (error instanceof DiskFullError) return this.#noteFull(0, error);
      if (error !== null) return host.fatal(error);
      this.#lastBytes = running.bytes;
      const { index, keys } = running.snapshot.head;
      const fields = { index, keys, bytes: running.bytes };
      host.log({ level: "info", message: "Snapshot taken", fields });
      onDone(running.writer.position);
    });
  }

  /** Runs a step that writes; a full disk ends the snapshot, and only that. */
  #try(nowMs: number, step: () => void): void {
    try {
      step();
    } catch (error) {
      if (!(error instanceof DiskFullError)) throw error;
      this.#running?.snapshot.close();
      this.#running = null;
      this.#noteFull(nowMs, error);
    }
  }

  #noteFull(nowMs: number, error: DiskFullError): void {
    this.#pauseUntilMs = nowMs + FULL_PAUSE_MS;
    this.#isWanted = true;
    const fields = { reason: error.message };
    this.#options.host.log({ level: "warning", message: "No room for a snapshot", fields });
  }
}
