/**
 * Whether the disk takes sets. It does not once a reserve was used, or is too short and can't grow. It
 * does again once both are whole and there was as much room again as the log's reserve takes, twice in
 * five seconds: so a disk on which others write too does not change between full and not full ten times
 * a second.
 *
 * All of this runs off the event loop, a piece at a time.
 */
import { type Disk, DiskFullError } from "../../host/ports.ts";
import { fillerOf, PIECE_BYTES, writePieceLater } from "../files/filler.ts";
import { segmentLengthMin } from "../segments/make_segment.ts";
import { endProcess } from "../files/new_file.ts";
import type { Reserve } from "./reserve.ts";
import { TEMPORARY_SUFFIX } from "../files/small_file.ts";
import type { SnapshotReserves } from "./snapshot_reserves.ts";
import type { SpareSegments } from "../segments/spare_segments.ts";

/** What is written only to see whether it fits. */
const TRIAL_FILE = `room${TEMPORARY_SUFFIX}`;
/** How long there has to be room before sets are taken again. */
const ROOM_FOR_MS = 5_000;
/** Between tries that found none: from the first of these to the second, doubled each time. */
const RETRY_MIN_MS = 200;
const RETRY_MAX_MS = 5_000;

export interface RoomOptions {
  readonly disk: Disk;
  /** The data directory. */
  readonly directory: string;
  readonly reserve: Reserve;
  readonly spares: SpareSegments;
  readonly snapshotReserves: SnapshotReserves;
}

export class Room {
  readonly reserve: Reserve;
  readonly spares: SpareSegments;
  readonly #options: RoomOptions;
  readonly #trial: string;
  /** What a file that is becoming the log's next segment has room for; 0 once it is that. */
  comingBytes = 0;
  #isFull = false;
  /** Whether the batch under way has had a piece of the snapshots' reserves. */
  #hasGivenPiece = false;
  #isBusy = false;
  #isClosed = false;
  /** By the monotonic clock, as `seek` heard it last. */
  #nowMs = 0;
  #nextMs = 0;
  #retryMs = RETRY_MIN_MS;
  /** Since when there has been room; Infinity where there is none. */
  #sinceMs = Infinity;

  constructor(options: RoomOptions) {
    this.#options = options;
    this.reserve = options.reserve;
    this.spares = options.spares;
    this.#trial = `${options.directory}/${TRIAL_FILE}`;
  }

