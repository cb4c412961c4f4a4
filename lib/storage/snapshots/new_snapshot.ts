/** A snapshot on its way to its name: where it is written, and what every one begins with. */
import type { SnapshotPosition } from "../../raft/types.ts";
import type { Disk } from "../../host/ports.ts";
import { FILE_HEAD_BYTES, type FileOwner, writeFileHead } from "../files/file_head.ts";
import { NewFile, type NewFileEnd, type RecycledFile } from "../files/new_file.ts";

export interface NewSnapshot {
  readonly disk: Disk;
  /** The file's name once it is whole. */
  readonly path: string;
  /** Its name until then. */
  readonly temporary: string;
  readonly owner: FileOwner;
  readonly position: SnapshotPosition;
  /** The file that it is made of; null for a new one. */
  readonly over: RecycledFile | null;
  onEnd(end: NewFileEnd): void;
}

/** Begins the file with its head. Throws what the disk throws. */
export function beginSnapshotFile(snapshot: NewSnapshot): NewFile {
  const { disk, path, temporary, owner, over } = snapshot;
  const file = new NewFile(disk, path, temporary, (end) => snapshot.onEnd(end), over);
  const head = new Uint8Array(FILE_HEAD_BYTES);
  writeFileHead(head, "SN", owner);
  file.append(head);
  return file;
}
