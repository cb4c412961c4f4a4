/**
 * Reads a new file while more is appended to it: what was appended last out of memory, before it is in the
 * file, and what is in memory no more out of the file. It outlives the writing.
 */
import type { Disk, DiskFile } from "../../host/ports.ts";
import type { NewFile } from "./new_file.ts";

export class NewFileReader {
  readonly #written: NewFile;
  readonly #file: DiskFile;

  /** `path`: of `written`, by now. Throws what the disk throws. */
  constructor(disk: Disk, path: string, written: NewFile) {
    this.#written = written;
    this.#file = disk.open(path, { readOnly: true });
  }

  /** How much can be read by now. */
  get length(): number {
    return this.#written.readableLength;
  }

  /** Fills `into` from `offset` on, as far as there is something; returns how many bytes that were. */
  read(offset: number, into: Uint8Array): number {
    const count = Math.max(0, Math.min(into.length, this.length - offset));
    let total = 0;
    while (total < count) {
      const part = into.subarray(total, count);
      const recent = this.#written.readRecent(offset + total, part);
      const got = recent > 0
        ? recent
        : this.#file.read(offset + total, this.#older(offset + total, part));
      if (got === 0) break;
      total += got;
    }
    return total;
  }

  close(): void {
    this.#file.close();
  }

  /** Of `part`, which begins at `offset`, what is in memory no more. */
  #older(offset: number, part: Uint8Array): Uint8Array {
    const { recentFrom } = this.#written;
    return offset + part.length > recentFrom ? part.subarray(0, recentFrom - offset) : part;
  }
}
