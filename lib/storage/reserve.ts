/**
 * `reserve`: bytes that are written and synced only to be given up when the disk is full, so that
 * the log's own end, votes and deletes still fit.
 *
 *   0  40  head (file_head.ts, kind "RE")
 *  40      filler that no file system can compress away, up to the reserve's size
 *
 * The head is written and synced last: a reserve with a head was written whole.
 */
import { type Disk, type DiskFile, DiskFullError } from "../host/ports.ts";
import { Random } from "../util/random.ts";
import { FILE_HEAD_BYTES, type FileOwner, writeFileHead } from "./file_head.ts";

export const RESERVE_FILE = "reserve";
const CHUNK_BYTES = 1_048_576;

export class Reserve {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #path: string;
  readonly #head = new Uint8Array(FILE_HEAD_BYTES);
  readonly #bytes: number;
  #held = false;

  /** `reserveBytes` of 0 keeps none. Does nothing on the disk yet. */
  constructor(disk: Disk, directory: string, owner: FileOwner, reserveBytes: number) {
    this.#disk = disk;
    this.#directory = directory;
    this.#path = `${directory}/${RESERVE_FILE}`;
    this.#bytes = reserveBytes === 0 ? 0 : Math.max(reserveBytes, FILE_HEAD_BYTES);
    writeFileHead(this.#head, "RE", owner);
  }

  /** True while the reserve is there in full. */
  get held(): boolean {
    return this.#held;
  }

  get bytes(): number {
    return this.#held ? this.#bytes : 0;
  }

  /** Takes over a reserve that is there, or writes one if there is room; blocking. */
  open(): void {
    if (this.#isWhole()) this.#held = true;
    else this.restore();
  }

  /** Gives the bytes up, at once; false where they were given up before. */
  release(): boolean {
    if (!this.#held) return false;
    this.#held = false;
    this.#remove();
    return true;
  }

  /** Runs `write`; where the disk is full, gives the bytes up and runs it once more. */
  withRoom<T>(write: () => T): T {
    try {
      return write();
    } catch (error) {
      if (!(error instanceof DiskFullError) || !this.release()) throw error;
      return write();
    }
  }

  /** Writes the reserve again, blocking; leaves nothing behind where there is no room for it. */
  restore(): boolean {
    if (this.#held) return true;
    this.#remove();
    if (this.#bytes === 0) return this.#held = true;
    try {
      const file = this.#disk.open(this.#path, { create: true });
      try {
        this.#fill(file);
      } finally {
        file.close();
      }
      this.#disk.syncDirectory(this.#directory);
      this.#held = true;
    } catch (error) {
      if (!(error instanceof DiskFullError)) throw error;
      this.#remove();
    }
    return this.#held;
  }

  #fill(file: DiskFile): void {
    const random = new Random(this.#bytes);
    const chunk = new Uint8Array(Math.min(CHUNK_BYTES, this.#bytes));
    for (let offset = FILE_HEAD_BYTES; offset < this.#bytes; offset += chunk.length) {
      for (let i = 0; i < chunk.length; i += 4) {
        const word = random.u32();
        chunk[i] = word;
        chunk[i + 1] = word >>> 8;
        chunk[i + 2] = word >>> 16;
        chunk[i + 3] = word >>> 24;
      }
      const left = this.#bytes - offset;
      file.write(offset, left < chunk.length ? chunk.subarray(0, left) : chunk);
    }
    file.syncNow();
    file.write(0, this.#head);
    file.syncNow();
  }

  #isWhole(): boolean {
    if (this.#bytes === 0 || !this.#disk.exists(this.#path)) return false;
    const file = this.#disk.open(this.#path, { readOnly: true });
    try {
      const head = new Uint8Array(FILE_HEAD_BYTES);
      if (file.size() !== this.#bytes || file.read(0, head) !== head.length) return false;
      return head.every((byte, i) => byte === this.#head[i]);
    } finally {
      file.close();
    }
  }

  #remove(): void {
    if (!this.#disk.exists(this.#path)) return;
    this.#disk.remove(this.#path);
    // Freed blocks become usable once the removal is on disk.
    this.#disk.syncDirectory(this.#directory);
  }
}
