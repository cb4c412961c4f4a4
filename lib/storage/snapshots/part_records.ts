/**
 * Reads the records of a snapshot that is being received, as far as they came: as a rule out of memory,
 * before they are in the file. What that has is checked at the next start, as with every other snapshot.
 */
import type { SnapshotHead } from "../../kv/snapshot.ts";
import { SnapshotDamageError } from "../errors.ts";
import { FILE_HEAD_BYTES } from "../files/file_head.ts";
import type { NewFileReader } from "../files/new_file_reader.ts";
import type { ComingRecords } from "../types.ts";
import { SectionReader } from "./section_reader.ts";

const NOTHING = new Uint8Array(0);

export class PartRecords implements ComingRecords {
  readonly #file: NewFileReader;
  readonly #sections: SectionReader;

  /** `bodyBytes`: Infinity where that is not known yet. */
  constructor(file: NewFileReader, path: string, bodyBytes: number) {
    this.#file = file;
    const damage = (offset: number, _to: number, reason: string) =>
      new SnapshotDamageError(`${path} is damaged at byte ${offset}: ${reason}.`, offset);
    const end = FILE_HEAD_BYTES + bodyBytes;
    this.#sections = new SectionReader(file, FILE_HEAD_BYTES, end, damage);
  }

  head(): SnapshotHead | null {
    const { order } = this.#sections;
    while (order.head === null && this.hasNext) this.#sections.next();
    return order.head;
  }

  get hasNext(): boolean {
    return !this.isAtEnd && this.#sections.endOfNext(this.#file.length) < Infinity;
  }

  get isAtEnd(): boolean {
    return this.#sections.order.ended;
  }

  next(): Uint8Array {
    const records = this.#sections.next();
    return this.isAtEnd ? NOTHING : records;
  }

  close(): void {
    this.#file.close();
  }
}
