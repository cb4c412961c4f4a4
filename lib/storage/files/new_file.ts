/**
 * A large new file: appended to under a temporary name, synced bit by bit, then renamed and its
 * directory synced. Whatever fails, nothing of it is left except perhaps the temporary
 * file after a crash, which the next startup removes.
 *
 * What is appended waits in memory for the next `flush`, and everything that can block for long (writing
 * while much is on its way to the disk, syncing, changing names, removing) runs off the event loop.
 */
import { type Disk, type DiskFile, DiskFullError } from "../../host/ports.ts";
import { assert } from "../../util/assert.ts";
import { ByteWriter } from "../../util/bytes.ts";
import type { Done } from "../types.ts";

/** How a file on its way ended: under its name, given up, or given up as the disk is full. */
export type NewFileEnd = "durable" | "aborted" | "full";

/** A file that is recycled instead of making a new one. */
export interface RecycledFile {
  /** The new file was given up before it had its name: this one is there as before, with other contents. */
  giveBack(): void;
  /** It has its name, or is gone. */
  used(): void;
}

/** `flushSome` syncs once so much was written since the last sync: with more the log's syncs would wait. */
const UNSYNCED_BYTES_MAX = 4_194_304;

export class NewFile {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #temporary: string;
  readonly #onEnd: (end: NewFileEnd) => void;
  readonly #file: DiskFile;
  readonly #over: RecycledFile | null;
  /** What was appended since the last flush began, and what that one writes, or has written. */
  #filling = new ByteWriter();
  #flying = new ByteWriter();
  #flyingFrom = 0;
  #state: "open" | "flushing" | "naming" | "ended" = "open";
  #isFinishing = false;
  /** What the first bytes are to be once all else is known; null: what was appended. */
  #start: Uint8Array | null = null;
  #length = 0;
  #writtenLength = 0;
  /** In the file: what is being written is not counted. */
  #presentLength = 0;
  #unsyncedBytes = 0;
  /** What it holds in memory is given back. */
  #isClosed = false;

  /**
   * `temporary` has to be a name that no other file has, and none had that may still be on its way
   * out; with `over`, that of the recycled file. `onEnd` is called once. Throws what the disk throws.
   */
  constructor(
    disk: Disk,
    path: string,
    temporary: string,
    onEnd: (end: NewFileEnd) => void,
    over: RecycledFile | null = null,
  ) {
    this.#disk = disk;
    this.#path = path;
    this.#temporary = temporary;
    this.#onEnd = onEnd;
    this.#over = over;
    this.#file = disk.open(temporary, { create: over === null });
  }

  /** Bytes so far. */
  get length(): number {
    return this.#length;
  }

  /** Bytes that can be read by now: out of memory by `readRecent`, else out of the file. */
  get readableLength(): number {
    return this.#isClosed ? this.#presentLength : this.#length;
  }

  /** What was appended from here on can be read out of memory; Infinity: nothing can. */
  get recentFrom(): number {
    return this.#isClosed ? Infinity : this.#flyingFrom;
  }

