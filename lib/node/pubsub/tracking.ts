/**
 * Tracking: connections that keep what they have read are told when it changes. A key is noted when it is
 * shown, from the store as it is then, so each later change is told, after the reply that showed it.
 *
 * Where this server can't know of changes, or some may have been missed, all is to be forgotten: when its
 * leadership ends, or it knows another leader, or none; when a snapshot takes the store's place.
 */
import { latin1 } from "../../util/latin1.ts";
import type { Tracked } from "./tracked.ts";
import { TrackedPrefixes } from "./tracked_prefixes.ts";
import { TrackingTable } from "./tracking_table.ts";

export class Tracking {
  readonly table = new TrackingTable();
  /** Connections that track. */
  readonly #tracked = new Set<Tracked>();
  readonly prefixes = new TrackedPrefixes();
  readonly #bytesMax: number;
  /** Whose write is applied now, where that matters to it. */
  writer: Tracked | null = null;
  /** Keys that were told to be forgotten, to one connection each; and times that all were. */
  invalidated = 0;
  flushes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get count(): number {
    return this.#tracked.size;
  }

  add(one: Tracked, prefixes: readonly string[]): void {
    this.#tracked.add(one);
    for (const prefix of prefixes) this.prefixes.add(prefix, one);
  }

  remove(one: Tracked, prefixes: readonly string[]): void {
    this.#tracked.delete(one);
    for (const prefix of prefixes) this.prefixes.remove(prefix, one);
    if (this.count === 0) this.table.clear();
  }

  /** The connection is shown these keys as they are now. */
  read(keys: readonly string[], reader: Tracked): void {
    for (const key of keys) this.table.note(key, reader);
    while (this.table.bytes > this.#bytesMax) {
      const key = this.table.oldest();
      if (key === undefined) return;
      for (const one of this.table.take(key)!) this.#tell(one, key);
    }
  }

  /** The key `bytes[start, start + length)` changes now. */
  changed(bytes: Uint8Array, start: number, length: number): void {
    if (this.table.size === 0 && this.prefixes.isEmpty) return;
    const key = latin1(bytes.subarray(start, start + length));
    this.#tellReaders(key);
    if (this.prefixes.isEmpty) return;
    for (const one of this.prefixes.trackedOf(key)) {
      if (!this.#isLoop(one) && one.mayRead(bytes, start, length)) this.#tell(one, key);
    }
  }

  /** All keys are gone, or it is not known which have changed. */
  flush(): void {
    if (this.count === 0) return;
    this.table.clear();
    this.flushes++;
    for (const one of this.#tracked) one.invalidate(null);
  }

  #tellReaders(key: string): void {
    const readers = this.table.take(key);
    if (readers === undefined) return;
    for (const one of readers) if (!this.#isLoop(one)) this.#tell(one, key);
  }

  #isLoop(one: Tracked): boolean {
    return one.isNoLoop && one === this.writer;
  }

  #tell(one: Tracked, key: string): void {
    this.invalidated++;
    one.invalidate(key);
  }
}
