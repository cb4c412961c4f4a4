/**
 * `snapshot/reserve.new`: the file that the next snapshot recycles, so that there is always room
 * for one: a snapshot is what makes the log shorter, and a full disk is left by that alone. It is as long
 * as the next snapshot may become, and grows with the store; where it can't grow, sets are refused.
 *
 * When a snapshot is not needed any more, its file becomes the next reserve, so three files take turns.
 * Whatever is in this one has no meaning. It is only ever appended to, so its length says what room it has.
 * A build that does not know of it takes it for a temporary file, and removes it.
 */
import { type Disk, DiskFullError } from "../../host/ports.ts";
import { fillerOf, PIECE_BYTES, writePieceLater } from "../files/filler.ts";
import { endProcess } from "../files/new_file.ts";
import { sizeOf } from "../files/small_file.ts";

export const SNAPSHOT_RESERVE_FILE = "reserve.new";
/** There too as long as there are not two snapshots, see snapshot_reserves.ts. */
export const MORE_RESERVE_FILES = ["second.new", "third.new"];
/** Kept beyond what the next snapshot may become: an eighth of that, and so much. Half may be used up. */
const SLACK_BYTES = 1_048_576;
const SLACK_SHARE = 8;
/** Longer than wanted by this factor, it gives room back. */
const SURPLUS_FACTOR = 2;
/** Cut off at a time: large pieces keep a file system's journal busy. */
const CUT_BYTES = 16_777_216;
const RETRY_MS = 1_000;
/** So much is overwritten to see whether that needs room: a block of most file systems. */
const TRIAL_BYTES = 4_096;
/** So long what was given up for it takes to be free. */
const FREED_MS = 100;

/** How many of several reserves have found no room to grow: asked with each write, of one object for all. */
export interface FullReserves {
  count: number;
}

export class SnapshotReserve {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #path: string;
  readonly #slackBytesMax: number;
  /** `taken`: a snapshot is being written in its place. `busy`: it grows, shrinks or is on its way here. */
  #state: "free" | "busy" | "taken" = "free";
  #length = 0;
  #isNamed = true;
  #wantedBytes = 0;
  #slackBytes = 0;
  /** It was begun to be made longer, and is not as long yet as it is to become. */
  #isGrowing = false;
  #isFull = false;
  #retryAtMs = 0;
  readonly #makeDirectory: () => void;
  readonly #makeRoom: () => boolean;
  readonly #full: FullReserves;
  #isClosed = false;

  /**
   * `reserveBytes` of 0 keeps none; else the slack is no more than that. `makeRoom`: the disk has no
   * room for it; false where nothing can be given up for it.
   */
  constructor(
    disk: Disk,
    directory: string,
    name: string,
    reserveBytes: number,
    makeDirectory: () => void,
    makeRoom: () => boolean,
    full: FullReserves,
  ) {
    this.#full = full;
    this.#disk = disk;
    this.#directory = directory;
    this.#path = `${directory}/${name}`;
    this.#slackBytesMax = Math.min(SLACK_BYTES, reserveBytes);
    this.#makeDirectory = makeDirectory;
    this.#makeRoom = makeRoom;
  }

