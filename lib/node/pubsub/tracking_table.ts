/**
 * Which connections have read which keys: so that each is told once when one of them changes. Bounded: where
 * it is full the key that was noted longest ago is told as if it had changed.
 */
import type { Tracked } from "./tracked.ts";

/** What a key takes besides its bytes, and a connection that has read it, about. */
const KEY_BYTES = 128;
const READER_BYTES = 32;

export class TrackingTable {
  /** In the order in which they were noted first. */
  readonly #byKey = new Map<string, Set<Tracked>>();
  bytes = 0;

  get size(): number {
    return this.#byKey.size;
  }

  note(key: string, reader: Tracked): void {
    let readers = this.#byKey.get(key);
    if (readers === undefined) {
      readers = new Set();
      this.#byKey.set(key, readers);
      this.bytes += KEY_BYTES + key.length;
    }
    if (readers.has(reader)) return;
    readers.add(reader);
    this.bytes += READER_BYTES;
  }

  /** Those that have read the key; none has any more. Undefined where nobody had. */
  take(key: string): ReadonlySet<Tracked> | undefined {
    const readers = this.#byKey.get(key);
    if (readers === undefined) return undefined;
    this.#byKey.delete(key);
    this.bytes -= KEY_BYTES + key.length + READER_BYTES * readers.size;
    return readers;
  }

  /** The key that was noted longest ago. */
  oldest(): string | undefined {
    return this.#byKey.keys().next().value;
  }

  clear(): void {
    this.#byKey.clear();
    this.bytes = 0;
  }
}
