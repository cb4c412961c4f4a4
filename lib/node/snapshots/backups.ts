/**
 * Backups that are taken of this server: each is a snapshot's file, kept open and handed out piece by
 * piece as it is asked for. So contents of one index wait on the disk for a reader however slow, nothing
 * of them in memory, and the store is held up no longer than by any other snapshot.
 */
import type { Clock } from "../../host/ports.ts";
import type { Store } from "../../kv/store.ts";
import type { SnapshotFile, SnapshotFiles } from "../../storage/types.ts";
import type { BackupState } from "../../wire/backup.ts";
import type { SnapshotMaker } from "./snapshot_maker.ts";

/** So many are under way at a time. */
const BACKUPS_MAX = 2;
/** One that nobody has asked anything of for this long is given up. */
const IDLE_MS = 15_000;
const PIECE_BYTES = 262_144;

interface Backup {
  readonly indexMin: number;
  /** Null until a snapshot of at least that index is durable. */
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
    this.#backups.set(++this.#lastId, { indexMin, file: null, takenMs: 0, bytes: 0, askedMs });
    return this.#lastId;
  }

  /** Null where there is no such backup any more. `made`: of the snapshot that is being taken. */
  state(id: number, made: { readonly bytes: number; readonly of: number }): BackupState | null {
    const backup = this.#asked(id);
    if (backup === null) return null;
    const { file, takenMs } = backup;
    if (file === null) {
      return { isReady: false, index: 0, term: 0, takenMs, bytes: made.of, madeBytes: made.bytes };
    }
    const { position: { index, term }, bodyBytes: bytes } = file;
    return { isReady: true, index, term, takenMs, bytes, madeBytes: bytes };
  }

  /** The next piece, good until the next call; an empty one at the end. Null where there is none. */
  next(id: number): Uint8Array | null {
    const backup = this.#asked(id);
    if (backup === null || backup.file === null) return null;
    const count = backup.file.readBody(backup.bytes, this.#piece);
    backup.bytes += count;
    return this.#piece.subarray(0, count);
  }

  end(id: number): void {
    this.#backups.get(id)?.file?.close();
    this.#backups.delete(id);
  }

  /** Gives up what nobody asks for, and sees to it that there are snapshots for the others. */
  elapse(nowMs: number, { appliedIndex }: Store, maker: SnapshotMaker): void {
    for (const [id, backup] of this.#backups) {
      if (nowMs - backup.askedMs >= IDLE_MS) this.end(id);
      else if (backup.file === null) this.#serve(backup, appliedIndex, maker);
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

  #serve(backup: Backup, appliedIndex: number, maker: SnapshotMaker): void {
    const newest = this.#files.list()[0];
    if (newest !== undefined && newest.index >= backup.indexMin) {
      backup.file = this.#files.open(newest);
      backup.takenMs = this.#clock.wallMs();
    } else if (appliedIndex >= backup.indexMin) maker.want();
  }

  #asked(id: number): Backup | null {
    const backup = this.#backups.get(id) ?? null;
    if (backup !== null) backup.askedMs = this.#clock.monotonicMs();
    return backup;
  }
}
