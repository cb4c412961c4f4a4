/**
 * The records of a segment, end to end. Each begins with:
 *
 *   0  4  checksum of bytes 4.. to the record's end, continued from the record before it
 *         (the first record continues the segment head's, which covers the segment's generation)
 *   4  4  length of the body
 *   8  1  type
 *   9  3  zero
 *  12     body
 *
 * So a record counts only at its own place in its own segment: stale records of recycled files, swapped
 * segments and a batch that was replaced never replay. Bodies:
 *
 *   1 entries     first index u64, count u32, then each entry: term u64, length u32, envelope.
 *                 Replaces the log's suffix where the first index is not above the last one.
 *   2 hard state  term u64, votedFor u64, suspect u8, zero u24
 *   3 marker      see below
 *   4 to 15       kept for snapshots and compaction
 *
 * A marker says that everything before `synced` was durable when the marker was written:
 *
 *   0  8  "SYNCMARK"
 *   8  4  generation of the segment
 *  12  8  offset of this record in its file
 *  20  8  synced: an offset in this file
 *  28  1  0, 1 where the segment ends here and the next one exists, 2 where the log ends here
 *  29  3  zero
 *  32  4  checksum of bytes 0..31 of this body alone
 *
 * That last checksum does not depend on the chain, so a marker is found after damage too.
 *
 * A recycled file has stale records after the log's end, so every write (except the marker of the
 * segment's end) finishes with an "end of log" marker. It proves nothing about syncs, and the next write
 * overwrites it.
 */
import type { Entry, HardState } from "../../raft/types.ts";
import { broken } from "../../util/assert.ts";
import { ByteReader, ByteWriter, readU32, writeU32 } from "../../util/bytes.ts";
import { checksum } from "../../util/checksum.ts";

export const RecordType = { entries: 1, hardState: 2, marker: 3 } as const;
/** Types 4 to 15 are given out already, but not to this version. */
const RECORD_TYPE_MAX = 15;

export const RECORD_HEAD_BYTES = 12;
const MARKER_BODY_BYTES = 36;
export const MARKER_BYTES = RECORD_HEAD_BYTES + MARKER_BODY_BYTES;
export const HARD_STATE_BYTES = RECORD_HEAD_BYTES + 20;
const NOTHING = new Uint8Array(0);
const BUFFER_BYTES = 65_536;
const MARKER_MAGIC = Uint8Array.from("SYNCMARK", (letter) => letter.charCodeAt(0));
const MAGIC_LAST = MARKER_MAGIC.at(-1)!;
/** By byte: how far a search for the magic may move on when it finds that byte at the magic's end. */
const MAGIC_STEPS = new Uint8Array(256).fill(MARKER_MAGIC.length);
MARKER_MAGIC.subarray(0, -1).forEach((byte, i) => MAGIC_STEPS[byte] = MARKER_MAGIC.length - 1 - i);
const PLAIN = 0;
const END_OF_SEGMENT = 1;
const END_OF_LOG = 2;
/**
 * In a recycled segment writes end at the end of a page, so that the system need not read the rest of a
 * page that is not in memory.
 */
const PAGE_BYTES = 4096;

export interface Marker {
  readonly synced: number;
  readonly endOfSegment: boolean;
  /** Nothing after it counts; the next write overwrites it. */
  readonly endOfLog: boolean;
}

/**
 * Gathers the records of one write in a buffer that is used again and again. `chain` is the checksum
 * of the record before; it moves on with every record.
 */
export class RecordWriter {
  readonly #out = new ByteWriter(BUFFER_BYTES);
  /** The checksum of the last record written here. */
  chain = 0;

  /** Begins a new write after a record whose checksum is `chain`. */
  begin(chain: number): void {
    this.#out.clear();
    this.chain = chain;
  }

