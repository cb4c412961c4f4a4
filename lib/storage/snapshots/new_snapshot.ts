/** A snapshot on its way to its name: where it is written, and what every one begins with. */
import { CLUSTER_VERSION_FIRST } from "../../kv/cluster_version.ts";
import type { SnapshotHead } from "../../kv/snapshot.ts";
import type { SnapshotPosition } from "../../raft/types.ts";
import type { Disk } from "../../host/ports.ts";
import { FILE_HEAD_BYTES, type FileOwner, writeFileHead } from "../files/file_head.ts";
import { NewFile, type NewFileEnd, type RecycledFile } from "../files/new_file.ts";
import type { Done } from "../types.ts";
import { snapshotFileVersion } from "./snapshot_format.ts";

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
  file.append(headOf(owner, CLUSTER_VERSION_FIRST));
  return file;
}

/** Ends a file whose body is whole: only now is it known of which version it is. */
export function finishSnapshotFile(
  file: NewFile,
  owner: FileOwner,
  { clusterVersion }: Pick<SnapshotHead, "clusterVersion">,
  done: Done,
): void {
  if (snapshotFileVersion(clusterVersion) > 1) file.replaceStart(headOf(owner, clusterVersion));
  file.finish(done);
}

function headOf(owner: FileOwner, clusterVersion: number): Uint8Array {
  const head = new Uint8Array(FILE_HEAD_BYTES);
  writeFileHead(head, "SN", owner, snapshotFileVersion(clusterVersion));
  return head;
}
