/**
 * `snapshot/`: the snapshots of a data directory, and the two that may be on their way: one that
 * this server writes (`*.snap.<n>.new`), one that it receives (`*.snap.<n>.part`). The first of them
 * recycles the reserve (snapshot_reserve.ts) if there is one. One that turned out damaged is set
 * aside as `*.snap.damaged` until the next one is there.
 */
import type { Configuration, SnapshotPosition } from "../../raft/types.ts";
import { type Disk, DiskFullError } from "../../host/ports.ts";
import { assert } from "../../util/assert.ts";
import type { FileOwner } from "../files/file_head.ts";
import { SnapshotFileReader } from "./snapshot_file.ts";
import { samePosition, snapshotName, snapshotPosition } from "./snapshot_format.ts";
import { endProcess, type NewFileEnd } from "../files/new_file.ts";
import { PART_SUFFIX, SnapshotFilePart } from "./snapshot_part.ts";
import { SnapshotFileWriter } from "./snapshot_writer.ts";
import { removeTemporaries, sizeOf, TEMPORARY_SUFFIX } from "../files/small_file.ts";
import { SNAPSHOT_RESERVE_FILES, SnapshotReserves } from "../reserves/snapshot_reserves.ts";
import type { NewSnapshot } from "./new_snapshot.ts";
import type { SnapshotFile, SnapshotFiles, SnapshotPart, SnapshotWriter } from "../types.ts";

export const SNAPSHOT_DIRECTORY = "snapshot";
const DAMAGED_SUFFIX = ".damaged";
const KEPT = 2;
/** Snapshots shrink by so much where a new one is worth while, see `wouldShrink`. */
const SHRINK_FACTOR = 1.25;
const SHRINK_BYTES_MIN = 65_536;

export class SnapshotDirectory implements SnapshotFiles {
  readonly #disk: Disk;
  /** The data directory. */
  readonly #parent: string;
  readonly #directory: string;
  readonly #owner: FileOwner;
  /** The newest first. */
  #positions: SnapshotPosition[] = [];
  readonly #sizes = new Map<string, number>();
  readonly #onFull: () => boolean;
  #writer: SnapshotFileWriter | null = null;
  #part: SnapshotFilePart | null = null;
  /** Counts those on their way: one that was given up may still be there when the next begins. */
  #attempts = 0;
  /** Names of damaged ones that are on their way out, or gone. */
  readonly #leaving = new Set<string>();

  /** By name: how many have it open. */
  readonly #open = new Map<string, number>();
  readonly reserves: SnapshotReserves;

  /**
   * `reserveBytes`: see `SnapshotReserves`. `makeRoom`: something found no room; false where nothing can
   * be given up for it.
   */
  constructor(
    disk: Disk,
    parent: string,
    owner: FileOwner,
    reserveBytes: number,
    makeRoom: () => boolean,
  ) {
    this.#disk = disk;
    this.#onFull = makeRoom;
    this.#parent = parent;
    this.#directory = `${parent}/${SNAPSHOT_DIRECTORY}`;
    this.#owner = owner;
    const makeDirectory = () => this.#makeDirectory();
    this.reserves = new SnapshotReserves(
      disk,
      this.#directory,
      reserveBytes,
      makeDirectory,
      makeRoom,
    );
  }

  /** Finds what is there, and removes what was on its way; blocking. */
  start(): void {
    const disk = this.#disk;
    const directory = this.#directory;
    removeTemporaries(disk, directory, SNAPSHOT_RESERVE_FILES);
    this.reserves.start();
    for (const name of disk.list(directory)) {
      if (name.endsWith(PART_SUFFIX)) disk.remove(`${directory}/${name}`);
    }
    this.find();
    if (disk.exists(directory)) disk.syncDirectory(directory);
  }

