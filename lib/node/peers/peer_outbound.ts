/**
 * The link over which messages leave to one other server, through as many connections as it takes.
 * While no handshake has passed, messages are dropped; while the connection is slower than what it is
 * given, the outbox fills up to its bound and then drops: Raft sends again what matters.
 */
import type { Message, ServerId } from "../../raft/types.ts";
import type { ByteWriter } from "../../util/bytes.ts";
import { CLUSTER_VERSION_MAX } from "../../kv/cluster_version.ts";
import {
  encodeFormation,
  encodeMessage,
  encodePing,
  encodeProbe,
  encodeProbeResponse,
  Feature,
  featureOfFrame,
  type FormationNotice,
  type Frame,
  FrameDecoder,
  FrameType,
  type Hello,
  NO_FEATURES,
  RefusalReason,
} from "../../wire/rpc/rpc.ts";
import { LinkOutput } from "./link_output.ts";
import { LinkWatch } from "./link_watch.ts";
import { OutboundHandshake } from "./outbound_handshake.ts";
import { type FrameTaker, type LinkOwner, takeFrames } from "./peer_link.ts";
import { type ProcessLink, startIdOf, type Twin, twinText } from "./peer_processes.ts";
import {
  neededBy,
  type PeerVersion,
  peerVersionOf,
  refusalMessage,
  versionRefusal,
} from "./peer_version.ts";
import type { LogEvent, OutboundLink, PeerAddress } from "../api.ts";
import { logPlaces } from "../members/addresses.ts";
import type { LinkTarget } from "../members/known_member.ts";

/** A welcome, a refusal and a pong are small; the other end sends nothing else. */
const ANSWER_BYTES_MAX = 4_096;

export class PeerOutbound implements OutboundLink, ProcessLink, FrameTaker {
  readonly peerId: ServerId;
  isOver = false;
  onActivity: (() => void) | null = null;
  closing: string | null = null;
  retriesAtOnce = false;
  /** Which cluster versions the peer can read, by its last handshake. */
  version: PeerVersion = peerVersionOf(NO_FEATURES);
  readonly #links: LinkOwner;
  readonly #outboxBytesMax: number;
  readonly #output = new LinkOutput();
  #decoder = new FrameDecoder(ANSWER_BYTES_MAX);
  readonly #handshake: OutboundHandshake;
  /** True once the handshake has passed. */
  isUp = false;
  #isConnected = false;
  /** The peer knows no such life of this server: it was refused, and not welcomed since. */
  isRefusedLife = false;
  /** True where nothing came back for too long: what waits to be written will never leave. */
  isLost = false;
  readonly #watch: LinkWatch;
  #lastProblem = "";
  /** This end wants another connection, and nothing is wrong with the present one. */
  #isPlannedEnd = false;
  #hasNews = false;

  target: LinkTarget;
  addresses: readonly PeerAddress[];

  constructor(target: LinkTarget, links: LinkOwner, outboxBytesMax: number) {
    this.peerId = target.id;
    this.target = target;
    this.addresses = logPlaces(target.places);
    this.#links = links;
    this.#handshake = new OutboundHandshake(links);
    this.#watch = new LinkWatch(links.pace);
    this.#outboxBytesMax = outboxBytesMax;
  }

  get address(): string {
    return this.#links.logAddressOf(this.peerId);
  }

  get pendingBytes(): number {
    return this.#output.pendingBytes;
  }

  /** True where the peer named a feature: its frames and fields may be sent. */
  supports(feature: Feature): boolean {
    return this.isUp && this.#handshake.welcome!.features.has(feature);
  }

