/**
 * `reserve` and `reserve.2`: files that are written and synced only to be used when the disk is full, so
 * that the hard state, votes, deletes and the log's own end still fit.
 *
 *   0  40  head (file_head.ts, kind "RE")
 *  40      filler that no file system can compress away, up to the reserve's size
 *
 * The head is written and synced last: a reserve with a head was written whole.
 *
 * None is removed in order to be used, for another program could take its room. It is turned into the
 * log's next segment, under a new name, and recycled in place, as a spare segment is
 * (spare_segments.ts). Some file systems need room even for that (btrfs): there its end is cut off, a
 * piece at a time, and the log writes into what came free; a neighbour may be quicker.
 */
import { type Disk, type DiskFile, DiskFullError } from "../../host/ports.ts";
import { assert } from "../../util/assert.ts";
import { readU64 } from "../../util/bytes.ts";
import {
  FILE_HEAD_BYTES,
  type FileOwner,
  isFileHeadIntact,
  writeFileHead,
} from "../files/file_head.ts";
import { fillerOf, PIECE_BYTES, writePieceLater } from "../files/filler.ts";
import { sizeOf } from "../files/small_file.ts";
import { segmentName } from "../segments/segment_head.ts";
import type { Spare } from "../segments/spare_segments.ts";
import type { Done } from "../types.ts";

/** The bytes of a segment's head up to the end of its sequence. */
const SEQUENCE_END = 48;

/**
 * `absent`; `part`: there, but not whole; `pieces`: the same, and of use only piece by piece; `making`:
 * being written; `held`: whole; `taken`: about to become the log's.
 */
type State = "absent" | "part" | "pieces" | "making" | "held" | "taken";

/** How many files of a reserve are not whole. Each counts itself: a write need not ask all of them. */
export interface LackingFiles {
  count: number;
}

export class ReserveFile {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #path: string;
  readonly #head = new Uint8Array(FILE_HEAD_BYTES);
  readonly #bytesMin: number;
  readonly #lacking: LackingFiles;
  /** Set by `#become` alone, which counts. */
  #state: State = "absent";
  /** Of the file. */
  #length = 0;

  /** `bytes` of 0 keeps none. Does nothing on the disk yet. */
  constructor(
    disk: Disk,
    directory: string,
    name: string,
    owner: FileOwner,
    bytes: number,
    lacking: LackingFiles,
  ) {
    this.#disk = disk;
    this.#directory = directory;
    this.#path = `${directory}/${name}`;
    this.#bytesMin = bytes === 0 ? 0 : Math.max(bytes, FILE_HEAD_BYTES);
    writeFileHead(this.#head, "RE", owner);
    this.#lacking = lacking;
    if (!this.held) lacking.count++;
  }

  /** True while the reserve is there in full. */
  get held(): boolean {
    return this.#state === "held" || this.#bytesMin === 0;
  }

  #become(state: State): void {
    const wasHeld = this.held;
    this.#state = state;
    if (wasHeld !== this.held) this.#lacking.count += wasHeld ? 1 : -1;
  }

  get path(): string {
    return this.#path;
  }

  /** On the disk. */
  get bytes(): number {
    return this.#length;
  }

  /** What it has to have. */
  get bytesMin(): number {
    return this.#bytesMin;
  }

