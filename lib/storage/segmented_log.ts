/**
 * The write-ahead log while the server runs: one batch is one write and one sync.
 *
 * Nothing is written while a sync is under way, so whenever a batch is written, everything before it
 * is durable; the marker in front of the batch says so. What a crash leaves behind is docs/
 * data-directory.md's subject, and recover.ts puts it right.
 *
 * Full disk: the write's remains are zeroed, what may be given up is (spare segments, then the reserve),
 * and the batch is tried again. If it still does not fit, `done` gets the `DiskFullError` and nothing
 * of the batch is kept. From giving up the reserve until it could be written again, `hasRoom()` is
 * false.
 */
import type { HardState, PersistBatch, SnapshotPosition } from "../raft/types.ts";
import { isAwaited } from "./awaited.ts";
import { DiskError, DiskFullError, isDiskProblem } from "../host/ports.ts";
import { assert, broken } from "../util/assert.ts";
import {
  EarlierSegments,
  type LogPlace,
  type LogPosition,
  type LogSurroundings,
} from "./log_place.ts";
import { LogTail } from "./log_tail.ts";
import { makeSegmentLater, segmentLength, TAIL_BYTES } from "./make_segment.ts";
import { entriesBytes, HARD_STATE_BYTES, MARKER_BYTES } from "./records.ts";
import { endProcess } from "./new_file.ts";
import type { Reserve } from "./reserve.ts";
import { type SegmentHead, segmentName } from "./segment_head.ts";
import type { Done, LogStorage } from "./types.ts";

export class SegmentedLog implements LogStorage {
  readonly #place: LogPlace;
  readonly #reserve: Reserve;
  readonly #surroundings: LogSurroundings;
  readonly #tail: LogTail;
  #hardState: HardState;
  #nextIndex: number;
  #lastTerm: number;
  #lastIndex: number;
  readonly #earlier: EarlierSegments;
  #state: "idle" | "syncing" | "failed" | "closed" = "idle";
  /** Who wants to know of each sync of a batch that takes several. */
  #onSync: () => void = () => {};

  constructor(
    place: LogPlace,
    reserve: Reserve,
    surroundings: LogSurroundings,
    position: LogPosition,
  ) {
    this.#place = place;
    this.#reserve = reserve;
    this.#surroundings = surroundings;
    this.#tail = new LogTail(place, position);
    this.#hardState = position.hardState;
    this.#nextIndex = position.nextIndex;
    this.#lastTerm = position.lastTerm;
    this.#lastIndex = position.lastIndex;
    this.#earlier = new EarlierSegments(place, position.earlier, () => reserve.held);
  }

  persist(
    batch: PersistBatch,
    done: Done,
    onSync = () => {},
    onWrite: (isOver: boolean) => void = () => {},
  ): void {
    this.#expectIdle();
    this.#onSync = onSync;
    const { entries } = batch;
    const first = entries[0]?.index ?? 1;
    if (first < 1 || first > this.#nextIndex) {
      broken(`Entry ${first} would leave a gap behind entry ${this.#nextIndex - 1}`);
    }
    const size = MARKER_BYTES + HARD_STATE_BYTES +
      (entries.length === 0 ? 0 : entriesBytes(entries));
    const mayBlock = (bytes: number) => isAwaited(batch, bytes);
    const writeBatch = () => {
      onWrite(false);
      const bytes = this.#writeBatch(batch);
      onWrite(true);
      return bytes;
    };
    const write = () => this.#run(writeBatch, done, mayBlock);
    const { offset, head } = this.#tail;
    if (offset + size + TAIL_BYTES <= head.length) return write();
    this.#rotate(size, (error) => error === null ? write() : done(error));
  }

