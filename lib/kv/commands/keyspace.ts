/**
 * The keys as commands see them: contents under a clock, with versions that never repeat. A key
 * whose deadline is not later than the clock is due: held, but absent to every command.
 */
import { Contents, type WriteFields } from "../memory/contents.ts";
import { RecordHead } from "../memory/record.ts";
import { ChangeKind, type ChangeSink, SetCause } from "./changes.ts";
import type { Result } from "./result.ts";
import { NO_REF } from "../memory/slabs.ts";

export class Keyspace {
  contents: Contents;
  /** The entry that is applied now. */
  index = 0;
  /** The highest stamp applied, ms since 1970. */
  clockMs = 0;
  /** The highest version that any deleted or expired key ever had. */
  floor = 0;
  /** Hears of every change; null where nobody keeps them. */
  changes: ChangeSink | null = null;
  /** What the last `find` found; its values are the record's, due or not. */
  isPresent = false;
  deadlineMs = 0;
  readonly head: RecordHead = new RecordHead();
  #ref = NO_REF;
  #hash = 0;
  readonly #fields: WriteFields = { version: 0, index: 0, deadlineMs: 0 };

  constructor(contents: Contents) {
    this.contents = contents;
  }

  /** Looks for the key `bytes[start, start + length)`; true where it is there and not due. */
  find(bytes: Uint8Array, start: number, length: number): boolean {
    const contents = this.contents;
    const hash = contents.hash(bytes, start, length);
    const ref = contents.find(hash, bytes, start, length);
    this.#hash = hash;
    this.#ref = ref;
    this.isPresent = false;
    this.deadlineMs = 0;
    if (ref === NO_REF) return false;
    this.head.read(contents.slabs.bytesOf(ref), contents.slabs.offsetOf(ref));
    const deadlineMs = this.head.hasDeadline ? contents.deadlineMs(ref) : 0;
    this.deadlineMs = deadlineMs;
    this.isPresent = deadlineMs === 0 || deadlineMs > this.clockMs;
    return this.isPresent;
  }

  /** True where the key just looked for has a record, due or not. */
  get isHeld(): boolean {
    return this.#ref !== NO_REF;
  }

  /** The memory that holds the key just found; valid until something changes. */
  get bytes(): Uint8Array {
    return this.contents.slabs.bytesOf(this.#ref);
  }

  /** Where in `bytes` the value begins; it has `head.valueLength` bytes. */
  get valueOffset(): number {
    return this.contents.slabs.offsetOf(this.#ref) + this.head.keyAt + this.head.keyLength;
  }

  /** Puts the key just found into `result`, as a read shows it. */
  show(result: Result): void {
    result.setValue(this.bytes, this.valueOffset, this.head.valueLength);
    result.version = this.head.version;
    result.deadlineMs = this.deadlineMs;
  }

  /** Looks for a key, and puts it into `result`, as a read shows it. */
  look(bytes: Uint8Array, start: number, length: number, result: Result): boolean {
    const isPresent = this.find(bytes, start, length);
    if (isPresent) this.show(result);
    return isPresent;
  }

  /**
   * Writes the key that `find` just looked for, and gives it its next version, which is returned.
   * The key and, directly after it, the value are `bytes[keyStart, end)`. `cause`: for whoever is told.
   */
  put(
    bytes: Uint8Array,
    keyStart: number,
    keyLength: number,
    end: number,
    deadlineMs: number,
    cause: SetCause,
  ): number {
    const held = this.#ref === NO_REF ? 0 : this.head.version;
    // A due key that is created again ends here, as if it had been swept first.
    const isRecreated = !this.isPresent && held !== 0;
    if (isRecreated) this.raiseFloor(held);
    const fields = this.#fields;
    fields.version = (this.isPresent ? held : this.floor) + 1;
    fields.index = this.index;
    fields.deadlineMs = deadlineMs;
    this.contents.put(this.#ref, this.#hash, bytes, keyStart, keyLength, end, fields);
    const { changes } = this;
    if (changes !== null) {
      const { index } = this;
      const keyEnd = keyStart + keyLength;
      if (isRecreated) {
        changes.changed(
          ChangeKind.expire,
          index,
          held,
          bytes,
          keyStart,
          keyLength,
          keyEnd,
          SetCause.set,
        );
      }
      changes.changed(
        ChangeKind.set,
        index,
        fields.version,
        bytes,
        keyStart,
        keyLength,
        end,
        cause,
      );
    }
    return fields.version;
  }

  /** Removes the key that `find` just found. */
  remove(): void {
    if (this.changes !== null) this.#tellRemoved(this.#ref, ChangeKind.delete);
    this.raiseFloor(this.contents.removeHere(this.#hash, this.#ref));
  }

  /** Removes all keys, due ones too, by changing to `empty`; a snapshot keeps what it walks over. */
  clear(empty: Contents): void {
    this.raiseFloor(this.contents.highestVersion);
    this.contents = empty;
    this.#ref = NO_REF;
    this.isPresent = false;
    this.changes?.flushed(this.index);
  }

  /** True while keys are due, and held. */
  get hasDue(): boolean {
    const { expiry } = this.contents;
    return expiry.length > 0 && expiry.deadlineAt(0) <= this.clockMs;
  }

  /** Removes due keys, at most so many. */
  sweep(keysMax: number): void {
    for (let swept = 0; swept < keysMax && this.hasDue; swept++) {
      this.#expire(this.contents.expiry.refAt(0));
    }
  }

  #expire(ref: number): void {
    if (this.changes !== null) this.#tellRemoved(ref, ChangeKind.expire);
    const hash = this.contents.hashOf(ref);
    this.contents.table.seekRef(hash, ref);
    this.raiseFloor(this.contents.removeHere(hash, ref));
  }

  isDue(ref: number): boolean {
    const deadlineMs = this.contents.deadlineMs(ref);
    return deadlineMs !== 0 && deadlineMs <= this.clockMs;
  }

  raiseFloor(version: number): void {
    if (version > this.floor) this.floor = version;
  }

  /** Before the record at `ref` goes: its key is told from where it still is. */
  #tellRemoved(ref: number, kind: ChangeKind): void {
    const { head, contents: { slabs } } = this;
    const bytes = slabs.bytesOf(ref);
    head.read(bytes, slabs.offsetOf(ref));
    const { version, keyLength } = head;
    const keyStart = slabs.offsetOf(ref) + head.keyAt;
    this.changes!.changed(
      kind,
      this.index,
      version,
      bytes,
      keyStart,
      keyLength,
      keyStart + keyLength,
      SetCause.set,
    );
  }
}
