/** What a formed server gives to whoever takes a backup of it. */
import type { BackupSource } from "../wire/backup.ts";
import type { ServerView } from "../wire/codec.ts";
import type { BackupMeters } from "./facts/meters.ts";
import type { Replica } from "./replica.ts";
import type { SessionHost } from "./session/session_host.ts";
import type { NodeState } from "./state.ts";

export interface BackupOwner {
  readonly clusterId: string;
  readonly serverId: number;
  /** Of raftkv. */
  readonly version: string;
}

/** A server, as far as scheduled backups of it go. */
export interface BackedUpServer {
  /** It has to write them now. */
  isWriter(): boolean;
  meters(): BackupMeters;
  /** Null while it has nothing that could be taken. */
  source(): BackupSource | null;
}

/** `state` and `evaluator`: a node's, asked for only once it is made. */
export function backedUpServer(
  state: () => NodeState,
  evaluator: () => SessionHost,
): BackedUpServer {
  return {
    isWriter: () => state().shutdown === null && isBackupWriter(evaluator().serverView()),
    meters: () => state().meters.backups,
    source: () => evaluator().backups(),
  };
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

/**
 * True where this server has to write the scheduled backups: the follower with the lowest id that has
 * something and is heard; the leader where it hears no other. Each server judges by what it hears, so
 * nothing has to be agreed on; two that don't hear each other may both write, which harms nothing.
 */
function isBackupWriter(
  { serverId, leaderId, hasLeader, isLoading, peers }: ServerView,
): boolean {
  if (isLoading || !hasLeader) return false;
  const others = peers.filter(({ reach, isEmpty }) => reach === "heard" && !isEmpty);
  if (serverId === leaderId) return others.length === 0;
  return others.every(({ id }) => id === leaderId || id > serverId);
}