  /** Gives up a buffer that large batches made large: for a log that has become quiet. */
  giveBack(): void {
    if (this.#out.bytes.length > BUFFER_BYTES) this.#out.free();
  }

  get length(): number {
    return this.#out.length;
  }

  /** All records since `begin`; gone with the next `begin`. */
  view(): Uint8Array {
    return this.#out.view();
  }

  /** A marker that will stand at `offset` of the segment, and proves everything before it. */
  marker(generation: number, offset: number, endOfSegment: boolean): void {
    this.#marker(generation, offset, offset, endOfSegment ? END_OF_SEGMENT : PLAIN);
  }

  /**
   * Ends a write to a recycled segment: the log ends at `offset` of the segment, which is
   * `length` bytes long. Zeroes up to the page's end. None of it moves `chain`. It says nothing of what
   * was synced, so that at one place of one log it is always the same: written again, it can't tear.
   */
  endOfLog(generation: number, offset: number, length: number): void {
    const { chain } = this;
    this.#marker(generation, offset, 0, END_OF_LOG);
    this.chain = chain;
    const end = offset + MARKER_BYTES;
    const zeroes = Math.min(Math.ceil(end / PAGE_BYTES) * PAGE_BYTES, length) - end;
    const out = this.#out;
    out.reserve(zeroes);
    out.bytes.fill(0, out.length, out.length + zeroes);
    out.length += zeroes;
  }

  #marker(generation: number, offset: number, synced: number, kind: number): void {
    const start = this.#open();
    const out = this.#out;
    const body = out.length;
    out.raw(MARKER_MAGIC);
    out.u32(generation);
    out.u64(offset);
    out.u64(synced);
    out.u32(kind << 24);
    out.u32(checksum(out.bytes.subarray(body, out.length)));
    this.#close(start, RecordType.marker);
  }

  hardState(hardState: HardState): void {
    const start = this.#open();
    this.#out.u64(hardState.term);
    this.#out.u64(hardState.votedFor);
    this.#out.u32(hardState.suspect ? 0x0100_0000 : 0);
    this.#close(start, RecordType.hardState);
  }

  /** One record with all `entries`, which are contiguous and not empty. */
  entries(entries: readonly Entry[]): void {
    const first = entries[0]!.index;
    const start = this.#open();
    const out = this.#out;
    out.reserve(entriesBytes(entries));
    out.u64(first);
    out.u32(entries.length);
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i]!;
      if (entry.index !== first + i) {
        broken(`Entry ${entry.index} follows ${first + i - 1} in a batch`);
      }
      out.u64(entry.term);
      out.u32(entry.data.length);
      out.raw(entry.data);
    }
    this.#close(start, RecordType.entries);
  }

  #open(): number {
    const start = this.#out.length;
    this.#out.reserve(RECORD_HEAD_BYTES);
    this.#out.length = start + RECORD_HEAD_BYTES;
    return start;
  }

  #close(start: number, type: number): void {
    const { bytes, length } = this.#out;
    writeU32(bytes, start + 4, length - start - RECORD_HEAD_BYTES);
    writeU32(bytes, start + 8, type << 24);
    this.chain = checksum(bytes.subarray(start + 4, length), this.chain);
    writeU32(bytes, start, this.chain);
  }
}

/** What a batch with these entries takes at the most: a marker, a hard state, and their record. */
export function batchBytesMax(entries: readonly Entry[]): number {
  return MARKER_BYTES + HARD_STATE_BYTES + (entries.length === 0 ? 0 : entriesBytes(entries));
}

/** Throws where `entries` begin after `nextIndex`, or before entry 1. */
export function expectNoGap(entries: readonly Entry[], nextIndex: number): void {
  const first = entries[0]?.index ?? 1;
  if (first >= 1 && first <= nextIndex) return;
  broken(`Entry ${first} would leave a gap after entry ${nextIndex - 1}`);
}

/** The size of the record that holds `entries`, bytes. */
export function entriesBytes(entries: readonly Entry[]): number {
  let total = RECORD_HEAD_BYTES + 12;
  for (const entry of entries) total += 12 + entry.data.length;
  return total;
}

/**
 * The end of the record at `offset` of the segment `bytes` if it continues `chain`, else 0. Nothing
 * in the record is to be trusted before.
 */