  /**
   * The peer has sent a hello in some version. If it once refused that version, it is of a later build
   * now. An earlier version proves nothing: the peer may remember an earlier build of this server.
   */
  heardVersion(protocolVersion: number): void {
    if (protocolVersion <= this.#handshake.protocolVersion) return;
    this.#handshake.protocolVersion = protocolVersion;
    this.connectAfresh("the peer is of a later build now");
  }

  /** It is somewhere else by now, or another life is meant: nothing for the one reaches the other. */
  retarget(target: LinkTarget): void {
    this.target = target;
    this.addresses = logPlaces(target.places);
    const { incarnation } = target;
    const { welcome } = this.#handshake;
    if (welcome === null || incarnation === null || welcome.incarnation === incarnation) return;
    this.connectAfresh("its server was replaced by one with another data directory");
  }

  /** There is nothing to be said to that server any more. */
  finish(reason: string): void {
    this.isOver = true;
    this.connectAfresh(reason);
  }

  connected(peerNames?: readonly string[]): void {
    this.retriesAtOnce = false;
    this.#isPlannedEnd = false;
    this.#isConnected = true;
    this.isLost = false;
    const nowMs = this.#links.time.nowMs();
    this.#watch.begin(nowMs);
    this.closing = null;
    this.#output.restart(nowMs);
    this.#decoder = new FrameDecoder(ANSWER_BYTES_MAX);
    const refused = this.#handshake.begin(this.peerId, this.#output.writer, peerNames);
    this.#links.dueEarlier();
    if (refused !== null) return this.#refusedBy(refusalMessage(refused), refused.text);
    this.#said();
  }

  receive(bytes: Uint8Array): void {
    // Nothing after the frame that ended the connection is an answer to anything.
    if (this.closing !== null) return;
    const nowMs = this.#links.time.nowMs();
    this.#watch.heard(nowMs);
    const malformed = takeFrames(this.#decoder, bytes, this);
    if (malformed !== null) this.#refusedBy("A peer's answer makes no sense", malformed);
    if (this.isUp) this.#links.silence.heard(this.peerId, nowMs);
  }

  /** When there is something to do, in listening time. */
  nextDeadlineMs(): number {
    if (!this.#isConnected || this.isLost) return Infinity;
    return this.#watch.nextDeadlineMs(this.isUp);
  }

  /** Lets time pass: asks whether the connection still carries, and gives it up where nothing comes back. */
  elapse(nowMs: number): void {
    if (!this.#isConnected || this.isLost) return;
    if (this.#watch.isLost(nowMs)) {
      this.isLost = true;
      return this.reconnect(`nothing came back for ${this.#links.pace.silenceMaxMs} ms`);
    }
    this.#output.rest(nowMs);
    if (!this.isUp || !this.#watch.wantsPing(nowMs) || this.#isCrowded) return;
    encodePing(this.#output.writer);
    this.#hasNews = true;
  }

  disconnected(reason: string): void {
    this.#links.dueEarlier();
    const wasUp = this.isUp;
    this.isUp = false;
    this.#handshake.welcome = null;
    this.#links.processes.closed(this);
    this.#isConnected = false;
    this.closing = null;
    this.#output.clear();
    if (wasUp) {
      this.#lastProblem = "";
      this.#links.peerDown(this.peerId, reason);
    } else if (!this.retriesAtOnce && !this.#isPlannedEnd) {
      this.#problem("No connection to a peer", reason);
    }
  }

  get #isCrowded(): boolean {
    return this.#output.pendingBytes > this.#outboxBytesMax;
  }

  send(message: Message): void {
    // What comes after the reason for its end may be meant for whoever comes next.
    if (!this.isUp || this.closing !== null || this.#isCrowded) return;
    if (this.version.max < CLUSTER_VERSION_MAX) {
      // Its build may stop on it: then the connection ends instead, and its handshake says why.
      this.versionRaised(neededBy(message));
      if (this.closing !== null) return;
    }
    encodeMessage(this.#output.writer, message, this.#output);
    this.#watch.sent(this.#links.time.nowMs());
    if (this.#output.isBusy) this.#output.noteBusy(this.#links.time.nowMs());
    this.#hasNews = true;
  }

  secretExchanged(): void {
    const { welcome, isProofCurrent } = this.#handshake;
    if (welcome !== null && !isProofCurrent) this.connectAfresh("the secret was exchanged");
  }

  /** The cluster version is, or is about to be, `version`. */
  versionRaised(version: number): void {
    const refused = this.isUp ? versionRefusal(this.peerId, this.version, version) : null;
    if (refused !== null) this.#refusedBy(refusalMessage(refused), refused.text);
  }

  sendNotice(notice: FormationNotice): void {
    if (!this.isUp) return;
    encodeFormation(this.#output.writer, notice);
    this.#said();
  }

  /** Sends the frame that `encode` appends, where the peer named `feature` (null: it needs none). */
  sendOf(feature: Feature | null, encode: (out: ByteWriter) => void): void {
    if (!this.isUp || this.#isCrowded) return;
    if (feature !== null && !this.supports(feature)) return;
    encode(this.#output.writer);
    this.#watch.sent(this.#links.time.nowMs());
    this.#hasNews = true;
  }

  /** Ends the present connection once its output is out; the shell connects again. */
  reconnect(reason: string): void {
    if (!this.#isConnected) return;
    this.closing = reason;
    this.#said();
  }

  /** The same where nothing is wrong: the handshake has something else to say. */
  connectAfresh(reason: string): void {
    this.#isPlannedEnd = true;
    this.reconnect(reason);
  }

  takeOutput(): Uint8Array | null {
    return this.#output.take();
  }

  outputWritten(): void {
    this.#output.written();
    if (this.#output.pendingBytes > 0) this.onActivity?.();
  }

  #said(): void {
    this.#hasNews = true;
    this.wake();
  }

  wake(): void {
    if (!this.#hasNews) return;
    this.#hasNews = false;
    this.onActivity?.();
  }

  frameReceived(frame: Frame): void {
    if (frame.type !== "pong" || !this.isUp) this.#links.linkActive();
    const { welcome } = this.#handshake;
    if (welcome === null) {
      if (frame.type === "welcome") return this.#onWelcome(frame.hello);
    } else if (frame.type === "pong") {
      if (this.#handshake.isAwaitingEntry) this.#enter(welcome);
      return;
    }
    if (frame.type === "refusal") return this.#onRefusal(frame.reason, frame.text);
    const isProbe = frame.type === "probe" || frame.type === "probeResponse";
    const feature = isProbe ? featureOfFrame(FrameType[frame.type]) : null;
    if (!isProbe || feature === null || welcome?.features.has(feature) !== true) {
      return this.#refusedBy("A peer's answer makes no sense", `an unexpected ${frame.type} frame`);
    }
    if (frame.type === "probeResponse") this.#links.processes.answered(this, frame.number);
    else this.#answerProbe(frame.number);
  }

  #answerProbe(number: number): void {
    if (this.#isCrowded) return;
    encodeProbeResponse(this.#output.writer, number);
    this.#said();
  }

  #onWelcome(hello: Hello): void {
    const refused = this.#handshake.take(hello, this.target, this.#output.writer);
    if (refused !== null) return this.#refusedBy(refusalMessage(refused), refused.text);
    if (!this.#handshake.isAwaitingEntry) return this.#enter(hello);
    this.#said();
  }

  /** The other end has let this one in. */
  #enter({ features, incarnation }: Hello): void {
    this.#handshake.entered();
    this.version = peerVersionOf(features);
    this.#links.processes.present(this, this.peerId, startIdOf(features), incarnation);
  }

  // What PeerProcesses decides about this connection, see ProcessLink.

  admitted(): void {
    this.isUp = true;
    this.isRefusedLife = false;
    this.#links.dueEarlier();
    this.#lastProblem = "";
    this.#links.peerUp(this, this.#handshake.welcome!);
  }

  refusedFor(twin: Twin): void {
    this.#links.log.twins(this.peerId, twin, this.address);
    this.#isPlannedEnd = true;
    this.reconnect(twinText(this.peerId, twin));
  }

  probe(number: number): void {
    encodeProbe(this.#output.writer, number);
    this.#said();
  }

  givesWay(): void {
    this.isLost = true;
    this.reconnect("another process of its server has come, and this one does not answer");
  }

  #onRefusal(reason: number, text: string): void {
    const isBelieved = reason === RefusalReason.removed && this.#handshake.isTrusted;
    if (isBelieved) this.#links.toldRemoved(this.peerId);
    this.isRefusedLife = reason === RefusalReason.wrongIncarnation;
    const hears = this.#links.hears(this.peerId, this.#handshake.protocolVersion);
    if (this.isUp || !this.#handshake.fallsBack(reason, hears)) {
      const isTwin = reason === RefusalReason.secondProcess;
      return this.#refusedBy("A peer refuses this server", text, isTwin ? "error" : "warning");
    }
    this.retriesAtOnce = true;
    this.#links.log.isOlder(this.peerId, this.#handshake.protocolVersion, text);
    this.reconnect(text);
  }

  #refusedBy(message: string, reason: string, level: LogEvent["level"] = "warning"): void {
    this.#problem(message, reason, level);
    this.reconnect(reason);
  }

  #problem(message: string, reason: string, level: LogEvent["level"] = "warning"): void {
    if (reason === this.#lastProblem) return;
    this.#lastProblem = reason;
    this.#links.log.problem(this.peerId, message, reason, level);
  }
}
