/**
 * Zeroes written ahead of the log's end, so that a sync has little to do, and so that the log's own end
 * always fits.
 *
 * A segment begins as a hole. A batch written into a hole needs new blocks, and its sync waits for the
 * file system's journal, which records where they are: that takes half as long again as the sync of a
 * batch over blocks that the file has already. So zeroes are written into the hole first, for this batch
 * and for later ones. They change nothing that can be read, need not be durable, and cost one longer sync
 * instead of many. Batches of more than 128 KiB take longer to write than to sync, and do without.
 *
 * Zeroes come before the batch so that it is they, not the batch, that find a disk full: a process that
 * is killed at that moment leaves no part of a batch, which would look like a torn tail.
 *
 * An example. `segmentBytesMax` is 64 MiB, so one step is 1 MiB at most. Batches of 500 bytes come, the
 * first at offset 104 of a new segment, and 176 bytes after each have to find room (`TAIL_BYTES`):
 *  - before the first batch, bytes 104 to 66,140 are zeroed: the batch and a step of 65,536, as 64 times
 *    500 is less than that. The batch goes to 104, over zeroes;
 *  - the next 130 batches find their bytes and the 176 after them below 66,140: nothing is zeroed;
 *  - the 132nd would end at 66,104, and 176 more is past 66,140: zeroes go from there to 131,640.
 * So one sync in about 131 waits for the journal.
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
