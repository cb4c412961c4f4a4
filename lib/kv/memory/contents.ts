/**
 * The records and all that is kept about them: table, order of the keys, slabs, expiry heap, digest, sizes.
 * It knows no commands and no time; each operation leaves all parts consistent with each other.
 */
import { SHORT_BYTES_MAX, shortChecksum, viewChecksum } from "./content_checksum.ts";
import { Digest } from "./digest.ts";
import { ExpiryHeap } from "./expiry.ts";
import { hashBytes, HashKey } from "./hash.ts";
import { OrderedKeys } from "./ordered_keys.ts";
import {
  compareKeys,
  recordHasDeadline,
  RecordHead,
  recordHeapPlace,
  recordKeyLength,
  recordKeyStart,
} from "./record.ts";
import { NO_REF, Slabs } from "./slabs.ts";
import { PAGE_SLOTS, Table } from "./table.ts";

/** Hears of each record that is about to change or to go, while its old state can be read. */
export interface ChangeWatcher {
  beforeChange(hash: number, ref: number): void;
}

/** What a write gives a record, besides the bytes of key and value. */
export interface WriteFields {
  version: number;
  /** The log index of this write. */
  index: number;
  /** Ms since 1970; 0 for never. */
  deadlineMs: number;
}

export class Contents {
  readonly slabs: Slabs = new Slabs();
  readonly table: Table;
  readonly order: OrderedKeys;
  readonly expiry: ExpiryHeap;
  readonly digest: Digest = new Digest();
  /** Bytes of all keys and values. */
  bytes = 0;
  /** Of all versions ever put here; no key that is there has a higher one. */
  highestVersion = 0;
  /** Of all values ever put here: none that is there is longer. */
  longestValueBytes = 0;
  watcher: ChangeWatcher | null = null;
  readonly #hashKey: HashKey;
  readonly #old: RecordHead = new RecordHead();
  readonly #new: RecordHead = new RecordHead();

  constructor(hashSeed: number, keysHint: number) {
    this.#hashKey = new HashKey(hashSeed);
    this.table = new Table(keysHint);
    this.order = new OrderedKeys(this.table, this.slabs);
    this.expiry = new ExpiryHeap(this.slabs);
  }

