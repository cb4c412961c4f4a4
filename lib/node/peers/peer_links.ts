/**
 * This server's links to the others: who may talk to whom, before and after the cluster is formed.
 * A link is one-way: messages leave over `outbound`, which this server connects, and come in over
 * inbound links, which the others connect. Frames are whole or the connection ends.
 */
import type { Incarnation, Message, ServerId } from "../../raft/types.ts";
import { type FormationRecord, UNFORMED } from "../../storage/types.ts";
import {
  type AddressNotice,
  type DigestNotice,
  encodeDigest,
  encodeFacts,
  encodeStatus,
  factsBytes,
  type FactsNotice,
  Feature,
  type FormationNotice,
  type Hello,
  PROTOCOL_VERSION,
  type StatusNotice,
} from "../../wire/rpc/rpc.ts";
import { claimOf } from "../members/claim.ts";
import type { KnownMembers } from "../members/known_members.ts";
import type { ClusterSecret } from "./cluster_secret.ts";
import { OwnHello } from "./own_hello.ts";
import { checkHello } from "./hello_check.ts";
import { PeerFacts } from "./peer_facts.ts";
import { Formation, type FormationOwner, FormationStage } from "./formation.ts";
import { FormingPace } from "./forming_pace.ts";
import { PeerInbound } from "./peer_inbound.ts";
import { type LinkPace, linkPace } from "./link_pace.ts";
import type { AcceptedLink, LinkOwner, WelcomedLink } from "./peer_link.ts";
import type { Refused } from "./refused.ts";
import { OutboundLinks } from "./outbound_links.ts";
import type { PeerOutbound } from "./peer_outbound.ts";
import { ListeningTime } from "./listening_time.ts";
import { PeerLog } from "./peer_log.ts";
import { PeerProcesses } from "./peer_processes.ts";
import { PeerSilence } from "./peer_silence.ts";
import { PeerStatuses, type StatusLinks } from "./peer_status.ts";
import type { PeerVersion } from "./peer_version.ts";
import { ToldAddresses } from "./told_addresses.ts";
import type { InboundLink } from "../api.ts";
import type { InputMoment, PeerLinksOptions } from "./peer_events.ts";

/** The longest step while a process is asked whether it answers: what it said may not be read yet. */
const PROCESSES_STEP_MAX_MS = 50;

export class PeerLinks implements LinkOwner, StatusLinks, FormationOwner {
  readonly formation: Formation;
  readonly members: KnownMembers;
  readonly pace: LinkPace;
  readonly protocolVersionMax: number;
  readonly statuses: PeerStatuses;
  readonly facts: PeerFacts;
  readonly time: ListeningTime;
  readonly input: InputMoment;
  readonly silence: PeerSilence;
  readonly processes = new PeerProcesses(() => this.formation.isFormed);
  readonly log: PeerLog;
  readonly ownVersion: PeerVersion;
  readonly secret: ClusterSecret | null;
  readonly receivePublish: PeerLinksOptions["published"];
  readonly acceptForwarded: LinkOwner["acceptForwarded"];
  readonly #hello: OwnHello;
  readonly #options: PeerLinksOptions;
  readonly #addresses: ToldAddresses;
  readonly byServer: OutboundLinks;
  readonly #inbound = new Set<AcceptedLink>();
  /** No link has anything to do before; or -1: they have to be asked. In listening time. */
  linksDueMs = -1;
  /** When time was last told to pass; -1 before that. */
  #elapsedMs = -1;
  readonly #formingPace = new FormingPace();

