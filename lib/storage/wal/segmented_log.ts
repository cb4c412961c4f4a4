/**
 * The write-ahead log while the server runs: one batch is one write and one sync.
 *
 * Nothing is written while a sync is under way, so whenever a batch is written, everything before it
 * is durable; the marker before the batch says so. docs/data-directory.md says what a crash leaves, and
 * recover.ts repairs it.
 * Full disk: the log continues in a file that has its blocks already, a spare segment or else the
 * reserve, and the batch goes there. If it does not fit there either, `done` gets the `DiskFullError` and
 * nothing of the batch is kept. room.ts decides when `hasRoom()` is false.
 */
import type { HardState, PersistBatch, SnapshotPosition } from "../../raft/types.ts";
import { mayBlockSync, type Persisting } from "./sync_policy.ts";
import { DiskFullError, isDiskProblem } from "../../host/ports.ts";
import { assert } from "../../util/assert.ts";
import {
  ClosedSegments,
  type LogPlace,
  type LogSurroundings,
  type ResumePoint,
} from "./closed_segments.ts";
import { OpenSegment } from "./open_segment.ts";
import { newSegmentHead, segmentLengthMin, TAIL_BYTES } from "../segments/make_segment.ts";
import { makeNextSegment, removeSegment, unlessNamed, type WantedSegment } from "./next_segment.ts";
import { batchBytesMax, expectNoGap } from "../segments/records.ts";
import type { Room } from "../reserves/room.ts";
import type { SegmentHead } from "../segments/segment_head.ts";
import type { Done, FollowerNeeds, LogStorage } from "../types.ts";
import { LogReader } from "./log_reader.ts";

export class SegmentedLog implements LogStorage {
  readonly #place: LogPlace;
  readonly #room: Room;
  readonly #surroundings: LogSurroundings;
  readonly #openSegment: OpenSegment;
  #hardState: HardState;
  #nextIndex: number;
  #lastTerm: number;
  #lastIndex: number;
  readonly #closedSegments: ClosedSegments;
  readonly reader: LogReader;
  #state: "idle" | "syncing" | "failed" | "closed" = "idle";
  readonly #freeRoom = (again: () => void) => this.#closedSegments.giveUpNeeded(again);
  /** Who wants to know of each sync of a batch that takes several, and of each write. */
  #onSync = () => {};
  #onWrite: (isOver: boolean) => void = () => {};
  #persisting: Persisting | null = null;

  constructor(
    place: LogPlace,
    room: Room,
    surroundings: LogSurroundings,
    position: ResumePoint,
  ) {
    this.#place = place;
    this.#room = room;
    this.#surroundings = surroundings;
    this.#openSegment = new OpenSegment(place, position);
    this.#hardState = position.hardState;
    this.#nextIndex = position.nextIndex;
    this.#lastTerm = position.lastTerm;
    this.#lastIndex = position.lastIndex;
    this.reader = new LogReader(place.disk, position.index);
    this.#closedSegments = new ClosedSegments(place, position, () => !room.isThere);
  }

  persist(
    batch: PersistBatch,
    done: Done,
    onSync = () => {},
    onWrite: (isOver: boolean) => void = () => {},
  ): void {
    this.#expectIdle();
    this.#onSync = onSync;
    this.#onWrite = onWrite;
    this.#room.beginBatch();
    const { entries } = batch;
    expectNoGap(entries, this.#nextIndex);
    const size = batchBytesMax(entries);
    const { offset, head } = this.#openSegment;
    const persisting = this.#persisting = { batch, size, done };
    if (offset + size + TAIL_BYTES <= head.length) this.#persist(persisting);
    else this.#rotateFor(persisting);
  }

  /** Writes the batch and syncs: for each set of one client, so without a closure. */
  #persist(persisting: Persisting): void {
    let bytes = 0;
    try {
      this.#onWrite(false);
      bytes = this.#writeBatch(persisting.batch);
      this.#onWrite(true);
    } catch (error) {
      if (error instanceof DiskFullError) return this.#onFull(persisting, error);
      return this.#notWritten(error, this.#persisted);
    }
    this.#state = "syncing";
    this.#openSegment.file.sync(this.#synced, mayBlockSync(persisting.batch, bytes));
  }

