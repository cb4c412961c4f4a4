/**
 * The segment that is written to, and where the log ends in it. Writing here is to the page cache alone:
 * when to sync, and what may be said then, is the log's business (segmented_log.ts).
 */
import { type DiskFile, DiskFullError } from "../../host/ports.ts";
import { broken } from "../../util/assert.ts";
import { eraseFailedWrite } from "../segments/erase_failed_write.ts";
import type { LogPlace, ResumePoint } from "./closed_segments.ts";
import { TAIL_BYTES } from "../segments/make_segment.ts";
import { MARKER_BYTES, RecordWriter } from "../segments/records.ts";
import { Preallocation } from "./preallocation.ts";
import {
  headChecksum,
  SEGMENT_HEAD_BYTES,
  segmentGeneration,
  type SegmentHead,
  segmentName,
} from "../segments/segment_head.ts";

export class OpenSegment {
  readonly #place: LogPlace;
  readonly #writer = new RecordWriter();
  readonly #preallocation: Preallocation;
  #head: SegmentHead;
  #generation: number;
  #file: DiskFile;
  /** A text that is made once: each batch's place in the log's index names it. */
  #path: string;
  #offset: number;
  #chain: number;
  /** The last record is a marker, so there is nothing that still needs one. */
  endsWithMarker: boolean;

  constructor(place: LogPlace, { head, file, offset, chain, endsWithMarker }: ResumePoint) {
    this.#place = place;
    this.#preallocation = new Preallocation(place.segmentBytesMax);
    this.#head = head;
    this.#generation = segmentGeneration(place.owner, head.sequence);
    this.#file = file;
    this.#path = pathOf(place, head);
    this.#offset = offset;
    this.#chain = chain;
    this.endsWithMarker = endsWithMarker;
  }

  get head(): SegmentHead {
    return this.#head;
  }

  get file(): DiskFile {
    return this.#file;
  }

  /** After the last record. */
  get offset(): number {
    return this.#offset;
  }

  /** What the segment takes on the disk, as far as it was written to. */
  get bytes(): number {
    return this.#head.recycled ? this.#head.length : this.#offset;
  }

  /** What it has room for whatever becomes of the disk. */
  get roomBytes(): number {
    return this.#head.recycled ? Math.max(0, this.#head.length - this.#offset - TAIL_BYTES) : 0;
  }

  get path(): string {
    return this.#path;
  }

  /** Begins a write; what is given to the writer is written by `write`. */
  begin(): RecordWriter {
    this.#writer.begin(this.#chain);
    return this.#writer;
  }

  /** A marker at the beginning of a write: everything before it is durable. Returns its checksum. */
  mark(endOfSegment = false): number {
    this.#writer.marker(this.#generation, this.#offset, endOfSegment);
    return this.#writer.chain;
  }

  /** Gives up a buffer that large batches made large. */
  giveBack(): void {
    this.#writer.giveBack();
  }

  /**
   * Writes what the writer was given since `begin`, after the last record. Returns how many bytes that
   * took, zeroes written ahead included. Throws what the disk throws; after a `DiskFullError` the log
   * ends where it did before. `keptBytes` after it are sure to find room later. `closes`: it is the
   * marker of the segment's end, whose write has no part that could stand alone.
   */
  write(keptBytes: number, closes = false): number {
    const writer = this.#writer;
    const { recycled, length } = this.#head;
    const offset = this.#offset;
    const end = offset + writer.length;
    if (recycled && !closes) writer.endOfLog(this.#generation, end, length);
    const bytes = writer.view();
    if (offset + bytes.length > length) {
      broken(`${bytes.length} bytes at ${offset} are past the end of ${this.#file.path}`);
    }
    const isAhead = !recycled && !closes;
    let zeroes = 0;
    if (isAhead) {
      zeroes = this.#preallocation.before(this.#file, offset, length, bytes.length, keptBytes);
    }
    try {
      this.#file.write(offset, bytes);
      if (isAhead) zeroes += this.#preallocation.after(this.#file, end, length, keptBytes);
    } catch (error) {
      if (error instanceof DiskFullError) this.#takeBack(bytes.length);
      throw error;
    }
    this.#offset = end;
    this.#chain = writer.chain;
    return bytes.length + zeroes;
  }

  /** Writes a marker alone: one of those that are sure to find room. Returns its bytes, as `write`. */
  writeMarker(): number {
    this.begin();
    this.mark();
    const bytes = this.write(TAIL_BYTES - MARKER_BYTES);
    this.endsWithMarker = true;
    return bytes;
  }

  /** The log is closed, `idle` where nothing is being written. */
  close(idle: boolean): void {
    try {
      if (idle && !this.endsWithMarker) {
        this.writeMarker();
        this.file.syncNow();
      }
    } catch (error) {
      // Without the marker the next startup has less proof of what was durable; nothing is lost.
      if (!(error instanceof DiskFullError)) throw error;
    } finally {
      this.file.close();
    }
  }

  /** Continues in the new, empty segment with `head`. The file before was closed. */
  continueIn(head: SegmentHead): void {
    const { disk, owner } = this.#place;
    this.#preallocation.begin();
    this.#head = head;
    this.#generation = segmentGeneration(owner, head.sequence);
    this.#path = pathOf(this.#place, head);
    this.#file = disk.open(this.#path);
    this.#offset = SEGMENT_HEAD_BYTES;
    this.#chain = headChecksum(owner, head);
    this.endsWithMarker = true;
  }

  /** Takes back a write of `count` bytes that found no room. */
  #takeBack(count: number): void {
    let kept = 0;
    if (this.#head.recycled) {
      kept = MARKER_BYTES;
      this.#endHere();
    }
    if (count > kept) eraseFailedWrite(this.#file, this.#offset + kept, count - kept);
  }

  /** The same marker that stood here before, so that it is whole whatever a crash leaves. */
  #endHere(): void {
    const writer = this.begin();
    writer.endOfLog(this.#generation, this.#offset, this.#head.length);
    try {
      this.#file.write(this.#offset, writer.view());
    } catch (error) {
      // As with what can't be erased: at worst the server is suspect after a crash.
      if (!(error instanceof DiskFullError)) throw error;
    }
  }
}

function pathOf({ directory }: LogPlace, { sequence }: SegmentHead): string {
  return `${directory}/${segmentName(sequence)}`;
}
