/**
 * The real disk: Deno's files below a root directory. Directories are made with mode 0700 and files
 * with 0600. A file that is a symbolic link is refused; a directory may be one.
 *
 * Locks are advisory locks of the kernel (flock): they belong to the open file, so the end of the
 * process gives them back however it ends, and two processes never both hold one.
 */
import { assert } from "../util/assert.ts";
import { DenoFile } from "./deno_file.ts";
import { attempt, diskError, portError } from "./disk_errors.ts";
import { GentleRemoval } from "./gentle_removal.ts";
import type { Disk, DiskDone, DiskFile } from "./ports.ts";
import { SyncPace } from "./sync_pace.ts";

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
  /** What runs off the event loop. */
  #underWay = 0;
  /** Given back, as soon as nothing runs any more. */
  #unlocking: Deno.FsFile[] = [];
  readonly #removal = new GentleRemoval();
  readonly #syncPace = new SyncPace();
  /** By directory: the last of the operations on its names that run off the event loop. */
  readonly #last = new Map<string, Promise<void>>();

  /** Makes the root directory where it is absent. "." and "/" are there: nothing is done to them. */
  constructor(root: string) {
    this.#root = root;
    if (root === "." || root === "/") return;
    attempt("make", root, () => Deno.mkdirSync(root, { recursive: true, mode: 0o700 }));
    this.syncDirectory("..");
  }

  /**
   * The disk on which the directory `path` is, and its name there: as it was given, except for slashes at
   * its end, so that the paths in messages can be used as they are. Makes the directory above it if that
   * is absent.
   */
  static at(path: string): { disk: DenoDisk; path: string } {
    const name = path.replace(/(?<=.)\/+$/, "");
    const parent = parentOf(name);
    if (parent !== "") new DenoDisk(parent);
    return { disk: new DenoDisk(name.startsWith("/") ? "/" : "."), path: name };
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

  /** There is something at `path`, or at what a link there leads to, and no directory. */
  isFile(path: string): boolean {
    const full = this.#full(path);
    return attempt("look at", full, () => present(full) && !Deno.statSync(full).isDirectory);
  }

  makeDirectory(path: string): void {
    const full = this.#full(path);
    attempt("make", full, () => Deno.mkdirSync(full, { recursive: true, mode: 0o700 }));
  }

  open(path: string, options: { create?: boolean; readOnly?: boolean } = {}): DiskFile {
    const full = this.#full(path);
    const file = this.#openNative(path, options);
    this.#removal.opened(full);
    const watch = {
      began: () => this.#began(),
      ended: () => this.#ended(),
      closed: () => this.#removal.closed(full),
    };
    return new DenoFile(full, file, watch, this.#syncPace);
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

  renameLater(from: string, to: string, done: DiskDone): void {
    const full = this.#full(from);
    this.#later("rename", full, parentOf(full), () => Deno.rename(full, this.#full(to)), done);
  }

  removeLater(path: string, done: DiskDone): void {
    const full = this.#full(path);
    const remove = async () => {
      try {
        await this.#removal.remove(full, this.#openNative(path, {}));
      } catch (error) {
        if (present(full)) throw error;
      }
    };
    this.#later("remove", full, parentOf(full), remove, done);
  }

  syncDirectoryLater(directory: string, done: DiskDone): void {
    const full = this.#full(directory);
    this.#later("sync", full, full, () => syncNative(full), done);
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
    const file = this.#locked.get(path);
    if (file === undefined) return;
    this.#locked.delete(path);
    if (this.#underWay === 0) file.close();
    else this.#unlocking.push(file);
  }

  defer(run: () => void): void {
    queueMicrotask(run);
  }

  /**
   * Runs `operation` after the earlier ones in the same directory. `done` runs outside of the chain of
   * promises.
   */
  #later(
    verb: string,
    full: string,
    directory: string,
    operation: () => Promise<void>,
    done: DiskDone,
  ): void {
    // A sync that finds no room is a failed sync.
    const toError = verb === "sync" ? diskError : portError;
    this.#began();
    // What `done` begins has to count before this one has ended, as the lock is given back after the last.
    const finish = (error: Error | null) =>
      queueMicrotask(() => {
        try {
          done(error);
        } finally {
          this.#ended();
        }
      });
    const running = (this.#last.get(directory) ?? Promise.resolve()).then(operation).then(
      () => finish(null),
      (cause) => finish(toError(verb, full, cause)),
    );
    this.#last.set(directory, running);
  }

  #began(): void {
    this.#underWay++;
  }

  #ended(): void {
    if (--this.#underWay > 0) return;
    for (const file of this.#unlocking.splice(0)) file.close();
  }

  /** Below "." and "/" a path is what an operator would write: no `./`, no `//`. */
  #full(path: string): string {
    if (path === ".") return this.#root;
    if (this.#root === "/") return path.startsWith("/") ? path : `/${path}`;
    return this.#root === "." ? path : `${this.#root}/${path}`;
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

function parentOf(full: string): string {
  return full.slice(0, full.lastIndexOf("/"));
}

/**
 * Opens the directory in this turn of the event loop, as all that is opened: a trial for descriptors
 * (descriptors.ts) takes many for a moment, and a file that is opened on another thread meanwhile
 * could get none.
 */
async function syncNative(full: string): Promise<void> {
  const file = Deno.openSync(full, { read: true });
  try {
    await file.sync();
  } finally {
    file.close();
  }
}
