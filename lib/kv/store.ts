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
import { assert, broken } from "../util/assert.ts";
import {
  CAS_KEY_OFFSET,
  COMMAND_HEAD_BYTES,
  commandLength,
  FIRST_READ_OP,
  keyLength,
  Op,
  SET_KEY_OFFSET,
} from "./commands/command.ts";
import { readU64 } from "../util/bytes.ts";
import { CLUSTER_VERSION_FIRST } from "./cluster_version.ts";
import { Contents } from "./memory/contents.ts";
import { DigestHistory } from "./memory/digest.ts";
import { Writes } from "./commands/writes.ts";
import { deadlineOf } from "./commands/expiry_time.ts";
import { Groups } from "./commands/groups.ts";
import { Keyspace } from "./commands/keyspace.ts";
import { LookAhead } from "./prefetch.ts";
import { Reads } from "./commands/reads.ts";
import { type Result, Status } from "./commands/result.ts";
import { LARGE_VALUE_BYTES } from "./commands/rewriting.ts";
import { type KeyVisitor, scanKeys } from "./commands/scan.ts";
import { Snapshot, type SnapshotHead } from "./snapshot.ts";

export interface StoreOptions {
  /** A secret u32 of the cluster, the same on all its servers. */
  readonly hashSeed: number;
  /** The most due keys that one entry sweeps. All servers of a cluster must agree. */
  readonly sweepKeysMax?: number;
  /** For about how many keys the table has room when it is made. */
  readonly capacityHint?: number;
}

const SWEEP_KEYS_MAX_DEFAULT = 100;

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

export type { KeyVisitor };

export class Store {
  readonly #hashSeed: number;
  readonly #keys: Keyspace;
  readonly #writes: Writes;
  readonly #groups: Groups;
  readonly #reads: Reads;
  readonly #ahead = new LookAhead();
  readonly #sweepKeysMax: number;
  readonly #digests = new DigestHistory();
  #isInEntry = false;
  #clusterVersion = CLUSTER_VERSION_FIRST;