  /** Takes over a reserve that is there, or writes one if there is room; blocking. */
  open(logDirectory: string): void {
    if (this.#bytesMin === 0) return this.#remove();
    this.#length = this.#find(logDirectory);
    if (this.#state === "held") {
      // One that was made of a longer file, or by another configuration, gives back the rest.
      if (this.#length > this.#bytesMin) this.#cutTo(this.#bytesMin);
      return;
    }
    try {
      const file = this.#disk.open(this.#path, { create: true });
      try {
        this.#fill(file);
      } finally {
        this.#length = file.size();
        file.close();
      }
      this.#disk.syncDirectory(this.#directory);
      this.#become("held");
    } catch (error) {
      if (!(error instanceof DiskFullError)) throw error;
      this.#become(this.#length > 0 ? "part" : "absent");
    }
  }

  /** True where `take` would give it. */
  hasOf(lengthMin: number): boolean {
    return (this.#state === "held" || this.#state === "part") && this.#length >= lengthMin;
  }

  /** True until it has another name: nobody else may write to its file. */
  get isTaken(): boolean {
    return this.#state === "taken";
  }

  /**
   * The file, for a segment of at least `lengthMin` bytes, to be renamed: then call `left`, or `putBack`.
   * Null: there is none.
   */
  take(lengthMin: number): Spare | null {
    if (!this.hasOf(lengthMin)) return null;
    const length = this.#length;
    this.#become("taken");
    this.#length = 0;
    return { path: this.#path, length };
  }

  /** What `take` gave has another name. */
  left(): void {
    this.#become("absent");
  }

  /** Overwriting what `take` gave found no room: it is still here, of use only piece by piece. */
  putBack({ length }: Spare): void {
    this.#become("pieces");
    this.#length = length;
  }

  /**
   * Cuts a piece off the end of a reserve in state `pieces`, or with `ofParts` also `part`, so that its room
   * can be used; blocking. False if nothing is left.
   */
  giveUpPiece(ofParts: boolean): boolean {
    if (this.#state !== "pieces" && (this.#state !== "part" || !ofParts)) return false;
    const length = Math.max(0, this.#length - PIECE_BYTES);
    if (length === 0) this.#remove();
    else this.#cutTo(length);
    return true;
  }

  /** From now on it is of use only piece by piece. */
  breakUp(): void {
    if (this.#state === "held") this.#become("pieces");
  }

  /**
   * Makes it whole, off the event loop: overwrites what is there and adds what is missing; of `spare`,
   * a file that nothing else needs, where that is given. `done` gets the `DiskFullError` where it stays
   * a part.
   */
  makeLater(spare: Spare | null, done: Done): void {
    const isIdle = this.#state === "part" || this.#state === "pieces" || this.#state === "absent";
    assert(isIdle, `The reserve is ${this.#state}`);
    this.#become("making");
    if (spare === null) return this.#fillLater(this.#length, this.#bytesMin, done);
    const disk = this.#disk;
    disk.renameLater(spare.path, this.#path, (error) => {
      if (error !== null) return this.#made(error, done);
      this.#length = spare.length;
      // Under both names one file would be two: a write to one would be a write to the other.
      const from = spare.path.slice(0, spare.path.lastIndexOf("/"));
      disk.syncDirectoryLater(this.#directory, (failure) => {
        if (failure !== null) return this.#made(failure, done);
        disk.syncDirectoryLater(from, (failure) => {
          if (failure !== null) return this.#made(failure, done);
          this.#fillLater(0, this.#length, done);
        });
      });
    });
  }

  #fillLater(offset: number, length: number, done: Done): void {
    const disk = this.#disk;
    if (offset < length) {
      const count = Math.min(PIECE_BYTES, length - offset);
      const next = offset + count;
      return writePieceLater(disk, this.#path, offset, fillerOf(count), true, (error) => {
        if (error !== null) return this.#made(error, done);
        this.#length = Math.max(this.#length, next);
        this.#fillLater(next, length, done);
      });
    }
    writePieceLater(disk, this.#path, 0, this.#head, false, (error) => {
      if (error !== null) return this.#made(error, done);
      disk.syncDirectoryLater(this.#directory, (failure) => this.#made(failure, done));
    });
  }

  #made(error: Error | null, done: Done): void {
    if (error === null) this.#become("held");
    else {
      // A part of a piece may be there.
      this.#length = this.#disk.exists(this.#path) ? sizeOf(this.#disk, this.#path) : 0;
      this.#become(this.#length > 0 ? "part" : "absent");
    }
    done(error);
  }

  #fill(file: DiskFile): void {
    const length = Math.max(this.#length, this.#bytesMin);
    for (let offset = 0; offset < length; offset += PIECE_BYTES) {
      file.write(offset, fillerOf(Math.min(PIECE_BYTES, length - offset)));
      // Each with its own sync: some file systems give back cut-off blocks by what was synced together.
      file.syncNow();
    }
    file.write(0, this.#head);
    file.syncNow();
  }

  /** Gives back what is after `length`; blocking. */
  #cutTo(length: number): void {
    this.#length = length;
    const file = this.#disk.open(this.#path);
    try {
      file.truncate(length);
      // Freed blocks become usable once that is on disk.
      file.syncNow();
    } finally {
      file.close();
    }
  }

  /** Looks what is there; returns its length. */
  #find(logDirectory: string): number {
    if (!this.#disk.exists(this.#path)) return 0;
    const file = this.#disk.open(this.#path, { readOnly: true });
    const begin = new Uint8Array(SEQUENCE_END);
    let length = 0;
    let count = 0;
    try {
      length = file.size();
      count = file.read(0, begin);
    } finally {
      file.close();
    }
    const isWhole = count === begin.length && length >= this.#bytesMin && length > 0 &&
      this.#head.every((byte, i) => begin[i] === byte);
    if (isWhole) this.#become("held");
    else if (count === begin.length && this.#isInUse(begin, logDirectory)) {
      // A crash left the old name of what is the log's by now.
      this.#remove();
      return 0;
    } else this.#become("part");
    return length;
  }

  /** `begin`: of the file. True where the log has a segment that may be this very file. */
  #isInUse(begin: Uint8Array, logDirectory: string): boolean {
    const head = begin.subarray(0, FILE_HEAD_BYTES);
    if (!isFileHeadIntact(head) || this.#head.subarray(0, 8).every((byte, i) => head[i] === byte)) {
      return false;
    }
    return this.#disk.exists(`${logDirectory}/${segmentName(readU64(begin, FILE_HEAD_BYTES))}`);
  }

  #remove(): void {
    this.#become("absent");
    this.#length = 0;
    if (!this.#disk.exists(this.#path)) return;
    this.#disk.remove(this.#path);
    this.#disk.syncDirectory(this.#directory);
  }
}
