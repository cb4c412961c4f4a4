/**
 * The store: the state that the log's entries make. Deterministic: servers that applied the same
 * entries hold the same records and have the same digest, whatever the sizes of their tables.
 *
 * Time is the highest stamp applied. A key whose deadline is not later is due: absent to every
 * command, but held, counted and part of the digest until it is swept; each entry sweeps a bounded
 * number, in the order of deadline and key.
 *
 * Versions never repeat for a key: the floor is the highest version that any deleted or expired key
 * ever had, and a new key starts above it.
 */
import { assert, unreachable } from "../util/assert.ts";
import { readU32, readU64 } from "../util/bytes.ts";
import {
  CAS_KEY_OFFSET,
  COMMAND_HEAD_BYTES,
  commandLength,
  ExpiryKind,
  Op,
  SET_KEY_OFFSET,
} from "./command.ts";
import { Contents, type WriteFields } from "./contents.ts";
import { DigestHistory } from "./digest.ts";
import { fromPosition, toPosition } from "./hash.ts";
import { recordKeyLength, recordKeyStart } from "./record.ts";
import { RecordHead } from "./record.ts";
import { type Result, Status } from "./result.ts";
import { NO_REF } from "./slabs.ts";
import { Snapshot, type SnapshotHead } from "./snapshot.ts";
import { PAGE_SLOTS } from "./table.ts";

export interface StoreOptions {
  /** A secret u32 of the cluster, the same on all its servers. */
  readonly hashSeed: number;
  /** The most due keys that one entry sweeps. All servers of a cluster must agree. */
  readonly sweepKeysMax?: number;
  /** For about how many keys the table is laid out from the start. */
  readonly capacityHint?: number;
}

export const SWEEP_KEYS_MAX_DEFAULT = 100;
const POSITIONS = 0x1_0000_0000;

/** Where the store's memory goes, in bytes. */
export interface MemoryFigures {
  readonly tableBytes: number;
  /** Slabs and large buffers as they came from the system. */
  readonly slabBytes: number;
  /** Of these, what records take, rounded up to their slots. */
  readonly slotBytes: number;
  readonly expiryBytes: number;
  /** Keys and values alone. */
  readonly contentBytes: number;
}

/** Called with each key of a scan; the bytes are valid during the call only. */
export type KeyVisitor = (bytes: Uint8Array, keyStart: number, keyLength: number) => void;

export class Store {
  readonly #contents: Contents;
  readonly #sweepKeysMax: number;
  readonly #digests = new DigestHistory();
  readonly #head = new RecordHead();
  readonly #fields: WriteFields = { version: 0, index: 0, deadlineMs: 0 };
  #appliedIndex = 0;
  #clockMs = 0;
  #floor = 0;
  #isInEntry = false;

  /** `restored`: contents and position to begin with, from `SnapshotReader`. */
  constructor(options: StoreOptions, restored?: { contents: Contents; head: SnapshotHead }) {
    this.#sweepKeysMax = options.sweepKeysMax ?? SWEEP_KEYS_MAX_DEFAULT;
    this.#contents = restored?.contents ??
      new Contents(options.hashSeed, options.capacityHint ?? 0);
    if (restored === undefined) return;
    this.#appliedIndex = restored.head.index;
    this.#clockMs = restored.head.clockMs;
    this.#floor = restored.head.floor;
    this.#digests.remember(this.#appliedIndex, this.#contents.digest);
  }

  /** The last entry applied. */
  get appliedIndex(): number {
    return this.#appliedIndex;
  }

  /** The highest stamp applied, ms since 1970. */
  get clockMs(): number {
    return this.#clockMs;
  }

  /** The highest version that any deleted or expired key ever had. */
  get floor(): number {
    return this.#floor;
  }

  /** Keys held, due ones that are not swept yet included. */
  get keys(): number {
    return this.#contents.table.length;
  }

  /** Bytes of the keys and values held. */
  get bytes(): number {
    return this.#contents.bytes;
  }