  /** Takes over what the last run left; blocking. */
  start(): void {
    if (!this.#disk.exists(this.#path)) return;
    if (this.#slackBytesMax === 0) this.#disk.remove(this.#path);
    else this.#length = sizeOf(this.#disk, this.#path);
  }

  /**
   * Cuts a piece off its end, so that the log may have its room; blocking. False where it has none, or
   * something is being done with it.
   */
  giveUpPiece(): boolean {
    if (this.#state !== "free" || this.#length === 0) return false;
    const length = Math.max(0, this.#length - PIECE_BYTES);
    const file = this.#disk.open(this.#path);
    try {
      file.truncate(length);
      // Freed blocks become usable once that is on disk.
      file.syncNow();
    } finally {
      file.close();
    }
    // Whether it is short is seen where it can't grow again: the disk may have room by then.
    this.#length = length;
    return true;
  }

  /** True if not even what is there can be overwritten; blocking. */
  needsRoom(): boolean {
    if (this.#state !== "free" || this.#length === 0) return false;
    const file = this.#disk.open(this.#path);
    try {
      file.write(0, fillerOf(Math.min(TRIAL_BYTES, this.#length)));
      return false;
    } catch (error) {
      if (!(error instanceof DiskFullError)) throw error;
      return true;
    } finally {
      file.close();
    }
  }

  /** On the disk; 0 while a snapshot recycles it. */
  get bytes(): number {
    return this.#state === "taken" ? 0 : this.#length;
  }

  /** True where it is too short and the disk has no room for more. */
  get isShort(): boolean {
    return this.#isFull && this.#state !== "taken" && this.#isLow;
  }

  /** True where a snapshot of so many bytes needs no other room. */
  holds(bytes: number): boolean {
    return this.#state === "free" && this.#length >= bytes;
  }

  /**
   * Makes it, off the event loop, as long as a snapshot of `snapshotBytes` needs it: one piece with each
   * call. `nowMs`: the monotonic clock.
   */
  keep(snapshotBytes: number, nowMs: number): void {
    if (this.#slackBytesMax === 0 || this.#isClosed) return;
    this.#wantedBytes = snapshotBytes;
    this.#slackBytes = Math.ceil(snapshotBytes / SLACK_SHARE) + this.#slackBytesMax;
    if (this.#state !== "free") return;
    const target = snapshotBytes + this.#slackBytes;
    if (this.#length >= target) {
      this.#reached();
      if (this.#length > SURPLUS_FACTOR * target) this.#cut(target);
      return;
    }
    // A store that grows makes it too short all the time; each piece costs a sync, however short.
    if (this.#isLow) this.#isGrowing = true;
    // Where there was no room for the slack, what is needed is tried for from time to time.
    if (this.#isGrowing && nowMs >= this.#retryAtMs) this.#grow(target, nowMs);
  }

  /** From when on `keep` adds a piece, by the monotonic clock; Infinity where it is long enough. */
  get growsMs(): number {
    return this.#isGrowing && this.#state === "free" ? this.#retryAtMs : Infinity;
  }

  /** True where half of the slack is used up. */
  get #isLow(): boolean {
    return this.#length < this.#wantedBytes + this.#slackBytes / 2;
  }

  /** It is not needed: it goes, off the event loop. */
  drop(): void {
    this.#wantedBytes = 0;
    this.#slackBytes = 0;
    this.#reached(); // nothing is as much as is wanted
    if (this.#state !== "free" || this.#length === 0) return;
    this.#state = "busy";
    this.#disk.removeLater(this.#path, endProcess);
    this.#disk.syncDirectoryLater(this.#directory, (error) => {
      endProcess(error);
      this.used();
    });
  }

  /** True where its file is there, or on its way. */
  get isThere(): boolean {
    return this.#length > 0 || this.#state !== "free";
  }

  get path(): string {
    return this.#path;
  }

  /** The path, for a snapshot that recycles the file, which has to end in `giveBack` or `used`. */
  take(): string | null {
    if (this.#state !== "free" || this.#length === 0) return null;
    this.#state = "taken";
    return this.#path;
  }

  /** The snapshot was given up: the file is here again, and nobody has it open. */
  giveBack(): void {
    this.#state = "free";
    this.#length = sizeOf(this.#disk, this.#path);
  }

  /** It is a snapshot now, or gone. */
  used(): void {
    this.#state = "free";
    this.#length = 0;
    this.#isNamed = false;
  }

  /** Takes over the file of a snapshot that is not needed, off the event loop; false: it has one. */
  adopt(path: string, length: number): boolean {
    if (this.#slackBytesMax === 0 || this.#state !== "free" || this.#length > 0) return false;
    this.#state = "busy";
    let isNamed = true;
    this.#disk.renameLater(path, this.#path, (error) => {
      isNamed = error === null;
      if (error instanceof DiskFullError) this.#disk.removeLater(path, endProcess);
      else endProcess(error);
    });
    // Under its old name it must not come back: it would be a damaged snapshot.
    this.#disk.syncDirectoryLater(this.#directory, (error) => {
      endProcess(error);
      this.#state = "free";
      this.#length = isNamed ? length : 0;
      this.#isNamed = true;
    });
    return true;
  }

  close(): void {
    this.#isClosed = true;
  }

  #grow(target: number, nowMs: number): void {
    try {
      this.#makeDirectory();
    } catch (error) {
      if (!(error instanceof DiskFullError)) throw error;
      return this.#noteFull(nowMs);
    }
    this.#state = "busy";
    const count = Math.min(PIECE_BYTES, target - this.#length);
    const offset = this.#length;
    writePieceLater(this.#disk, this.#path, offset, fillerOf(count), true, (error) => {
      if (error === null) {
        this.#length = offset + count;
        if (this.#length === target) this.#reached();
        if (this.#isNamed) this.#state = "free";
        else this.#syncName();
        return;
      }
      if (!(error instanceof DiskFullError)) throw error;
      this.#state = "free";
      this.#length = this.#disk.exists(this.#path) ? sizeOf(this.#disk, this.#path) : 0;
      if (this.#makeRoom()) this.#retryAtMs = nowMs + FREED_MS;
      else this.#noteFull(nowMs);
    });
  }

  /** It has all of its slack, as that was when it was last made longer. */
  #reached(): void {
    this.#isGrowing = false;
    if (this.#isFull) this.#full.count--;
    this.#isFull = false;
  }

  #syncName(): void {
    this.#disk.syncDirectoryLater(this.#directory, (error) => {
      endProcess(error);
      this.#isNamed = true;
      this.#state = "free";
    });
  }

  #noteFull(nowMs: number): void {
    if (!this.#isFull) this.#full.count++;
    this.#isFull = true;
    this.#retryAtMs = nowMs + RETRY_MS;
  }

  #cut(target: number): void {
    const file = this.#disk.open(this.#path);
    const length = Math.max(target, this.#length - CUT_BYTES);
    this.#state = "busy";
    file.truncateLater(length, (error) => {
      file.close();
      endProcess(error);
      this.#length = length;
      this.#state = "free";
    });
  }
}
