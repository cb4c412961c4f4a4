/** Contents that a new cluster begins with. */
import { ByteWriter } from "../../util/bytes.ts";
import { applyEntry } from "../../node/log/apply.ts";
import { hashSeedOf } from "../../node/peers/cluster_id.ts";
import { loadStore } from "../../node/replica.ts";
import { Result } from "../../kv/commands/result.ts";
import type { SnapshotHead } from "../../kv/snapshot.ts";
import { Store } from "../../kv/store.ts";
import type { Disk } from "../../host/ports.ts";
import type { BackupHead } from "../../storage/backups/backup_format.ts";
import { openBackup } from "../../storage/backups/backup_reader.ts";
import {
  CLUSTER_VERSION_FIRST,
  clusterVersionProblem,
  unknownVersion,
} from "../../kv/cluster_version.ts";
import { commandsProblem } from "../../kv/commands/command_check.ts";
import { entryKind, ENVELOPE_BYTES } from "../../raft/envelope.ts";
import { type Entry, EntryKind } from "../../raft/types.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import type { SnapshotPosition } from "../../raft/types.ts";
import { type Copy, type HeldDirectory, readCopy } from "./copy.ts";

const SLICE_BYTES = 131_072;

export interface Contents {
  /** The last entry that is in them, and the highest term that was seen. */
  readonly position: SnapshotPosition;
  /** The log's time, ms since 1970. */
  readonly clockMs: number;
  /** The highest version that a key had that is not there any more. */
  readonly floor: number;
  readonly keys: number;
  /** Of the cluster: the new one begins with it. */
  readonly clusterVersion: number;
  /** As kv/users/users.ts encodes them; null where there are none. */
  readonly users: Uint8Array | null;
  /** As kv/sessions/client_sessions.ts encodes them; null where there was never one. */
  readonly clientSessions: Uint8Array | null;
  /** As kv/scripts/loaded_scripts.ts encodes them; null where none was ever loaded. */
  readonly loadedScripts: Uint8Array | null;
  /**
   * All records (kv/snapshot.ts), whole ones in each piece. A piece may be changed, and is gone with the
   * next.
   */
  walk(): Iterable<Uint8Array>;
}

export interface CopyContents {
  readonly copy: Copy;
  readonly contents: Contents;
}

/**
 * Reads a copy with all that it holds: the snapshot, and every entry after it, committed or not.
 * @throws {CliError} as `readCopy`.
 */
export function readContents(held: HeldDirectory): CopyContents {
  let store: Store | null = null;
  const copy = readCopy(held, (file, { members }) => {
    store = loadStore({ hashSeed: hashSeedOf(members) }, file);
  });
  const { members } = copy.formation;
  const filled = store ?? new Store({ hashSeed: hashSeedOf(members) });
  const result = new Result();
  for (const entry of copy.state.entries) {
    refuseUnknown(entry, copy.directory);
    applyEntry(filled, entry, null, result);
  }
  const { state, repairing, last } = copy;
  const term = Math.max(last.term, state.seen.term, state.hardState.term);
  const index = Math.max(last.index, state.seen.lastIndex, repairing?.lastIndexSeen ?? 0);
  return {
    copy,
    contents: {
      position: { index, term },
      clockMs: filled.clockMs,
      floor: filled.floor,
      keys: filled.keys,
      clusterVersion: filled.clusterVersion,
      users: filled.users.encode(),
      clientSessions: filled.clientSessions.encode(),
      loadedScripts: filled.loadedScripts.encode(),
      walk: () => recordsOf(filled),
    },
  };
}

/** A later build's commands would end this process, or do something else. */
function refuseUnknown(entry: Entry, directory: string): void {
  const problem = problemOf(entry);
  if (problem === null) return;
  throw new CliError(
    EXIT.refused,
    `Entry ${entry.index} of the log in ${directory} can't be applied: ${problem}. Run the build ` +
      "that wrote it, or a newer one.",
  );
}

function problemOf(entry: Entry): string | null {
  switch (entryKind(entry)) {
    case EntryKind.commands:
      return commandsProblem(entry.data, ENVELOPE_BYTES);
    case EntryKind.clusterVersion:
      return clusterVersionProblem(entry.data, ENVELOPE_BYTES);
    default:
      return null;
  }
}

export interface BackupContents {
  readonly about: BackupHead;
  readonly head: SnapshotHead;
  readonly contents: Contents;
}

/**
 * The contents of a backup, read and checked by the walk: what is wrong ends it, at its end at the latest.
 * @throws {BackupDamageError} where what comes before the records is damaged, or it is none.
 */
export function backupContents(disk: Disk, path: string): BackupContents {
  const backup = openBackup(disk, path);
  backup.close();
  const { about, position, head } = backup;
  const { clockMs, floor, keys, clusterVersion, users, clientSessions, loadedScripts } = head;
  const unknown = clusterVersion === CLUSTER_VERSION_FIRST ? null : unknownVersion(clusterVersion);
  if (unknown !== null) {
    throw new CliError(
      EXIT.refused,
      `${path} can't be restored: ${unknown}. Run the build that wrote it, or a newer one.`,
    );
  }
  return {
    about,
    head,
    contents: {
      position,
      clockMs,
      floor,
      keys,
      clusterVersion,
      users,
      clientSessions,
      loadedScripts,
      walk: () => sectionsOf(disk, path),
    },
  };
}

function* sectionsOf(disk: Disk, path: string): Generator<Uint8Array, void, undefined> {
  const backup = openBackup(disk, path);
  try {
    for (let section = backup.nextSection(); section !== null; section = backup.nextSection()) {
      yield section;
    }
  } finally {
    backup.close();
  }
}

function* recordsOf(store: Store): Generator<Uint8Array, void, undefined> {
  const snapshot = store.beginSnapshot();
  const out = new ByteWriter(SLICE_BYTES);
  try {
    for (let isMore = true; isMore;) {
      out.clear();
      isMore = snapshot.next(out, SLICE_BYTES);
      if (out.length > 0) yield out.view();
    }
  } finally {
    snapshot.close();
  }
}
