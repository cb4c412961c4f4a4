/** What a node is given. */
import type { Clock, Rng } from "../host/ports.ts";
import type { ServerId } from "../raft/types.ts";
import type { DataDirectory } from "../storage/data_directory.ts";
import type { Limits, StorageLimits, Timing } from "./limits.ts";
import type { WakingHost } from "./api.ts";

/** A server as the cluster file names it. */
export interface ServerAddress {
  readonly id: ServerId;
  readonly hostname: string;
  readonly clientPort: number;
  readonly logPort: number;
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
  readonly host: WakingHost;
  /** The build, as it tells others; "unknown" unless given. */
  readonly version?: string;
  /** The latest version of the handshake that is spoken; for tests of mixed clusters. */
  readonly protocolVersionMax?: number;
  /** The highest cluster version that this server can read; for tests of mixed clusters. */
  readonly clusterVersionMax?: number;
  /** Checks invariants, the core's after each step and the node's after each turn: for tests. */
  readonly checkInvariants?: boolean;
}

/** Where each server's log port is, as people write it. */
export function logAddresses(servers: readonly ServerAddress[]): Map<ServerId, string> {
  return new Map(servers.map(({ id, hostname, logPort }) => [id, `${hostname}:${logPort}`]));
}
