/**
 * Backups that are taken of this server: each is a snapshot's file, kept open and handed out piece by
 * piece as it is asked for, from the moment that it begins to be written. So contents of one index wait
 * on the disk for a reader however slow, nothing of them in memory, and the store is held up no longer
 * than by any other snapshot.
 */
import type { Clock } from "../../host/ports.ts";
import type { Store } from "../../kv/store.ts";
import type { SnapshotPosition } from "../../raft/types.ts";
import type { SnapshotFile, SnapshotFiles, WrittenBody } from "../../storage/types.ts";
import { type BackupState, LATER } from "../../wire/backup.ts";
import type { SnapshotMaker } from "./snapshot_maker.ts";

/** So many are under way at a time. */
const BACKUPS_MAX = 2;
/** One that nobody has asked anything of for this long is given up. */
const IDLE_MS = 15_000;
const PIECE_BYTES = 262_144;

interface Backup {
  readonly indexMin: number;
  /** A snapshot of at least that index while it is written; null before, and once it is durable. */
  written: { readonly position: SnapshotPosition; readonly body: WrittenBody } | null;
  /** Null until such a snapshot is durable. */
  file: SnapshotFile | null;
  takenMs: number;
  /** Handed out. */
  bytes: number;
  /** When it was asked for something last, by the monotonic clock. */
  askedMs: number;
}

export class Backups {
  readonly #files: SnapshotFiles;
  readonly #clock: Clock;
  readonly #backups = new Map<number, Backup>();
  readonly #piece = new Uint8Array(PIECE_BYTES);
  #lastId = 0;

  constructor(files: SnapshotFiles, clock: Clock) {
    this.#files = files;
    this.#clock = clock;
  }

  /** True while one waits for its snapshot. */
  get isWaiting(): boolean {
    for (const { file } of this.#backups.values()) if (file === null) return true;
    return false;
  }

  /** Begins one that holds at least all up to `indexMin`; its number. Null where there are too many. */
  begin(indexMin: number): number | null {
    if (this.#backups.size === BACKUPS_MAX) return null;
    const askedMs = this.#clock.monotonicMs();
    const nothing = { written: null, file: null, takenMs: 0, bytes: 0 };
    this.#backups.set(++this.#lastId, { indexMin, askedMs, ...nothing });
    return this.#lastId;
  }

  /** Null where there is no such backup any more. `made`: of the snapshot that is being taken. */
  state(id: number, made: { readonly bytes: number; readonly of: number }): BackupState | null {
    const backup = this.#asked(id);
    if (backup === null) return null;
    const { file, written, takenMs } = backup;
    const { index, term } = file?.position ?? written?.position ?? { index: 0, term: 0 };
    const isReady = file !== null || written !== null;
    const bytes = file?.bodyBytes ?? made.of;
    const madeBytes = file?.bodyBytes ?? made.bytes;
    return { isReady, index, term, takenMs, bytes, madeBytes };
  }

  /**
   * The next piece, good until the next call; an empty one at the end; `LATER` where it is not written
   * yet. Null where there is no such backup.
   */
  next(id: number): Uint8Array | typeof LATER | null {
    const backup = this.#asked(id);
    if (backup === null) return null;
    const body = backup.file ?? backup.written?.body ?? null;
    const isThere = backup.file !== null ||
      (backup.written !== null && backup.written.body.bytes - backup.bytes >= PIECE_BYTES);
    if (body === null || !isThere) return LATER;
    const count = body.readBody(backup.bytes, this.#piece);
    backup.bytes += count;
    return this.#piece.subarray(0, count);
  }

  end(id: number): void {
    const backup = this.#backups.get(id);
    backup?.file?.close();
    backup?.written?.body.close();
    this.#backups.delete(id);
  }

  /** Gives up what nobody asks for, and sees to it that there are snapshots for the others. */
  elapse(nowMs: number, { appliedIndex }: Store, maker: SnapshotMaker): void {
    for (const [id, backup] of this.#backups) {
      if (nowMs - backup.askedMs >= IDLE_MS) this.end(id);
      else if (backup.file === null) this.#serve(id, backup, appliedIndex, maker);
    }
  }

  /** When `elapse` has something to give up, by the monotonic clock. */
  nextDeadlineMs(): number {
    let earliestMs = Infinity;
    for (const { askedMs } of this.#backups.values()) {
      earliestMs = Math.min(earliestMs, askedMs + IDLE_MS);
    }
    return earliestMs;
  }

  #serve(id: number, backup: Backup, appliedIndex: number, maker: SnapshotMaker): void {
    const newest = this.#files.list()[0];
    const { written } = backup;
    if (written !== null) {
      // It was given up, for want of room or for a leader's snapshot: what was handed out is of no use.
      const isDurable = newest?.index === written.position.index;
      if (!isDurable && maker.runningIndex !== written.position.index) return this.end(id);
      if (!isDurable) return;
      written.body.close();
      backup.written = null;
      backup.file = this.#files.open(newest);
    } else if (newest !== undefined && newest.index >= backup.indexMin) {
      backup.file = this.#files.open(newest);
      backup.takenMs = this.#clock.wallMs();
    } else if (appliedIndex >= backup.indexMin) {
      maker.want();
      if (maker.runningIndex === Infinity || maker.runningIndex < backup.indexMin) return;
      backup.written = maker.openRunning();
      backup.takenMs = this.#clock.wallMs();
    }
  }

  #asked(id: number): Backup | null {
    const backup = this.#backups.get(id) ?? null;
    if (backup !== null) backup.askedMs = this.#clock.monotonicMs();
    return backup;
  }
}