  /** True while the disk takes sets. */
  get isThere(): boolean {
    if (!this.reserve.held || this.#options.snapshotReserves.isShort) this.#isFull = true;
    return !this.#isFull;
  }

  /** What the log has room for beside the disk's; `openBytes` of it in the segment that it is in. */
  bytesBeside(openBytes: number): number {
    if (this.isThere) return Infinity;
    // Once another segment is on its way nothing more goes into this one.
    const logBytes = this.comingBytes || openBytes;
    return logBytes + this.spares.bytes + this.reserve.roomBytes(segmentLengthMin(0));
  }

  /**
   * At startup, whose few bytes go before all that is kept for later: runs `write`; while the disk is
   * full, again with less of the log's reserve, then of the spares, then of the snapshots' reserves.
   */
  withReserves<T>(write: () => T): T {
    const { snapshotReserves } = this.#options;
    for (;;) {
      try {
        return this.reserve.withRoom(write);
      } catch (error) {
        if (!(error instanceof DiskFullError)) throw error;
        if (!this.spares.giveUpOneNow() && !snapshotReserves.giveUpPiece()) throw error;
      }
    }
  }

  /**
   * Cuts a piece off the log's reserve, where writing over that found no room; blocking. `isSmall`: for a
   * hard state, or one entry, which may have parts of it. Once it is used up these get a piece of the
   * snapshots' reserves, on a disk that needs room to write over what is there: on any other whoever is
   * quicker would get it. One piece for each batch: beside a greedy neighbour one batch would give away all
   * of them, and get nothing. False where there is none to be had.
   */
  giveUpPiece(isSmall: boolean): boolean {
    const { snapshotReserves } = this.#options;
    if (this.reserve.giveUpPiece(isSmall)) return true;
    if (!isSmall || this.reserve.bytes > 0 || this.#hasGivenPiece) return false;
    if (!snapshotReserves.needsRoom() || !snapshotReserves.giveUpPiece()) return false;
    this.#hasGivenPiece = true;
    return true;
  }

  /** What follows is for another batch. */
  beginBatch(): void {
    this.#hasGivenPiece = false;
  }

  /** Looks for room where there was none; call it now and then. `nowMs`: the monotonic clock. */
  seek(nowMs: number): void {
    this.#nowMs = nowMs;
    const isWhole = this.reserve.held && !this.#options.snapshotReserves.isShort;
    if (!isWhole && this.#sinceMs < Infinity) this.#foundLittle();
    if (this.isThere || this.#isBusy || this.#isClosed || nowMs < this.#nextMs) return;
    if (this.reserve.isTaken) return;
    if (!this.reserve.held) this.#makeReserve();
    else if (this.#options.snapshotReserves.isShort) this.#foundNone();
    else this.#tryRoom();
  }

  /**
   * The log refused a batch, for which not even the reserve was enough: more writes
   * would only add to what can't be written. Without a reserve nothing is known of room.
   */
  refused(): void {
    if (this.reserve.bytesMin === 0) return;
    this.#isFull = true;
    this.#foundLittle();
  }

  close(): void {
    this.#isClosed = true;
  }

  #makeReserve(): void {
    const { spares } = this.#options;
    this.#isBusy = true;
    this.reserve.makeLater(null, (error) => {
      this.#isBusy = false;
      if (this.#isClosed || error === null) return this.#failUnlessFull(error);
      if (!(error instanceof DiskFullError)) throw error;
      // What others write has all the room. One of the log's own files will do, if it can spare it.
      const spare = spares.takeAtLeast(this.reserve.fileBytesMin);
      if (spare === null) return this.#foundNone();
      this.#isBusy = true;
      this.reserve.makeLater(spare, (failure) => {
        this.#isBusy = false;
        this.#failUnlessFull(failure);
        if (failure !== null) this.#foundNone();
      });
    });
  }

  #failUnlessFull(error: Error | null): void {
    if (error !== null && !(error instanceof DiskFullError)) throw error;
  }

  /** Spare segments are room for the log; else a file as long as the reserve has to fit. */
  #tryRoom(): void {
    const { spares } = this.#options;
    if (spares.bytes >= this.reserve.bytesMin) return this.#foundRoom();
    this.#isBusy = true;
    this.#writeTrial(0);
  }

  #writeTrial(offset: number): void {
    const count = Math.min(PIECE_BYTES, this.reserve.bytesMin - offset);
    if (count === 0 || this.#isClosed) return this.#endTrial(null);
    writePieceLater(this.#options.disk, this.#trial, offset, fillerOf(count), true, (error) => {
      if (error === null) this.#writeTrial(offset + count);
      else this.#endTrial(error);
    });
  }

  #endTrial(error: Error | null): void {
    this.#failUnlessFull(error);
    const { disk, directory } = this.#options;
    disk.removeLater(this.#trial, endProcess);
    disk.syncDirectoryLater(directory, (failure) => {
      endProcess(failure);
      this.#isBusy = false;
      if (error === null) this.#foundRoom();
      else this.#foundNone();
    });
  }

  #foundRoom(): void {
    this.#sinceMs = Math.min(this.#sinceMs, this.#nowMs);
    this.#retryMs = RETRY_MIN_MS;
    if (this.#nowMs - this.#sinceMs < ROOM_FOR_MS) {
      this.#nextMs = this.#sinceMs + ROOM_FOR_MS;
      return;
    }
    this.#isFull = false;
    this.#sinceMs = Infinity;
    this.#nextMs = 0;
  }

  /** The room that was found before does not count any more. */
  #foundLittle(): void {
    if (this.#sinceMs < Infinity) this.#nextMs = 0;
    this.#sinceMs = Infinity;
  }

  #foundNone(): void {
    this.#sinceMs = Infinity;
    this.#nextMs = this.#nowMs + this.#retryMs;
    this.#retryMs = Math.min(2 * this.#retryMs, RETRY_MAX_MS);
  }
}
