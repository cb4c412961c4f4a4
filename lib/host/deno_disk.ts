/**
 * The real disk: Deno's files below a root directory. Directories are made with mode 0700 and files
 * with 0600; symbolic links below the root are refused.
 *
 * Locks are advisory locks of the kernel (flock): they belong to the open file, so the end of the
 * process gives them back however it ends, and two processes never both hold one.
 */
import { assert } from "../util/assert.ts";
import { type Disk, DiskError, type DiskFile, DiskFullError } from "./ports.ts";

/** A lock that another process holds is given up on after this long. */
const LOCK_DEADLINE_MS = 500;

/** What newer versions of Deno have and 2.4 has not. */
interface TryLock {
  tryLockSync?(exclusive: boolean): boolean;
}

export class DenoDisk implements Disk {
  readonly #root: string;
  /** By path: the open file that holds the lock, or null where another process has it. */
  readonly #prepared = new Map<string, Deno.FsFile | null>();
  readonly #locked = new Map<string, Deno.FsFile>();

  /** Makes the root directory where it is absent. */
  constructor(root: string) {
    this.#root = root;
    attempt("make", root, () => Deno.mkdirSync(root, { recursive: true, mode: 0o700 }));
    this.syncDirectory("..");
  }

  /**
   * Tries to get a lock, waiting half a second at most, for `lock(path)` to hand out. Makes the
   * directory of `path` where it is absent. Where it was refused on an old Deno, the attempt stays
   * pending and keeps the process alive: end it with `Deno.exit`.
   */
  async prepareLock(path: string): Promise<void> {
    if (this.#locked.has(path) || this.#prepared.get(path)) return;
    const slash = path.lastIndexOf("/");
    if (slash !== -1) this.makeDirectory(path.slice(0, slash));
    const file = this.#openNative(path, { create: true });
    const tryLock = (file as TryLock).tryLockSync;
    const held = tryLock === undefined
      ? await lockWithin(file, LOCK_DEADLINE_MS)
      : attempt("lock", this.#full(path), () => tryLock.call(file, true));
    if (!held && tryLock !== undefined) file.close();
    this.#prepared.set(path, held ? file : null);
  }

  list(directory: string): string[] {
    const full = this.#full(directory);
    return attempt("list", full, () => {
      if (!present(full)) return [];
      return [...Deno.readDirSync(full)].map((entry) => entry.name).sort();
    });
  }

  exists(path: string): boolean {
    const full = this.#full(path);
    return attempt("look for", full, () => present(full));
  }

  makeDirectory(path: string): void {
    const full = this.#full(path);
    attempt("make", full, () => Deno.mkdirSync(full, { recursive: true, mode: 0o700 }));
  }

  open(path: string, options: { create?: boolean; readOnly?: boolean } = {}): DiskFile {
    return new DenoFile(this.#full(path), this.#openNative(path, options));
  }

  rename(from: string, to: string): void {
    const full = this.#full(from);
    attempt("rename", full, () => Deno.renameSync(full, this.#full(to)));
  }

  remove(path: string): void {
    const full = this.#full(path);
    attempt("remove", full, () => Deno.removeSync(full));
  }

  syncDirectory(directory: string): void {
    const full = this.#full(directory);
    attempt("sync", full, () => {
      const file = Deno.openSync(full, { read: true });
      try {
        file.syncSync();
      } finally {
        file.close();
      }
    });
  }

  lock(path: string): boolean {
    if (this.#locked.has(path)) return false;
    const file = this.#prepared.get(path);
    assert(file !== undefined, `prepareLock(${path}) has to be awaited before lock`);
    this.#prepared.delete(path);
    if (file === null) return false;
    this.#locked.set(path, file);
    return true;
  }

  unlock(path: string): void {
    this.#locked.get(path)?.close();
    this.#locked.delete(path);
  }

  defer(run: () => void): void {
    queueMicrotask(run);
  }

  #full(path: string): string {
    return path === "." ? this.#root : `${this.#root}/${path}`;
  }

  #openNative(path: string, options: { create?: boolean; readOnly?: boolean }): Deno.FsFile {
    const full = this.#full(path);
    const write = options.readOnly !== true;
    const create = write && options.create === true;
    return attempt("open", full, () => {
      if (present(full)) {
        const { isSymlink, isDirectory } = Deno.lstatSync(full);
        if (isSymlink) throw new Error("it is a symbolic link, and those are refused");
        if (isDirectory) throw new Error("it is a directory");
      }
      return Deno.openSync(full, { read: true, write, create, mode: 0o600 });
    });
  }
}

class DenoFile implements DiskFile {
  readonly path: string;
  readonly #file: Deno.FsFile;
  #syncing = false;

  constructor(path: string, file: Deno.FsFile) {
    this.path = path;
    this.#file = file;
  }

  size(): number {
    return attempt("measure", this.path, () => this.#file.statSync().size);
  }

  read(offset: number, into: Uint8Array): number {
    this.#expectNoSync();
    return attempt("read", this.path, () => {
      this.#file.seekSync(offset, Deno.SeekMode.Start);
      let total = 0;
      while (total < into.length) {
        const count = this.#file.readSync(into.subarray(total));
        if (count === null || count === 0) break;
        total += count;
      }
      return total;
    });
  }

  write(offset: number, bytes: Uint8Array): void {
    this.#expectNoSync();
    attempt("write", this.path, () => {
      this.#file.seekSync(offset, Deno.SeekMode.Start);
      let total = this.#file.writeSync(bytes);
      while (total < bytes.length) total += this.#file.writeSync(bytes.subarray(total));
    });
  }

  truncate(size: number): void {
    this.#expectNoSync();
    attempt("truncate", this.path, () => this.#file.truncateSync(size));
  }

  sync(done: (error: Error | null) => void): void {
    this.#expectNoSync();
    this.#syncing = true;
    const finish = (error: Error | null) => {
      this.#syncing = false;
      done(error);
    };
    // `done` runs outside of this promise's chain: what it throws must end the process, and must
    // not look like a failed sync.
    this.#file.syncData().then(
      () => queueMicrotask(() => finish(null)),
      (cause) => queueMicrotask(() => finish(diskError("sync", this.path, cause))),
    );
  }

  syncNow(): void {
    this.#expectNoSync();
    try {
      this.#file.syncDataSync();
    } catch (cause) {
      throw diskError("sync", this.path, cause);
    }
  }

  close(): void {
    this.#file.close();
  }

  /** Blocking calls on a file with a sync under way fail or wait, by version: neither is wanted. */
  #expectNoSync(): void {
    assert(!this.#syncing, `${this.path} was used while its sync is under way`);
  }
}

/** Waits for a lock that only blocks. One that comes after the deadline is given back at once. */
async function lockWithin(file: Deno.FsFile, deadlineMs: number): Promise<boolean> {
  let late = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const deadline = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => {
      late = true;
      resolve(false);
    }, deadlineMs);
  });
  const taken = file.lock(true).then(() => {
    if (late) file.close();
    return !late;
  });
  try {
    return await Promise.race([taken, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

/** Whether there is anything by that name, a symbolic link that leads nowhere included. */
function present(full: string): boolean {
  try {
    Deno.lstatSync(full);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Runs `operation` and turns what it throws into the port's errors. */
function attempt<T>(verb: string, path: string, operation: () => T): T {
  try {
    return operation();
  } catch (cause) {
    if (isFull(cause)) {
      throw new DiskFullError(`No space left on the disk: could not ${verb} ${path}`, { cause });
    }
    throw diskError(verb, path, cause);
  }
}

/** ENOSPC and EDQUOT. A sync that fails so is a failed sync, whatever the reason. */
function isFull(cause: unknown): boolean {
  if (!(cause instanceof Error)) return false;
  const code = "code" in cause ? cause.code : undefined;
  return code === "ENOSPC" || code === "EDQUOT" ||
    /\(os error (?:28|122)\)/.test(cause.message);
}

function diskError(verb: string, path: string, cause: unknown): DiskError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new DiskError(`Could not ${verb} ${path}: ${reason}`, { cause });
}
