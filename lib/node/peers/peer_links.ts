/**
 * This server's links to the others: who may talk to whom, before and after the cluster is formed.
 * A link is one-way: messages leave over `outbound`, which this server connects, and come in over
 * inbound links, which the others connect. Frames are whole or the connection ends.
 */
import type { Clock } from "../../host/ports.ts";
import type { Incarnation, Message, ServerId } from "../../raft/types.ts";
import type { DataDirectory } from "../../storage/data_directory.ts";
import { hexToBytes } from "../../storage/files/hex.ts";
import type { FormationRecord } from "../../storage/types.ts";
import {
  type DigestNotice,
  factsBytes,
  type FactsNotice,
  Feature,
  type Features,
  type FormationNotice,
  type Hello,
  NO_FEATURES,
  PROTOCOL_VERSION,
  PROTOCOL_VERSION_MIN,
  type StatusNotice,
} from "../../wire/rpc/rpc.ts";
import { checkHello } from "./hello_check.ts";
import { PeerFacts } from "./peer_facts.ts";
import { Formation, type FormationOwner, FormationStage } from "./formation.ts";
import { FormingPace } from "./forming_pace.ts";
import { PeerInbound } from "./peer_inbound.ts";
import { type LinkPace, linkPace } from "./link_pace.ts";
import type { AcceptedLink, LinkOwner } from "./peer_link.ts";
import type { Refused } from "./refused.ts";
import { PeerOutbound } from "./peer_outbound.ts";
import { ListeningTime } from "./listening_time.ts";
import { PeerLog } from "./peer_log.ts";
import { PeerProcesses, type StartId } from "./peer_processes.ts";
import { PeerSilence } from "./peer_silence.ts";
import { PeerStatuses, type StatusLinks } from "./peer_status.ts";
import { encodePeerVersion, type PeerVersion } from "./peer_version.ts";
import type { InboundLink, NodeHost } from "../api.ts";

export interface PeerLinksOptions {
  readonly serverId: ServerId;
  /** All servers of the cluster, this one included. */
  readonly servers: readonly ServerId[];
  /** Those whose address is known; the others can only connect to this one. */
  readonly reachable: readonly ServerId[];
  readonly directory: DataDirectory;
  /** Tells this process from others that start on the same data directory. */
  readonly startId: StartId;
  /** Where each server's log port is, for people. */
  readonly logAddresses: ReadonlyMap<ServerId, string>;
  readonly host: Pick<NodeHost, "log">;
  /** The clock whose time `elapse` is called with. */
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly events: PeerEvents;
  readonly outboxBytesMax: number;
  readonly frameBytesMax: number;
  readonly electionTimeoutMs: number;
  /** Which cluster versions this server can read, and whether it holds the raise back. */
  readonly version: PeerVersion;
  /** The latest version of the handshake that is spoken: lower than this build's only in tests. */
  readonly protocolVersionMax?: number;
}

/** The node, as its links see it: what it tells the others, and what it hears of them once formed. */
export interface PeerEvents {
  /** Something has come in over a link, or a link has changed: `nextDeadlineMs` is to be asked soon. */
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
  /** A connection with a server ended: what was on its way is lost. */
  peerLost(id: ServerId): void;
}

/** The longest step while a process is asked whether it answers: what it said may not be read yet. */
const PROCESSES_STEP_MAX_MS = 50;

export class PeerLinks implements LinkOwner, StatusLinks, FormationOwner {
  readonly formation: Formation;
  readonly outbound: readonly PeerOutbound[];
  readonly pace: LinkPace;
  readonly protocolVersionMax: number;
  readonly statuses: PeerStatuses;
  readonly facts: PeerFacts;
  readonly time: ListeningTime;
  readonly silence: PeerSilence;
  readonly processes = new PeerProcesses();
  readonly log: PeerLog;
  readonly ownVersion: PeerVersion;
  readonly #features: Features;
  readonly #options: PeerLinksOptions;
  readonly #byId = new Map<ServerId, PeerOutbound>();
  readonly #inbound = new Set<AcceptedLink>();
  /** No link has anything to do before; or -1: they have to be asked. In listening time. */
  linksDueMs = -1;
  /** When time was last told to pass; -1 before that. */
  #elapsedMs = -1;
  readonly #formingPace = new FormingPace();

