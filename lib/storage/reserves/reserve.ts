/**
 * The log's room on a full disk, in two files of equal length (reserve_file.ts): while one is the end of
 * the log, snapshots free the other, so that deletes never run out of room.
 */
import { type Disk, DiskFullError } from "../../host/ports.ts";
import type { FileOwner } from "../files/file_head.ts";
import { type LackingFiles, ReserveFile } from "./reserve_file.ts";
import type { Spare } from "../segments/spare_segments.ts";
import type { Done } from "../types.ts";

export const RESERVE_FILE = "reserve";
const NAMES = [RESERVE_FILE, `${RESERVE_FILE}.2`];

export class Reserve {
  readonly #files: readonly ReserveFile[];
  readonly #lacking: LackingFiles = { count: 0 };
  /** Of each file. */
  readonly fileBytesMin: number;

  /** `reserveBytes` of 0 keeps none. Does nothing on the disk yet. */
  constructor(disk: Disk, directory: string, owner: FileOwner, reserveBytes: number) {
    const bytes = Math.ceil(reserveBytes / NAMES.length);
    this.fileBytesMin = bytes;
    this.#files = NAMES.map((name) =>
      new ReserveFile(disk, directory, name, owner, bytes, this.#lacking)
    );
  }

  /** True while the reserve is there in full. */
  get held(): boolean {
    return this.#lacking.count === 0; // asked with every write
  }

  /** On the disk. */
  get bytes(): number {
    return this.#files.reduce((total, { bytes }) => total + bytes, 0);
  }

  /** What the log has room for in it, where a file loses `overheadBytes` by becoming a segment. */
  roomBytes(overheadBytes: number): number {
    const roomOf = ({ bytes }: ReserveFile) => Math.max(0, bytes - overheadBytes);
    return this.#files.reduce((total, file) => total + roomOf(file), 0);
  }

  /** What it has to have. */
  get bytesMin(): number {
    return this.#files.reduce((total, { bytesMin }) => total + bytesMin, 0);
  }

  /** Takes over what is there, or writes it if there is room; blocking. */
  open(logDirectory: string): void {
    for (const file of this.#files) file.open(logDirectory);
  }

  /** True where `take` would give a file. */
  hasOf(lengthMin: number): boolean {
    return this.#files.some((file) => file.hasOf(lengthMin));
  }

  /** True until what was taken has another name: nobody else may write to that file. */
  get isTaken(): boolean {
    return this.#files.some(({ isTaken }) => isTaken);
  }

  /**
   * A file, for a segment of at least `lengthMin` bytes, to be renamed: then call `left`, or `putBack`.
   * Null: there is none.
   */
  take(lengthMin: number): Spare | null {
    return this.#files.find((file) => file.hasOf(lengthMin))?.take(lengthMin) ?? null;
  }

  /** What `take` gave has another name. */
  left({ path }: Spare): void {
    this.#files.find((file) => file.path === path)?.left();
  }

  /** Overwriting what `take` gave found no room: it is still here, of use only piece by piece. */
  putBack(spare: Spare): void {
    this.#files.find((file) => file.path === spare.path)?.putBack(spare);
  }

  /** See `ReserveFile.giveUpPiece`. */
  giveUpPiece(ofParts: boolean): boolean {
    return this.#files.some((file) => file.giveUpPiece(ofParts));
  }

  /** At startup: runs `write`; while the disk is full, gives up a piece and runs it again. */
  withRoom<T>(write: () => T): T {
    for (;;) {
      try {
        return write();
      } catch (error) {
        if (!(error instanceof DiskFullError)) throw error;
        if (this.giveUpPiece(true)) continue;
        this.#files.find((file) => file.held)?.breakUp();
        if (!this.giveUpPiece(true)) throw error;
      }
    }
  }

  /** Makes a file whole that is not, see `ReserveFile.makeLater`. */
  makeLater(spare: Spare | null, done: Done): void {
    this.#files.find((file) => !file.held)!.makeLater(spare, done);
  }
}