  markSynced(done: Done): void {
    this.#expectIdle();
    if (this.#tail.endsWithMarker) return this.#later(null, done);
    this.#run(() => this.#writeMarker(), done);
    this.#tail.giveBack();
  }

  hasRoom(): boolean {
    return this.#reserve.held;
  }

  tryRestoreReserve(): boolean {
    assert(this.#state !== "failed", "The log was used after its disk failed");
    if (this.#state === "closed") return false;
    if (!this.#reserve.held) this.#place.spares.giveUp();
    return this.#reserve.restore();
  }

  bytes(): number {
    const { spares } = this.#place;
    return this.#earlier.bytes + this.#tail.bytes + this.#reserve.bytes + spares.bytes;
  }

  compact(keepFromIndex: number): void {
    assert(this.#state !== "failed", "The log was used after its disk failed");
    this.#earlier.removeBefore(Math.min(keepFromIndex, this.#surroundings.fallbackIndex() + 1));
  }

  restart(position: SnapshotPosition, done: Done): void {
    this.#expectIdle();
    this.#state = "syncing";
    const wanted: SegmentHead = {
      sequence: this.#tail.head.sequence + 1,
      firstIndex: position.index + 1,
      previousTerm: position.term,
      length: segmentLength(this.#place.segmentBytesMax, 0),
      hardState: this.#hardState,
      previousChecksum: 0,
      restarts: true,
      reused: false,
    };
    this.#makeSegment(wanted, (error, head) => {
      if (error !== null) return this.#end(this.#unlessNamed(head, error), done);
      this.#leaveBehind();
      this.#nextIndex = position.index + 1;
      this.#lastTerm = position.term;
      this.#goOn(head);
      this.#earlier.removeBefore(Infinity);
      this.#surroundings.restarted(position);
      this.#end(null, done);
    });
  }

  finishRepair(): void {
    this.#expectUsable();
    this.#surroundings.finishRepair();
  }

  close(): void {
    if (this.#state === "closed") return;
    const idle = this.#state === "idle";
    this.#state = "closed";
    this.#earlier.close();
    try {
      if (idle && !this.#tail.endsWithMarker) {
        this.#writeMarker();
        this.#tail.file.syncNow();
      }
    } catch (error) {
      // Without the marker the next start trusts the tail less; nothing is lost by that.
      if (!(error instanceof DiskFullError)) throw error;
    } finally {
      this.#tail.file.close();
    }
  }

  #expectUsable(): void {
    assert(this.#state !== "failed", "The log was used after its disk failed");
    assert(this.#state !== "closed", "The log was used after it was closed");
  }

  #expectIdle(): void {
    this.#expectUsable();
    assert(this.#state !== "syncing", "The log was used while a sync is under way");
  }

  /** Writes, giving up what may be given up for it, and syncs; `mayBlock` hears how much was written. */
  #run(write: () => number, done: Done, mayBlock: (bytes: number) => boolean = () => false): void {
    let bytes = 0;
    try {
      bytes = write();
    } catch (error) {
      if (!isDiskProblem(error)) throw error;
      if (error instanceof DiskFullError && this.#makeRoom()) {
        return this.#run(write, done, mayBlock);
      }
      return this.#later(error, done);
    }
    this.#state = "syncing";
    this.#tail.file.sync((error) => this.#end(error, done), mayBlock(bytes));
  }

  /** The disk is full: gives up the spare segments, then the reserve; false where both are gone. */
  #makeRoom(): boolean {
    return this.#place.spares.giveUp() || this.#reserve.release();
  }

  /** Calls `done` from the event loop; any error but a full disk ends this log's life. */
  #later(error: Error | null, done: Done): void {
    this.#state = "syncing";
    this.#place.disk.defer(() => this.#end(error, done));
  }

  /** What ran beside the event loop has ended. */
  #end(error: Error | null, done: Done): void {
    if (this.#state === "closed") return;
    this.#state = error === null || error instanceof DiskFullError ? "idle" : "failed";
    done(error);
  }

  /** Returns how many bytes it wrote, zeroes behind the batch included. */
  #writeBatch(batch: PersistBatch): number {
    const { hardState, entries } = batch;
    const tail = this.#tail;
    const writer = tail.begin();
    if (!tail.endsWithMarker) tail.mark();
    if (hardState !== null) writer.hardState(hardState);
    if (entries.length > 0) writer.entries(entries);
    if (writer.length === 0) return 0;
    const bytes = tail.write();
    const zeroes = tail.makeRoomAhead(bytes);
    tail.endsWithMarker = hardState === null && entries.length === 0;
    if (hardState !== null) this.#hardState = hardState;
    const last = entries.at(-1);
    if (last !== undefined) {
      this.#nextIndex = last.index + 1;
      this.#lastIndex = Math.max(this.#lastIndex, last.index);
      this.#lastTerm = last.term;
    }
    return bytes + zeroes;
  }

  #writeMarker(): number {
    this.#tail.begin();
    this.#tail.mark();
    const bytes = this.#tail.write();
    this.#tail.endsWithMarker = true;
    return bytes;
  }

  /**
   * Goes on in a new segment that can take `batchBytes`. The new one is durable before the old one
   * says that it is followed, and that is durable before anything goes into the new one. All that may
   * take long runs beside the event loop.
   */
  #rotate(batchBytes: number, done: Done): void {
    this.#state = "syncing";
    this.#tail.begin();
    const previousChecksum = this.#tail.mark(true);
    const wanted: SegmentHead = {
      sequence: this.#tail.head.sequence + 1,
      firstIndex: this.#nextIndex,
      previousTerm: this.#lastTerm,
      length: segmentLength(this.#place.segmentBytesMax, batchBytes),
      hardState: this.#hardState,
      previousChecksum,
      restarts: false,
      reused: false,
    };
    this.#makeSegment(wanted, (error, head) => {
      if (error !== null) return this.#end(error, done);
      this.#onSync();
      try {
        // In one piece, as all that goes to the log: a part of it, left by a kill, would be a torn tail.
        this.#tail.write(true);
      } catch (error) {
        if (!isDiskProblem(error)) throw error;
        return this.#rotateAgain(head, batchBytes, error, done);
      }
      this.#leave(head, done);
    });
  }

  /** Makes the end marker durable, and goes on. */
  #leave(head: SegmentHead, done: Done): void {
    this.#tail.file.sync((error) => {
      if (this.#state === "closed") return;
      if (error !== null) return this.#end(error, done);
      this.#onSync();
      this.#leaveBehind();
      this.#goOn(head);
      this.#end(null, done);
    });
  }

  #leaveBehind(): void {
    const { file, path, bytes, head } = this.#tail;
    file.close();
    const { length } = head;
    this.#earlier.push({ path, lastIndex: this.#lastIndex, bytes, length });
  }

  /** The end marker was not written: where the reserve may help, everything is tried once more. */
  #rotateAgain(head: SegmentHead, batchBytes: number, error: Error, done: Done): void {
    if (!(error instanceof DiskFullError)) return this.#end(error, done);
    const { disk, directory } = this.#place;
    disk.removeLater(`${directory}/${segmentName(head.sequence)}`, endProcess);
    disk.syncDirectoryLater(directory, (failure) => {
      if (this.#state === "closed") return;
      if (failure !== null) return this.#end(failure, done);
      if (this.#makeRoom()) this.#rotate(batchBytes, done);
      else this.#end(error, done);
    });
  }

  /** Makes a segment, of a spare one if there is one; `done` gets its head as it became. */
  #makeSegment(
    wanted: SegmentHead,
    done: (error: Error | null, head: SegmentHead) => void,
  ): void {
    const { disk, directory, owner, spares } = this.#place;
    const spare = spares.take(wanted.length);
    const head = { ...wanted, reused: spare !== null };
    makeSegmentLater(disk, directory, owner, head, spare, this.#onSync, (error) => {
      if (this.#state === "closed") return;
      if (!(error instanceof DiskFullError)) return done(error, head);
      if (spare !== null) return this.#withoutSpare(spare, () => this.#makeSegment(wanted, done));
      if (this.#makeRoom()) this.#makeSegment(wanted, done);
      else done(error, head);
    });
  }

  /** Some file systems need room to write over what is there, too: it goes, and gives what it has. */
  #withoutSpare(spare: string, goOn: () => void): void {
    const { disk, directory } = this.#place;
    disk.removeLater(spare, endProcess);
    disk.syncDirectoryLater(directory, (error) => {
      endProcess(error);
      if (this.#state !== "closed") goOn();
    });
  }

  /** Takes the new, empty segment into use. */
  #goOn(head: SegmentHead): void {
    this.#tail.goOn(head);
    this.#lastIndex = head.firstIndex - 1;
  }

  /**
   * Once a segment that begins the log anew has its name, the log begins there: from then on a failure
   * can't be taken back.
   */
  #unlessNamed(head: SegmentHead, error: Error): Error {
    const { disk, directory } = this.#place;
    const path = `${directory}/${segmentName(head.sequence)}`;
    if (!(error instanceof DiskFullError) || !disk.exists(path)) return error;
    return new DiskError(`The log's new beginning ${path} is not known to be durable`, {
      cause: error,
    });
  }
}
