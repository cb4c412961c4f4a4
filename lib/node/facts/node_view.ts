/**
 * The one read-only view of a node: INFO and CLUSTER, `RAFTKV.STATUS` and the admin port all show what it
 * says. Asking costs what is asked for; nothing is prepared for nobody.
 */
import type { ForwardMeters } from "../session/forwarding.ts";
import type { PeerView, ServerView } from "../../wire/codec.ts";
import type { ClusterStatus, ServerFacts } from "../../wire/status.ts";
import type { MachineFacts } from "../api.ts";
import type { Meters } from "./meters.ts";
import type { PubSubFigures } from "../pubsub/pubsub.ts";
import type { WatchFigures } from "../watches/watches.ts";

export interface NodeView {
  serverView(): ServerView;
  status(): ClusterStatus;
  counts(): NodeCounts;
  health(): NodeHealth;
}

/** What a probe looks at. */
export interface NodeHealth {
  /** It was told to stop. */
  readonly isStopping: boolean;
  readonly isFormed: boolean;
  /** It was removed from its cluster, and knows it. */
  readonly isRemoved: boolean;
  readonly leads: boolean;
  /** Where it leads: it does not hand over, and is not stopping. */
  readonly keepsLeading: boolean;
  readonly hasLeader: boolean;
  /** The leader that it knows and hears; 0: none. */
  readonly leaderId: number;
  readonly leaderMissingMs: number;
  /** Nothing is here yet that could be read. */
  readonly isLoading: boolean;
  readonly isRepairing: boolean;
  /** Its disk takes votes and the log's end. */
  readonly canWrite: boolean;
  /** For how long the write and sync that is under way has taken, in ms; 0 where none is. */
  readonly syncingMs: number;
  readonly electionTimeoutMs: number;
}

/** What the metrics show besides. */
export interface NodeCounts {
  readonly facts: ServerFacts;
  readonly meters: Meters;
  readonly peers: readonly PeerCounts[];
  /** The parts of `diskBytes`. */
  readonly logBytes: number;
  readonly snapshotBytes: number;
  readonly isSuspect: boolean;
  readonly isRepairing: boolean;
  readonly isSendingSnapshot: boolean;
  readonly isReceivingSnapshot: boolean;
  /** Entries in the log that clients wait for, and rounds of reads. */
  readonly waitingEntries: number;
  readonly waitingRounds: number;
  /** Commands gathered for the log and not in it yet, and in it but not committed; bytes. */
  readonly gatheredBytes: number;
  /** See WritePace. */
  readonly writeShare: number;
  readonly uncommittedBytes: number;
  /** Commands that wait until a leader is known. */
  readonly heldCommands: number;
  /** What was forwarded to leaders for this server's clients; and clients of other servers. */
  readonly forwarded: ForwardMeters;
  readonly forwardedClients: number;
  readonly clientBufferBytes: number;
  /** Client addresses that are remembered, as long as any bound is set for addresses or users. */
  readonly boundedAddresses: number;
  /** How often one of their connections had to wait. */
  readonly heldBack: number;
  readonly watches: WatchFigures;
  /** Client sessions in the store, and what their kept replies and bound keys count. */
  readonly clientSessions: number;
  readonly clientSessionBytes: number;
  /** Scripts that the log has, and what they take. */
  readonly loadedScripts: number;
  readonly loadedScriptBytes: number;
  readonly pubsub: PubSubFigures;
  /** See NodeHealth. */
  readonly syncingMs: number;
  /** In all, since the start. */
  readonly stoodStillMs: number;
  readonly machine: MachineFacts;
}

export interface PeerCounts extends PeerView {
  /** Bytes that wait to be written to it. */
  readonly outboxBytes: number;
}
