/** What the links to the other servers are given, and whom they tell of what comes in. */
import type { Clock } from "../../host/ports.ts";
import type { Incarnation, Message, ServerId } from "../../raft/types.ts";
import type { DataDirectory } from "../../storage/data_directory.ts";
import type { ClusterId } from "../../storage/types.ts";
import type { DigestNotice, FactsNotice, PublishNotice, StatusNotice } from "../../wire/rpc/rpc.ts";
import type { NodeHost } from "../api.ts";
import type { KnownMembers } from "../members/known_members.ts";
import type { ClusterSecret } from "./cluster_secret.ts";
import type { ForwardPipe, ForwardReceiver } from "./forward_pipe.ts";
import type { StartId } from "./peer_processes.ts";
import type { PeerVersion } from "./peer_version.ts";

export interface PeerLinksOptions {
  readonly serverId: ServerId;
  /** Who the members are, and where. */
  readonly members: KnownMembers;
  readonly directory: DataDirectory;
  /** The cluster that this server is to be added to; absent where it founds one. */
  readonly joins?: ClusterId | undefined;
  /** Tells this process from others that start on the same data directory. */
  readonly startId: StartId;
  readonly host: Pick<NodeHost, "log">;
  /** The clock whose time `elapse` is called with. */
  readonly clock: Pick<Clock, "monotonicMs"> & InputMoment;
  readonly events: PeerEvents;
  /** Another server hands on what was published there. */
  readonly published: (notice: PublishNotice) => void;
  readonly outboxBytesMax: number;
  readonly frameBytesMax: number;
  readonly electionTimeoutMs: number;
  /** Which cluster versions this server can read, and whether it holds the raise back. */
  readonly version: PeerVersion;
  /** Absent: nobody has to prove anything. */
  readonly secret?: ClusterSecret | undefined;
  /** The latest version of the handshake that is spoken: lower than this build's only in tests. */
  readonly protocolVersionMax?: number;
}

/** Bytes come in over a link, and all of what they bring comes at one moment. */
export interface InputMoment {
  inputBegins(): void;
  /** That was all of it. */
  inputEnds(): void;
}

/** The node, as its links see it: what it tells the others, and what it hears of them once formed. */
export interface PeerEvents {
  /**
   * What has come in over a link may be news, or a link has changed: `nextDeadlineMs` is to be asked soon.
   */
  linkActive(): void;
  /** What to tell the others of this server; null while there is nothing to tell. */
  ownStatus(): StatusNotice | null;
  ownFacts(): FactsNotice | null;
  /** The cluster version that another server has to know. */
  neededVersion(): number;
  /** `incarnation`: of the server that it comes from, by its handshake. */
  messageReceived(message: Message, incarnation: Incarnation): void;
  digestReceived(from: ServerId, notice: DigestNotice): void;
  /** The cluster is formed, and its record durable. */
  formed(): void;
  /** Another server has refused this one because it was removed. */
  toldRemoved(by: ServerId): void;
  /** Takes in the commands that another server forwards over a connection of their own. */
  acceptForwarded(from: ServerId, pipe: ForwardPipe): ForwardReceiver;
  /** The secret was exchanged: what was proven by one that counts no more ends. */
  secretExchanged(): void;
  /** A connection with a server ended: what was on its way is lost. */
  peerLost(id: ServerId): void;
}
