/**
 * A snapshot that comes from another server, chunk by chunk. It is checked while it comes: a chunk
 * ends anywhere, so the checksum of the section under way is carried on, and only the few bytes of
 * the small sections are gathered.
 */
import type { SnapshotPosition } from "../../raft/types.ts";
import { assert } from "../../util/assert.ts";
import { ByteFormatError, readU32 } from "../../util/bytes.ts";
import { checksum } from "../../util/checksum.ts";
import { DataDirectoryError } from "../errors.ts";
import { FILE_HEAD_BYTES, type FileOwner } from "../files/file_head.ts";
import type { NewFile } from "../files/new_file.ts";
import { beginSnapshotFile, type NewSnapshot } from "./new_snapshot.ts";
import {
  samePosition,
  SECTION_HEAD_BYTES,
  SectionOrder,
  SectionTag,
  SMALL_SECTION_BYTES_MAX,
} from "./snapshot_format.ts";
import type { Done, SnapshotPart } from "../types.ts";

export const PART_SUFFIX = ".part";
/** If more than this waits in memory, it has to be flushed before another chunk is taken. */
const WAITING_BYTES_MAX = 8 * 1024 * 1024;

/** Checks a body that comes in pieces. */
class BodyChecker {
  readonly order = new SectionOrder();
  readonly #bodyBytes: number;
  readonly #head = new Uint8Array(SECTION_HEAD_BYTES);
  /** Bytes of the head under way that are there. */
  #headHeld = 0;
  /** Bytes of the content under way, and how many are there. */
  #length = 0;
  #held = 0;
  #small = new Uint8Array(0);
  #sum = 0;
  #chain = 0;
  #offset = 0;

  constructor(bodyBytes: number) {
    this.#bodyBytes = bodyBytes;
  }

  /** Where the section under way began, for messages. */
  get offset(): number {
    return this.#offset;
  }

  /** True once the last section came, and nothing after it. */
  get isComplete(): boolean {
    return this.order.ended && this.#headHeld === 0;
  }

  /** Throws `ByteFormatError` where these bytes can't come next. */
  add(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#headHeld < SECTION_HEAD_BYTES) {
        const count = Math.min(SECTION_HEAD_BYTES - this.#headHeld, bytes.length - at);
        this.#head.set(bytes.subarray(at, at + count), this.#headHeld);
        this.#headHeld += count;
        at += count;
        if (this.#headHeld === SECTION_HEAD_BYTES) this.#begin();
      } else {
        const count = Math.min(this.#length - this.#held, bytes.length - at);
        const piece = bytes.subarray(at, at + count);
        this.#sum = checksum(piece, this.#sum);
        if (this.#head[8] !== SectionTag.records) this.#small.set(piece, this.#held);
        this.#held += count;
        at += count;
        if (this.#held === this.#length) this.#end();
      }
    }
  }

  #begin(): void {
    const left = this.#bodyBytes - this.#offset - SECTION_HEAD_BYTES;
    this.#length = this.order.begin(this.#head, left);
    this.#held = 0;
    this.#sum = checksum(this.#head.subarray(4), this.#chain);
    if (this.#head[8] !== SectionTag.records) {
      assert(this.#length <= SMALL_SECTION_BYTES_MAX, "A small section's length was not checked");
      this.#small = new Uint8Array(this.#length);
    }
    if (this.#length === 0) this.#end();
  }

  #end(): void {
    if (this.#sum !== readU32(this.#head, 0)) throw new ByteFormatError("a checksum is wrong");
    const tag = this.#head[8]!;
    if (tag === SectionTag.records) this.order.skip(this.#length);
    else this.order.end(tag, this.#small);
    this.#chain = this.#sum;
    this.#offset += SECTION_HEAD_BYTES + this.#length;
    this.#headHeld = 0;
  }
}

export class SnapshotFilePart implements SnapshotPart {
  readonly position: SnapshotPosition;
  readonly bodyBytes: number;
  readonly #owner: FileOwner;
  readonly #path: string;
  readonly #file: NewFile;
  readonly #checker: BodyChecker;

  /** Throws what the disk throws. */
  constructor(snapshot: NewSnapshot, bodyBytes: number) {
    if (bodyBytes < 4 * SECTION_HEAD_BYTES || !Number.isSafeInteger(bodyBytes)) {
      throw new DataDirectoryError(`A snapshot of ${bodyBytes} bytes was announced: there is none`);
    }
    this.position = snapshot.position;
    this.bodyBytes = bodyBytes;
    this.#owner = snapshot.owner;
    this.#path = snapshot.path;
    this.#checker = new BodyChecker(bodyBytes);
    this.#file = beginSnapshotFile(snapshot);
  }

  get heldBytes(): number {
    return this.#file.length - FILE_HEAD_BYTES;
  }

  get bytes(): number {
    return this.#file.length;
  }

  write(offset: number, bytes: Uint8Array): number {
    const held = this.heldBytes;
    if (offset !== held || bytes.length > this.bodyBytes - held) return held;
    if (this.#file.waitingBytes > WAITING_BYTES_MAX) return held;
    try {
      this.#checker.add(bytes);
      if (held + bytes.length === this.bodyBytes && !this.#checker.isComplete) {
        throw new ByteFormatError("it ends before its last section");
      }
      const { position, clusterId } = this.#checker.order;
      if (position !== null) {
        if (!samePosition(position, this.position) || clusterId !== this.#owner.clusterId) {
          throw new ByteFormatError("it is of another position or cluster than was announced");
        }
      }
    } catch (error) {
      if (!(error instanceof ByteFormatError)) throw error;
      this.#file.abort();
      throw new DataDirectoryError(
        `The snapshot that was to become ${this.#path} came damaged at byte ` +
          `${this.#checker.offset} of its body: ${error.message}. It has to come again.`,
      );
    }
    this.#file.append(bytes);
    return this.heldBytes;
  }

  flush(done: Done): void {
    this.#file.flush(done);
  }

  finish(done: Done): void {
    assert(this.#checker.isComplete, "A snapshot was finished before all of it came");
    this.#file.finish(done);
  }

  abort(): void {
    this.#file.abort();
  }
}
