/**
 * What servers say of themselves and of each other: `RAFTKV.STATUS`, `/status` of the admin port and, of
 * one server, the frame `facts`. Field names carry their units. docs/admin.md has each field; a test
 * compares that page with what a server says.
 */
export type FactsRole = "leader" | "follower" | "candidate" | "preCandidate" | "unformed";

/** The answer to `RAFTKV.STATUS` and `/status`: what one server knows, of itself and of the others. */
export interface ClusterStatus {
  /** Grows when a field changes its meaning or goes; new fields alone don't change it. */
  readonly format: 1;
  /** 32 hexadecimal digits; zeros until the cluster is formed. */
  readonly clusterId: string;
  /** The server that answers. */
  readonly serverId: number;
  /** When it answered, by its wall clock: ms since 1970. */
  readonly wallMs: number;
  /** The leader as it knows it; 0 where it knows none, or has not heard it for three heartbeats. */
  readonly leaderId: number;
  /** All servers of the cluster file, in its order. */
  readonly servers: readonly ServerStatus[];
  /** The last events of all servers, as far as they were told here, the oldest first. */
  readonly events: readonly EventFacts[];
}

/** One server, as the one that answers sees it. */
export interface ServerStatus {
  readonly id: number;
  readonly hostname: string;
  readonly clientPort: number;
  readonly logPort: number;
  /** `self`; `heard`; `silent`: it missed two pings, or was not heard yet; `lost`: gone for longer. */
  readonly reach: "self" | "heard" | "silent" | "lost";
  /** Since anything came from it, in ms; 0 of itself; null where nothing has since the start. */
  readonly silentMs: number | null;
  /** What it says of itself; null where it has said nothing lately: that is never guessed. */
  readonly facts: ServerFacts | null;
  /** How old that is, in ms; 0 of itself, null without facts. */
  readonly factsAgeMs: number | null;
  /** Why there are no facts, as a sentence; null where there are. */
  readonly unknownBecause: string | null;
}

/** What a server says of itself. Null stands for what it does not know. */
export interface ServerFacts {
  /** The build. */
  readonly version: string;
  readonly uptimeMs: number;
  /** The cluster version that it has applied, and the highest that its build can read. */
  readonly clusterVersion: number;
  readonly clusterVersionMax: number;
  /** A leader that could raise the cluster version, and does not: why, as a sentence; else null. */
  readonly clusterVersionWaits: string | null;
  /** Where it listens for HTTP, from 1 to 65535; 0: nowhere. */
  readonly adminPort: number;
  readonly role: FactsRole;
  readonly term: number;
  /** The leader that it knows in this term; 0 where it knows none. */
  readonly leaderId: number;
  /** For how long it has known no leader, in ms; 0 while it knows one. */
  readonly leaderMissingMs: number;
  /** The end of its log, the committed and the applied part, and what is durable on its own disk. */
  readonly lastIndex: number;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly durableIndex: number;
  /** Its newest snapshot; 0 where it has none. */
  readonly snapshotIndex: number;
  /** A leader's followers; empty elsewhere. */
  readonly followers: readonly FollowerFacts[];
  readonly keys: number;
  /** Keys with a time to live. */
  readonly expiringKeys: number;
  /** Bytes of keys and values. */
  readonly contentBytes: number;
  /** Client connections. */
  readonly connections: number;
  /** Memory of the process that is resident. */
  readonly memoryBytes: number | null;
  /** What the data directory takes: log, snapshots, reserves. */
  readonly diskBytes: number | null;
  /** Its disk is full or nearly so: only reserves are left, or they can't grow. */
  readonly isDiskShort: boolean;
  /** What the log can take whatever becomes of the disk, in bytes; null while the disk takes all. */
  readonly reservedLogBytes: number | null;
  /** Where it leads: sets are refused, for want of room or by the quota. Else: so would it by itself. */
  readonly refusesSets: boolean;
  /** Files and connections that it may still open, as far as it was counted; null: unknown. */
  readonly freeDescriptors: number | null;
  /** Of the last one to two minutes; null where there was none. */
  readonly fsyncP99Ms: number | null;
  readonly writeP99Ms: number | null;
  readonly readP99Ms: number | null;
  /** Since the start of the process. */
  readonly writesTotal: number;
  readonly readsTotal: number;
  readonly refusedTotal: number;
  readonly electionsTotal: number;
  readonly leaderChangesTotal: number;
  /** How far the log's time is ahead of its wall clock, in ms; negative where it is behind. */
  readonly clockAheadMs: number;
  /** It keeps changes for watches: some server of the cluster has had one. */
  readonly keepsChanges: boolean;
  /** Somebody is told there, in channels, of the changes of keys. */
  readonly tellsChanges: boolean;
  /** What an operator should look at; empty where all is well. */
  readonly problems: readonly ProblemFacts[];
}

/** A follower, as its leader sees it. */
export interface FollowerFacts {
  readonly id: number;
  /** `snapshot`: it is sent one, as its log ends before the leader's begins. */
  readonly mode: "probe" | "replicate" | "snapshot";
  /**
   * Durable there and equal to the leader's log up to here; 0 where the leader does not know: it has not
   * heard so in this leadership, or the connection ended, and what was confirmed over it counts no more.
   */
  readonly matchIndex: number;
  /** What it has not confirmed of the leader's log; null where that is unknown. */
  readonly lagEntries: number | null;
  /** Their bytes, and the age of the oldest. Null also where the leader holds them no more, or too many. */
  readonly lagBytes: number | null;
  readonly lagMs: number | null;
}

export const PROBLEM_KINDS = [
  "unformed",
  "removed",
  "noLeader",
  "noMajority",
  "loading",
  "repairing",
  "suspect",
  "diskFull",
  "setsRefused",
  "slowDisk",
  "clock",
  "peerSilent",
  "peerLost",
  "descriptors",
  "backupFailed",
  "secretOptional",
  "tlsOptional",
] as const;
export type ProblemKind = typeof PROBLEM_KINDS[number];

/** `text`: one sentence for people. */
export interface ProblemFacts {
  readonly kind: ProblemKind;
  readonly text: string;
}

/** A line of a server's log, without its debug level. */
export interface EventFacts {
  readonly serverId: number;
  /** Grows with each event of one process. */
  readonly number: number;
  /** By that server's wall clock, ms since 1970. */
  readonly atMs: number;
  readonly level: "info" | "warning" | "error";
  readonly message: string;
  /** The fields, as `name=value`, between spaces. */
  readonly detail: string;
}
