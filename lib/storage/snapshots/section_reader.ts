/** Reads the sections of a snapshot's body out of a file, one after another, each checked. */
import type { DiskFile } from "../../host/ports.ts";
import { ByteFormatError, readU32 } from "../../util/bytes.ts";
import { checksum } from "../../util/checksum.ts";
import {
  SECTION_BYTES_MAX,
  SECTION_HEAD_BYTES,
  SectionOrder,
  SectionTag,
} from "./snapshot_format.ts";

/** What is thrown about the bytes `from` to `to` (exclusive) of the file; `reason` is half a sentence. */
export type DamageMaker = (from: number, to: number, reason: string) => Error;

export class SectionReader {
  readonly order = new SectionOrder();
  readonly #file: Pick<DiskFile, "read">;
  readonly #end: number;
  readonly #damage: DamageMaker;
  /** Grows to the largest section, its head included. */
  #buffer = new Uint8Array(65_536);
  #offset: number;
  #length = 0;
  #chain = 0;

  /** The body is bytes `start` to `end` (exclusive) of `file`; Infinity: its last section tells. */
  constructor(file: Pick<DiskFile, "read">, start: number, end: number, damage: DamageMaker) {
    this.#file = file;
    this.#offset = start;
    this.#end = end;
    this.#damage = damage;
  }

  /** Where the next section begins in the file. */
  get offset(): number {
    return this.#offset;
  }

  /** The section that was read last, with its head, in the buffer that the next call uses again. */
  get section(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Where the next section ends in the file, by its head; Infinity where that is not before `present`. */
  endOfNext(present: number): number {
    const contentAt = this.#offset + SECTION_HEAD_BYTES;
    if (contentAt > present) return Infinity;
    this.#file.read(this.#offset, this.#buffer.subarray(0, SECTION_HEAD_BYTES));
    const end = contentAt + readU32(this.#buffer, 4);
    return end > present ? Infinity : end;
  }

  /** The content of the next section, in a buffer that the next call uses again. Throws the damage. */
  next(): Uint8Array {
    let badBytes = SECTION_HEAD_BYTES;
    try {
      const left = this.#end - this.#offset - SECTION_HEAD_BYTES;
      if (left < 0) throw new ByteFormatError("it ends before its last section");
      this.#read(this.#offset, 0, SECTION_HEAD_BYTES);
      const length = this.order.begin(this.#buffer, left);
      this.#read(this.#offset + SECTION_HEAD_BYTES, SECTION_HEAD_BYTES, length);
      const end = SECTION_HEAD_BYTES + length;
      badBytes = end;
      const sum = checksum(this.#buffer.subarray(4, end), this.#chain);
      if (sum !== readU32(this.#buffer, 0)) {
        throw new ByteFormatError(`the checksum of ${end} bytes is wrong`);
      }
      const tag = this.#buffer[8]!;
      const content = this.#buffer.subarray(SECTION_HEAD_BYTES, end);
      if (tag === SectionTag.records) this.order.skip(length);
      else this.order.end(tag, content);
      this.#chain = sum;
      this.#length = end;
      this.#offset += end;
      if (this.order.ended && this.#end < Infinity && this.#offset !== this.#end) {
        badBytes = this.#end - this.#offset;
        throw new ByteFormatError("bytes follow its last section");
      }
      return content;
    } catch (error) {
      if (!(error instanceof ByteFormatError)) throw error;
      const to = Math.min(this.#offset + badBytes, this.#end);
      throw this.#damage(this.#offset, to, error.message);
    }
  }

  /** Reads `count` bytes at `offset` of the file to `at` of the buffer, making room. */
  #read(offset: number, at: number, count: number): void {
    if (at + count > this.#buffer.length) {
      const grown = new Uint8Array(
        Math.min(
          SECTION_HEAD_BYTES + SECTION_BYTES_MAX,
          Math.max(at + count, 2 * this.#buffer.length),
        ),
      );
      grown.set(this.#buffer.subarray(0, at));
      this.#buffer = grown;
    }
    const got = this.#file.read(offset, this.#buffer.subarray(at, at + count));
    if (got !== count) throw new ByteFormatError("it can't be read whole");
  }
}
