/** What the storage hands to the node, and what it is asked to keep. */
import type { Entry, HardState, PersistBatch, ServerId, SnapshotPosition } from "../raft/types.ts";

/** 16 bytes as 32 hexadecimal digits; all zeroes while unformed. */
export type ClusterId = string;
/** 8 random bytes as 16 hexadecimal digits, made once for an empty data directory. */
export type Incarnation = string;

export const UNFORMED: ClusterId = "0".repeat(32);

export interface Identity {
  readonly serverId: ServerId;
  readonly incarnation: Incarnation;
}

export interface FoundingMember {
  readonly serverId: ServerId;
  readonly incarnation: Incarnation;
}

/**
 * How far a cluster's forming has come on this server. `prepared`: these are the incarnations that
 * it will form with, and no others, ever. `formed`: all of them are known to have prepared the same.
 */
export interface FormationRecord {
  readonly stage: "prepared" | "formed";
  readonly clusterId: ClusterId;
  /** Sorted by id. */
  readonly members: readonly FoundingMember[];
}

/** What recovery found in the write-ahead log. */
export interface RecoveredLog {
  readonly hardState: HardState;
  readonly snapshot: SnapshotPosition;
  /** Contiguous, from `snapshot.index + 1` on. */
  readonly entries: readonly Entry[];
  /** Bytes cut off the tail, for the log line; 0 mostly. */
  readonly cutBytes: number;
}

/** The write-ahead log, as the node uses it. */
export interface LogStorage {
  /**
   * Writes the batch and syncs it; `done` is called later, once it is durable. Never called while
   * another is under way. A `DiskFullError` comes with the file restored to what it held before the
   * call, and nothing of the batch kept; any other error means that this disk can't be trusted any
   * more: the process must end.
   */
  persist(batch: PersistBatch, done: (error: Error | null) => void): void;
  /** Called when nothing was persisted for some milliseconds: marks the log's end as synced. */
  markSynced(done: (error: Error | null) => void): void;
  /** False while only the reserve is left: sets are refused, deletes and the log's own end go on. */
  hasRoom(): boolean;
  /**
   * Where the reserve was used up: tries to write it again (blocking; fails fast while the disk is
   * full). Call it every few hundred milliseconds while `hasRoom()` is false. Returns `hasRoom()`.
   */
  tryRestoreReserve(): boolean;
  /** Bytes on disk. */
  bytes(): number;
  /** Marks the end as synced and closes the files; blocking. */
  close(): void;
}
