/**
 * The files that are kept for the next snapshots: together with the snapshots that are there, three. On a
 * full disk the log is freed by two snapshots in a row, again and again: each recycles what the one
 * before left, once there are two; until then nothing comes free by them.
 */
import type { Disk } from "../../host/ports.ts";
import type { RecycledFile } from "../files/new_file.ts";
import {
  type FullReserves,
  MORE_RESERVE_FILES,
  SNAPSHOT_RESERVE_FILE,
  SnapshotReserve,
} from "./snapshot_reserve.ts";

export const SNAPSHOT_RESERVE_FILES = [SNAPSHOT_RESERVE_FILE, ...MORE_RESERVE_FILES];

/** A reserve that a snapshot recycles. */
export interface TakenReserve extends RecycledFile {
  readonly path: string;
}

export class SnapshotReserves {
  readonly #reserves: readonly SnapshotReserve[];
  #needed: readonly SnapshotReserve[];
  readonly #full: FullReserves = { count: 0 };

  /** See `SnapshotReserve`. */
  constructor(
    disk: Disk,
    directory: string,
    reserveBytes: number,
    makeDirectory: () => void,
    makeRoom: () => boolean,
  ) {
    this.#reserves = SNAPSHOT_RESERVE_FILES.map((name) =>
      new SnapshotReserve(disk, directory, name, reserveBytes, makeDirectory, makeRoom, this.#full)
    );
    this.#needed = this.#reserves;
  }

  /** Takes over what the last run left; blocking. */
  start(): void {
    for (const reserve of this.#reserves) reserve.start();
  }

  get bytes(): number {
    return this.#reserves.reduce((total, { bytes }) => total + bytes, 0);
  }

  /** Cuts a piece off the longest; blocking. False: there is none. */
  giveUpPiece(): boolean {
    return this.#longest.giveUpPiece();
  }

  /** See `SnapshotReserve.needsRoom`. */
  needsRoom(): boolean {
    return this.#longest.needsRoom();
  }

  /** True where one that is needed is too short, and the disk has no room for more. */
  get isShort(): boolean {
    // Asked with every write: no closure, and as a rule none of them is looked at.
    if (this.#full.count === 0) return false;
    for (let i = 0; i < this.#needed.length; i++) if (this.#needed[i]!.isShort) return true;
    return false;
  }

  /** True where a snapshot of so many bytes needs no other room. */
  holds(bytes: number): boolean {
    return this.#reserves.some((reserve) => reserve.holds(bytes));
  }

  /** From when on one of them is to grow, see `SnapshotReserve.growsMs`. */
  get growsMs(): number {
    // Asked after each turn: no closure, nothing is allocated.
    let earliestMs = Infinity;
    for (let i = 0; i < this.#needed.length; i++) {
      earliestMs = Math.min(earliestMs, this.#needed[i]!.growsMs);
    }
    return earliestMs;
  }

  /** See `SnapshotReserve.keep`. `snapshots`: how many there are. */
  keep(snapshotBytes: number, snapshots: number, nowMs: number): void {
    const count = Math.max(1, SNAPSHOT_RESERVE_FILES.length - snapshots);
    // Called often: nothing is allocated while it is the same ones.
    if (!this.#areChosen(count)) this.#needed = this.#choose(count);
    for (const reserve of this.#reserves) {
      if (this.#needed.includes(reserve)) reserve.keep(snapshotBytes, nowMs);
      else reserve.drop();
    }
  }

  /** True where as many are needed as before, and all of those are there. */
  #areChosen(count: number): boolean {
    if (this.#needed.length !== count) return false;
    for (let i = 0; i < count; i++) if (!this.#needed[i]!.isThere) return false;
    return true;
  }

  /** Those that are there first. */
  #choose(count: number): SnapshotReserve[] {
    const there = this.#reserves.filter(({ isThere }) => isThere);
    return [...there, ...this.#reserves.filter(({ isThere }) => !isThere)].slice(0, count);
  }

  /** The longest, for a snapshot that recycles it; null if none is free. */
  take(): TakenReserve | null {
    // One that is being made longer can't be taken now, and another may do.
    for (const reserve of [...this.#reserves].sort((a, b) => b.bytes - a.bytes)) {
      const path = reserve.take();
      if (path === null) continue;
      return { path, giveBack: () => reserve.giveBack(), used: () => reserve.used() };
    }
    return null;
  }

  get #longest(): SnapshotReserve {
    return this.#reserves.reduce((a, b) => b.bytes > a.bytes ? b : a);
  }

  /** See `SnapshotReserve.adopt`. */
  adopt(path: string, length: number): boolean {
    if (this.#reserves.some(({ isThere }) => isThere)) return false;
    return this.#reserves[0]!.adopt(path, length);
  }

  close(): void {
    for (const reserve of this.#reserves) reserve.close();
  }
}