  /** `restored`: contents and position to begin with, from `SnapshotReader`. */
  constructor(options: StoreOptions, restored?: { contents: Contents; head: SnapshotHead }) {
    this.#sweepKeysMax = options.sweepKeysMax ?? SWEEP_KEYS_MAX_DEFAULT;
    this.#hashSeed = options.hashSeed;
    const contents = restored?.contents ??
      new Contents(options.hashSeed, options.capacityHint ?? 0);
    const keys = new Keyspace(contents);
    this.#keys = keys;
    this.#writes = new Writes(keys);
    this.#groups = new Groups(keys, (bytes, offset, result) => this.#run(bytes, offset, result));
    this.#reads = new Reads(keys, (cursor, keysMax, visit) => {
      return scanKeys(keys, cursor, keysMax, visit);
    });
    if (restored === undefined) return;
    keys.index = restored.head.index;
    keys.clockMs = restored.head.clockMs;
    keys.floor = restored.head.floor;
    this.#clusterVersion = restored.head.clusterVersion;
    this.#digests.remember(keys.index, contents.digest);
  }

  /** The last entry applied. */
  get appliedIndex(): number {
    return this.#keys.index;
  }

  /** The highest stamp applied, ms since 1970. */
  get clockMs(): number {
    return this.#keys.clockMs;
  }

  /** The highest version that any deleted or expired key ever had. */
  get floor(): number {
    return this.#keys.floor;
  }

  /** What may be in the log after the last entry applied, see cluster_version.ts. */
  get clusterVersion(): number {
    return this.#clusterVersion;
  }

  /** Keys held, due ones that are not swept yet included. */
  get keys(): number {
    return this.#keys.contents.table.length;
  }

  /** Of these, keys that expire. */
  get expiringKeys(): number {
    return this.#keys.contents.expiry.length;
  }

  /** Bytes of the keys and values held. */
  get bytes(): number {
    return this.#keys.contents.bytes;
  }

  /** The hash of a key. */
  hashOf(bytes: Uint8Array, start: number, length: number): number {
    return this.#keys.contents.hash(bytes, start, length);
  }

  /** How long the value of a key is, due or not; 0 where there is none. */
  lengthOf(bytes: Uint8Array, start: number, length: number): number {
    const { contents } = this.#keys;
    if (contents.longestValueBytes < LARGE_VALUE_BYTES) return 0;
    this.#keys.find(bytes, start, length);
    return this.#keys.isHeld ? this.#keys.head.valueLength : 0;
  }

  /** Begins the entry after the last one applied. Every entry of the log has to pass here. */
  beginEntry(index: number, stampMs: number): void {
    if (this.#isInEntry) broken(`Cannot begin entry ${index}: another one is not ended`);
    if (index !== this.#keys.index + 1) {
      broken(`Cannot apply entry ${index}: the last one applied is ${this.#keys.index}`);
    }
    this.#isInEntry = true;
    this.#keys.index = index;
    if (stampMs > this.#keys.clockMs) this.#keys.clockMs = stampMs;
  }

  /**
   * Looks ahead at the next commands of an entry, some of `bytes[offset, end)`; returns the offset
   * after them. Changes nothing but the time that applying them takes.
   */
  lookAhead(bytes: Uint8Array, offset: number, end: number): number {
    return this.#ahead.look(this.#keys.contents, bytes, offset, end);
  }

  /** Applies the write at `bytes[offset]`, which `commandsProblem` has passed. */
  applyCommand(bytes: Uint8Array, offset: number, result: Result): void {
    assert(this.#isInEntry, "Cannot apply a command outside an entry: call beginEntry first");
    const op = bytes[offset + 4]!;
    if (op >= FIRST_READ_OP) broken(`Cannot apply operation ${op}: reads are not in the log`);
    if (op !== Op.transaction) return this.#run(bytes, offset, result);
    this.#reads.beginTransaction(this.#keys.index);
    this.#groups.transact(bytes, offset, result);
    this.#reads.endTransaction();
  }

  /** The entry begun raises the cluster version; one that names no higher one changes nothing. */
  raiseClusterVersion(version: number): void {
    assert(this.#isInEntry, "Cannot raise the cluster version outside an entry");
    this.#clusterVersion = Math.max(this.#clusterVersion, version);
  }

  /** Sweeps due keys, at most so many, and remembers the digest. */
  endEntry(): void {
    assert(this.#isInEntry, "Cannot end an entry: none was begun");
    const contents = this.#keys.contents;
    for (let swept = 0; swept < this.#sweepKeysMax && this.hasDueKeys(); swept++) {
      this.#keys.removeRecord(contents.expiry.refAt(0));
    }
    this.#digests.remember(this.#keys.index, contents.digest);
    this.#isInEntry = false;
  }

  /** Answers the read at `bytes[offset]` from the present state. */
  read(bytes: Uint8Array, offset: number, result: Result): void {
    this.#reads.read(bytes, offset, result);
  }

  /** What reads have taken so far, in steps of about a nanosecond: the difference of two counts. */
  get readWork(): number {
    return this.#reads.work;
  }

  /**
   * The earliest deadline later than the clock, or Infinity. While hundreds of due keys wait to be
   * swept, it may be a lower bound of that.
   */
  nextDeadlineMs(): number {
    return this.#keys.contents.expiry.nextDeadlineMs(this.#keys.clockMs);
  }

  /** True while keys are due but not swept: more entries are needed until there are none. */
  hasDueKeys(): boolean {
    const { expiry } = this.#keys.contents;
    return expiry.length > 0 && expiry.deadlineAt(0) <= this.#keys.clockMs;
  }

  /** The digest of the contents: 16 hexadecimal digits. */
  digest(): string {
    return this.#keys.contents.digest.toString();
  }

  /** The digest after entry `index`; null where that is not among the last hundreds. */
  digestAt(index: number): string | null {
    return this.#digests.at(index);
  }

  /**
   * Visits keys in the order of their hashes, from `cursor` (0 to begin) on. Returns the cursor to
   * continue with, or 0 at the end. Cursors mean the same on all servers with the same hash seed. A key
   * that is there from the first call to the last is visited exactly once. Visits `keysMax` keys or
   * slightly more: those of equal hash are not parted. Looks at up to twice as many due ones.
   */
  scan(cursor: number, keysMax: number, visit: KeyVisitor): number {
    return scanKeys(this.#keys, cursor, keysMax, visit);
  }

  /**
   * Begins a snapshot of the present state; writes may continue while it is read. One at a time, and
   * between entries: close it before the next.
   */
  beginSnapshot(): Snapshot {
    assert(!this.#isInEntry, "Cannot begin a snapshot within an entry");
    const head: SnapshotHead = {
      index: this.#keys.index,
      clockMs: this.#keys.clockMs,
      floor: this.#keys.floor,
      keys: this.keys,
      digest: this.digest(),
      clusterVersion: this.#clusterVersion,
    };
    return new Snapshot(this.#keys.contents, head);
  }

  memory(): MemoryFigures {
    const { table, slabs, expiry, bytes } = this.#keys.contents;
    return {
      tableBytes: table.heldBytes(),
      slabBytes: slabs.heldBytes(),
      slotBytes: slabs.usedBytes(),
      expiryBytes: expiry.heldBytes(),
      contentBytes: bytes,
    };
  }

  /** Any command but a transaction. */
  #run(bytes: Uint8Array, offset: number, result: Result): void {
    switch (bytes[offset + 4]) {
      case Op.set:
        return this.#set(bytes, offset, offset + SET_KEY_OFFSET, result);
      case Op.cas:
        return this.#set(bytes, offset, offset + CAS_KEY_OFFSET, result);
      case Op.delete:
        return this.#delete(bytes, offset, result);
      case Op.group:
      case Op.deleteGroup:
        return this.#groups.apply(bytes, offset, result);
      case Op.flush:
        return this.#flush(result);
      default:
        if (bytes[offset + 4]! >= FIRST_READ_OP) this.#reads.read(bytes, offset, result);
        else this.#writes.apply(bytes, offset, result);
    }
  }

  /** A set, or a cas: they differ in what has to be there before. */
  #set(bytes: Uint8Array, offset: number, keyStart: number, result: Result): void {
    const keys = this.#keys;
    const length = keyLength(bytes, offset);
    const isPresent = keys.find(bytes, keyStart, length);
    if (bytes[offset + 4] === Op.cas) {
      const wanted = readU64(bytes, offset + SET_KEY_OFFSET);
      if (!isPresent && wanted !== 0) {
        result.status = Status.notFound;
        return;
      }
      if (isPresent && wanted !== keys.head.version) {
        result.status = Status.versionDiffers;
        return;
      }
    }
    const end = offset + commandLength(bytes, offset);
    const deadlineMs = deadlineOf(bytes, offset + 8, keys.clockMs);
    result.version = keys.put(bytes, keyStart, length, end, deadlineMs);
    result.status = Status.stored;
  }

  #delete(bytes: Uint8Array, offset: number, result: Result): void {
    const keys = this.#keys;
    if (!keys.find(bytes, offset + COMMAND_HEAD_BYTES, keyLength(bytes, offset))) {
      result.status = Status.notFound;
      return;
    }
    keys.remove();
    result.status = Status.deleted;
  }

  /** Removes every key at once, whatever there is. */
  #flush(result: Result): void {
    // What holds nothing is as good as new, and thousands of these may come in one command.
    if (this.keys > 0) this.#keys.clear(new Contents(this.#hashSeed, 0));
    result.status = Status.deleted;
  }
}
