/**
 * Reads the records of a snapshot that is being received, as far as they are in its file. Every section was
 * checked when it came, and is checked again here: what is loaded is what the disk has.
 */
import type { Disk, DiskFile } from "../../host/ports.ts";
import type { SnapshotHead } from "../../kv/snapshot.ts";
import { SnapshotDamageError } from "../errors.ts";
import { FILE_HEAD_BYTES } from "../files/file_head.ts";
import type { ComingRecords } from "../types.ts";
import { SectionReader } from "./section_reader.ts";

const NOTHING = new Uint8Array(0);

export class PartRecords implements ComingRecords {
  readonly #file: DiskFile;
  readonly #sections: SectionReader;
  /** How much of the file there is by now. */
  readonly #present: () => number;

  /** `bodyBytes`: Infinity where that is not known yet. Throws what the disk throws. */
  constructor(disk: Disk, path: string, bodyBytes: number, present: () => number) {
    this.#present = present;
    this.#file = disk.open(path, { readOnly: true });
    const damage = (offset: number, _to: number, reason: string) =>
      new SnapshotDamageError(`${path} is damaged at byte ${offset}: ${reason}.`, offset);
    const end = FILE_HEAD_BYTES + bodyBytes;
    this.#sections = new SectionReader(this.#file, FILE_HEAD_BYTES, end, damage);
  }

  head(): SnapshotHead | null {
    const { order } = this.#sections;
    while (order.head === null && this.hasNext) this.#sections.next();
    return order.head;
  }

  get hasNext(): boolean {
    return !this.isAtEnd && this.#sections.endOfNext(this.#present()) < Infinity;
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
