/**
 * One file of the simulated disk, without its name: sectors as they are seen, and as they are
 * durable. Sectors are never changed in place, so that one array may stand on both sides.
 */
import type { Random } from "../../lib/util/random.ts";
import { freshBytes } from "./slab.ts";

export const SECTOR_BYTES = 512;
const ZERO_SECTOR = new Uint8Array(SECTOR_BYTES);
/** Older contents of a sector that may have reached the disk before the newest: this many count. */
const VERSIONS_MAX = 4;

/** What a sync that began at some moment will make durable. */
export interface Captured {
  readonly size: number;
  readonly dirty: ReadonlyMap<number, Uint8Array>;
}

export class SimInode {
  size = 0;
  /** By number; an absent sector is a hole. */
  #visible = new Map<number, Uint8Array>();
  #durable = new Map<number, Uint8Array>();
  #durableSize = 0;
  /** Sectors changed since they were synced, with their contents in between. */
  #dirty = new Map<number, Uint8Array[]>();
  /** Sizes in between. */
  #sizes: number[] = [];

  read(offset: number, into: Uint8Array): number {
    const count = Math.max(0, Math.min(into.length, this.size - offset));
    for (let done = 0; done < count;) {
      const at = offset + done;
      const from = at % SECTOR_BYTES;
      const part = Math.min(SECTOR_BYTES - from, count - done);
      const sector = this.#visible.get(Math.floor(at / SECTOR_BYTES)) ?? ZERO_SECTOR;
      into.set(sector.subarray(from, from + part), done);
      done += part;
    }
    return count;
  }

  write(offset: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) {
      const at = offset + done;
      const from = at % SECTOR_BYTES;
      const part = Math.min(SECTOR_BYTES - from, bytes.length - done);
      const number = Math.floor(at / SECTOR_BYTES);
      const sector = freshBytes(SECTOR_BYTES);
      const before = part < SECTOR_BYTES ? this.#visible.get(number) : undefined;
      if (before !== undefined) sector.set(before);
      sector.set(bytes.subarray(done, done + part), from);
      this.#change(number, sector);
      done += part;
    }
    if (offset + bytes.length > this.size) this.#resize(offset + bytes.length);
  }

  /** How many of `count` bytes at `offset` fit into `freeSectors` more sectors. */
  fitting(offset: number, count: number, freeSectors: number): number {
    if (freeSectors === Infinity) return count;
    let free = freeSectors;
    for (let done = 0; done < count;) {
      const at = offset + done;
      if (!this.#visible.has(Math.floor(at / SECTOR_BYTES)) && --free < 0) return done;
      done += SECTOR_BYTES - at % SECTOR_BYTES;
    }
    return count;
  }

  /** How to bring back what a write of `count` bytes is about to change. */
  undoFor(offset: number, count: number): () => void {
    const size = this.size;
    const before = new Uint8Array(Math.max(0, Math.min(count, size - offset)));
    this.read(offset, before);
    return () => {
      if (before.length > 0) this.write(offset, before);
      if (this.size > size) this.truncate(size);
    };
  }

  truncate(size: number): void {
    if (size < this.size) {
      const last = Math.floor(size / SECTOR_BYTES);
      for (const [number, contents] of this.#visible) {
        if (number < last) continue;
        const kept = number === last ? size % SECTOR_BYTES : 0;
        if (kept > 0) {
          const sector = ZERO_SECTOR.slice();
          sector.set(contents.subarray(0, kept));
          this.#change(number, sector);
        } else {
          this.#change(number, null);
        }
      }
    }
    if (size !== this.size) this.#resize(size);
  }

  allocatedBytes(): number {
    return this.#visible.size * SECTOR_BYTES;
  }

  capture(): Captured {
    const dirty = new Map<number, Uint8Array>();
    for (const number of this.#dirty.keys()) {
      dirty.set(number, this.#visible.get(number) ?? ZERO_SECTOR);
    }
    return { size: this.size, dirty };
  }

  /** Makes durable what was captured; what was written since stays dirty. */
  settle(captured: Captured): void {
    for (const [number, contents] of captured.dirty) {
      this.#put(this.#durable, number, contents);
      const current = this.#visible.get(number) ?? ZERO_SECTOR;
      if (current === contents) this.#dirty.delete(number);
    }
    this.#durableSize = captured.size;
    if (this.size === captured.size) this.#sizes = [];
  }

  /** After a failed sync: the pages count as written, and are not. */
  markClean(): void {
    this.#dirty.clear();
    this.#sizes = [];
  }

  /** Keeps, loses or tears what was not synced. Sizes and sectors go their own ways. */
  powerLoss(random: Random): void {
    for (const [number, between] of this.#dirty) {
      const versions = [...between, this.#visible.get(number) ?? ZERO_SECTOR];
      const choice = random.between(0, versions.length * 2);
      if (choice === 0) continue;
      const chosen = versions[choice % versions.length]!;
      if (choice > versions.length && random.chance(0.5)) {
        this.#put(this.#durable, number, this.#tear(number, chosen, random));
      } else {
        this.#put(this.#durable, number, chosen);
      }
    }
    if (this.#sizes.length > 0) {
      this.#durableSize = random.pick([this.#durableSize, ...this.#sizes, this.size]);
    }
    this.#restart();
  }

  /** Puts other contents in place, durably. */
  replace(bytes: Uint8Array): void {
    this.truncate(0);
    this.write(0, bytes);
    this.settle(this.capture());
  }

  copy(): SimInode {
    const inode = new SimInode();
    inode.size = this.size;
    inode.#visible = new Map(this.#visible);
    inode.#durable = new Map(this.#durable);
    inode.#durableSize = this.#durableSize;
    for (const [number, versions] of this.#dirty) inode.#dirty.set(number, [...versions]);
    inode.#sizes = [...this.#sizes];
    return inode;
  }

  /** Part of the new contents over the durable ones, or the other way round. */
  #tear(number: number, chosen: Uint8Array, random: Random): Uint8Array {
    const durable = this.#durable.get(number) ?? ZERO_SECTOR;
    const at = random.between(1, SECTOR_BYTES - 1);
    const [head, tail] = random.chance(0.5) ? [chosen, durable] : [durable, chosen];
    const torn = tail.slice();
    torn.set(head.subarray(0, at));
    return torn;
  }

  /** Shows what is durable, as after a reboot. */
  #restart(): void {
    const end = Math.ceil(this.#durableSize / SECTOR_BYTES);
    for (const number of [...this.#durable.keys()]) {
      if (number >= end) this.#durable.delete(number);
    }
    const rest = this.#durableSize % SECTOR_BYTES;
    const last = this.#durable.get(end - 1);
    if (rest > 0 && last !== undefined) {
      const cut = ZERO_SECTOR.slice();
      cut.set(last.subarray(0, rest));
      this.#durable.set(end - 1, cut);
    }
    this.#visible = new Map(this.#durable);
    this.size = this.#durableSize;
    this.markClean();
  }

  #change(number: number, contents: Uint8Array | null): void {
    const versions = this.#dirty.get(number);
    if (versions === undefined) this.#dirty.set(number, []);
    else {
      versions.push(this.#visible.get(number) ?? ZERO_SECTOR);
      if (versions.length > VERSIONS_MAX) versions.shift();
    }
    this.#put(this.#visible, number, contents);
  }

  #put(sectors: Map<number, Uint8Array>, number: number, contents: Uint8Array | null): void {
    if (contents === null || contents === ZERO_SECTOR) sectors.delete(number);
    else sectors.set(number, contents);
  }

  #resize(size: number): void {
    this.#sizes.push(this.size);
    this.size = size;
  }
}
