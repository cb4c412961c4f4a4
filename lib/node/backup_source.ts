/** What a formed server gives to whoever takes a backup of it. */
import type { BackupSource } from "../wire/backup.ts";
import type { Replica } from "./replica.ts";

export interface BackupOwner {
  readonly clusterId: string;
  readonly serverId: number;
  /** Of raftkv. */
  readonly version: string;
}

/** `begun` is called when there is something new to do as time passes. */
export function backupSource(
  replica: Replica,
  owner: BackupOwner,
  begun: () => void,
): BackupSource {
  const { snapshots, store } = replica;
  const { backups, hashSeed } = snapshots;
  return {
    facts: () => ({ ...owner, appliedIndex: store.appliedIndex, hashSeed, keys: store.keys }),
    begin(indexMin) {
      begun();
      return backups.begin(indexMin);
    },
    state: (id) => backups.state(id, snapshots.made(store)),
    next: (id) => backups.next(id),
    end: (id) => backups.end(id),
  };
}