  constructor(options: PeerLinksOptions) {
    this.#options = options;
    this.receivePublish = options.published;
    const { directory, host, electionTimeoutMs } = options;
    const members = this.members = options.members;
    this.pace = linkPace(electionTimeoutMs);
    this.ownVersion = options.version;
    this.secret = options.secret ?? null;
    this.acceptForwarded = (from, pipe) => options.events.acceptForwarded(from, pipe);
    this.#addresses = new ToldAddresses(members, () => this.outbound);
    this.input = options.clock;
    this.time = new ListeningTime(options.clock, this.pace.stepMaxMs);
    this.log = new PeerLog(host, members, options.clock);
    this.#hello = new OwnHello(options);
    this.protocolVersionMax = options.protocolVersionMax ?? PROTOCOL_VERSION;
    this.statuses = new PeerStatuses(electionTimeoutMs, options.clock, this);
    this.facts = new PeerFacts(electionTimeoutMs);
    this.formation = new Formation(
      directory.identity,
      directory.formation,
      members.all.map(({ id }) => id),
      this,
      options.joins ?? null,
    );
    this.silence = new PeerSilence(this.time);
    this.byServer = new OutboundLinks(this, options.outboxBytesMax, [this.statuses, this.facts]);
    this.formation.advance();
    this.byServer.sync(members.linked);
    members.watch(() => this.#membersChanged());
  }

  /** One to each server that this one is to be in touch with; another list whenever they change. */
  get outbound(): readonly PeerOutbound[] {
    return this.byServer.all;
  }

  #membersChanged(): void {
    this.byServer.sync(this.members.linked);
    for (const link of this.#inbound) link.reconsider();
    this.dueEarlier();
  }

  /** The cluster version is `version` now: whoever can't read it is refused from here on. */
  versionRaised(version: number): void {
    for (const link of this.outbound) link.versionRaised(version);
    for (const link of this.#inbound) link.versionRaised(version);
  }

  /** The secret was exchanged: what was proven by one that counts no more, or by none, ends. */
  secretExchanged(): void {
    for (const link of this.outbound) link.secretExchanged();
    for (const link of this.#inbound) link.secretExchanged();
    this.#options.events.secretExchanged();
  }

  get serverId(): ServerId {
    return this.#options.serverId;
  }
  logAddressOf(id: ServerId): string {
    return this.members.logAddressOf(id);
  }
  get frameBytesMax(): number {
    return this.#options.frameBytesMax;
  }

  openInbound(remote: string, peerNames?: readonly string[]): InboundLink {
    const link = new PeerInbound(remote, this, peerNames);
    this.#inbound.add(link);
    this.dueEarlier();
    return link;
  }

  /** Sends a message where its link is up; drops it otherwise: Raft sends again what matters. */
  send(message: Message): void {
    this.byServer.of(message.to)?.send(message);
    this.statuses.sendEarly();
  }

  /** Wakes the shells of links with something to write. */
  wake(): void {
    for (const link of this.outbound) link.wake();
  }

  /** When `elapse` has something to do, by the monotonic clock. */
  nextDeadlineMs(isWoken = false): number {
    // Asked after each turn. What comes in and leaves moves these times on: that is asked when woken.
    if (isWoken || this.linksDueMs < 0) this.linksDueMs = this.nextLinkMs();
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

  hello(to: ServerId, protocolVersion: number, asking: Incarnation | null = null): Hello {
    return this.#hello.to(to, protocolVersion, this.formation.clusterId, asking);
  }

  check(hello: Hello): Refused | null {
    const { members, events, directory: { identity: { incarnation } } } = this.#options;
    const clusterVersion = events.neededVersion();
    return checkHello(hello, { incarnation, members, formation: this.formation, clusterVersion });
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

  receiveAddresses(from: ServerId, incarnation: Incarnation, notice: AddressNotice): string | null {
    return this.#addresses.receive(from, incarnation, notice);
  }

  toldRemoved(by: ServerId): void {
    if (this.formation.isFormed) this.#options.events.toldRemoved(by);
  }

  /** A server names the digest of its contents. */
  receiveDigest(from: ServerId, notice: DigestNotice): void {
    if (this.formation.isFormed) this.#options.events.digestReceived(from, notice);
  }

  /** A server tells how it is: kept where a link is made to it, and forgotten with that. */
  receiveStatus(from: ServerId, status: StatusNotice): void {
    if (!this.formation.isFormed || this.byServer.of(from) === null) return;
    this.statuses.receive(from, status, this.#options.clock.monotonicMs());
  }

  /** And what it says of itself. */
  receiveFacts(from: ServerId, notice: FactsNotice): void {
    if (this.byServer.of(from) === null) return;
    this.facts.receive(from, notice, this.#options.clock.monotonicMs());
  }

  sendDigest(to: ServerId, notice: DigestNotice): void {
    this.byServer.of(to)?.sendOf(null, (out) => encodeDigest(out, notice));
  }

  sendDigestToAll(notice: DigestNotice): void {
    for (const link of this.outbound) link.sendOf(null, (out) => encodeDigest(out, notice));
  }

  // What the parts of this file's folder ask.

  ownStatus(): StatusNotice | null {
    return this.formation.isFormed ? this.#options.events.ownStatus() : null;
  }

  /** With what this server says of itself, now and then: so that travels without waking anybody. */
  sendStatusToAll(status: StatusNotice, nowMs: number): void {
    for (const link of this.outbound) {
      link.sendOf(Feature.status, (out) => encodeStatus(out, status));
    }
    if (!this.facts.isDue(nowMs)) return;
    const notice = this.#options.events.ownFacts();
    if (notice === null || this.outbound.length === 0) return;
    const body = factsBytes(notice);
    for (const link of this.outbound) link.sendOf(Feature.facts, (out) => encodeFacts(out, body));
  }

  saveFormation(record: FormationRecord): void {
    this.#options.directory.saveFormation(record);
    this.members.recorded(record);
  }

  warnOfFormation(message: string): void {
    const { host, serverId } = this.#options;
    host.log({ level: "error", message, fields: { serverId } });
  }

  /** A server tells how far its forming has come. */
  receiveNotice(from: ServerId, notice: FormationNotice): void {
    if (this.formation.isFormed) {
      if (notice.stage === FormationStage.formed) return;
      // The founders' lives are no business of whoever claims to be one that is not known here.
      if (this.members.of(from)?.incarnation !== notice.incarnation) return;
      return this.byServer.of(from)?.sendNotice(this.formation.notice());
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
      message: this.formation.joins === null ? "Cluster formed" : "Joined the cluster",
      fields: { clusterId: this.formation.clusterId },
    });
    this.#options.events.formed();
  }

  peerUp(link: WelcomedLink, { clusterId }: Hello): void {
    this.#addresses.tellAll(link);
    // It is to be added, and waits to be told who founded the cluster.
    if (this.formation.isFormed && clusterId === UNFORMED) link.sendNotice(this.formation.notice());
    this.statuses.linkUp();
    this.log.up(link.peerId);
  }

  peerDown(id: ServerId, reason: string): void {
    this.log.down(id, reason);
    this.#options.events.peerLost(id);
  }

  /** A peer has sent a good hello, in a version that it can be spoken to in. */
  heardVersion(from: ServerId, protocolVersion: number): void {
    this.byServer.of(from)?.heardVersion(protocolVersion);
  }

  /** True where a server speaks this version over a connection that it has made. */
  hears(from: ServerId, protocolVersion: number): boolean {
    for (const link of this.#inbound) if (link.speaks(from, protocolVersion)) return true;
    return false;
  }

  /** A handshake has passed: an older connection of the same server is dead, or will be. */
  handshakePassed(newer: AcceptedLink, { from, incarnation, features }: Hello): void {
    for (const link of this.#inbound) link.replaceBy(newer);
    this.members.welcomed(from, incarnation, claimOf(features));
  }

  inboundLost(from: ServerId, incarnation: Incarnation): void {
    const isThere = [...this.#inbound].some((link) => link.isFrom(from, incarnation));
    if (!isThere) this.members.left(from, incarnation);
    this.#options.events.peerLost(from);
  }

  inboundClosed(link: AcceptedLink): void {
    this.#inbound.delete(link);
  }
}
