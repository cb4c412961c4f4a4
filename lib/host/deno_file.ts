/** One open file of the real disk. */
import { broken } from "../util/assert.ts";
import { attempt, diskError, portError } from "./disk_errors.ts";
import type { DiskDone, DiskFile } from "./ports.ts";
import { blockingCalls, timed } from "./process_use.ts";
import type { SyncPace } from "./sync_pace.ts";

/** Keeps count of what runs and what is open. */
export interface FileWatch {
  /** Something began that runs off the event loop. */
  began(): void;
  /** It has ended. */
  ended(): void;
  closed(): void;
}

export class DenoFile implements DiskFile {
  readonly path: string;
  readonly #file: Deno.FsFile;
  readonly #watch: FileWatch;
  readonly #pace: SyncPace;
  /** Where the next read or write goes by itself; -1 where that is not known. */
  #position = 0;
  #isBusy = false;

  constructor(path: string, file: Deno.FsFile, watch: FileWatch, pace: SyncPace) {
    this.path = path;
    this.#file = file;
    this.#watch = watch;
    this.#pace = pace;
  }

  size(): number {
    return attempt("measure", this.path, () => this.#file.statSync().size);
  }

  read(offset: number, into: Uint8Array): number {
    this.#expectIdle();
    return attempt("read", this.path, () => {
      this.#seek(offset);
      let total = 0;
      while (total < into.length) {
        const count = this.#file.readSync(into.subarray(total));
        if (count === null || count === 0) break;
        total += count;
      }
      this.#position = offset + total;
      return total;
    });
  }

  readLater(offset: number, into: Uint8Array, done: DiskDone): void {
    this.#expectIdle();
    this.#run(
      this.#readAll(offset, into),
      (cause) => diskError("read", this.path, cause),
      done,
    );
  }

  write(offset: number, bytes: Uint8Array): void {
    this.#expectIdle();
    attempt("write", this.path, () => {
      this.#seek(offset);
      let total = this.#file.writeSync(bytes);
      while (total < bytes.length) total += this.#file.writeSync(bytes.subarray(total));
      this.#position = offset + total;
    });
  }

  writeLater(offset: number, bytes: Uint8Array, done: DiskDone): void {
    this.#expectIdle();
    this.#run(
      this.#writeAll(offset, bytes),
      (cause) => portError("write", this.path, cause),
      done,
    );
  }

  truncate(size: number): void {
    this.#expectIdle();
    attempt("truncate", this.path, () => this.#file.truncateSync(size));
  }

  truncateLater(size: number, done: DiskDone): void {
    this.#expectIdle();
    const toError = (cause: unknown) => portError("truncate", this.path, cause);
    this.#run(this.#file.truncate(size), toError, done);
  }

  sync(done: DiskDone, mayBlockSync = false): void {
    this.#expectIdle();
    if (mayBlockSync && this.#pace.isQuick) return this.#syncHere(done);
    const startMs = performance.now();
    const toError = (cause: unknown) => diskError("sync", this.path, cause);
    this.#run(this.#file.syncData(), toError, (error) => {
      this.#pace.note(performance.now() - startMs);
      done(error);
    });
  }

  /** For each set that a follower takes: no promise, and the clock is read twice. */
  #syncHere(done: DiskDone): void {
    const startMs = performance.now();
    let error: Error | null = null;
    try {
      this.#file.syncDataSync();
    } catch (cause) {
      error = diskError("sync", this.path, cause);
    }
    const tookMs = performance.now() - startMs;
    blockingCalls.note("sync", this.path, tookMs);
    this.#pace.note(tookMs);
    this.#isBusy = true;
    this.#watch.began();
    queueMicrotask(() => this.#finish(error, done));
  }

  syncNow(): void {
    this.#expectIdle();
    try {
      this.#syncBlocking();
    } catch (cause) {
      throw diskError("sync", this.path, cause);
    }
  }

  close(): void {
    this.#file.close();
    this.#watch.closed();
  }

  #syncBlocking(): void {
    timed("sync", this.path, () => this.#file.syncDataSync());
  }

  async #readAll(offset: number, into: Uint8Array): Promise<void> {
    this.#seek(offset);
    for (let total = 0; total < into.length;) {
      const count = await this.#file.read(into.subarray(total));
      if (count === null || count === 0) throw new Error("it became shorter");
      total += count;
    }
    this.#position = offset + into.length;
  }

  async #writeAll(offset: number, bytes: Uint8Array): Promise<void> {
    this.#seek(offset);
    let total = await this.#file.write(bytes);
    while (total < bytes.length) total += await this.#file.write(bytes.subarray(total));
    this.#position = offset + total;
  }

  /** Sets the place of the next read or write; a call that fails in between leaves it unknown. */
  #seek(offset: number): void {
    if (this.#position !== offset) this.#file.seekSync(offset, Deno.SeekMode.Start);
    this.#position = -1;
  }

  /** `done` runs outside of the promise's chain: what it throws must end the process. */
  #run(running: Promise<void>, toError: (cause: unknown) => Error, done: DiskDone): void {
    this.#isBusy = true;
    this.#watch.began();
    running.then(
      () => queueMicrotask(() => this.#finish(null, done)),
      (cause) => queueMicrotask(() => this.#finish(toError(cause), done)),
    );
  }

  #finish(error: Error | null, done: DiskDone): void {
    this.#isBusy = false;
    // What `done` begins has to count before this one has ended, as the lock is given back after the last.
    try {
      done(error);
    } finally {
      this.#watch.ended();
    }
  }

  /** A blocking call on a file with an operation under way fails or waits, depending on the Deno. */
  #expectIdle(): void {
    if (this.#isBusy) broken(`${this.path} was used while its sync is under way`);
  }
}
