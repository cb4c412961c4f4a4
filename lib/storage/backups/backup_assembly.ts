/**
 * Makes a backup's bytes out of a snapshot's body as it comes, in any pieces. Every byte is checked
 * before it is passed on, so what is damaged on its way never becomes a backup.
 */
import { ByteFormatError } from "../../util/bytes.ts";
import { DataDirectoryError } from "../errors.ts";
import { BodyChecker } from "../snapshots/body_checker.ts";
import { samePosition } from "../snapshots/snapshot_format.ts";
import { type BackupHead, BackupSum, encodeBackupHead } from "./backup_format.ts";

export class BackupAssembly {
  /** The first bytes of the file. */
  readonly headBytes: Uint8Array;
  readonly #head: BackupHead;
  readonly #checker: BodyChecker;
  readonly #sum = new BackupSum();

  constructor(head: BackupHead) {
    this.#head = head;
    this.#checker = new BodyChecker(Infinity);
    this.headBytes = encodeBackupHead(head);
    this.#sum.add(this.headBytes);
  }

  /** Bytes of the file so far. */
  get bytes(): number {
    return this.#sum.bytes;
  }

  /** How many keys there are; null until that part of the body has come. */
  get keys(): number | null {
    return this.#checker.order.head?.keys ?? null;
  }

  /** Checks the next bytes of the body. Throws `DataDirectoryError` where they can't be. */
  add(bytes: Uint8Array): void {
    try {
      this.#checker.add(bytes);
      const { position, clusterId } = this.#checker.order;
      const head = this.#head;
      if (position === null) return;
      if (!samePosition(position, head.position) || clusterId !== head.clusterId) {
        throw new ByteFormatError("it is of another index or cluster than was announced");
      }
    } catch (error) {
      if (!(error instanceof ByteFormatError)) throw error;
      throw new DataDirectoryError(
        `what came is damaged at byte ${this.#checker.offset} of the contents: ${error.message}`,
      );
    } finally {
      this.#sum.add(bytes);
    }
  }

  /** The last bytes of the file. Throws `DataDirectoryError` where the body is not whole. */
  finish(): Uint8Array {
    if (!this.#checker.isComplete) {
      throw new DataDirectoryError("what came ends before the last section of the contents");
    }
    return this.#sum.encodeEnd();
  }
}
