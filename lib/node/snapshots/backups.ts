/**
 * Backups that are taken of this server: each is a snapshot's file, kept open and handed out piece by
 * piece as it is asked for, from the moment that it begins to be written. So contents of one index wait
 * on the disk for a reader however slow, nothing of them in memory, and the store is held up no longer
 * than by any other snapshot.
 */
import type { Clock } from "../../host/ports.ts";
import type { Store } from "../../kv/store.ts";
import type { SnapshotPosition } from "../../raft/types.ts";
import { DataDirectoryError } from "../../storage/errors.ts";
import { BodyChecker } from "../../storage/snapshots/body_checker.ts";
import type { SnapshotFile, WrittenBody } from "../../storage/types.ts";
import { ByteFormatError } from "../../util/bytes.ts";
import { type BackupState, LATER } from "../../wire/backup.ts";
import type { ReadableSnapshots } from "./readable_snapshots.ts";
import type { MakerLoad, SnapshotMaker } from "./snapshot_maker.ts";

/** So many are under way at a time. */
const BACKUPS_MAX = 2;
/** One that nobody has asked anything of for this long is given up. */
const IDLE_MS = 15_000;
/** Of a piece: each costs both ends something. */
const PIECE_BYTES = 1_048_576;
/** The same while clients write: no command waits for more than that to be read and copied. */
const BUSY_PIECE_BYTES = 262_144;
const NOTHING = new Uint8Array(0);

interface Backup {
  readonly indexMin: number;
  /**
   * A spool of at least that index, or a snapshot while it is written; null before, and once that one is
   * durable.
   */
  written: { readonly position: SnapshotPosition; readonly body: WrittenBody } | null;
  /** Null until such a snapshot is durable. */
  file: SnapshotFile | null;
  /** Of a snapshot that was there before: this disk may have spoiled it since. */
  checker: BodyChecker | null;
  takenMs: number;
  /** Handed out. */
  bytes: number;
  /** When it was asked for something last, by the monotonic clock. */
  askedMs: number;
}

export class Backups {
  readonly #files: ReadableSnapshots;
  readonly #clock: Clock;
  readonly #backups = new Map<number, Backup>();
  readonly #load: Pick<MakerLoad, "isBusy">;
  /** Held while there are backups. */
  #piece = NOTHING;
  #lastId = 0;

  constructor(files: ReadableSnapshots, clock: Clock, load: Pick<MakerLoad, "isBusy">) {
    this.#files = files;
    this.#clock = clock;
    this.#load = load;
  }

  /** True while one waits for its snapshot. */
  get isWaiting(): boolean {
    for (const backup of this.#backups.values()) if (!isThere(backup)) return true;
    return false;
  }

  /** Begins one that holds at least all up to `indexMin`; its number. Null where there are too many. */
  begin(indexMin: number): number | null {
    if (this.#backups.size === BACKUPS_MAX) return null;
    const askedMs = this.#clock.monotonicMs();
    const nothing = { written: null, file: null, checker: null, takenMs: 0, bytes: 0 };
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
    const whole = file?.bodyBytes ?? (isThere(backup) ? written!.body.bytes : null);
    const bytes = whole ?? made.of;
    const madeBytes = whole ?? made.bytes;
    return { isReady, index, term, takenMs, bytes, madeBytes };
  }

  /**
   * The next piece, good until the next call; an empty one at the end; `LATER` where it is not written
   * yet. Null where there is no such backup, or its file can't be read on.
   */
  next(id: number): Uint8Array | typeof LATER | null {
    const backup = this.#asked(id);
    if (backup === null) return null;
    const body = backup.file ?? backup.written?.body ?? null;
    const { written } = backup;
    const pieceBytes = this.#load.isBusy ? BUSY_PIECE_BYTES : PIECE_BYTES;
    // What there is will do, where it is no less than the smallest piece.
    const thereBytes = written === null ? 0 : written.body.bytes - backup.bytes;
    if (body === null || (!isThere(backup) && thereBytes < BUSY_PIECE_BYTES)) return LATER;
    if (this.#piece.length === 0) this.#piece = new Uint8Array(PIECE_BYTES);
    let count: number;
    try {
      count = body.readBody(backup.bytes, this.#piece.subarray(0, pieceBytes));
      backup.checker?.add(this.#piece.subarray(0, count));
    } catch (error) {
      this.#files.gaveError((backup.file ?? backup.written)!.position, damageOf(error));
      this.end(id);
      return null;
    }
    backup.bytes += count;
    return this.#piece.subarray(0, count);
  }

  end(id: number): void {
    const backup = this.#backups.get(id);
    backup?.file?.close();
    backup?.written?.body.close();
    this.#backups.delete(id);
    if (this.#backups.size === 0) this.#piece = NOTHING;
  }

  /**
   * Gives up what nobody asks for, and sees to it that there are snapshots for the others. Spools end where
   * there is no room: the log needs what they take.
   */
  elapse(nowMs: number, { appliedIndex }: Store, maker: SnapshotMaker, hasRoom: boolean): void {
    for (const [id, backup] of this.#backups) {
      const isSpool = backup.file === null && isThere(backup);
      if (nowMs - backup.askedMs >= IDLE_MS || (isSpool && !hasRoom)) this.end(id);
      else if (!isThere(backup)) this.#serve(id, backup, appliedIndex, maker);
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
      if (backup.file === null) this.end(id);
    } else if (newest !== undefined && newest.index >= backup.indexMin) {
      // Where it can't be read, the next look finds another one.
      backup.file = this.#files.open(newest);
      if (backup.file !== null) backup.checker = new BodyChecker(backup.file.bodyBytes);
      backup.takenMs = this.#clock.wallMs();
    } else if (appliedIndex >= backup.indexMin) {
      maker.wantSpool();
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

/** What came of a file that is no snapshot is damage of that file. */
function damageOf(error: unknown): unknown {
  if (!(error instanceof ByteFormatError)) return error;
  return new DataDirectoryError(`its records are damaged: ${error.message}`, { cause: error });
}

/** All of its contents can be read. */
function isThere({ file, written }: Backup): boolean {
  return file !== null || (written !== null && written.body.isWhole);
}