  hash(bytes: Uint8Array, start: number, length: number): number {
    return hashBytes(this.#hashKey, bytes, start, length);
  }

  /**
   * The record of a key, or `NO_REF`. The table then stands at its entry, or where it would be put
   * in: `put` and `removeHere` rely on that.
   */
  find(hash: number, bytes: Uint8Array, start: number, length: number): number {
    const table = this.table;
    table.seek(hash);
    const { words, end } = table;
    for (let at = table.at; at < end && words[at] === hash; at++) {
      const ref = words[at + PAGE_SLOTS]!;
      const slab = this.slabs.bytesOf(ref);
      const record = this.slabs.offsetOf(ref);
      const keyStart = recordKeyStart(slab, record);
      const keyLength = recordKeyLength(slab, record);
      const order = compareKeys(slab, keyStart, keyLength, bytes, start, length);
      if (order > 0) break;
      table.at = order === 0 ? at : at + 1;
      if (order === 0) return ref;
    }
    return NO_REF;
  }

  /** When the record's key expires, ms since 1970; 0 for never. */
  deadlineMs(ref: number): number {
    const slab = this.slabs.bytesOf(ref);
    const at = this.slabs.offsetOf(ref);
    return recordHasDeadline(slab, at) ? this.expiry.deadlineAt(recordHeapPlace(slab, at)) : 0;
  }

  /** The hash of the key of the record at `ref`. */
  hashOf(ref: number): number {
    const slab = this.slabs.bytesOf(ref);
    const at = this.slabs.offsetOf(ref);
    return this.hash(slab, recordKeyStart(slab, at), recordKeyLength(slab, at));
  }

  /**
   * Writes the record of the key that `find` just looked for; `found` is what it returned. The key
   * and, directly after it, the value are `bytes[keyStart, end)`.
   */
  put(
    found: number,
    hash: number,
    bytes: Uint8Array,
    keyStart: number,
    keyLength: number,
    end: number,
    fields: WriteFields,
  ): void {
    const head = this.#new;
    const { deadlineMs } = fields;
    const hasDeadline = deadlineMs !== 0;
    const valueLength = end - keyStart - keyLength;
    if (fields.version > this.highestVersion) this.highestVersion = fields.version;
    if (valueLength > this.longestValueBytes) this.longestValueBytes = valueLength;
    head.prepare(keyLength, valueLength, fields.version, fields.index, hasDeadline);
    let ref = found;
    let oldPlace = -1;
    let release = 0;
    if (found === NO_REF) {
      if (this.order.add(hash, bytes, keyStart, keyLength)) {
        this.find(hash, bytes, keyStart, keyLength);
      }
      while (this.table.isFull()) {
        this.table.grow();
        this.find(hash, bytes, keyStart, keyLength);
      }
      ref = this.slabs.take(head.recordBytes);
      this.table.insertHere(hash, ref);
      this.bytes += keyLength;
    } else {
      const old = this.#readOld(hash, found);
      if (old.hasDeadline) {
        oldPlace = recordHeapPlace(this.slabs.bytesOf(found), this.slabs.offsetOf(found));
        if (!hasDeadline) this.expiry.remove(oldPlace);
      }
      if (!this.slabs.fitsInPlace(found, old.recordBytes, head.recordBytes)) {
        release = old.recordBytes;
        ref = this.slabs.take(head.recordBytes);
        this.table.setRefHere(ref);
      }
      this.bytes -= old.valueLength;
    }
    this.bytes += valueLength;
    this.#writeRecord(ref, bytes, keyStart, end);
    this.digest.add(hash, head, deadlineMs);
    // The heap compares keys of any records: first all references must be right again.
    if (oldPlace >= 0 && hasDeadline) this.expiry.moved(oldPlace, ref);
    if (release !== 0) this.#release(found, release);
    if (!hasDeadline) return;
    if (oldPlace >= 0) this.expiry.change(oldPlace, ref, deadlineMs);
    else this.expiry.add(ref, deadlineMs);
  }

  /** Removes the record at `ref`, where the table stands. Returns the version that it had. */
  removeHere(hash: number, ref: number): number {
    const old = this.#readOld(hash, ref);
    const version = old.version;
    if (old.hasDeadline) {
      this.expiry.remove(recordHeapPlace(this.slabs.bytesOf(ref), this.slabs.offsetOf(ref)));
    }
    const slab = this.slabs.bytesOf(ref);
    const keyStart = this.slabs.offsetOf(ref) + old.keyAt;
    const place = this.order.placeOf(slab, keyStart, old.keyLength);
    if (this.order.settle(place)) this.table.seekRef(hash, ref);
    this.table.removeHere();
    this.order.remove(place, hash, slab, keyStart, old.keyLength);
    this.bytes -= old.keyLength + old.valueLength;
    this.#release(ref, old.recordBytes);
    return version;
  }

  /** Reads the head of a record that is about to change, and takes it off the digest. */
  #readOld(hash: number, ref: number): RecordHead {
    if (this.watcher !== null) this.watcher.beforeChange(hash, ref);
    const old = this.#old;
    old.read(this.slabs.bytesOf(ref), this.slabs.offsetOf(ref));
    this.digest.subtract(hash, old, old.hasDeadline ? this.deadlineMs(ref) : 0);
    return old;
  }

  #writeRecord(ref: number, bytes: Uint8Array, keyStart: number, end: number): void {
    const slab = this.slabs.bytesOf(ref);
    const at = this.slabs.offsetOf(ref);
    const head = this.#new;
    let to = at + head.keyAt;
    if (end - keyStart <= SHORT_BYTES_MAX) {
      head.checksum = shortChecksum(bytes, keyStart, end);
      for (let from = keyStart; from < end; from++) slab[to++] = bytes[from]!;
    } else {
      const view = bytes.subarray(keyStart, end);
      head.checksum = viewChecksum(view);
      slab.set(view, to);
    }
    head.write(slab, at);
  }

  /** Gives up a record's place and mends the references to the record that moved into it. */
  #release(ref: number, recordBytes: number): void {
    const movedFrom = this.slabs.release(ref, recordBytes);
    if (movedFrom === NO_REF) return;
    const slab = this.slabs.bytesOf(ref);
    const at = this.slabs.offsetOf(ref);
    this.table.seekRef(this.hashOf(ref), movedFrom);
    this.table.setRefHere(ref);
    if (recordHasDeadline(slab, at)) this.expiry.moved(recordHeapPlace(slab, at), ref);
  }
}
