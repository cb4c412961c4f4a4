/**
 * Zeroes written ahead of the log's end, so that a sync has little to do.
 *
 * A segment begins as a hole. A batch that goes into a hole has to be given blocks, and its sync waits
 * for the file system's journal, which says where they are: half as long again as the sync of a batch
 * that goes over blocks which the file has already. So a batch that ends in a hole is followed by zeroes
 * for those behind it: they change nothing that can be read, need not be durable, and cost one longer
 * sync in place of many. Very large batches are written for longer than they wait, and do without.
 */
import { type DiskFile, DiskFullError } from "../host/ports.ts";

/** Zeroes for so many batches like the one that is followed by them, within these bounds. */
const BATCHES = 64;
const STEP_BYTES_MIN = 65_536;
const STEP_BYTES_MAX = 1_048_576;
/** Of a segment, this part at a time at most: small segments stay small on the disk. */
const STEPS_OF_SEGMENT = 64;
/** Larger batches are as quick without. */
const BATCH_BYTES_MAX = 131_072;

export class RoomAhead {
  readonly #stepBytesMax: number;
  #zeroes = new Uint8Array(0);
  /** Up to this offset the segment has its blocks, or there was no room for them. */
  #end = 0;

  constructor(segmentBytesMax: number) {
    this.#stepBytesMax = Math.min(STEP_BYTES_MAX, Math.floor(segmentBytesMax / STEPS_OF_SEGMENT));
  }

  /** The log goes on in another file. */
  begin(): void {
    this.#end = 0;
  }

  /**
   * A batch of `batchBytes` was written that ends at `offset` of `file`, which is `length` bytes long.
   * Returns how many zeroes were written. Where the disk is full nothing is wrong: the batch is in.
   */
  behind(file: DiskFile, offset: number, length: number, batchBytes: number): number {
    if (offset <= this.#end || batchBytes > BATCH_BYTES_MAX) return 0;
    const wanted = Math.max(STEP_BYTES_MIN, BATCHES * batchBytes);
    const count = Math.min(wanted, this.#stepBytesMax, length - offset);
    if (this.#zeroes.length < count) this.#zeroes = new Uint8Array(count);
    this.#end = offset + count;
    try {
      file.write(offset, this.#zeroes.subarray(0, count));
    } catch (error) {
      if (!(error instanceof DiskFullError)) throw error;
    }
    return count; // or a part of them
  }
}