export function checkRecord(bytes: Uint8Array, offset: number, chain: number): number {
  const body = offset + RECORD_HEAD_BYTES;
  if (body > bytes.length) return 0;
  const end = body + readU32(bytes, offset + 4);
  if (end > bytes.length || !isRecordHead(bytes, offset)) return 0;
  if (checksum(bytes.subarray(offset + 4, end), chain) !== readU32(bytes, offset)) return 0;
  return end;
}

/** Whether what stands at `offset` may be the head of a record, its checksum and length aside. */
export function isRecordHead(bytes: Uint8Array, offset: number): boolean {
  const type = bytes[offset + 8]!;
  return (readU32(bytes, offset + 8) & 0x00ff_ffff) === 0 && type > 0 && type <= RECORD_TYPE_MAX;
}

/** Reads a hard state's body. Throws `ByteFormatError`. */
export function decodeHardState(body: ByteReader): HardState {
  const hardState = { term: body.u64(), votedFor: body.u64(), suspect: body.u8() === 1 };
  body.view(3);
  body.finish();
  return hardState;
}

/**
 * Reads the entries of a body; their data are copies, or nothing where they are not wanted. Throws
 * `ByteFormatError`.
 */
export function decodeRecordEntries(body: ByteReader, withData = true): Entry[] {
  const first = body.u64();
  const count = body.u32();
  const entries: Entry[] = [];
  for (let i = 0; i < count; i++) {
    const term = body.u64();
    const length = body.u32();
    if (withData) entries.push({ index: first + i, term, data: body.copy(length) });
    else {
      body.view(length);
      entries.push({ index: first + i, term, data: NOTHING });
    }
  }
  body.finish();
  return entries;
}

/**
 * The marker whose record stands at `offset`, if it is whole and of this segment, else null. Looks at
 * the marker's own checksum only, not at the chain. `base`: where `bytes` begin in the segment.
 */
export function readMarker(
  bytes: Uint8Array,
  offset: number,
  generation: number,
  base = 0,
): Marker | null {
  if (offset < 0 || offset + MARKER_BYTES > bytes.length) return null;
  const body = offset + RECORD_HEAD_BYTES;
  for (let i = 0; i < MARKER_MAGIC.length; i++) {
    if (bytes[body + i] !== MARKER_MAGIC[i]) return null;
  }
  // Checked before the checksum: clients can write any number of values that look like markers up to here.
  if (readU32(bytes, body + 8) !== generation) return null;
  const own = bytes.subarray(body, body + 32);
  if (checksum(own) !== readU32(bytes, body + 32)) return null;
  const reader = new ByteReader(own, 12);
  if (reader.u64() !== base + offset) return null;
  const synced = reader.u64();
  const kind = reader.u8();
  if (synced > base + offset || kind > END_OF_LOG) return null;
  return { synced, endOfSegment: kind === END_OF_SEGMENT, endOfLog: kind === END_OF_LOG };
}

/**
 * The offset in `bytes` of the first whole marker record at or after `from`, or -1. `base`: where
 * `bytes` begin in the segment.
 */
export function findMarker(
  bytes: Uint8Array,
  from: number,
  generation: number,
  base = 0,
): number {
  // Looks at the place of the magic's last byte, and moves on by what stands there (Horspool 1980):
  // whatever clients wrote, 64 MiB of stale records take no time.
  let last = from + RECORD_HEAD_BYTES + MARKER_MAGIC.length - 1;
  while (last < bytes.length) {
    const byte = bytes[last]!;
    if (byte === MAGIC_LAST) {
      const offset = last - MARKER_MAGIC.length + 1 - RECORD_HEAD_BYTES;
      if (readMarker(bytes, offset, generation, base) !== null) return offset;
    }
    last += MAGIC_STEPS[byte]!;
  }
  return -1;
}

/** True where `bytes[from, to)` holds nothing but zeroes. */
export function isZero(bytes: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (bytes[i] !== 0) return false;
  return true;
}

/** Where all whole markers of a segment stand. */
export function markerOffsets(bytes: Uint8Array, generation: number): number[] {
  const offsets: number[] = [];
  for (let at = findMarker(bytes, 0, generation); at !== -1;) {
    offsets.push(at);
    at = findMarker(bytes, at + MARKER_BYTES, generation);
  }
  return offsets;
}
