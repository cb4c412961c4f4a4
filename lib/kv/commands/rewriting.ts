/**
 * What a command copies besides its own bytes: a command of 40 bytes that changes the deadline of a
 * value, or a part of it, writes all of it again. Known before a command goes into the log, as far as
 * the store is known then, so that a leader can bound what it takes on.
 */
import { readU32 } from "../../util/bytes.ts";
import {
  afterWatches,
  commandLength,
  GROUP_COMMANDS_OFFSET,
  innerOf,
  KEY_OFFSETS,
  keyLength,
  keyOffset,
  Op,
} from "./command.ts";

/** The length of a value in the store, 0 where there is none; with the hash of its key. */
export interface ValueLengths {
  hashOf(bytes: Uint8Array, start: number, length: number): number;
  lengthOf(bytes: Uint8Array, start: number, length: number): number;
}

/** How many large values on their way are remembered. */
const COMING_MAX = 1_024;

/** Shorter values are copied in next to no time. */
export const LARGE_VALUE_BYTES = 16_384;

/** Operations that copy the value that is there. */
const REWRITES = new Uint8Array(256);
for (
  const op of [
    Op.setWith,
    Op.append,
    Op.setRange,
    Op.expire,
    Op.persist,
    Op.getDelete,
    Op.getExpire,
    // These go through it, for a digest, or copy it.
    Op.setIf,
    Op.deleteIf,
  ]
) REWRITES[op] = 1;
/** Operations that bring a value along. */
const SETS = new Uint8Array(256);
for (const op of [Op.set, Op.cas, Op.setWith, Op.append, Op.setRange, Op.setIf]) SETS[op] = 1;

export class Rewriting {
  /** By hash of the key: large values that are on their way into the store. */
  readonly #coming = new Map<number, number>();

  /** Nothing is on its way any more. */
  clear(): void {
    if (this.#coming.size > 0) this.#coming.clear();
  }

  /**
   * Bytes of values that the command at `bytes[from]` will copy, those shorter than `LARGE_VALUE_BYTES`
   * left out. Remembers what the command will leave in the store.
   */
  bytesOf(store: ValueLengths, bytes: Uint8Array, from: number): number {
    const at = innerOf(bytes, from);
    const op = bytes[at + 4]!;
    const isOne = op !== Op.transaction && op !== Op.group && op !== Op.setAll;
    if (isOne) return this.#one(store, bytes, at, op);
    const end = at + commandLength(bytes, at);
    // In a transaction a tag stands before each command.
    const tagBytes = op === Op.transaction ? 1 : 0;
    let inner = tagBytes === 1 ? afterWatches(bytes, at) : at + GROUP_COMMANDS_OFFSET;
    let total = 0;
    for (; inner < end; inner += tagBytes + commandLength(bytes, inner + tagBytes)) {
      total += this.bytesOf(store, bytes, inner + tagBytes);
    }
    return total;
  }

  #one(store: ValueLengths, bytes: Uint8Array, at: number, op: number): number {
    const rewrites = REWRITES[op] === 1;
    if (!rewrites && commandLength(bytes, at) < LARGE_VALUE_BYTES) return 0;
    const ownBytes = SETS[op] === 1
      ? commandLength(bytes, at) - KEY_OFFSETS[op]! - keyLength(bytes, at)
      : 0;
    const extent = op === Op.setRange ? readU32(bytes, at + 12) + ownBytes : ownBytes;
    // What goes beyond the longest value, or brings nothing, is answered and copies nothing.
    if (op === Op.setRange && (ownBytes === 0 || extent > readU32(bytes, at + 8))) return 0;
    if (!rewrites && extent < LARGE_VALUE_BYTES) return 0;
    const start = keyOffset(bytes, at);
    const length = keyLength(bytes, at);
    const hash = store.hashOf(bytes, start, length);
    const there = Math.max(
      this.#coming.get(hash) ?? 0,
      rewrites ? store.lengthOf(bytes, start, length) : 0,
    );
    const after = op === Op.append
      ? Math.min(there + ownBytes, Math.max(there, readU32(bytes, at + 8)))
      : Math.max(there, extent);
    if (after >= LARGE_VALUE_BYTES && after > there) {
      if (this.#coming.size >= COMING_MAX) this.#coming.clear();
      this.#coming.set(hash, after);
    }
    return rewrites && after >= LARGE_VALUE_BYTES ? after : 0;
  }
}
