import type { Store } from "../../lib/kv/store.ts";
import type { RaftState } from "../../lib/raft/state.ts";

/** What a check may see of a server; make_node.ts fills it from the real node. */
export interface ServerProbe {
  /** False until the cluster is formed and the log open: the rest must not be asked then. */
  isOpen(): boolean;
  /** It has a list of those that found the cluster, and has not formed it yet. */
  isPrepared(): boolean;
  /** Null until the cluster is formed. */
  clusterId(): string | null;
  isLeader(): boolean;
  /** It may have forgotten a vote or an ack, see HardState.suspect. */
  isSuspect(): boolean;
  /** It is not suspect, and its disk knows that. */
  isDurablySound(): boolean;
  /** The core's state, for what is only counted; null where there is none. */
  raft(): RaftState | null;
  term(): number;
  votedFor(): number;
  commitIndex(): number;
  appliedIndex(): number;
  /** The last index that a snapshot covers; 0 where there is none. */
  snapshotIndex(): number;
  lastIndex(): number;
  termAt(index: number): number;
  dataAt(index: number): Uint8Array;
  /** Its files hold all entries after `index`, and the term there; not counted from the origin. */
  reaches(index: number): boolean;
  /** Its disk takes sets. */
  hasRoom(): boolean;
  /** Up to where this server promises its log to survive a crash. */
  durableIndex(): number;
  /** A leader's: up to where it counts the log of a follower as durable and equal to its own. */
  matchIndexOf(serverId: number): number;
  /** For what is asked of its users alone; null where there is none. */
  store(): Store | null;
  /** The digest of the store's contents at `appliedIndex`. */
  digest(): string;
  /** The cluster version at `appliedIndex`, and the highest that its log may yet raise it to. */
  clusterVersion(): number;
  versionInLog(): number;
  /** The time that its store has come to at `appliedIndex`. */
  clockMs(): number;
  /** Commands of its clients that only a leader can answer. */
  waitingCommands(): number;
  /** Entries that it appended as a leader, and whose clients wait for them. */
  waitingEntries(): number;
  /** Keys are due and not swept. */
  hasDueKeys(): boolean;
  /** Commands of its clients that wait until a leader is known. */
  heldCommands(): number;
  /** What it has sent on to leaders; null where a server of this kind sends nothing. */
  forwarded(): Readonly<Record<"sent" | "notDone" | "lost" | "refused", number>> | null;
  /** What it still holds, where nothing is under way any more; null where that is nothing. */
  leftover(): string | null;
}