  /** Begins the entry after the last one applied. Every entry of the log has to pass here. */
  beginEntry(index: number, stampMs: number): void {
    assert(!this.#isInEntry, `Cannot begin entry ${index}: another one is not ended`);
    assert(
      index === this.#appliedIndex + 1,
      `Cannot apply entry ${index}: the last one applied is ${this.#appliedIndex}`,
    );
    this.#isInEntry = true;
    this.#appliedIndex = index;
    if (stampMs > this.#clockMs) this.#clockMs = stampMs;
  }

  /** Applies the set, cas or delete at `bytes[offset]`, which `commandsProblem` has passed. */
  applyCommand(bytes: Uint8Array, offset: number, result: Result): void {
    assert(this.#isInEntry, "Cannot apply a command outside an entry: call beginEntry first");
    const op = bytes[offset + 4] as Op;
    switch (op) {
      case Op.set:
        return this.#set(bytes, offset, offset + SET_KEY_OFFSET, result);
      case Op.cas:
        return this.#set(bytes, offset, offset + CAS_KEY_OFFSET, result);
      case Op.delete:
        return this.#delete(bytes, offset, result);
      case Op.get:
      case Op.getm:
        return assert(false, `Cannot apply operation ${op}: reads are not in the log`);
      default:
        return unreachable(op);
    }
  }

  /** Sweeps due keys, at most so many, and remembers the digest. */
  endEntry(): void {
    assert(this.#isInEntry, "Cannot end an entry: none was begun");
    const contents = this.#contents;
    for (let swept = 0; swept < this.#sweepKeysMax && this.hasDueKeys(); swept++) {
      const ref = contents.expiry.refAt(0);
      const hash = contents.hashOf(ref);
      contents.table.seekRef(hash, ref);
      this.#raiseFloor(contents.removeHere(hash, ref));
    }
    this.#digests.remember(this.#appliedIndex, contents.digest);
    this.#isInEntry = false;
  }

  /** Answers the get or getm at `bytes[offset]` from the present state. */
  read(bytes: Uint8Array, offset: number, result: Result): void {
    const contents = this.#contents;
    const start = offset + COMMAND_HEAD_BYTES;
    const length = keyLengthOf(bytes, offset);
    const ref = contents.find(contents.hash(bytes, start, length), bytes, start, length);
    if (ref === NO_REF || this.#isDue(ref)) {
      result.status = Status.notFound;
      return;
    }
    const slab = contents.slabs.bytesOf(ref);
    const at = contents.slabs.offsetOf(ref);
    const head = this.#head;
    head.read(slab, at);
    result.status = Status.found;
    result.version = head.version;
    result.deadlineMs = contents.deadlineMs(ref);
    result.bytes = slab;
    result.offset = at + head.keyAt + head.keyLength;
    result.length = head.valueLength;
  }

  /**
   * The earliest deadline later than the clock, or Infinity. While hundreds of due keys wait to be
   * swept, it may be a lower bound of that.
   */
  nextDeadlineMs(): number {
    return this.#contents.expiry.nextDeadlineMs(this.#clockMs);
  }

  /** True while keys are due but not swept: entries have to go on until there are none. */
  hasDueKeys(): boolean {
    const { expiry } = this.#contents;
    return expiry.length > 0 && expiry.deadlineAt(0) <= this.#clockMs;
  }

  /** The digest of the contents: 16 hexadecimal digits. */
  digest(): string {
    return this.#contents.digest.toString();
  }

  /** The digest after entry `index`; null where that is not among the last hundreds. */
  digestAt(index: number): string | null {
    return this.#digests.at(index);
  }

  /**
   * Visits keys in the order of their hashes, from `cursor` (0 to begin) on. Returns the cursor to
   * go on with, or 0 at the end. Cursors mean the same on all servers with the same hash seed. A key
   * that is there from the first call to the last is visited exactly once. Visits `keysMax` keys or
   * slightly more: those of equal hash are not parted. Looks at up to twice as many due ones.
   */
  scan(cursor: number, keysMax: number, visit: KeyVisitor): number {
    const { table, slabs } = this.#contents;
    let position = cursor;
    let visited = 0;
    let looked = 0;
    while (position < POSITIONS && visited < keysMax && looked < 2 * keysMax) {
      if (!table.next(fromPosition(position))) return 0;
      const { words, end } = table;
      let at = table.at;
      const hash = words[at]!;
      for (; at < end && words[at] === hash; at++, looked++) {
        const ref = words[at + PAGE_SLOTS]!;
        if (this.#isDue(ref)) continue;
        const slab = slabs.bytesOf(ref);
        const record = slabs.offsetOf(ref);
        visit(slab, recordKeyStart(slab, record), recordKeyLength(slab, record));
        visited++;
      }
      position = toPosition(hash) + 1;
    }
    return position === POSITIONS ? 0 : position;
  }

  /**
   * Begins a snapshot of the present state; writes may go on while it is read. One at a time, and
   * between entries: close it before the next.
   */
  beginSnapshot(): Snapshot {
    assert(!this.#isInEntry, "Cannot begin a snapshot within an entry");
    const head: SnapshotHead = {
      index: this.#appliedIndex,
      clockMs: this.#clockMs,
      floor: this.#floor,
      keys: this.keys,
      digest: this.digest(),
    };
    return new Snapshot(this.#contents, head);
  }

  memory(): MemoryFigures {
    const { table, slabs, expiry, bytes } = this.#contents;
    return {
      tableBytes: table.heldBytes(),
      slabBytes: slabs.heldBytes(),
      slotBytes: slabs.usedBytes(),
      expiryBytes: expiry.heldBytes(),
      contentBytes: bytes,
    };
  }

  /** A set, or a cas: they differ in what has to be there before. */
  #set(bytes: Uint8Array, offset: number, keyStart: number, result: Result): void {
    const contents = this.#contents;
    const length = keyLengthOf(bytes, offset);
    const hash = contents.hash(bytes, keyStart, length);
    const found = contents.find(hash, bytes, keyStart, length);
    const isPresent = found !== NO_REF && !this.#isDue(found);
    const held = found === NO_REF ? 0 : this.#versionOf(found);
    if (bytes[offset + 4] === Op.cas) {
      const wanted = readU64(bytes, offset + SET_KEY_OFFSET);
      if (!isPresent && wanted !== 0) {
        result.status = Status.notFound;
        return;
      }
      if (isPresent && wanted !== held) {
        result.status = Status.versionDiffers;
        return;
      }
    }
    // A due key that is made anew ends here, as if it had been swept first.
    if (!isPresent && found !== NO_REF) this.#raiseFloor(held);
    const fields = this.#fields;
    fields.version = (isPresent ? held : this.#floor) + 1;
    fields.index = this.#appliedIndex;
    fields.deadlineMs = this.#deadlineOf(bytes[offset + 8]!, bytes, offset + 9);
    const end = offset + commandLength(bytes, offset);
    contents.put(found, hash, bytes, keyStart, length, end, fields);
    result.status = Status.stored;
    result.version = fields.version;
  }

  #delete(bytes: Uint8Array, offset: number, result: Result): void {
    const contents = this.#contents;
    const start = offset + COMMAND_HEAD_BYTES;
    const length = keyLengthOf(bytes, offset);
    const hash = contents.hash(bytes, start, length);
    const ref = contents.find(hash, bytes, start, length);
    if (ref === NO_REF || this.#isDue(ref)) {
      result.status = Status.notFound;
      return;
    }
    this.#raiseFloor(contents.removeHere(hash, ref));
    result.status = Status.deleted;
  }

  #versionOf(ref: number): number {
    this.#head.read(this.#contents.slabs.bytesOf(ref), this.#contents.slabs.offsetOf(ref));
    return this.#head.version;
  }

  #isDue(ref: number): boolean {
    const deadlineMs = this.#contents.deadlineMs(ref);
    return deadlineMs !== 0 && deadlineMs <= this.#clockMs;
  }

  #raiseFloor(version: number): void {
    if (version > this.#floor) this.#floor = version;
  }

  /** Relative times count from the store's clock; 0 from now is never, as in the protocol. */
  #deadlineOf(kind: number, bytes: Uint8Array, at: number): number {
    if (kind === ExpiryKind.never) return 0;
    const ms = readU32(bytes, at) * POSITIONS + readU32(bytes, at + 4);
    if (kind === ExpiryKind.absolute) return Math.max(1, ms);
    return ms === 0 ? 0 : Math.min(this.#clockMs + ms, Number.MAX_SAFE_INTEGER);
  }
}

function keyLengthOf(bytes: Uint8Array, offset: number): number {
  return (bytes[offset + 6]! << 8) | bytes[offset + 7]!;
}
