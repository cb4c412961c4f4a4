/**
 * The last changes of the store, in memory and bounded: what watches read. Each server keeps its own; it is
 * no part of what servers have to agree on, and begins anew with each process and each leader's snapshot.
 *
 * Changes stand one after the other in chunks of bytes, those of one entry together. A position counts bytes
 * from the beginning of the process and never comes again. The oldest chunk goes where there is no room:
 *
 *   start ≤ position < end   the change that begins there is here
 *   compacted                all changes of later entries are here, from `start` on
 *
 * A change:
 *
 *   0   u32  bytes of all of it      4  u8   kind (ChangeKind)     6  u16  bytes of the key
 *   8   u32  bytes of the value     12  u64  revision             20  u64  version
 *   28  ...  key, value
 */
import { ChangeKind } from "../../kv/commands/changes.ts";
import { readU32, readU64, writeU32, writeU64 } from "../../util/bytes.ts";

const HEAD_BYTES = 28;
/** Of most chunks; a longer change has one of its own. */
const CHUNK_BYTES_MAX = 65_536;
const CHUNKS_MIN = 8;
const NO_BYTES = new Uint8Array(0);

interface Chunk {
  readonly bytes: Uint8Array;
  /** The position of its first byte. */
  readonly base: number;
  length: number;
  /** Of its last change. */
  lastRevision: number;
}

export class History {
  /** All changes of later entries are here. */
  compacted = 0;
  start = 0;
  end = 0;
  readonly #bytesMax: number;
  readonly #chunkBytes: number;
  #chunks: Chunk[] = [];
  /** Of a chunk that went, for the next one. */
  #spare: Uint8Array | null = null;
  #heldBytes = 0;
  // The change that `seek` found last.
  bytes: Uint8Array = NO_BYTES;
  #at = 0;
  #position = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
    this.#chunkBytes = Math.min(CHUNK_BYTES_MAX, Math.floor(bytesMax / CHUNKS_MIN));
  }

  /** Bytes of memory that it takes. */
  get heldBytes(): number {
    return this.#heldBytes + (this.#spare?.length ?? 0);
  }

  /** Forgets all changes up to the entry `revision`, the last one applied, and begins there. */
  begin(revision: number): void {
    this.#chunks = [];
    this.#heldBytes = 0;
    this.#spare = null;
    this.bytes = NO_BYTES;
    this.#leaveOut(revision);
  }

  /** Adds a change (see ChangeSink) and returns its position; that is before `start` where it has no room. */
  add(
    kind: ChangeKind,
    revision: number,
    version: number,
    bytes: Uint8Array,
    keyStart: number,
    keyLength: number,
    keyAndValueEnd: number,
  ): number {
    const bodyBytes = keyAndValueEnd - keyStart;
    const needed = HEAD_BYTES + bodyBytes;
    let chunk = this.#chunks.at(-1);
    if (chunk === undefined || chunk.length + needed > chunk.bytes.length) {
      if (needed > this.#bytesMax) {
        while (this.#chunks.length > 0) this.#dropOldest();
        return this.#leaveOut(revision);
      }
      chunk = this.#nextChunk(needed);
    }
    const into = chunk.bytes;
    const at = chunk.length;
    writeU32(into, at, needed);
    into[at + 4] = kind;
    into[at + 6] = keyLength >>> 8;
    into[at + 7] = keyLength;
    writeU32(into, at + 8, bodyBytes - keyLength);
    writeU64(into, at + 12, revision);
    writeU64(into, at + 20, version);
    if (bodyBytes > 48) into.set(bytes.subarray(keyStart, keyAndValueEnd), at + HEAD_BYTES);
    else for (let i = 0; i < bodyBytes; i++) into[at + HEAD_BYTES + i] = bytes[keyStart + i]!;
    chunk.length += needed;
    chunk.lastRevision = revision;
    const position = this.end;
    this.end += needed;
    return position;
  }

  /** The position of the first change after the entry `revision`, which is not before `compacted`. */
  firstAfter(revision: number): number {
    for (const chunk of this.#chunks) {
      if (chunk.lastRevision <= revision) continue;
      let position = Math.max(chunk.base, this.start);
      for (; position < chunk.base + chunk.length; position = this.next) {
        this.seek(position);
        if (this.revision > revision) return position;
      }
    }
    return this.end;
  }

  /** Looks at the change at `position`, which begins one: `start` ≤ position < `end`. */
  seek(position: number): void {
    const chunks = this.#chunks;
    let low = 0;
    let high = chunks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (chunks[middle]!.base <= position) low = middle;
      else high = middle - 1;
    }
    const chunk = chunks[low]!;
    this.bytes = chunk.bytes;
    this.#at = position - chunk.base;
    this.#position = position;
  }

  // Of the change that was looked at.

  /** The position after it. */
  get next(): number {
    return this.#position + readU32(this.bytes, this.#at);
  }

  get kind(): ChangeKind {
    return this.bytes[this.#at + 4] as ChangeKind;
  }

  get revision(): number {
    return readU64(this.bytes, this.#at + 12);
  }

  get version(): number {
    return readU64(this.bytes, this.#at + 20);
  }

  /** Where in `bytes` its key begins; the value comes directly after it. */
  get keyAt(): number {
    return this.#at + HEAD_BYTES;
  }

  get keyLength(): number {
    return (this.bytes[this.#at + 6]! << 8) | this.bytes[this.#at + 7]!;
  }

  get valueLength(): number {
    return readU32(this.bytes, this.#at + 8);
  }

  #nextChunk(needed: number): Chunk {
    const size = Math.max(needed, this.#chunkBytes);
    while (this.#chunks.length > 0 && this.#heldBytes + size > this.#bytesMax) this.#dropOldest();
    const spare = size === this.#chunkBytes ? this.#spare : null;
    this.#spare = null;
    const bytes = spare ?? new Uint8Array(size);
    const chunk: Chunk = { bytes, base: this.end, length: 0, lastRevision: 0 };
    this.#chunks.push(chunk);
    this.#heldBytes += size;
    return chunk;
  }

  #dropOldest(): void {
    const { bytes, lastRevision } = this.#chunks.shift()!;
    this.#heldBytes -= bytes.length;
    if (bytes.length === this.#chunkBytes) this.#spare = bytes;
    this.compacted = lastRevision;
    this.start = this.#chunks[0]?.base ?? this.end;
    // What is left of its last entry is no whole one.
    while (this.start < this.end) {
      this.seek(this.start);
      if (this.revision > lastRevision) break;
      this.start = this.next;
    }
  }

  /** Nothing up to the entry `revision` is here; returns a position that nothing has. */
  #leaveOut(revision: number): number {
    const position = this.end++;
    this.start = this.end;
    this.compacted = revision;
    return position;
  }
}
