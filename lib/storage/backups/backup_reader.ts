/** Reads a backup section by section; everything is checked before it is handed out. */
import type { Disk, DiskFile } from "../../host/ports.ts";
import { RecordCheck } from "../../kv/record_check.ts";
import type { SnapshotHead } from "../../kv/snapshot.ts";
import type { Configuration, SnapshotPosition } from "../../raft/types.ts";
import { ByteFormatError } from "../../util/bytes.ts";
import { SectionReader } from "../snapshots/section_reader.ts";
import { SECTION_HEAD_BYTES } from "../snapshots/snapshot_format.ts";
import type { RecoveredSnapshot } from "../types.ts";
import {
  BACKUP_END_BYTES,
  BACKUP_HEAD_BYTES,
  backupDamage,
  type BackupHead,
  BackupSum,
  decodeBackupHead,
} from "./backup_format.ts";

/** One backup, open for reading. */
export interface BackupFile extends RecoveredSnapshot {
  /** What it says of itself; `about.hashSeed` is the seed of `head.digest`. */
  readonly about: BackupHead;
  readonly bytes: number;
  /**
   * The records of the next section, checked, in a buffer that the next call uses again; null once the
   * end was reached and all of the file was as it was written: checksums, SHA-256, the number of keys and
   * the digest of the contents. Throws `BackupDamageError` that names file and bytes.
   */
  nextSection(): Uint8Array | null;
  close(): void;
}

/**
 * Opens the backup at `path`. Throws `BackupDamageError` where what comes before its records is damaged,
 * or it is none, and what the disk throws.
 */
export function openBackup(disk: Disk, path: string): BackupFile {
  return new BackupReader(disk, path);
}

class BackupReader implements BackupFile {
  readonly about: BackupHead;
  readonly position: SnapshotPosition;
  readonly configuration: Configuration;
  readonly head: SnapshotHead;
  readonly bytes: number;
  readonly #path: string;
  readonly #file: DiskFile;
  readonly #sections: SectionReader;
  readonly #sum = new BackupSum();
  readonly #check: RecordCheck;

  constructor(disk: Disk, path: string) {
    this.#path = path;
    this.#file = disk.open(path, { readOnly: true });
    try {
      this.bytes = this.#file.size();
      const head = new Uint8Array(Math.min(this.bytes, BACKUP_HEAD_BYTES));
      this.#file.read(0, head);
      this.about = decodeBackupHead(path, head);
      this.#sum.add(head);
      const bodyEnd = this.bytes - BACKUP_END_BYTES;
      if (bodyEnd < BACKUP_HEAD_BYTES) {
        throw backupDamage(path, BACKUP_HEAD_BYTES, this.bytes + 1, "it ends before its contents");
      }
      const damage = (from: number, to: number, reason: string) =>
        backupDamage(path, from, Math.max(to, from + 1), reason);
      this.#sections = new SectionReader(this.#file, BACKUP_HEAD_BYTES, bodyEnd, damage);
      for (let i = 0; i < 3; i++) this.#next();
      const { clusterId, position, configuration, head: storeHead } = this.#sections.order;
      const { about } = this;
      const isSame = clusterId === about.clusterId && position!.index === about.position.index &&
        position!.term === about.position.term;
      if (!isSame) {
        const reason = "its head names another cluster or index than its contents";
        throw backupDamage(path, 0, this.#sections.offset, reason);
      }
      this.position = position!;
      this.configuration = configuration!;
      this.head = storeHead!;
      this.#check = new RecordCheck(about.hashSeed, this.head);
    } catch (error) {
      this.#file.close();
      throw error;
    }
  }

  nextSection(): Uint8Array | null {
    const { order } = this.#sections;
    if (order.ended) return null;
    const from = this.#sections.offset;
    const content = this.#next();
    try {
      if (order.ended) this.#check.finish();
      else this.#check.add(content);
    } catch (error) {
      if (!(error instanceof ByteFormatError)) throw error;
      const start = order.ended ? BACKUP_HEAD_BYTES : from + SECTION_HEAD_BYTES;
      throw backupDamage(this.#path, start, this.#sections.offset, error.message);
    }
    if (!order.ended) return content;
    const end = new Uint8Array(BACKUP_END_BYTES);
    const count = this.#file.read(this.#sections.offset, end);
    this.#sum.checkEnd(this.#path, this.#sections.offset, end.subarray(0, count));
    return null;
  }

  close(): void {
    this.#file.close();
  }

  #next(): Uint8Array {
    const content = this.#sections.next();
    this.#sum.add(this.#sections.section);
    return content;
  }
}