  /** Finds what is there, and changes nothing: for a directory that is only read. Blocking. */
  find(): void {
    this.#positions = listSnapshots(this.#disk, this.#directory);
    for (const position of this.#positions) this.#measure(position);
  }

  list(): readonly SnapshotPosition[] {
    return this.#positions;
  }

  bytesOf(position: SnapshotPosition): number {
    return this.#sizes.get(snapshotName(position)) ?? 0;
  }

  bytes(): number {
    let total = (this.#writer?.bytes ?? 0) + (this.#part?.bytes ?? 0) + this.reserves.bytes;
    for (const size of this.#sizes.values()) total += size;
    return total;
  }

  /** The log after this index is needed, should the newest snapshot turn out damaged. */
  get fallbackIndex(): number {
    return this.#positions[1]?.index ?? 0;
  }

  keepReserve(snapshotBytes: number, nowMs: number): void {
    this.reserves.keep(snapshotBytes, this.#positions.length, nowMs);
  }

  nextReserveMs(): number {
    return this.reserves.growsMs;
  }

  reserveHolds(snapshotBytes: number): boolean {
    return this.reserves.holds(snapshotBytes);
  }

  wouldShrink(snapshotBytes: number): boolean {
    let kept = 0;
    for (const size of this.#sizes.values()) kept += size;
    return kept > SHRINK_FACTOR * KEPT * (snapshotBytes + SHRINK_BYTES_MIN);
  }

  begin(position: SnapshotPosition, configuration: Configuration): SnapshotWriter {
    return this.#begin(position, configuration, false);
  }

  beginSpool(position: SnapshotPosition, configuration: Configuration): SnapshotWriter {
    return this.#begin(position, configuration, true);
  }

  #begin(
    position: SnapshotPosition,
    configuration: Configuration,
    isSpool: boolean,
  ): SnapshotWriter {
    assert(this.#writer === null, "Two snapshots were begun at once");
    const newest = this.#positions[0]?.index ?? 0;
    assert(position.index > newest, `Snapshot ${position.index} is not newer than ${newest}`);
    const ended = () => this.#writer = null;
    const create = (snapshot: NewSnapshot) =>
      new SnapshotFileWriter(snapshot, configuration, isSpool);
    return this.#writer = this.#create(position, TEMPORARY_SUFFIX, !isSpool, ended, create);
  }

  open(position: SnapshotPosition): SnapshotFile {
    const name = snapshotName(position);
    const closed = () => {
      const left = this.#open.get(name)! - 1;
      if (left > 0) this.#open.set(name, left);
      else this.#open.delete(name);
    };
    const path = this.pathOf(position);
    const file = new SnapshotFileReader(this.#disk, path, this.#owner, position, closed);
    this.#open.set(name, (this.#open.get(name) ?? 0) + 1);
    return file;
  }

  receive(position: SnapshotPosition, bodyBytes: number | null): SnapshotPart {
    const held = this.#part;
    if (held !== null) {
      if (samePosition(held.position, position) && held.continuesWith(bodyBytes)) return held;
      held.abort();
    }
    const ended = () => this.#part = null;
    const create = (snapshot: NewSnapshot) => new SnapshotFilePart(snapshot, bodyBytes);
    return this.#part = this.#create(position, PART_SUFFIX, true, ended, create);
  }

  remove(position: SnapshotPosition): void {
    this.#drop([position]);
  }

  /** Sets one aside that can't be loaded. */
  setAside(position: SnapshotPosition): void {
    const path = this.pathOf(position);
    this.#disk.rename(path, path + DAMAGED_SUFFIX);
    this.#disk.syncDirectory(this.#directory);
    this.#forget(position);
  }

  /** Removes all that come before `index`; blocking. */
  removeBefore(index: number): void {
    this.#drop(this.#positions.filter((one) => one.index < index));
  }

  /** Removes all but the one at `position`; blocking. */
  keepOnly(position: SnapshotPosition): void {
    this.#drop(this.#positions.filter((one) => !samePosition(one, position)));
  }

  /** The same off the event loop. */
  keepOnlyLater(position: SnapshotPosition): void {
    this.#dropLater(this.#positions.filter((one) => !samePosition(one, position)));
  }

  pathOf(position: SnapshotPosition): string {
    return `${this.#directory}/${snapshotName(position)}`;
  }

  /**
   * Begins a snapshot by `create`, made of a reserve where it `recycles` and there is one. `ended` is called
   * once it is durable or given up.
   */
  #create<T>(
    position: SnapshotPosition,
    suffix: string,
    recycles: boolean,
    ended: () => void,
    create: (snapshot: NewSnapshot) => T,
  ): T {
    this.#makeDirectory();
    const path = this.pathOf(position);
    const over = recycles ? this.reserves.take() : null;
    try {
      return create({
        disk: this.#disk,
        path,
        temporary: over?.path ?? `${path}.${++this.#attempts}${suffix}`,
        owner: this.#owner,
        position,
        over,
        onEnd: (end) => {
          ended();
          this.#ended(position, end);
        },
      });
    } catch (error) {
      over?.giveBack();
      if (error instanceof DiskFullError) this.#onFull();
      throw error;
    }
  }

  #ended(position: SnapshotPosition, end: NewFileEnd): void {
    if (end === "durable") this.#added(position);
    else if (end === "full") this.#onFull();
  }

  /** A snapshot is durable: those before the previous one go, and any that was set aside. */
  #added(position: SnapshotPosition): void {
    this.#forget(position);
    this.#positions = [...this.#positions, position].sort(newestFirst);
    this.#measure(position);
    const disk = this.#disk;
    for (const name of disk.list(this.#directory)) {
      if (!name.endsWith(DAMAGED_SUFFIX) || this.#leaving.has(name)) continue;
      this.#leaving.add(name);
      disk.removeLater(`${this.#directory}/${name}`, endProcess);
    }
    this.#dropLater(this.#positions.slice(KEPT));
  }

  #drop(positions: readonly SnapshotPosition[]): void {
    if (positions.length === 0) return;
    for (const position of positions) {
      this.#disk.remove(this.pathOf(position));
      this.#forget(position);
    }
    this.#disk.syncDirectory(this.#directory);
  }

  /**
   * None of them counts any more, even if a crash keeps them. None comes back under the same name either:
   * what is written or received from now on is at a later position.
   */
  #dropLater(positions: readonly SnapshotPosition[]): void {
    if (positions.length === 0) return;
    for (const position of positions) {
      const path = this.pathOf(position);
      const name = snapshotName(position);
      // What somebody reads must stay as it is.
      const isFree = !this.#open.has(name);
      if (!isFree || !this.reserves.adopt(path, this.#sizes.get(name) ?? 0)) {
        this.#disk.removeLater(path, endProcess);
      }
      this.#forget(position);
    }
    this.#disk.syncDirectoryLater(this.#directory, endProcess);
  }

  #forget(position: SnapshotPosition): void {
    this.#positions = this.#positions.filter((one) => !samePosition(one, position));
    this.#sizes.delete(snapshotName(position));
  }

  #measure(position: SnapshotPosition): void {
    this.#sizes.set(snapshotName(position), sizeOf(this.#disk, this.pathOf(position)));
  }

  #makeDirectory(): void {
    if (this.#disk.exists(this.#directory)) return;
    this.#disk.makeDirectory(this.#directory);
    this.#disk.syncDirectory(this.#parent);
  }
}

/** The positions of all snapshots in `directory`, by their names, the newest first. */
export function listSnapshots(disk: Disk, directory: string): SnapshotPosition[] {
  return disk.list(directory).map(snapshotPosition).filter((one) => one !== null).sort(newestFirst);
}

function newestFirst(a: SnapshotPosition, b: SnapshotPosition): number {
  return b.index - a.index || b.term - a.term;
}
