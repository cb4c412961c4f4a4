/** What a node is given. */
import type { Clock, Passwords, Rng, UserResets } from "../host/ports.ts";
import type { ServerId } from "../raft/types.ts";
import type { AuditCodec } from "../wire/audit.ts";
import type { DataDirectory } from "../storage/data_directory.ts";
import type { ClusterId } from "../storage/types.ts";
import type { ScriptEngines } from "../wire/scripts.ts";
import type { Limits, StorageLimits, Timing } from "./limits.ts";
import type { WakingHost } from "./api.ts";
import type { ClusterSecret } from "./peers/cluster_secret.ts";

/** A server as the cluster file names it. */
export interface ServerAddress {
  readonly id: ServerId;
  readonly hostname: string;
  readonly clientPort: number;
  readonly logPort: number;
  /** Where commands that need a leader are sent on to it; absent: nowhere. */
  readonly forwardPort?: number | undefined;
}

export interface NodeConfig {
  readonly servers: readonly ServerAddress[];
  readonly timing: Timing;
  readonly limits: Limits;
  readonly storage: StorageLimits;
  /** The cluster version is not raised while a member says this. */
  readonly holdClusterVersion?: boolean;
}

export interface NodeOptions {
  readonly config: NodeConfig;
  readonly serverId: ServerId;
  readonly directory: DataDirectory;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly passwords: Passwords;
  /** Absent: no scripts are run. */
  readonly scripts?: ScriptEngines;
  /** Absent: what clients do is noted nowhere. */
  readonly audit?: AuditCodec | undefined;
  /** Absent: none is ever good. */
  readonly userResets?: UserResets;
  readonly host: WakingHost;
  /**
   * The cluster that this server is to be added to; absent where it founds one with the servers of the
   * file. Without effect on a directory that belongs to a cluster already.
   */
  readonly join?: { readonly clusterId: ClusterId } | undefined;
  /** What the servers prove to each other; absent where they prove nothing. */
  readonly secret?: ClusterSecret | undefined;
  /** Clients of other machines are not answered while there is no user. */
  readonly needsUsers?: boolean;
  /** The build, as it tells others; "unknown" unless given. */
  readonly version?: string;
  /** The latest version of the handshake that is spoken; for tests of mixed clusters. */
  readonly protocolVersionMax?: number;
  /** The highest cluster version that this server can read; for tests of mixed clusters. */
  readonly clusterVersionMax?: number;
  /** Checks invariants, the core's after each step and the node's after each turn: for tests. */
  readonly checkInvariants?: boolean;
}
