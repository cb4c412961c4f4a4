/**
 * A new file that appears under its name only when it is whole and durable: it is written under another
 * name beside it, synced, renamed, and its directory is synced.
 */
import { type OutputStream, StreamError } from "./console.ts";
import { reasonOf } from "./system_errors.ts";
import { SystemRng } from "./system_rng.ts";

/**
 * So many bytes are synced together while it is written, and as many more may wait: where a server's log is
 * on the same disk, its own syncs would stand behind a longer one.
 */
const SYNC_BYTES = 4_194_304;
/**
 * Fewer where so long has passed since the last sync: what comes slowly comes from a server whose clients
 * write, and a sync of less is over sooner. Each costs as much as writing a MiB, or more.
 */
const SLOW_SYNC_BYTES = 1_048_576;
const SLOW_MS = 20;
/** What its name ends in until it is whole. */
export const UNFINISHED_SUFFIX = ".part";

export interface DurableFile extends OutputStream {
  /** Makes it durable and gives it its name. @throws {StreamError} in words; nothing is left then. */
  finish(): Promise<void>;
  /** Without `finish` before it: nothing is left. */
  close(): void;
}

/**
 * Begins the file; one that is there under its name is refused, so that nothing is lost.
 * @throws {Error} in words.
 */
export function createDurableFile(path: string): DurableFile {
  checkFree(path);
  // A number of a process comes again, in containers each time: what was left is never in the way.
  const temporary = `${path}.${new SystemRng().u32().toString(16)}${UNFINISHED_SUFFIX}`;
  try {
    return new NewDurableFile(path, temporary);
  } catch (error) {
    throw new Error(`Cannot create ${path}: ${reasonOf(path, error)}`, { cause: error });
  }
}

class NewDurableFile implements DurableFile {
  readonly #path: string;
  /** The name that it has by now. */
  #name: string;
  readonly #file: Deno.FsFile;
  /** Another descriptor of it: the runtime lets a file's operations wait for each other. */
  readonly #syncer: Deno.FsFile;
  #isOpen = true;
  #unsyncedBytes = 0;
  #syncedMs = 0;
  #syncing: Promise<void> | null = null;
  #syncFailure: unknown = null;

  constructor(path: string, temporary: string) {
    this.#path = path;
    this.#name = temporary;
    this.#file = Deno.openSync(temporary, { write: true, createNew: true, mode: 0o600 });
    this.#syncer = Deno.openSync(temporary, { write: true });
  }

  async write(bytes: Uint8Array): Promise<void> {
    try {
      let written = 0;
      while (written < bytes.length) written += await this.#file.write(bytes.subarray(written));
      this.#unsyncedBytes += written;
      await this.#syncSome();
    } catch (error) {
      throw this.#failed(error);
    }
  }

  async finish(): Promise<void> {
    const path = this.#path;
    try {
      await this.#syncing;
      if (this.#syncFailure !== null) throw this.#syncFailure;
      await this.#file.sync();
      checkFree(path);
      Deno.renameSync(this.#name, path);
      this.#name = path;
      // Not by a thread: a trial of descriptors, which takes all for a moment, can't come between.
      const parent = Deno.openSync(path.slice(0, path.lastIndexOf("/") + 1) || ".");
      try {
        await parent.sync();
      } finally {
        parent.close();
      }
      this.#closeBoth();
    } catch (error) {
      throw this.#failed(error);
    }
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#closeBoth();
    Deno.removeSync(this.#name);
  }

  /** Syncs while more comes, so that little is left for the end; waits for the sync before. */
  async #syncSome(): Promise<void> {
    const isSlow = performance.now() - this.#syncedMs >= SLOW_MS;
    if (this.#unsyncedBytes < (isSlow ? SLOW_SYNC_BYTES : SYNC_BYTES)) return;
    await this.#syncing;
    if (this.#syncFailure !== null) throw this.#syncFailure;
    if (!this.#isOpen) return;
    this.#unsyncedBytes = 0;
    const ended = (error: unknown) => {
      this.#syncFailure ??= error;
      this.#syncing = null;
      this.#syncedMs = performance.now();
    };
    this.#syncing = this.#syncer.syncData().then(() => ended(null), ended);
  }

  #closeBoth(): void {
    this.#isOpen = false;
    this.#file.close();
    this.#syncer.close();
  }

  #failed(error: unknown): Error {
    this.close();
    const reason = reasonOf(this.#path, error);
    return new StreamError(`Cannot write ${this.#path}: ${reason}`, { cause: error });
  }
}

function checkFree(path: string): void {
  let isDirectory: boolean;
  try {
    isDirectory = Deno.lstatSync(path).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw new Error(`Cannot create ${path}: ${reasonOf(path, error)}`, { cause: error });
  }
  throw new Error(
    isDirectory
      ? `Cannot create ${path}: it is a directory; name a file in it`
      : `Cannot create ${path}: there is such a file already; name another, or remove it first`,
  );
}

/** How long ago anything was written to the file at `path`; null where that can't be told. */
export function ageMs(path: string, nowMs: number): number | null {
  try {
    const { mtime } = Deno.statSync(path);
    return mtime === null ? null : nowMs - mtime.getTime();
  } catch {
    return null;
  }
}

/** Standard output as such a file: what was written to it can't be taken back. */
export function asDurable(out: OutputStream): DurableFile {
  return { write: (bytes) => out.write(bytes), finish: () => Promise.resolve(), close: () => {} };
}
