/**
 * A snapshot of one index, read slice by slice while writes continue.
 *
 * The snapshot walks the table in the order of hashes. A record that is about to change, was there
 * at the snapshot's index and is not walked past yet is saved first, as it was; when the walk comes
 * by, the index of its last change tells that it is done. So nothing is copied when it begins, and no
 * record needs a mark. Records, back to back, in no particular order:
 *
 *   0  u16  length of the key          10  u64  index of the last change
 *   2  u64  version                    18  u64  deadline, ms since 1970; 0 for never
 *   26 u32  length of the value        30  key, value
 */
import { assert } from "../util/assert.ts";
import { ByteWriter, writeU32, writeU64 } from "../util/bytes.ts";
import type { ChangeWatcher, Contents } from "./memory/contents.ts";
import { fromPosition, toPosition } from "./memory/hash.ts";
import { LookAhead } from "./prefetch.ts";
import { RecordHead } from "./memory/record.ts";
import { PAGE_SLOTS } from "./memory/table.ts";

const POSITIONS = 0x1_0000_0000;
/** Before the key. */
export const SNAPSHOT_RECORD_HEAD_BYTES = 30;
/** How many bytes of a slice a skipped record counts as. */
const PASSED_COST_BYTES = 64;
/**
 * The buffer of saved records is used again up to this size, until the snapshot is closed: under
 * overwrites each slice saves megabytes, and buffers that grow from nothing leave twice that as garbage.
 */
const SAVED_BYTES_KEPT = 4 * 1024 * 1024;

/** What a snapshot has besides its records; it comes before them. */
export interface SnapshotHead {
  /** The last entry that is in it. */
  readonly index: number;
  readonly clockMs: number;
  readonly floor: number;
  /** How many records follow. */
  readonly keys: number;
  readonly digest: string;
  /** See cluster_version.ts. */
  readonly clusterVersion: number;
  /** As users/users.ts encodes them; null while there was never one. */
  readonly users: Uint8Array | null;
  /** As sessions/client_sessions.ts encodes them; null while none was ever opened. */
  readonly clientSessions: Uint8Array | null;
  /** As scripts/loaded_scripts.ts encodes them; null while none was ever loaded or flushed. */
  readonly loadedScripts: Uint8Array | null;
}

export class Snapshot implements ChangeWatcher {
  readonly head: SnapshotHead;
  readonly #contents: Contents;
  readonly #record = new RecordHead();
  readonly #lookAhead = new LookAhead();
  /** Records that changed before the walk came by, as they were. */
  #saved = new ByteWriter();
  /** All records whose hash lies below this position have been walked past. */
  #position = 0;

  /** Use `Store.beginSnapshot`. */
  constructor(contents: Contents, head: SnapshotHead) {
    assert(contents.watcher === null, "Cannot begin a snapshot: another one is not closed");
    this.head = head;
    this.#contents = contents;
    contents.watcher = this;
  }

  /** Bytes saved of records that changed, waiting for the next slice. */
  get savedBytes(): number {
    return this.#saved.length;
  }

  /**
   * Appends whole records to `out`: those saved since the last call, and on top about `bytesMax`
   * bytes, at least one record, of those that the walk comes to. Returns false once all are out:
   * close the snapshot then.
   */
  next(out: ByteWriter, bytesMax: number): boolean {
    const { table } = this.#contents;
    out.slice(this.#saved.bytes, 0, this.#saved.length);
    if (this.#saved.bytes.length > SAVED_BYTES_KEPT) this.#saved.free();
    else this.#saved.clear();
    if (this.#position === POSITIONS) return false;
    const end = out.length + bytesMax;
    // Skipped records cost time too, and are counted, so that the slice is bounded.
    let passedBytes = 0;
    do {
      if (!table.next(fromPosition(this.#position))) {
        this.#position = POSITIONS;
        break;
      }
      const { words, end: pageEnd } = table;
      let lookedTo = table.at;
      // Entries of equal hash are in one page, and go out together: a position tells no more.
      let { at } = table;
      do {
        if (at >= lookedTo) {
          lookedTo = this.#lookAhead.records(
            this.#contents.slabs,
            words,
            at,
            pageEnd,
            this.#record,
          );
        }
        const hash = words[at]!;
        for (; at < pageEnd && words[at] === hash; at++) {
          if (!this.#write(out, words[at + PAGE_SLOTS]!)) passedBytes += PASSED_COST_BYTES;
        }
        this.#position = toPosition(hash) + 1;
      } while (at < pageEnd && out.length + passedBytes < end);
    } while (this.#position < POSITIONS && out.length + passedBytes < end);
    return this.#position < POSITIONS;
  }

  /** Ends the snapshot, whole or not. */
  close(): void {
    if (this.#contents.watcher === this) this.#contents.watcher = null;
    this.#saved.free();
  }

  beforeChange(hash: number, ref: number): void {
    if (toPosition(hash) >= this.#position) this.#write(this.#saved, ref);
  }

  /** Appends the record at `ref`, unless it came after the snapshot. Returns whether it was written. */
  #write(out: ByteWriter, ref: number): boolean {
    const slab = this.#contents.slabs.bytesOf(ref);
    const at = this.#contents.slabs.offsetOf(ref);
    const head = this.#record;
    head.read(slab, at);
    if (head.index > this.head.index) return false;
    out.reserve(SNAPSHOT_RECORD_HEAD_BYTES + head.recordBytes - head.keyAt);
    const { bytes, length } = out;
    bytes[length] = head.keyLength >>> 8;
    bytes[length + 1] = head.keyLength;
    writeU64(bytes, length + 2, head.version);
    writeU64(bytes, length + 10, head.index);
    writeU64(bytes, length + 18, head.hasDeadline ? this.#contents.deadlineMs(ref) : 0);
    writeU32(bytes, length + 26, head.valueLength);
    out.length = length + SNAPSHOT_RECORD_HEAD_BYTES;
    out.slice(slab, at + head.keyAt, at + head.recordBytes);
    return true;
  }
}
