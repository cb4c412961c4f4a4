/** A snapshot on its way to its name: where it is written, and what every one begins with. */
import { CLUSTER_VERSION_FIRST } from "../../kv/cluster_version.ts";
import type { SnapshotPosition } from "../../raft/types.ts";
import type { Disk } from "../../host/ports.ts";
import { FILE_HEAD_BYTES, type FileOwner, writeFileHead } from "../files/file_head.ts";
import { NewFile, type NewFileEnd, type RecycledFile } from "../files/new_file.ts";
import type { Done } from "../types.ts";
import { snapshotFileVersion, type VersionedHead } from "./snapshot_format.ts";

/** What it begins as. */
const FIRST: VersionedHead = { clusterVersion: CLUSTER_VERSION_FIRST, users: null };

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
  file.append(headOf(owner, FIRST));
  return file;
}

/** Ends a file whose body is whole: only now is it known of which version it is. */
export function finishSnapshotFile(
  file: NewFile,
  owner: FileOwner,
  head: VersionedHead,
  done: Done,
): void {
  if (snapshotFileVersion(head) > 1) file.replaceStart(headOf(owner, head));
  file.finish(done);
}

function headOf(owner: FileOwner, head: VersionedHead): Uint8Array {
  const bytes = new Uint8Array(FILE_HEAD_BYTES);
  writeFileHead(bytes, "SN", owner, snapshotFileVersion(head));
  return bytes;
}