  /**
   * Reads into `into` what was appended at `offset`, where that is in memory still; returns how many bytes.
   * What is not, and is not beyond `readableLength`, is in the file.
   */
  readRecent(offset: number, into: Uint8Array): number {
    if (offset < this.recentFrom) return 0;
    const isFlying = offset < this.#writtenLength;
    const { bytes, length } = isFlying ? this.#flying : this.#filling;
    const from = offset - (isFlying ? this.#flyingFrom : this.#writtenLength);
    const to = Math.min(length, from + into.length);
    if (from >= to) return 0;
    into.set(bytes.subarray(from, to));
    return to - from;
  }

  /** It can be opened by its temporary name: it is not on its way to its name, nor given up. */
  get hasTemporaryName(): boolean {
    return this.#state === "open" || this.#state === "flushing";
  }

  /** Bytes that wait for a flush. */
  get waitingBytes(): number {
    return this.#filling.length;
  }

  /** Copies `bytes`, for the next flush to write. */
  append(bytes: Uint8Array): void {
    assert(
      this.#state !== "ended" && !this.#isFinishing,
      `${this.#temporary} was written to when it had ended`,
    );
    this.#filling.reserveTightly(bytes.length);
    this.#filling.raw(bytes);
    this.#length += bytes.length;
  }

  /** Replaces the first bytes, whatever was appended there, before the file gets its name. */
  replaceStart(bytes: Uint8Array): void {
    assert(bytes.length <= this.#length, "More would be replaced than there is");
    this.#start = bytes;
  }

  /**
   * Makes durable what is there. Where that fails the file has aborted: `DiskFullError`, or an error
   * after which the process must end. One at a time; `done` is not called where it is aborted.
   */
  flush(done: Done): void {
    this.#write((then) => this.#sync(then), done);
  }

  /** Writes what is there; syncs it once it is a few megabytes with what came before. Errors as above. */
  flushSome(done: Done): void {
    const isMuch = this.#unsyncedBytes + this.#filling.length >= UNSYNCED_BYTES_MAX;
    if (isMuch) this.flush(done);
    else this.write(done);
  }

  /** Writes what is there, and does not sync it: nobody needs it after a crash. Errors as above. */
  write(done: Done): void {
    this.#write((then) => then(null), done);
  }

  /**
   * Writes the rest, and takes the file's name away: who has it open reads on, and it is gone with the last
   * of them. Nothing may be appended any more.
   */
  finishNameless(done: Done): void {
    assert(this.#over === null, "A recycled file has to be given back under its name");
    this.#isFinishing = true;
    this.write((error) => {
      if (error === null) this.abort();
      done(error);
    });
  }

  /** Writes what waits; `sync` is called then. */
  #write(sync: (then: Done) => void, done: Done): void {
    assert(this.#state === "open", `${this.#temporary} was flushed while it was ${this.#state}`);
    this.#state = "flushing";
    const bytes = this.#filling;
    this.#filling = this.#flying;
    this.#filling.clear();
    this.#flying = bytes;
    const then = this.#step((error) => {
      this.#state = "open";
      if (error !== null) this.#abort(error instanceof DiskFullError ? "full" : "aborted");
      done(error);
    });
    const offset = this.#writtenLength;
    this.#flyingFrom = offset;
    this.#writtenLength += bytes.length;
    this.#unsyncedBytes += bytes.length;
    this.#file.writeLater(
      offset,
      bytes.view(),
      this.#step((error) => {
        if (error !== null) return then(error);
        this.#presentLength = this.#writtenLength;
        sync(then);
      }),
    );
  }

  #sync(then: Done): void {
    this.#unsyncedBytes = 0;
    this.#file.sync(then);
  }

  /** Makes all durable, and gives the file its name. Nothing may be appended any more. */
  finish(done: Done): void {
    this.#isFinishing = true;
    const file = this.#file;
    const cut = (then: Done) =>
      file.truncateLater(
        this.#length,
        this.#step((error) => error === null ? file.sync(then) : then(error)),
      );
    const sync = this.#over === null ? (then: Done) => file.sync(then) : cut;
    const start = this.#start;
    const replace = (then: Done) =>
      start === null ? sync(then) : file.writeLater(
        0,
        start,
        this.#step((error) => error === null ? sync(then) : then(error)),
      );
    this.#write(replace, (error) => error === null ? this.#giveName(done) : done(error));
  }

  /** Gives up, and removes what was written. */
  abort(): void {
    this.#abort("aborted");
  }

  #abort(end: NewFileEnd): void {
    const state = this.#state;
    if (state === "ended") return;
    this.#state = "ended";
    // A file can't be closed before what runs on it is over.
    if (state === "open") this.#close();
    if (state === "naming") {
      // Names change in the order that was asked for, so it is removed under its new name. If the rename
      // fails, there is nothing to remove.
      this.#disk.removeLater(this.#path, (error) => {
        endProcess(error);
        this.#over?.used();
      });
    } else if (this.#over === null) this.#disk.removeLater(this.#temporary, endProcess);
    this.#onEnd(end);
    if (state === "open") this.#over?.giveBack();
  }

  /** What follows an operation on the file, unless it was aborted meanwhile. */
  #step(next: Done): Done {
    return (error) => {
      if (this.#state !== "ended") return next(error);
      this.#close();
      this.#over?.giveBack();
      // Nobody waits for it any more, but a disk whose sync failed is not to be used any further.
      if (!(error instanceof DiskFullError)) endProcess(error);
    };
  }

  /** The buffers take megabytes, and a server that is idle after a snapshot would keep them for hours. */
  #close(): void {
    this.#isClosed = true;
    this.#file.close();
    this.#filling.free();
    this.#flying.free();
  }

  #giveName(done: Done): void {
    this.#state = "naming";
    this.#close();
    const disk = this.#disk;
    disk.renameLater(this.#temporary, this.#path, (error) => {
      if (error !== null) return this.#nameless(error, done);
      if (this.#state === "ended") return;
      disk.syncDirectoryLater(directoryOf(this.#path), (error) => {
        if (this.#state === "ended") return endProcess(error);
        if (error !== null) return done(error);
        this.#state = "ended";
        this.#over?.used();
        this.#onEnd("durable");
        done(null);
      });
    });
  }

  /** It could not be renamed: it is removed under the name that it has. */
  #nameless(error: Error, done: Done): void {
    const wasAborted = this.#state === "ended";
    // Nobody waits for it any more. A full disk is no reason to end: the next write will find it full.
    if (wasAborted && !(error instanceof DiskFullError)) return endProcess(error);
    if (this.#over === null) this.#disk.removeLater(this.#temporary, endProcess);
    if (wasAborted) return;
    this.#state = "ended";
    this.#onEnd(error instanceof DiskFullError ? "full" : "aborted");
    this.#over?.giveBack();
    done(error);
  }
}

/** For what nobody waits for: a disk that fails there can't be trusted either. */
export function endProcess(error: Error | null): void {
  if (error !== null) throw error;
}

function directoryOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}
