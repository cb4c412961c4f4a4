/**
 * The scripts that SCRIPT LOAD has put into the replicated state, from cluster version 5 on: changed by
 * entries of the log alone, so that whoever comes to lead knows them. None gives way to another. The store
 * runs none: to it a script is a text under a name.
 *
 * As they stand in snapshots: u64 the index of the last flush, 0 for none, u32 how many, then each in the
 * order in which they came: 20 bytes of its SHA-1, u32 length, source.
 */
import { ByteFormatError, ByteReader, ByteWriter, readU32 } from "../../util/bytes.ts";
import { bytesToHex, hexToBytes } from "../../util/hex.ts";
import { latin1 } from "../../util/latin1.ts";
import { viewChecksum } from "../memory/content_checksum.ts";
import { inOnePiece } from "../../util/pieces.ts";

// Replicas decide by these: other bounds need another cluster version.
export const LOADED_SCRIPTS_MAX = 1_000;
/** Of one source. */
export const LOADED_SCRIPT_BYTES_MAX = 65_536;
/** Of all sources. */
export const LOADED_SCRIPTS_BYTES_MAX = 8_388_608;
/** Of a name. */
export const SHA1_BYTES = 20;

/** What one counts besides its source: its name, and what keeps it. */
const ITEM_BYTES = 100;
const HEAD_BYTES = 12;
/** So much is decoded in one piece, and one script more. */
const PIECE_BYTES = 32_768;
/** The most that `encode` comes to. */
export const LOADED_SCRIPTS_ENCODED_BYTES_MAX = HEAD_BYTES + LOADED_SCRIPTS_BYTES_MAX +
  LOADED_SCRIPTS_MAX * (SHA1_BYTES + 4);

/** How many scripts there are in what `LoadedScripts.encode` has made. */
export function encodedScriptCount(bytes: Uint8Array): number {
  return bytes.length < HEAD_BYTES ? 0 : readU32(bytes, HEAD_BYTES - 4);
}

/** Whether a script is there after it was loaded; if not, which bound it would be beyond. */
export type Loading = "loaded" | "tooMany" | "tooManyBytes";

interface LoadedScript {
  readonly source: string;
  readonly low: number;
  readonly high: number;
}

export class LoadedScripts {
  readonly #byName = new Map<string, LoadedScript>();
  #sourceBytes = 0;
  #low = 0;
  #high = 0;
  #flushedIndex = 0;

  get count(): number {
    return this.#byName.size;
  }

  /** What they take. */
  get bytes(): number {
    return this.#sourceBytes + ITEM_BYTES * this.#byName.size;
  }

  /** The entry that has flushed them last; 0: none has. */
  get flushedIndex(): number {
    return this.#flushedIndex;
  }

  /** None was ever loaded or flushed: they are no part of the digest, or of a snapshot. */
  get areUnused(): boolean {
    return this.#flushedIndex === 0 && this.#byName.size === 0;
  }

  /** Both halves of a sum over all of them, as signed 32-bit numbers; 0 while they are unused. */
  get digestLow(): number {
    return (this.#low + Math.imul(this.#flushedIndex, 0x9e3779b1)) | 0;
  }

  get digestHigh(): number {
    return (this.#high + Math.imul(this.#flushedIndex, 0x85ebca77)) | 0;
  }

  /** The source, a letter a byte, of the script with this SHA-1: 40 digits, in lower case; null: none. */
  find(name: string): string | null {
    return this.#byName.get(name)?.source ?? null;
  }

  /** Takes up the script whose SHA-1 is `name`, 20 bytes; once it is there, that does nothing. */
  load(name: Uint8Array, source: Uint8Array): Loading {
    const key = bytesToHex(name, 0, SHA1_BYTES);
    if (this.#byName.has(key)) return "loaded";
    if (this.#byName.size >= LOADED_SCRIPTS_MAX) return "tooMany";
    if (this.#sourceBytes + source.length > LOADED_SCRIPTS_BYTES_MAX) return "tooManyBytes";
    // A SHA-1 is as good as drawn, so that no two cancel out; what came with it is not trusted to be its own.
    const low = readU32(name, 0) ^ readU32(name, 8) ^ readU32(name, 16) ^ viewChecksum(source);
    const high = readU32(name, 4) ^ readU32(name, 12) ^ source.length;
    this.#byName.set(key, { source: latin1(source), low, high });
    this.#sourceBytes += source.length;
    this.#low = (this.#low + low) | 0;
    this.#high = (this.#high + high) | 0;
    return "loaded";
  }

  /** The entry at `index` has them all forgotten. */
  flush(index: number): void {
    this.#byName.clear();
    this.#sourceBytes = this.#low = this.#high = 0;
    this.#flushedIndex = index;
  }

  /** What stands in a snapshot; null while they are unused. */
  encode(): Uint8Array | null {
    if (this.areUnused) return null;
    const out = new ByteWriter(HEAD_BYTES + this.#sourceBytes + (SHA1_BYTES + 4) * this.count);
    out.u64(this.#flushedIndex);
    out.u32(this.count);
    for (const [name, { source }] of this.#byName) {
      out.raw(hexToBytes(name));
      out.u32(source.length);
      out.latin1(source);
    }
    return out.copy();
  }

  /** From what stands in a snapshot of `index`; none for null. Throws `ByteFormatError` for other bytes. */
  static decode(bytes: Uint8Array | null, index: number): LoadedScripts {
    return inOnePiece(LoadedScripts.decodeInPieces(bytes, index));
  }

  /** The same a piece at a time: yields how many bytes each piece had. */
  static *decodeInPieces(
    bytes: Uint8Array | null,
    index: number,
  ): Generator<number, LoadedScripts, void> {
    const scripts = new LoadedScripts();
    if (bytes === null) return scripts;
    const reader = new ByteReader(bytes);
    scripts.#flushedIndex = reader.u64();
    const count = reader.u32();
    if (scripts.#flushedIndex > index) throw new ByteFormatError("scripts were flushed later");
    let pieceAt = 0;
    for (let i = 0; i < count; i++) {
      if (reader.offset - pieceAt >= PIECE_BYTES) {
        yield reader.offset - pieceAt;
        pieceAt = reader.offset;
      }
      const name = reader.view(SHA1_BYTES);
      const length = reader.u32();
      if (length > LOADED_SCRIPT_BYTES_MAX) throw new ByteFormatError("a script is too long");
      if (scripts.load(name, reader.view(length)) !== "loaded" || scripts.count !== i + 1) {
        throw new ByteFormatError("there are more scripts than there may be, or one is twice");
      }
    }
    reader.finish();
    if (scripts.areUnused) throw new ByteFormatError("there are no scripts, and none were flushed");
    return scripts;
  }
}
