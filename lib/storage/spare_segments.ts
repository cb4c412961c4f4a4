/**
 * Segments that the log has left behind, kept to be written over: for a file that has its blocks a sync
 * allocates nothing and waits for no journal, and its pages are in memory mostly. A spare is no part of
 * the log: what is in it are remains, and a start removes it.
 *
 * A segment becomes a spare by its name, and is written to only once that name is durable: under the
 * old one it would be a damaged segment after a crash. When the disk is full, spares go first.
 */
import { type Disk, DiskFullError } from "../host/ports.ts";
import { endProcess } from "./new_file.ts";

export const SPARE_SUFFIX = ".spare";

export class SpareSegments {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #length: number;
  #paths: string[] = [];
  /** On its way to its name. */
  #coming = 0;

  /** All have `length` bytes, as new segments have: others are not kept. */
  constructor(disk: Disk, directory: string, length: number) {
    this.#disk = disk;
    this.#directory = directory;
    this.#length = length;
  }

  /** Of those that have their name. */
  get bytes(): number {
    return this.#paths.length * this.#length;
  }

  /**
   * Makes a spare of the segment at `path`, beside the event loop, and calls `done` once it counts as a
   * segment no more. False where it is of another length, or `countMax` are there: nothing was done.
   */
  add(path: string, length: number, countMax: number, done: () => void): boolean {
    if (length !== this.#length || this.#paths.length + this.#coming >= countMax) return false;
    const spare = path + SPARE_SUFFIX;
    let isNamed = true;
    this.#coming++;
    this.#disk.renameLater(path, spare, (error) => {
      isNamed = error === null;
      if (!(error instanceof DiskFullError)) endProcess(error);
    });
    this.#disk.syncDirectoryLater(this.#directory, (error) => {
      endProcess(error);
      this.#coming--;
      if (isNamed) {
        this.#paths.push(spare);
        return done();
      }
      // No room for its name. It goes as any other, for good before the next.
      this.#disk.removeLater(path, endProcess);
      this.#disk.syncDirectoryLater(this.#directory, (failure) => {
        endProcess(failure);
        done();
      });
    });
    return true;
  }

  /** Removes those above `countMax`, beside the event loop: so many will not be needed. */
  trim(countMax: number): void {
    const before = this.#paths.length;
    while (this.#paths.length > 0 && this.#paths.length + this.#coming > countMax) {
      this.#disk.removeLater(this.#paths.pop()!, endProcess);
    }
    if (this.#paths.length < before) this.#disk.syncDirectoryLater(this.#directory, endProcess);
  }

  /** One for a segment of `length` bytes, which is the caller's now; null where there is none. */
  take(length: number): string | null {
    return length === this.#length ? this.#paths.shift() ?? null : null;
  }

  /** The disk is full: removes them, blocking. False where there was none. */
  giveUp(): boolean {
    if (this.#paths.length === 0) return false;
    for (const path of this.#paths.splice(0)) this.#disk.remove(path);
    // Freed blocks become usable once the removal is on disk.
    this.#disk.syncDirectory(this.#directory);
    return true;
  }
}

/** Removes the spares that the last run left; blocking. */
export function removeSpares(disk: Disk, directory: string): void {
  for (const name of disk.list(directory)) {
    if (name.endsWith(SPARE_SUFFIX)) disk.remove(`${directory}/${name}`);
  }
}
