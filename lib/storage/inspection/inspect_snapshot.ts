/** Reads one snapshot whole and says what is in it. */
import type { Configuration, SnapshotPosition } from "../../raft/types.ts";
import type { SnapshotHead } from "../../kv/snapshot.ts";
import { type Disk, DiskError } from "../../host/ports.ts";
import { DataDirectoryError, SnapshotDamageError } from "../errors.ts";
import type { FileOwner } from "../files/file_head.ts";
import { encodedScriptCount } from "../../kv/scripts/loaded_scripts.ts";
import { encodedSessionCount } from "../../kv/sessions/client_sessions.ts";
import { encodedUserCount } from "../../kv/users/users.ts";
import { SnapshotFileReader } from "../snapshots/snapshot_file.ts";
import { snapshotName } from "../snapshots/snapshot_format.ts";
import type { SnapshotFile } from "../types.ts";

export interface Problem {
  readonly path: string;
  /** Where in the file; null where the file as a whole is meant. */
  readonly offset: number | null;
  readonly message: string;
}

/**
 * Of users, client sessions and scripts no more than how many there are: passwords' hashes and values in
 * replies are for nobody to see.
 */
export type SnapshotReportHead =
  & Omit<
    SnapshotHead,
    "users" | "clientSessions" | "loadedScripts"
  >
  & {
    readonly users: number;
    readonly clientSessions: number;
    readonly loadedScripts: number;
  };

export interface SnapshotReport {
  readonly path: string;
  readonly position: SnapshotPosition;
  /** Of the file; 0 where it can't be opened. */
  readonly bytes: number;
  /** Null where that part is damaged. */
  readonly configuration: Configuration | null;
  readonly head: SnapshotReportHead | null;
  readonly problem: Problem | null;
}

export function inspectSnapshot(
  disk: Disk,
  directory: string,
  owner: FileOwner,
  position: SnapshotPosition,
): SnapshotReport {
  const path = `${directory}/${snapshotName(position)}`;
  let file: SnapshotFile | null = null;
  let problem: Problem | null = null;
  try {
    file = new SnapshotFileReader(disk, path, owner, position);
    while (file.nextSection() !== null);
  } catch (error) {
    if (!(error instanceof DataDirectoryError || error instanceof DiskError)) throw error;
    const offset = error instanceof SnapshotDamageError ? error.offset : null;
    problem = { path, offset, message: error.message };
  } finally {
    file?.close();
  }
  return {
    path,
    position,
    bytes: file === null ? 0 : file.bodyBytes + SnapshotFileReader.BODY_OFFSET,
    configuration: file?.configuration ?? null,
    head: file === null ? null : reportHead(file.head),
    problem,
  };
}

function reportHead(head: SnapshotHead): SnapshotReportHead {
  const { users, clientSessions, loadedScripts } = head;
  return {
    ...head,
    users: users === null ? 0 : encodedUserCount(users),
    clientSessions: clientSessions === null ? 0 : encodedSessionCount(clientSessions),
    loadedScripts: loadedScripts === null ? 0 : encodedScriptCount(loadedScripts),
  };
}
