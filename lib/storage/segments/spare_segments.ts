/**
 * Old segments kept for recycling. Their blocks are already allocated, so a sync does not wait for the
 * file system's journal, and most of their pages are in memory. When the disk is full they are the log's
 * room: most file systems need no room to overwrite blocks. They are not part of the log.
 *
 * A segment becomes a spare by its name, and is overwritten only once that name is durable: under the old
 * name it would be a damaged segment after a crash.
 */
import { type Disk, DiskFullError } from "../../host/ports.ts";
import { PIECE_BYTES, writePieceLater } from "../files/filler.ts";
import { endProcess } from "../files/new_file.ts";
import { sizeOf } from "../files/small_file.ts";

export const SPARE_SUFFIX = ".spare";

/** For a segment that was never used: another segment will get its number, and later be a spare. */
const UNUSED_NAME = `${"0".repeat(16)}.log${SPARE_SUFFIX}`;

/** A file with all its blocks. */
export interface Spare {
  readonly path: string;
  readonly length: number;
}

/** A segment that is not needed any more. */
export interface LeftSegment extends Spare {
  /** So many of its bytes have their blocks. */
  readonly bytes: number;
}

/** Shorter ones are not worth keeping. */
const LENGTH_MIN = 4_096;

export class SpareSegments {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #length: number;
  #spares: Spare[] = [];
  /** How many are being renamed. */
  #coming = 0;

  /** `length`: what new segments have. Others are kept only while the disk is full. */
  constructor(disk: Disk, directory: string, length: number) {
    this.#disk = disk;
    this.#directory = directory;
    this.#length = length;
  }

  /** Of those that have their name. */
  get bytes(): number {
    return this.#spares.reduce((total, { length }) => total + length, 0);
  }

  /** Takes over what the last run left; blocking, and before any is taken. */
  adopt(): void {
    for (const name of this.#disk.list(this.#directory)) {
      if (!name.endsWith(SPARE_SUFFIX)) continue;
      const path = `${this.#directory}/${name}`;
      this.#spares.push({ path, length: sizeOf(this.#disk, path) });
    }
  }

  /**
   * Makes a spare of a segment of `length` bytes that was made and never used, at startup, where
   * `keepsUnused`; blocking. False where the disk has no room for its name: it is unchanged then.
   */
  adoptUnused(path: string, length: number): boolean {
    const spare = `${this.#directory}/${UNUSED_NAME}`;
    try {
      this.#disk.rename(path, spare);
    } catch (error) {
      if (!(error instanceof DiskFullError)) throw error;
      return false;
    }
    this.#disk.syncDirectory(this.#directory);
    this.#spares.push({ path: spare, length });
    return true;
  }

  /**
   * Makes a spare of a segment, off the event loop, and calls `done` once it counts as a segment no
   * more. False where it is not wanted: nothing was done. `isFull`: all are.
   */
  add(segment: LeftSegment, countMax: number, isFull: boolean, done: () => void): boolean {
    const { path, length, bytes } = segment;
    const isWanted = length === this.#length && this.#spares.length + this.#coming < countMax &&
      length - bytes <= PIECE_BYTES;
    if (!isWanted && (!isFull || bytes < LENGTH_MIN)) return false;
    this.#coming++;
    if (bytes === length || isFull) {
      this.#rename(segment, done);
      return true;
    }
    // Its last bytes may never have been written to. Zeroes change nothing that can be read there.
    writePieceLater(this.#disk, path, bytes, new Uint8Array(length - bytes), false, (error) => {
      if (!(error instanceof DiskFullError)) endProcess(error);
      this.#rename(error === null ? { ...segment, bytes: length } : segment, done);
    });
    return true;
  }

  #rename({ path, length, bytes }: LeftSegment, done: () => void): void {
    const spare = path + SPARE_SUFFIX;
    let isNamed = true;
    this.#disk.renameLater(path, spare, (error) => {
      isNamed = error === null;
      if (!(error instanceof DiskFullError)) endProcess(error);
    });
    this.#disk.syncDirectoryLater(this.#directory, (error) => {
      endProcess(error);
      if (!isNamed) {
        // No room for its name. It is removed like any other segment, durably before the next.
        this.#disk.removeLater(path, endProcess);
        return this.#disk.syncDirectoryLater(this.#directory, (failure) => {
          endProcess(failure);
          this.#coming--;
          done();
        });
      }
      if (bytes === length) return this.#came({ path: spare, length }, done);
      // There is no room for the rest: what has its blocks is of use by itself.
      const file = this.#disk.open(spare);
      file.truncateLater(bytes, (failure) => {
        file.close();
        endProcess(failure);
        this.#came({ path: spare, length: bytes }, done);
      });
    });
  }

  #came(spare: Spare, done: () => void): void {
    this.#coming--;
    this.#spares.push(spare);
    done();
  }

  /** Removes those beyond `countMax` and those of other lengths, off the event loop. */
  trim(countMax: number): void {
    const kept: Spare[] = [];
    for (const spare of this.#spares) {
      const isKept = spare.length === this.#length && kept.length + this.#coming < countMax;
      if (isKept) kept.push(spare);
      else this.#disk.removeLater(spare.path, endProcess);
    }
    if (kept.length < this.#spares.length) {
      this.#disk.syncDirectoryLater(this.#directory, endProcess);
    }
    this.#spares = kept;
  }

  /** One for a segment of exactly `length` bytes, which is the caller's now; null where there is none. */
  take(length: number): Spare | null {
    return this.#takeAt(this.#spares.findIndex((spare) => spare.length === length));
  }

  /** The shortest of at least `lengthMin` bytes, as `take`. */
  takeAtLeast(lengthMin: number): Spare | null {
    let best = -1;
    for (const [i, { length }] of this.#spares.entries()) {
      if (length < lengthMin) continue;
      if (best === -1 || length < this.#spares[best]!.length) best = i;
    }
    return this.#takeAt(best);
  }

  /** True where `takeAtLeast` would find one. */
  hasOf(lengthMin: number): boolean {
    return this.#spares.some(({ length }) => length >= lengthMin);
  }

  /** Something else needs room: removes one, off the event loop; false where there is none. */
  giveUpOne(): boolean {
    if (this.#spares.length === 0) return false;
    this.#disk.removeLater(this.#spares.pop()!.path, endProcess);
    // Freed blocks become usable once the removal is on disk.
    this.#disk.syncDirectoryLater(this.#directory, endProcess);
    return true;
  }

  /** As `giveUpOne`, at startup; blocking. */
  giveUpOneNow(): boolean {
    const spare = this.#spares.pop();
    if (spare === undefined) return false;
    this.#disk.remove(spare.path);
    this.#disk.syncDirectory(this.#directory);
    return true;
  }

  #takeAt(at: number): Spare | null {
    return at === -1 ? null : this.#spares.splice(at, 1)[0]!;
  }
}

/**
 * Whether startup makes a spare of a segment that was made and never used, so that its blocks stay the
 * log's, or removes it. A repair keeps no spares.
 */
export function keepsUnused(
  disk: Disk,
  directory: string,
  recycled: boolean,
  isRepairing: boolean,
): boolean {
  return recycled && !isRepairing && !disk.exists(`${directory}/${UNUSED_NAME}`);
}

/** Removes the spares that the last run left; blocking. */
export function removeSpares(disk: Disk, directory: string): void {
  for (const name of disk.list(directory)) {
    if (name.endsWith(SPARE_SUFFIX)) disk.remove(`${directory}/${name}`);
  }
}
