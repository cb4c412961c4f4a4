/** Reads a snapshot section by section; everything is checked before it is handed out. */
import type { Configuration, SnapshotPosition } from "../../raft/types.ts";
import type { SnapshotHead } from "../../kv/snapshot.ts";
import type { Disk, DiskFile } from "../../host/ports.ts";
import { ByteFormatError, readU32 } from "../../util/bytes.ts";
import { checksum } from "../../util/checksum.ts";
import { SnapshotDamageError } from "../errors.ts";
import { checkFileHead, FILE_HEAD_BYTES, type FileOwner } from "../files/file_head.ts";
import {
  samePosition,
  SECTION_BYTES_MAX,
  SECTION_HEAD_BYTES,
  SectionOrder,
  SectionTag,
} from "./snapshot_format.ts";
import type { SnapshotFile } from "../types.ts";

export class SnapshotFileReader implements SnapshotFile {
  /** Where the body begins in the file. */
  static readonly BODY_OFFSET = FILE_HEAD_BYTES;

  readonly position: SnapshotPosition;
  readonly configuration: Configuration;
  readonly head: SnapshotHead;
  readonly bodyBytes: number;
  readonly #path: string;
  readonly #file: DiskFile;
  readonly #onClose: () => void;
  readonly #order = new SectionOrder();
  /** Grows to the largest section, its head included. */
  #buffer = new Uint8Array(65_536);
  #offset = FILE_HEAD_BYTES;
  #chain = 0;

  /** Throws `DataDirectoryError` where what stands before the records is damaged or another's. */
  constructor(
    disk: Disk,
    path: string,
    owner: FileOwner,
    position: SnapshotPosition,
    onClose: () => void = () => {},
  ) {
    this.#path = path;
    this.#onClose = onClose;
    this.#file = disk.open(path, { readOnly: true });
    try {
      const size = this.#file.size();
      const fileHead = new Uint8Array(Math.min(size, FILE_HEAD_BYTES));
      this.#file.read(0, fileHead);
      checkFileHead(path, fileHead, "SN", owner.serverId, owner.clusterId);
      this.bodyBytes = size - FILE_HEAD_BYTES;
      for (let i = 0; i < 3; i++) this.#nextSection();
      const order = this.#order;
      if (order.clusterId !== owner.clusterId || !samePosition(order.position!, position)) {
        throw this.#damage("it is the snapshot of another position or cluster under this name");
      }
      this.position = position;
      this.configuration = order.configuration!;
      this.head = order.head!;
    } catch (error) {
      this.#file.close();
      throw error;
    }
  }

  nextSection(): Uint8Array | null {
    if (this.#order.ended) return null;
    const records = this.#nextSection();
    if (!this.#order.ended) return records;
    if (this.#offset !== FILE_HEAD_BYTES + this.bodyBytes) {
      throw this.#damage("bytes follow its last section");
    }
    return null;
  }

  readBody(offset: number, into: Uint8Array): number {
    const left = this.bodyBytes - offset;
    if (left <= 0) return 0;
    const part = into.length > left ? into.subarray(0, left) : into;
    return this.#file.read(FILE_HEAD_BYTES + offset, part);
  }

  close(): void {
    this.#file.close();
    this.#onClose();
  }

  #nextSection(): Uint8Array {
    try {
      const left = FILE_HEAD_BYTES + this.bodyBytes - this.#offset - SECTION_HEAD_BYTES;
      if (left < 0) throw new ByteFormatError("it ends before its last section");
      this.#read(this.#offset, 0, SECTION_HEAD_BYTES);
      const length = this.#order.begin(this.#buffer, left);
      this.#read(this.#offset + SECTION_HEAD_BYTES, SECTION_HEAD_BYTES, length);
      const end = SECTION_HEAD_BYTES + length;
      const sum = checksum(this.#buffer.subarray(4, end), this.#chain);
      if (sum !== readU32(this.#buffer, 0)) {
        throw new ByteFormatError(`the checksum of ${end} bytes is wrong`);
      }
      const tag = this.#buffer[8]!;
      const content = this.#buffer.subarray(SECTION_HEAD_BYTES, end);
      if (tag === SectionTag.records) this.#order.skip(length);
      else this.#order.end(tag, content);
      this.#chain = sum;
      this.#offset += end;
      return content;
    } catch (error) {
      if (!(error instanceof ByteFormatError)) throw error;
      throw this.#damage(error.message);
    }
  }

  /** Reads `count` bytes at `offset` of the file to `at` of the buffer, making room. */
  #read(offset: number, at: number, count: number): void {
    if (at + count > this.#buffer.length) {
      const grown = new Uint8Array(
        Math.min(
          SECTION_HEAD_BYTES + SECTION_BYTES_MAX,
          Math.max(at + count, 2 * this.#buffer.length),
        ),
      );
      grown.set(this.#buffer.subarray(0, at));
      this.#buffer = grown;
    }
    const got = this.#file.read(offset, this.#buffer.subarray(at, at + count));
    if (got !== count) throw new ByteFormatError("it can't be read whole");
  }

  #damage(reason: string): SnapshotDamageError {
    return new SnapshotDamageError(
      `${this.#path} is damaged at byte ${this.#offset}: ${reason}. This snapshot can't be used.`,
      this.#offset,
    );
  }
}