  constructor(options: PeerLinksOptions) {
    this.#options = options;
    const { directory, serverId, servers, host, electionTimeoutMs } = options;
    this.pace = linkPace(electionTimeoutMs);
    this.ownVersion = options.version;
    this.time = new ListeningTime(options.clock, this.pace.stepMaxMs);
    this.log = new PeerLog(host, servers, options.clock);
    this.#features = new Map([
      [Feature.status, new Uint8Array(0)],
      [Feature.start, hexToBytes(options.startId)],
      [Feature.facts, new Uint8Array(0)],
      [Feature.clusterVersion, encodePeerVersion(options.version)],
    ]);
    this.protocolVersionMax = options.protocolVersionMax ?? PROTOCOL_VERSION;
    this.statuses = new PeerStatuses(electionTimeoutMs, options.clock, this);
    this.facts = new PeerFacts(electionTimeoutMs);
    this.formation = new Formation(directory.identity, directory.formation, servers, this);
    const others = options.reachable.filter((id) => id !== serverId);
    this.silence = new PeerSilence(others, this.time);
    this.outbound = others.map((id) => new PeerOutbound(id, this, options.outboxBytesMax));
    for (const link of this.outbound) this.#byId.set(link.peerId, link);
    this.formation.advance();
  }

  /** The cluster version is `version` now: whoever can't read it is refused from here on. */
  versionRaised(version: number): void {
    for (const link of this.outbound) link.versionRaised(version);
    for (const link of this.#inbound) link.versionRaised(version);
  }

  get serverId(): ServerId {
    return this.#options.serverId;
  }

  logAddressOf(id: ServerId): string {
    return this.#options.logAddresses.get(id) ?? `server ${id}`;
  }

  get frameBytesMax(): number {
    return this.#options.frameBytesMax;
  }

  openInbound(remote: string): InboundLink {
    const link = new PeerInbound(remote, this);
    this.#inbound.add(link);
    this.dueEarlier();
    return link;
  }

  /** Sends a message where its link is up; drops it otherwise: Raft sends again what matters. */
  send(message: Message): void {
    this.#byId.get(message.to)?.send(message);
    this.statuses.sendEarly();
  }

  /** Wakes the shells of links with something to write. */
  wake(): void {
    for (const link of this.outbound) link.wake();
  }

  /** When `elapse` has something to do, by the monotonic clock. */
  nextDeadlineMs(): number {
    // Asked after each turn. What comes in and leaves moves these times on: it is not asked about.
    if (this.linksDueMs < 0) this.linksDueMs = this.nextLinkMs();
    return Math.min(
      this.time.clockAt(this.linksDueMs),
      this.#processesMs(),
      this.log.nextDeadlineMs(),
      this.formation.isFormed ? this.statuses.nextDeadlineMs() : this.#formingPace.nextDeadlineMs(),
    );
  }

  /** As `linksDueMs`, asked of each of them. */
  nextLinkMs(): number {
    let listenedMs = Infinity;
    for (const link of this.#inbound) listenedMs = Math.min(listenedMs, link.nextDeadlineMs());
    for (const link of this.outbound) listenedMs = Math.min(listenedMs, link.nextDeadlineMs());
    return listenedMs;
  }

  /** A process that is asked whether it answers is given up after some short steps. */
  #processesMs(): number {
    const { leftMs } = this.processes;
    return leftMs < Infinity ? this.#elapsedMs + Math.min(leftMs, PROCESSES_STEP_MAX_MS) : leftMs;
  }

  /** It is `nowMs` by the monotonic clock. */
  elapse(nowMs: number): void {
    const sinceLastMs = this.#elapsedMs < 0 ? 0 : nowMs - this.#elapsedMs;
    this.#elapsedMs = nowMs;
    this.log.elapse(nowMs);
    this.processes.elapse(Math.min(sinceLastMs, PROCESSES_STEP_MAX_MS));
    const listenedMs = this.time.nowMs(nowMs);
    for (const link of this.#inbound) link.elapse(listenedMs);
    for (const link of this.outbound) link.elapse(listenedMs);
    this.linksDueMs = -1;
    this.statuses.elapse(nowMs);
    if (this.formation.isFormed) return;
    this.#formingPace.elapse(nowMs, this.formation, this.outbound, this.#options.host);
  }

  // What the links ask.

  /** What this server says of itself at the start of a connection, in a version of the handshake. */
  hello(to: ServerId, protocolVersion: number): Hello {
    return {
      protocolVersion,
      clusterId: this.formation.clusterId,
      from: this.#options.serverId,
      to,
      incarnation: this.#options.directory.identity.incarnation,
      features: protocolVersion === PROTOCOL_VERSION_MIN ? NO_FEATURES : this.#features,
    };
  }

  check(hello: Hello): Refused | null {
    const { serverId, servers } = this.#options;
    const needed = this.#options.events.neededVersion();
    return checkHello(hello, serverId, servers, this.formation, needed);
  }

  linkActive(): void {
    this.#options.events.linkActive();
  }

  dueEarlier(): void {
    this.linksDueMs = -1;
    this.linkActive();
  }

  /** A raft message came in over a link whose handshake passed. */
  receiveMessage(message: Message, incarnation: Incarnation): void {
    if (this.formation.isFormed) this.#options.events.messageReceived(message, incarnation);
  }

  /** A server names the digest of its contents. */
  receiveDigest(from: ServerId, notice: DigestNotice): void {
    if (this.formation.isFormed) this.#options.events.digestReceived(from, notice);
  }

  /** A server tells how it is. */
  receiveStatus(from: ServerId, status: StatusNotice): void {
    if (this.formation.isFormed) {
      this.statuses.receive(from, status, this.#options.clock.monotonicMs());
    }
  }

  /** And what it says of itself. */
  receiveFacts(from: ServerId, notice: FactsNotice): void {
    this.facts.receive(from, notice, this.#options.clock.monotonicMs());
  }

  sendDigest(to: ServerId, notice: DigestNotice): void {
    this.#byId.get(to)?.sendDigest(notice);
  }

  sendDigestToAll(notice: DigestNotice): void {
    for (const link of this.outbound) link.sendDigest(notice);
  }

  // What the parts of this file's folder ask.

  ownStatus(): StatusNotice | null {
    return this.formation.isFormed ? this.#options.events.ownStatus() : null;
  }

  /** With what this server says of itself, now and then: so that travels without waking anybody. */
  sendStatusToAll(status: StatusNotice, nowMs: number): void {
    for (const link of this.outbound) link.sendStatus(status);
    if (!this.facts.isDue(nowMs)) return;
    const notice = this.#options.events.ownFacts();
    if (notice === null || this.outbound.length === 0) return;
    const body = factsBytes(notice);
    for (const link of this.outbound) link.sendFacts(body);
  }

  saveFormation(record: FormationRecord): void {
    this.#options.directory.saveFormation(record);
  }

  warnOfFormation(message: string): void {
    const { host, serverId } = this.#options;
    host.log({ level: "error", message, fields: { serverId } });
  }

  /** A server tells how far its forming has come. */
  receiveNotice(from: ServerId, notice: FormationNotice): void {
    if (this.formation.isFormed) {
      if (notice.stage !== FormationStage.formed) {
        this.#byId.get(from)?.sendNotice(this.formation.notice());
      }
      return;
    }
    this.formation.hear(from, notice);
    if (!this.formation.isFormed) return;
    // Tell the others at once, then connect again: from now on under the cluster's id.
    for (const link of this.outbound) {
      link.sendNotice(this.formation.notice());
      link.connectAfresh("the cluster is formed");
    }
    for (const link of this.#inbound) link.reconnect("the cluster is formed");
    this.#options.host.log({
      level: "info",
      message: "Cluster formed",
      fields: { clusterId: this.formation.clusterId },
    });
    this.#options.events.formed();
  }

  peerUp(id: ServerId): void {
    this.statuses.linkUp();
    this.log.up(id);
  }

  peerDown(id: ServerId, reason: string): void {
    this.log.down(id, reason);
    this.#options.events.peerLost(id);
  }

  /** A peer has sent a good hello, in a version that it can be spoken to in. */
  heardVersion(from: ServerId, protocolVersion: number): void {
    this.#byId.get(from)?.heardVersion(protocolVersion);
  }

  /** True where a server speaks this version over a connection that it has made. */
  hears(from: ServerId, protocolVersion: number): boolean {
    for (const link of this.#inbound) if (link.speaks(from, protocolVersion)) return true;
    return false;
  }

  /** A handshake has passed: an older connection of the same server is dead, or will be. */
  handshakePassed(newer: AcceptedLink): void {
    for (const link of this.#inbound) link.replaceBy(newer);
  }

  inboundLost(from: ServerId): void {
    this.#options.events.peerLost(from);
  }

  inboundClosed(link: AcceptedLink): void {
    this.#inbound.delete(link);
  }
}
