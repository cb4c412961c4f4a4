/**
 * Zeroes written ahead of the log's end, so that a sync has little to do.
 *
 * A segment begins as a hole. A batch that goes into a hole has to be given blocks, and its sync waits
 * for the file system's journal, which says where they are: half as long again as the sync of a batch
 * that goes over blocks which the file has already. So a large batch is followed by zeroes for those
 * behind it: they change nothing that can be read, need not be durable, and cost one long sync in place
 * of many. Small batches share a block, and do not need it; very large ones are written for longer than
 * they wait.
 */
import { type DiskFile, DiskFullError } from "../host/ports.ts";

/** Bytes of zeroes written at a time, at most. */
const STEP_BYTES_MAX = 1_048_576;
/** Of a segment, this part at a time: small segments stay small on the disk. */
const STEPS_OF_SEGMENT = 64;
/** Batches smaller or larger than this are as quick without. */
const BATCH_BYTES_MIN = 4_096;
const BATCH_BYTES_MAX = 131_072;

export class RoomAhead {
  readonly #stepBytes: number;
  readonly #batchBytesMin: number;
  #zeroes: Uint8Array | null = null;
  /** Up to this offset the segment has its blocks. */
  #end = 0;

  constructor(segmentBytesMax: number) {
    this.#stepBytes = Math.min(STEP_BYTES_MAX, Math.floor(segmentBytesMax / STEPS_OF_SEGMENT));
    this.#batchBytesMin = Math.min(BATCH_BYTES_MIN, this.#stepBytes);
  }

  /** The log goes on in another file. */
  begin(): void {
    this.#end = 0;
  }

  /**
   * A batch of `batchBytes` was written that ends at `offset` of `file`, which is `length` bytes long.
   * Where the disk is full nothing is written, and nothing is wrong: the batch is in.
   */
  behind(file: DiskFile, offset: number, length: number, batchBytes: number): void {
    if (offset <= this.#end) return;
    if (batchBytes < this.#batchBytesMin || batchBytes > BATCH_BYTES_MAX) return;
    this.#zeroes ??= new Uint8Array(this.#stepBytes);
    const count = Math.min(this.#zeroes.length, length - offset);
    this.#end = offset + count;
    try {
      file.write(offset, this.#zeroes.subarray(0, count));
    } catch (error) {
      if (!(error instanceof DiskFullError)) throw error;
    }
  }
}
