/**
 * A segment read through a window: one buffer moves over the file, so that a scan takes little memory
 * however long the segments are. Only a record that is longer than the window, and whose checksum was
 * found right, gets a buffer of its own.
 */
import { DiskError, type DiskFile } from "../../host/ports.ts";
import { readU32 } from "../../util/bytes.ts";
import { checksum } from "../../util/checksum.ts";
import { areZeroes } from "../../util/zeroes.ts";
import {
  checkRecord,
  findMarker,
  isRecordHead,
  MARKER_BYTES,
  RECORD_HEAD_BYTES,
} from "../segments/records.ts";

export const WINDOW_BYTES = 1_048_576;

export class SegmentWindow {
  /** Of the file. */
  readonly length: number;
  readonly #file: DiskFile;
  readonly #buffer: Uint8Array;
  readonly #words: Uint32Array;
  /** The buffer holds the file's bytes `[#start, #end)`. */
  #start = 0;
  #end = 0;

  /** `buffer` may serve one window after another; its length is a multiple of 4, 64 at least. */
  constructor(file: DiskFile, length: number, buffer: Uint8Array<ArrayBuffer>) {
    this.#file = file;
    this.length = length;
    this.#buffer = buffer;
    this.#words = new Uint32Array(buffer.buffer, buffer.byteOffset, buffer.length >> 2);
  }

  /** `count` bytes at `offset`, within the file; gone with the next call where they fit the window. */
  view(offset: number, count: number): Uint8Array {
    if (count > this.#buffer.length) {
      const own = new Uint8Array(count);
      this.#read(offset, own);
      return own;
    }
    if (offset < this.#start || offset + count > this.#end) this.#move(offset);
    return this.#buffer.subarray(offset - this.#start, offset - this.#start + count);
  }

  /** As `checkRecord`: the end of the record at `offset` if it continues `chain`, else 0. */
  checkRecord(offset: number, chain: number): number {
    if (offset + RECORD_HEAD_BYTES > this.length) return 0;
    const head = this.view(offset, RECORD_HEAD_BYTES);
    const total = RECORD_HEAD_BYTES + readU32(head, 4);
    if (offset + total > this.length || !isRecordHead(head, 0)) return 0;
    if (total <= this.#buffer.length) {
      return checkRecord(this.view(offset, total), 0, chain) === 0 ? 0 : offset + total;
    }
    const expected = readU32(head, 0);
    let sum = chain;
    for (let at = offset + 4; at < offset + total;) {
      const count = Math.min(this.#buffer.length, offset + total - at);
      sum = checksum(this.view(at, count), sum);
      at += count;
    }
    return sum === expected ? offset + total : 0;
  }

  /** As `findMarker`: the first whole marker record in `[from, to)`, or -1. */
  findMarker(from: number, to: number, generation: number): number {
    for (let at = from; at + MARKER_BYTES <= to;) {
      const count = Math.min(this.#buffer.length, to - at);
      const found = findMarker(this.view(at, count), 0, generation, at);
      if (found !== -1) return at + found;
      at += count - MARKER_BYTES + 1;
    }
    return -1;
  }

  /** The offset after the last byte that is not zero; `from` if there is none from there on. */
  usedEnd(from: number): number {
    for (let end = this.length; end > from;) {
      const start = Math.max(from, end - this.#buffer.length);
      this.#start = this.#end = 0;
      const bytes = this.view(start, end - start);
      if (areZeroes(bytes)) {
        end = start;
        continue;
      }
      let used = end - start;
      while (used % 4 !== 0 && bytes[used - 1] === 0) used--;
      if (used % 4 === 0) {
        let words = used >> 2;
        while (words > 0 && this.#words[words - 1] === 0) words--;
        used = words << 2;
        while (used > 0 && bytes[used - 1] === 0) used--;
      }
      if (used > 0) return start + used;
      end = start;
    }
    return from;
  }

  /** Fills the window from `offset` on. */
  #move(offset: number): void {
    this.#start = offset;
    this.#end = Math.min(this.length, offset + this.#buffer.length);
    this.#read(offset, this.#buffer.subarray(0, this.#end - offset));
  }

  #read(offset: number, into: Uint8Array): void {
    if (this.#file.read(offset, into) === into.length) return;
    throw new DiskError(`Could not read ${this.#file.path} at ${offset}: it became shorter`);
  }
}
