/**
 * The snapshots that others get of this server: the durable ones, but for those that can't be read. Such
 * a one is named in an error line and not tried again: an older one with the log after it, or the next
 * one, takes its place. It stays where it is. What it means for this server itself is found at the next
 * start, which goes by all of its bytes (docs/data-directory.md).
 */
import { isDiskProblem } from "../../host/ports.ts";
import type { SnapshotPosition } from "../../raft/types.ts";
import { DataDirectoryError, ForeignFileError } from "../../storage/errors.ts";
import type { SnapshotFile, SnapshotFiles } from "../../storage/types.ts";
import type { NodeHost } from "../api.ts";

export class ReadableSnapshots {
  readonly #files: Pick<SnapshotFiles, "list" | "open" | "bytesOf">;
  readonly #host: Pick<NodeHost, "log">;
  /** The indexes of those that can't be read. */
  readonly #unreadable = new Set<number>();

  constructor(
    files: Pick<SnapshotFiles, "list" | "open" | "bytesOf">,
    host: Pick<NodeHost, "log">,
  ) {
    this.#files = files;
    this.#host = host;
  }

  /** How long the file of one of `list()` is. */
  bytesOf(position: SnapshotPosition): number {
    return this.#files.bytesOf(position);
  }

  /** The newest first. */
  list(): readonly SnapshotPosition[] {
    if (this.#unreadable.size === 0) return this.#files.list();
    return this.#files.list().filter(({ index }) => !this.#unreadable.has(index));
  }

  /** Opens one of `list()`; null where it can't be read. */
  open(position: SnapshotPosition): SnapshotFile | null {
    try {
      return this.#files.open(position);
    } catch (error) {
      this.gaveError(position, error);
      return null;
    }
  }

  /**
   * Reading it has failed like that; it may also be one that never comes to be in the list. Throws what does
   * not come of the file or the disk.
   */
  gaveError({ index }: SnapshotPosition, error: unknown): void {
    const isOfFile = isDiskProblem(error) ||
      (error instanceof DataDirectoryError && !(error instanceof ForeignFileError));
    if (!isOfFile) throw error;
    if (this.#unreadable.has(index)) return;
    // Another one may come to be of the same index.
    if (this.#files.list().some((one) => one.index === index)) this.#unreadable.add(index);
    this.#host.log({
      level: "error",
      message: "A snapshot can't be read: others get an older one, or the next",
      fields: { index, reason: error.message },
    });
  }
}
