/** What a store is made of, or from. */
import type { Contents } from "./memory/contents.ts";
import type { LoadedScripts } from "./scripts/loaded_scripts.ts";
import type { ClientSessions } from "./sessions/client_sessions.ts";
import type { SnapshotHead } from "./snapshot.ts";
import type { Users } from "./users/users.ts";

export interface StoreOptions {
  /** A secret u32 of the cluster, the same on all its servers. */
  readonly hashSeed: number;
  /** The most due keys that one entry sweeps. All servers of a cluster must agree. */
  readonly sweepKeysMax?: number;
  /** For about how many keys the table has room when it is made. */
  readonly capacityHint?: number;
}

/** What a snapshot was read into. */
export interface RestoredState {
  readonly contents: Contents;
  readonly users: Users;
  readonly clientSessions: ClientSessions;
  readonly loadedScripts: LoadedScripts;
  readonly head: SnapshotHead;
}
