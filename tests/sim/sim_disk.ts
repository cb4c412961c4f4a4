/**
 * A disk in simulated time. It has what a real one has: a page cache (a write is seen at once and
 * survives a power loss only once its file was synced), names that survive only once their directory
 * was synced, sectors that tear, and an end.
 *
 * Nothing here happens by itself: completions go to the `schedule` hook, or wait in a queue for
 * `completeAll()`. One disk lives as long as its server, over all restarts: `powerLoss` and `kill`
 * end the process that uses it.
 */
import {
  type Disk,
  type DiskDone,
  DiskError,
  type DiskFile,
  DiskFullError,
} from "../../lib/host/ports.ts";
import { assert } from "../../lib/util/assert.ts";
import type { Random } from "../../lib/util/random.ts";
import { SECTOR_BYTES, SimInode } from "./sim_inode.ts";
import { SimNames } from "./sim_names.ts";

/** Thrown at the operation where the process dies: see `SimDisk.crashAtOperation`. */
export class SimCrash extends Error {
  override readonly name = "SimCrash";
  /** What the operation was on. */
  readonly path: string;

  constructor(message: string, path: string) {
    super(message);
    this.path = path;
  }
}

/** A change, a removal, or the end of what was begun before: each is a moment to die at. */
export type OperationKind = "change" | "removal" | "completion";

/** A completion that is due: a sync, a read, a write or a change of names of `path`, or a deferred call. */
export interface Completion {
  readonly kind: "sync" | "read" | "write" | "names" | "defer";
  readonly path: string;
  /** Completes it; does nothing where the process that waited for it is gone. */
  readonly complete: () => void;
}

export interface SimDiskOptions {
  /** Bytes that fit, holes not counted; no limit unless set. */
  capacityBytes?: number;
  /** Takes over every completion, and calls it at some later time. */
  schedule?: (completion: Completion) => void;
}

/** Faults that a test or the simulator switches on and off. */
export interface DiskFaults {
  /** Says whether the sync of `path` that completes now fails. Its pages are then marked clean. */
  syncFails?: (path: string) => boolean;
  /** Says whether a read of `path` fails. */
  readFails?: (path: string, offset: number) => boolean;
  /** Sees what is read off the event loop, and may change it. */
  spoilsRead?: (path: string, bytes: Uint8Array) => void;
  /** Says whether a write of `path` fails with an input or output error. */
  writeFails?: (path: string, offset: number) => boolean;
  /** Says whether a write that does not fit leaves what fits; it does unless this says no. */
  keepsPart?: () => boolean;
}

export class SimDisk implements Disk {
  readonly faults: DiskFaults = {};
  capacityBytes: number;
  /** Another program writes to this disk, and takes whatever comes free. */
  hasGreedyNeighbour = false;
  /** True for a disk that needs room to write over what is there, as btrfs does. */
  copiesOnWrite = false;
  /** Operations so far that change anything or make anything durable. */
  operations = 0;
  /** The process dies just before this operation (the first is 1). */
  crashAtOperation = Infinity;
  readonly #names = new SimNames();
  readonly #schedule: (completion: Completion) => void;
  readonly #waiting: Completion[] = [];
  readonly #locks = new Set<string>();
  /** Given back, as soon as nothing is under way. */
  readonly #unlocking = new Set<string>();
  /** How many completions are due that are no deferred calls. */
  #underWay = 0;
  /** By directory: changes of names that take place one after another. */
  readonly #namesWork = new Map<string, { readonly path: string; readonly run: () => void }[]>();
  /** How to take back what is there of writes that are under way. */
  readonly halfWrites = new Set<() => void>();
  /** Grows with each end of a process; files and completions of the one before are dead. */
  #life = 0;

  constructor(options: SimDiskOptions = {}) {
    this.capacityBytes = options.capacityBytes ?? Infinity;
    this.#schedule = options.schedule ?? ((completion) => this.#waiting.push(completion));
  }

  /** Ends the process; what it wrote stays in the page cache. */
  kill(): void {
    this.#life++;
    this.#locks.clear();
    this.#unlocking.clear();
    this.#underWay = 0;
    this.#waiting.length = 0;
    this.#namesWork.clear();
    this.halfWrites.clear();
    this.crashAtOperation = Infinity;
  }