  readonly #synced: Done = (error) => this.#end(error, this.#persisted);
  readonly #persisted: Done = (error) => {
    if (error instanceof DiskFullError) this.#room.refused();
    this.#persisting!.done(error);
  };

  #rotateFor(persisting: Persisting): void {
    this.#rotate(persisting.size, false, (error) => {
      if (error === null) return this.#persist(persisting);
      const mayFit = error instanceof DiskFullError && this.#giveUpPiece(persisting.batch);
      return mayFit ? this.#rotateFor(persisting) : this.#persisted(error);
    });
  }

  /** A batch of less may take what is not whole as it is. */
  #giveUpPiece = ({ entries }: PersistBatch) => this.#room.giveUpPiece(entries.length <= 1);

  markSynced(done: Done): void {
    this.#expectIdle();
    if (this.#openSegment.endsWithMarker) return this.#later(null, done);
    try {
      this.#openSegment.writeMarker();
    } catch (error) {
      return this.#notWritten(error, done);
    }
    this.#state = "syncing";
    this.#openSegment.file.sync((error) => this.#end(error, done));
    this.#openSegment.giveBack();
  }

  hasRoom(): boolean {
    return this.#room.isThere;
  }

  seekRoom(nowMs: number): void {
    assert(this.#state !== "failed", "The log was used after its disk failed");
    if (this.#state === "closed") return;
    this.#room.seek(nowMs);
    if (this.#room.isThere) this.#closedSegments.trimSpares();
  }

  roomBytes(): number {
    return this.#room.bytesBeside(this.#openSegment.roomBytes);
  }

  bytes(): number {
    const besides = this.#room.reserve.bytes + this.#place.spares.bytes;
    return this.#closedSegments.bytes + this.#openSegment.bytes + besides;
  }

  earlierBytes(): number {
    return this.#closedSegments.bytes;
  }

  compact(keepFromIndex: number, needs?: FollowerNeeds): void {
    assert(this.#state !== "failed", "The log was used after its disk failed");
    const fallbackIndex = this.#surroundings.fallbackIndex();
    this.#closedSegments.removeBefore(Math.min(keepFromIndex, fallbackIndex + 1), needs);
  }

  restart(position: SnapshotPosition, done: Done): void {
    this.#expectIdle();
    this.#state = "syncing";
    const { index, term } = position;
    const begins = { firstIndex: index + 1, previousTerm: term, restarts: true };
    const wanted = { ...this.#nextHead(0), ...begins };
    this.#makeSegment({ head: wanted, batchBytes: 0, isFull: false }, (error, head) => {
      if (error !== null) return this.#end(unlessNamed(this.#place, head, error), done);
      this.#leaveBehind();
      this.#nextIndex = index + 1;
      this.#lastTerm = position.term;
      this.#continueIn(head);
      this.reader.index.restart(position);
      this.#closedSegments.removeBefore(Infinity);
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
    this.#closedSegments.close();
    this.reader.close();
    this.#room.close();
    this.#openSegment.close(idle);
  }

  #expectUsable(): void {
    assert(this.#state !== "failed", "The log was used after its disk failed");
    assert(this.#state !== "closed", "The log was used after it was closed");
  }

  #expectIdle(): void {
    this.#expectUsable();
    assert(this.#state !== "syncing", "The log was used while a sync is under way");
  }

  /** The disk is full: tries again where a recycled file, or a piece of the reserve, may have room. */
  #onFull(persisting: Persisting, error: Error): void {
    this.#state = "syncing";
    const { batch, size } = persisting;
    const again = () => this.#persist(persisting);
    if (this.#freeRoom(again)) return;
    const { reserve, spares } = this.#room;
    const lengthMin = segmentLengthMin(size);
    if (!spares.hasOf(lengthMin) && !reserve.hasOf(lengthMin)) {
      if (this.#giveUpPiece(batch)) return again();
      // Too long for every file, and no batch of less can be made of it: their room may do for the next try.
      if (reserve.held && batch.entries.length <= 1) spares.giveUpOne();
      return this.#later(error, this.#persisted);
    }
    this.#rotate(size, true, (failure) => {
      if (failure === null) return again();
      if (failure instanceof DiskFullError && this.#giveUpPiece(batch)) return again();
      this.#persisted(failure);
    });
  }

  #notWritten(error: unknown, done: Done): void {
    if (!isDiskProblem(error)) throw error;
    this.#later(error, done);
  }

  /** Calls `done` from the event loop; any error but a full disk ends this log's life. */
  #later(error: Error | null, done: Done): void {
    this.#state = "syncing";
    this.#place.disk.defer(() => this.#end(error, done));
  }

  /** What ran off the event loop has ended. */
  #end(error: Error | null, done: Done): void {
    if (this.#state === "closed") return;
    this.#room.comingBytes = 0;
    this.#state = error === null || error instanceof DiskFullError ? "idle" : "failed";
    done(error);
  }

  /** Returns how many bytes it wrote, zeroes ahead of the log's end included. */
  #writeBatch(batch: PersistBatch): number {
    const { hardState, entries } = batch;
    const tail = this.#openSegment;
    const writer = tail.begin();
    if (!tail.endsWithMarker) tail.mark();
    if (hardState !== null) writer.hardState(hardState);
    const offset = tail.offset + writer.length;
    const { chain } = writer;
    if (entries.length > 0) writer.entries(entries);
    if (writer.length === 0) return 0;
    const bytes = tail.write(TAIL_BYTES);
    tail.endsWithMarker = hardState === null && entries.length === 0;
    if (hardState !== null) this.#hardState = hardState;
    const last = entries.at(-1);
    if (last !== undefined) {
      this.#nextIndex = last.index + 1;
      this.#lastIndex = Math.max(this.#lastIndex, last.index);
      this.#lastTerm = last.term;
      const firstIndex = last.index - entries.length + 1;
      const { path, offset: end } = tail;
      this.reader.index.note({ path, offset, end, chain, firstIndex, lastIndex: last.index });
    }
    return bytes;
  }

  /**
   * Continues in a new segment that can take `batchBytes`. The new one is durable before the old one
   * gets its end marker, and that is durable before anything goes into the new one. All that may take
   * long runs off the event loop. `isFull`: only in a file that has its blocks.
   */
  #rotate(batchBytes: number, isFull: boolean, done: Done): void {
    this.#state = "syncing";
    this.#openSegment.begin();
    const previousChecksum = this.#openSegment.mark(true);
    const wanted = { ...this.#nextHead(batchBytes), previousChecksum };
    this.#makeSegment({ head: wanted, batchBytes, isFull }, (error, head) => {
      if (error !== null) return this.#end(error, done);
      this.#onSync();
      try {
        // In one piece, as all that goes to the log: a part of it, left by a kill, would be a torn tail.
        this.#openSegment.write(0, true);
      } catch (error) {
        if (!isDiskProblem(error)) throw error;
        return this.#rotateAgain(head, batchBytes, error, done);
      }
      this.#leave(head, done);
    });
  }

  #leave(head: SegmentHead, done: Done): void {
    this.#openSegment.file.sync((error) => {
      if (this.#state === "closed") return;
      if (error !== null) return this.#end(error, done);
      this.#onSync();
      this.#leaveBehind();
      this.#continueIn(head);
      this.#end(null, done);
    });
  }

  #leaveBehind(): void {
    const { file, path, bytes, head: { length } } = this.#openSegment;
    file.close();
    this.#closedSegments.push({ path, lastIndex: this.#lastIndex, bytes, length });
  }

  /**
   * The end marker was not written: an older build kept no room for it in this segment, or the file system
   * needs room even to overwrite. The new segment is removed, so that its room can be used for the marker.
   */
  #rotateAgain(head: SegmentHead, batchBytes: number, error: Error, done: Done): void {
    if (!(error instanceof DiskFullError)) return this.#end(error, done);
    removeSegment(this.#place, head, (failure) => {
      if (this.#state === "closed") return;
      if (failure !== null || !head.recycled) return this.#end(failure ?? error, done);
      this.#rotate(batchBytes, false, done);
    });
  }

  #nextHead(batchBytes: number): SegmentHead {
    return newSegmentHead({
      sequence: this.#openSegment.head.sequence + 1,
      firstIndex: this.#nextIndex,
      previousTerm: this.#lastTerm,
      hardState: this.#hardState,
      segmentBytesMax: this.#place.segmentBytesMax,
      batchBytes,
    });
  }

  #makeSegment(
    about: Omit<WantedSegment, "onSync" | "freeRoom">,
    done: (error: Error | null, head: SegmentHead) => void,
  ): void {
    const wanted = { ...about, onSync: this.#onSync, freeRoom: this.#freeRoom };
    makeNextSegment(this.#place, this.#room, wanted, (error, head) => {
      if (this.#state !== "closed") done(error, head);
    });
  }

  /** Takes the new, empty segment into use. */
  #continueIn(head: SegmentHead): void {
    this.#openSegment.continueIn(head);
    this.#lastIndex = head.firstIndex - 1;
  }
}
