/** A snapshot that comes from another server, chunk by chunk, and is checked while it comes. */
import type { Disk } from "../../host/ports.ts";
import type { SnapshotPosition } from "../../raft/types.ts";
import { assert } from "../../util/assert.ts";
import { ByteFormatError } from "../../util/bytes.ts";
import { DataDirectoryError } from "../errors.ts";
import { FILE_HEAD_BYTES, type FileOwner } from "../files/file_head.ts";
import type { NewFile } from "../files/new_file.ts";
import { NewFileReader } from "../files/new_file_reader.ts";
import { BodyChecker } from "./body_checker.ts";
import { beginSnapshotFile, finishSnapshotFile, type NewSnapshot } from "./new_snapshot.ts";
import { PartRecords } from "./part_records.ts";
import { samePosition, SECTION_HEAD_BYTES } from "./snapshot_format.ts";
import type { ComingRecords, Done, SnapshotPart } from "../types.ts";

export const PART_SUFFIX = ".part";
/** If more than this waits in memory, it has to be flushed before another chunk is taken. */
const WAITING_BYTES_MAX = 8 * 1024 * 1024;

export class SnapshotFilePart implements SnapshotPart {
  readonly position: SnapshotPosition;
  bodyBytes: number | null;
  readonly #owner: FileOwner;
  readonly #path: string;
  readonly #disk: Disk;
  readonly #temporary: string;
  readonly #file: NewFile;
  readonly #checker: BodyChecker;

  /** Throws what the disk throws. */
  constructor(snapshot: NewSnapshot, bodyBytes: number | null) {
    if (bodyBytes !== null && !isBodyLength(bodyBytes)) {
      throw new DataDirectoryError(`A snapshot of ${bodyBytes} bytes was announced: there is none`);
    }
    this.position = snapshot.position;
    this.bodyBytes = bodyBytes;
    this.#owner = snapshot.owner;
    this.#path = snapshot.path;
    this.#disk = snapshot.disk;
    this.#temporary = snapshot.temporary;
    this.#checker = new BodyChecker(bodyBytes ?? Infinity);
    this.#file = beginSnapshotFile(snapshot);
  }

  get heldBytes(): number {
    return this.#file.length - FILE_HEAD_BYTES;
  }

  get bytes(): number {
    return this.#file.length;
  }

  continuesWith(bodyBytes: number | null): boolean {
    if (bodyBytes === null || bodyBytes === this.bodyBytes) return true;
    if (this.bodyBytes !== null || bodyBytes < this.heldBytes) return false;
    // It has ended, and not there; or it was to end here, and has not.
    if (this.#checker.isComplete !== (bodyBytes === this.heldBytes)) return false;
    this.bodyBytes = bodyBytes;
    return true;
  }

  write(offset: number, bytes: Uint8Array): number {
    const held = this.heldBytes;
    if (offset !== held || bytes.length > (this.bodyBytes ?? Infinity) - held) return held;
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

  flushSome(done: Done): void {
    this.#file.flushSome(done);
  }

  openRecords(): ComingRecords {
    const file = new NewFileReader(this.#disk, this.#temporary, this.#file);
    return new PartRecords(file, this.#temporary, this.bodyBytes ?? Infinity);
  }

  finish(done: Done): void {
    assert(this.#checker.isComplete, "A snapshot was finished before all of it came");
    finishSnapshotFile(this.#file, this.#owner, this.#checker.order.head!, done);
  }

  abort(): void {
    this.#file.abort();
  }
}

/** So much has to be there, at the least: a section of each kind but records. */
function isBodyLength(bytes: number): boolean {
  return bytes >= 4 * SECTION_HEAD_BYTES && Number.isSafeInteger(bytes);
}