  /**
   * Ends the process and the machine with it: each sector and each name that was not synced is kept
   * or lost, a sector may also be torn in the middle, in any combination.
   */
  powerLoss(random: Random): void {
    this.kill();
    this.#names.powerLoss(random);
    for (const inode of this.#names.inodes()) inode.powerLoss(random);
  }

  /** Completes what has waited longest; false where nothing waits. */
  completeNext(): boolean {
    const next = this.#waiting.shift();
    next?.complete();
    return next !== undefined;
  }

  /** Completes everything that waits, in order, and what comes of it. */
  completeAll(): void {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      next.complete();
    }
  }

  /** Bytes in use. */
  usedBytes(): number {
    let total = 0;
    for (const inode of this.#names.inodes()) total += inode.allocatedBytes();
    return total;
  }

  /** Bytes that can be written now. */
  roomBytes(): number {
    if (this.capacityBytes === Infinity && !this.hasGreedyNeighbour) return Infinity;
    const used = this.usedBytes();
    if (this.hasGreedyNeighbour) this.capacityBytes = Math.min(this.capacityBytes, used);
    return this.capacityBytes - used;
  }

  /** Changes a file behind everybody's back, durably: bit rot, lost and misdirected writes. */
  corrupt(path: string, change: (bytes: Uint8Array) => Uint8Array): void {
    const inode = this.#inode(path);
    const bytes = new Uint8Array(inode.size);
    inode.read(0, bytes);
    inode.replace(change(bytes));
  }

  /** A file's contents as they are seen now. */
  contents(path: string): Uint8Array {
    const inode = this.#inode(path);
    const bytes = new Uint8Array(inode.size);
    inode.read(0, bytes);
    return bytes;
  }

  /** Takes a name away behind everybody's back, durably. */
  vanish(path: string): void {
    this.#names.vanish(path);
  }

  /** Takes over what another disk holds, in the place of nothing. */
  adopt(other: SimDisk): void {
    this.#names.copyFrom(other.#names);
  }

  /** Paths of all files, sorted. */
  files(): string[] {
    return this.#names.files();
  }

  /** Copies all durable and visible state, with no process on it. */
  clone(): SimDisk {
    const copy = new SimDisk({ capacityBytes: this.capacityBytes });
    copy.#names.copyFrom(this.#names);
    return copy;
  }

  list(directory: string): string[] {
    return this.#names.list(directory);
  }

  exists(path: string): boolean {
    return path === "." || this.#names.has(path);
  }

  makeDirectory(path: string): void {
    this.#operation(path);
    if (this.#names.has(path)) return;
    this.#names.add(path, "directory");
  }

  open(path: string, options: { create?: boolean; readOnly?: boolean } = {}): DiskFile {
    if (!this.#names.has(path)) {
      if (options.create !== true || options.readOnly === true) {
        throw new DiskError(`Could not open ${path}: there is no such file`);
      }
      if (!this.exists(parentOf(path))) {
        throw new DiskError(`Could not open ${path}: there is no such directory`);
      }
      this.#operation(path);
      this.#names.add(path, new SimInode());
    }
    return new SimFile(this, this.#life, path, this.#inode(path), options.readOnly === true);
  }

  rename(from: string, to: string): void {
    this.#operation(from);
    if (!this.#names.has(from)) throw new DiskError(`Could not rename ${from}: no such file`);
    this.#names.rename(from, to);
  }

  remove(path: string): void {
    this.#operation(path, "removal");
    if (!this.#names.has(path)) throw new DiskError(`Could not remove ${path}: no such file`);
    this.#names.remove(path);
  }

  syncDirectory(directory: string): void {
    this.#operation(directory);
    if (!this.exists(directory)) throw new DiskError(`Could not sync ${directory}: none there`);
    if (this.faults.syncFails?.(directory)) throw new DiskError(`Could not sync ${directory}`);
    this.#names.sync(directory);
  }

  renameLater(from: string, to: string, done: DiskDone): void {
    this.#namesLater(from, parentOf(from), () => this.rename(from, to), done);
  }

  removeLater(path: string, done: DiskDone): void {
    const remove = () => {
      if (this.#names.has(path)) this.remove(path);
    };
    this.#namesLater(path, parentOf(path), remove, done);
  }

  syncDirectoryLater(directory: string, done: DiskDone): void {
    this.#namesLater(directory, directory, () => this.syncDirectory(directory), done);
  }

  lock(path: string): boolean {
    if (this.#locks.has(path)) return false;
    this.open(path, { create: true }).close();
    this.#locks.add(path);
    return true;
  }

  unlock(path: string): void {
    if (this.#underWay === 0) this.#locks.delete(path);
    else this.#unlocking.add(path);
  }

  defer(run: () => void): void {
    this.later("defer", "", run);
  }

  /** For `SimFile`: queues a completion that dies with this process. */
  later(kind: Completion["kind"], path: string, run: () => void): void {
    const life = this.#life;
    if (kind !== "defer") this.#underWay++;
    const complete = () => {
      if (life !== this.#life) return;
      // What it brings on comes before the end of it.
      try {
        run();
      } finally {
        if (kind !== "defer" && life === this.#life) this.#ended();
      }
    };
    this.#schedule({ kind, path, complete });
  }

  #ended(): void {
    if (--this.#underWay > 0) return;
    for (const path of this.#unlocking) this.#locks.delete(path);
    this.#unlocking.clear();
  }

  #namesLater(path: string, directory: string, change: () => void, done: DiskDone): void {
    const work = this.#namesWork.get(directory) ?? [];
    this.#namesWork.set(directory, work);
    const next = () => {
      if (work.length > 0) this.later("names", work[0]!.path, work[0]!.run);
    };
    const run = () => {
      let problem: Error | null = null;
      try {
        change();
      } catch (error) {
        if (!(error instanceof DiskError)) throw error;
        problem = error;
      }
      work.shift();
      next();
      done(problem);
    };
    work.push({ path, run });
    if (work.length === 1) next();
  }

  /** For `SimFile`: counts an operation, and dies where it was told to. */
  operation(life: number, path: string, what: OperationKind): void {
    assert(life === this.#life, "A process that has ended used its files");
    this.#operation(path, what);
  }

  /** Sees what is written to a file, just before it is. */
  protected onWrite(_path: string, _offset: number, _bytes: Uint8Array): void {}

  /** For `SimFile`. */
  writes(path: string, offset: number, bytes: Uint8Array): void {
    this.onWrite(path, offset, bytes);
  }

  /** Sees each operation just before it is done; for disks that have rules of their own. */
  protected onOperation(_path: string, _what: OperationKind): void {}

  #operation(path: string, what: OperationKind = "change"): void {
    this.onOperation(path, what);
    this.operations++;
    if (this.operations >= this.crashAtOperation) {
      throw new SimCrash(`The process ends at operation ${this.operations}, ${path}`, path);
    }
  }

  #inode(path: string): SimInode {
    const found = this.#names.get(path);
    if (!(found instanceof SimInode)) throw new DiskError(`Could not open ${path}: no file`);
    return found;
  }
}

class SimFile implements DiskFile {
  readonly path: string;
  readonly #disk: SimDisk;
  readonly #life: number;
  readonly #inode: SimInode;
  readonly #readOnly: boolean;
  #open = true;
  #busy = false;

  constructor(disk: SimDisk, life: number, path: string, inode: SimInode, readOnly: boolean) {
    this.#disk = disk;
    this.#life = life;
    this.path = path;
    this.#inode = inode;
    this.#readOnly = readOnly;
  }

  size(): number {
    this.#use();
    return this.#inode.size;
  }

  read(offset: number, into: Uint8Array): number {
    this.#use();
    if (this.#disk.faults.readFails?.(this.path, offset)) {
      throw new DiskError(`Could not read ${this.path}: input/output error`);
    }
    return this.#inode.read(offset, into);
  }

  readLater(offset: number, into: Uint8Array, done: DiskDone): void {
    this.#use();
    this.#busy = true;
    this.#disk.later("read", this.path, () => {
      this.#busy = false;
      this.#disk.operation(this.#life, this.path, "completion");
      if (this.#disk.faults.readFails?.(this.path, offset)) {
        return done(new DiskError(`Could not read ${this.path}: input/output error`));
      }
      const isWhole = this.#inode.read(offset, into) === into.length;
      this.#disk.faults.spoilsRead?.(this.path, into);
      done(isWhole ? null : new DiskError(`Could not read ${this.path}: it became shorter`));
    });
  }

  write(offset: number, bytes: Uint8Array): void {
    this.#change();
    this.#disk.writes(this.path, offset, bytes);
    this.#put(offset, bytes);
  }

  writeLater(offset: number, bytes: Uint8Array, done: DiskDone): void {
    this.#change();
    this.#busy = true;
    // What is there of it before it is done is any part: here the first half.
    const { halfWrites } = this.#disk;
    const undo = this.#inode.undoFor(offset, bytes.length);
    halfWrites.add(undo);
    this.#try(() => this.#store(offset, bytes.subarray(0, bytes.length >> 1)));
    this.#disk.later("write", this.path, () => {
      this.#busy = false;
      this.#disk.operation(this.#life, this.path, "completion");
      halfWrites.delete(undo);
      done(this.#try(() => this.#put(offset, bytes)));
    });
  }

  /** Returns what a write throws of the disk. */
  #try(write: () => void): Error | null {
    try {
      write();
      return null;
    } catch (error) {
      if (error instanceof DiskFullError || error instanceof DiskError) return error;
      throw error;
    }
  }

  #put(offset: number, bytes: Uint8Array): void {
    if (this.#disk.faults.writeFails?.(this.path, offset)) {
      throw new DiskError(`Could not write ${this.path}: input/output error`);
    }
    this.#store(offset, bytes);
  }

  /** Puts there what fits. */
  #store(offset: number, bytes: Uint8Array): void {
    const sectors = Math.floor(this.#disk.roomBytes() / SECTOR_BYTES);
    // What is written over frees its old place only once that is on the disk: there is no more room by it.
    const fits = this.#disk.copiesOnWrite
      ? Math.min(bytes.length, Math.max(0, sectors * SECTOR_BYTES - offset % SECTOR_BYTES))
      : this.#inode.fitting(offset, bytes.length, sectors);
    const isPartial = fits > 0 && fits < bytes.length;
    const keeps = !isPartial || this.#disk.faults.keepsPart?.() !== false;
    if (fits > 0 && keeps) this.#inode.write(offset, bytes.subarray(0, fits));
    if (fits < bytes.length) throw new DiskFullError(`No space left: could not write ${this.path}`);
  }

  truncate(size: number): void {
    this.#change();
    this.#inode.truncate(size);
  }

  truncateLater(size: number, done: DiskDone): void {
    this.#change();
    this.#busy = true;
    this.#disk.later("write", this.path, () => {
      this.#busy = false;
      this.#disk.operation(this.#life, this.path, "completion");
      this.#inode.truncate(size);
      done(null);
    });
  }

  sync(done: DiskDone): void {
    this.#change();
    this.#busy = true;
    const captured = this.#inode.capture();
    this.#disk.later("sync", this.path, () => {
      this.#busy = false;
      // The completion is a moment of its own to die at.
      this.#disk.operation(this.#life, this.path, "completion");
      if (this.#disk.faults.syncFails?.(this.path)) {
        this.#inode.markClean();
        done(new DiskError(`Could not sync ${this.path}: input/output error`));
        return;
      }
      this.#inode.settle(captured);
      done(null);
    });
  }

  syncNow(): void {
    this.#change();
    if (this.#disk.faults.syncFails?.(this.path)) {
      this.#inode.markClean();
      throw new DiskError(`Could not sync ${this.path}: input/output error`);
    }
    this.#inode.settle(this.#inode.capture());
  }

  close(): void {
    this.#open = false;
  }

  #use(): void {
    assert(this.#open, `${this.path} was used after it was closed`);
    assert(!this.#busy, `${this.path} was used while its sync is under way`);
  }

  #change(): void {
    this.#use();
    assert(!this.#readOnly, `${this.path} was opened for reading only`);
    this.#disk.operation(this.#life, this.path, "change");
  }
}

function parentOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash === -1 ? "." : path.slice(0, slash);
}
