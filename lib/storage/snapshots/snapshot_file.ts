/** Reads a snapshot section by section; everything is checked before it is handed out. */
import type { Configuration, SnapshotPosition } from "../../raft/types.ts";
import { CLUSTER_VERSION_FIRST, unknownVersion } from "../../kv/cluster_version.ts";
import type { SnapshotHead } from "../../kv/snapshot.ts";
import type { Disk, DiskFile } from "../../host/ports.ts";
import { ForeignFileError, SnapshotDamageError } from "../errors.ts";
import { checkFileHead, FILE_HEAD_BYTES, type FileOwner } from "../files/file_head.ts";
import { SectionReader } from "./section_reader.ts";
import { samePosition, snapshotFileVersion } from "./snapshot_format.ts";
import type { SnapshotFile } from "../types.ts";

export class SnapshotFileReader implements SnapshotFile {
  /** Where the body begins in the file. */
  static readonly BODY_OFFSET = FILE_HEAD_BYTES;

  readonly position: SnapshotPosition;
  readonly configuration: Configuration;
  readonly head: SnapshotHead;
  readonly bodyBytes: number;
  readonly #file: DiskFile;
  readonly #onClose: () => void;
  readonly #sections: SectionReader;

  /** Throws `DataDirectoryError` where what stands before the records is damaged or another's. */
  constructor(
    disk: Disk,
    path: string,
    owner: FileOwner,
    position: SnapshotPosition,
    onClose: () => void = () => {},
  ) {
    this.#onClose = onClose;
    this.#file = disk.open(path, { readOnly: true });
    try {
      const size = this.#file.size();
      const fileHead = new Uint8Array(Math.min(size, FILE_HEAD_BYTES));
      this.#file.read(0, fileHead);
      checkFileHead(path, fileHead, "SN", owner.serverId, owner.clusterId);
      this.bodyBytes = size - FILE_HEAD_BYTES;
      const damage = (offset: number, reason: string) =>
        new SnapshotDamageError(
          `${path} is damaged at byte ${offset}: ${reason}. This snapshot can't be used.`,
          offset,
        );
      const sections = new SectionReader(
        this.#file,
        FILE_HEAD_BYTES,
        size,
        (from, _to, reason) => damage(from, reason),
      );
      for (let i = 0; i < 3; i++) sections.next();
      const { order, offset } = sections;
      if (order.clusterId !== owner.clusterId || !samePosition(order.position!, position)) {
        const reason = "it is the snapshot of another position or cluster under this name";
        throw damage(offset, reason);
      }
      const { clusterVersion } = order.head!;
      const isKnown = clusterVersion === CLUSTER_VERSION_FIRST ||
        unknownVersion(clusterVersion) === null;
      // Not damaged: it must not be set aside for an older one.
      if (!isKnown) {
        throw new ForeignFileError(
          `${path} can't be loaded: ${
            unknownVersion(clusterVersion)
          }. Run the build that wrote it, ` +
            "or a newer one.",
        );
      }
      if (fileHead[8] !== snapshotFileVersion(order.head!)) {
        throw damage(
          0,
          `its head is not that of cluster version ${clusterVersion}, or of its users`,
        );
      }
      this.#sections = sections;
      this.position = position;
      this.configuration = order.configuration!;
      this.head = order.head!;
    } catch (error) {
      this.#file.close();
      throw error;
    }
  }

  nextSection(): Uint8Array | null {
    const { order } = this.#sections;
    if (order.ended) return null;
    const records = this.#sections.next();
    return order.ended ? null : records;
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
}
