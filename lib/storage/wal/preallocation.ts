/**
 * Zeroes written ahead of the log's end, so that a sync has little to do, and so that the log's own end
 * always fits.
 *
 * A segment begins as a hole. A batch that goes into a hole has to be given blocks, and its sync waits
 * for the file system's journal, which says where they are: half as long again as the sync of a batch
 * that goes over blocks which the file has already. So before a batch goes into a hole, zeroes do, for
 * it and for those to come: they change nothing that can be read, need not be durable, and cost one
 * longer sync in place of many. Very large batches are written for longer than they wait, and do without.
 *
 * Zeroes come first because a disk that is full is met by them, and not by the batch: a process that is
 * killed at that moment leaves no part of a batch behind, which would look like a torn tail.
 */
import { type DiskFile, DiskFullError } from "../../host/ports.ts";

/** Zeroes for so many batches like the one that they are written for, within these bounds. */
const BATCHES = 64;
const STEP_BYTES_MIN = 65_536;
const STEP_BYTES_MAX = 1_048_576;
/** Of a segment, this part at a time at most: small segments stay small on the disk. */
const STEPS_OF_SEGMENT = 64;
/** Larger batches are as quick without. */
const BATCH_BYTES_MAX = 131_072;

export class Preallocation {
  readonly #stepBytesMax: number;
  #zeroes = new Uint8Array(0);
  /** Up to this offset the segment has its blocks. */
  #end = 0;
  /** The disk was full: no more than what is needed, and zeroes before large batches too. */
  #isTight = false;

  constructor(segmentBytesMax: number) {
    this.#stepBytesMax = Math.min(STEP_BYTES_MAX, Math.floor(segmentBytesMax / STEPS_OF_SEGMENT));
  }

  /** The log continues in another file. */
  begin(): void {
    this.#end = 0;
    this.#isTight = false;
  }

  /**
   * A batch of `batchBytes` is about to be written at `offset` of `file`, which is `length` bytes long,
   * and `keptBytes` after it must never want for room. Returns how many zeroes were written. Throws
   * `DiskFullError` where that does not fit; then nothing but zeroes was written.
   */
  before(
    file: DiskFile,
    offset: number,
    length: number,
    batchBytes: number,
    keptBytes: number,
  ): number {
    const needed = Math.min(offset + batchBytes + keptBytes, length);
    const isLarge = batchBytes > BATCH_BYTES_MAX;
    if (needed <= this.#end || (isLarge && !this.#isTight)) return 0;
    const from = Math.max(this.#end, offset);
    const wanted = Math.min(Math.max(STEP_BYTES_MIN, BATCHES * batchBytes), this.#stepBytesMax);
    const end = Math.max(needed, Math.min(offset + batchBytes + wanted, length));
    if (!this.#isTight) {
      try {
        return this.#zero(file, from, end);
      } catch (error) {
        if (!(error instanceof DiskFullError)) throw error;
        this.#isTight = true;
      }
    }
    return this.#zero(file, from, needed);
  }

  /** A batch was written that ends at `offset`: as `before`, for large ones. */
  after(file: DiskFile, offset: number, length: number, keptBytes: number): number {
    const needed = Math.min(offset + keptBytes, length);
    if (needed <= this.#end) return 0;
    try {
      return this.#zero(file, Math.max(this.#end, offset), needed);
    } catch (error) {
      this.#isTight = true;
      throw error;
    }
  }

  #zero(file: DiskFile, from: number, end: number): number {
    const count = end - from;
    if (this.#zeroes.length < count) this.#zeroes = new Uint8Array(count);
    if (count > 0) file.write(from, this.#zeroes.subarray(0, count));
    this.#end = end;
    if (count > STEP_BYTES_MAX + BATCH_BYTES_MAX) this.#zeroes = new Uint8Array(0);
    return count;
  }
}
