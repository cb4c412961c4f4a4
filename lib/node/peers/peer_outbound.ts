/**
 * The link over which messages leave to one other server, through as many connections as it takes.
 * While no handshake has passed, messages are dropped; while the connection is slower than what it is
 * given, the outbox fills up to its bound and then drops: Raft sends again what matters.
 */
import type { Message, ServerId } from "../../raft/types.ts";
import { CLUSTER_VERSION_MAX } from "../../kv/cluster_version.ts";
import {
  type DigestNotice,
  encodeDigest,
  encodeFacts,
  encodeFormation,
  encodeHello,
  encodeMessage,
  encodePing,
  encodeProbe,
  encodeProbeResponse,
  encodeStatus,
  Feature,
  featureOfFrame,
  type FormationNotice,
  type Frame,
  FrameDecoder,
  FrameType,
  type Hello,
  NO_FEATURES,
  PROTOCOL_VERSION_MIN,
  RefusalReason,
  type StatusNotice,
} from "../../wire/rpc/rpc.ts";
import { LinkOutput } from "./link_output.ts";
import { type FrameTaker, type LinkOwner, takeFrames } from "./peer_link.ts";
import { type ProcessLink, startIdOf, type Twin, twinText } from "./peer_processes.ts";
import {
  neededBy,
  type PeerVersion,
  peerVersionOf,
  refusalMessage,
  versionRefusal,
} from "./peer_version.ts";
import type { LogEvent, OutboundLink } from "../api.ts";

/** A welcome, a refusal and a pong are small; the other end sends nothing else. */
const ANSWER_BYTES_MAX = 4_096;

export class PeerOutbound implements OutboundLink, ProcessLink, FrameTaker {
  readonly peerId: ServerId;
  onActivity: (() => void) | null = null;
  closing: string | null = null;
  retriesAtOnce = false;
  /** Which cluster versions the peer can read, by its last handshake. */
  version: PeerVersion = peerVersionOf(NO_FEATURES);
  readonly #links: LinkOwner;
  readonly #outboxBytesMax: number;
  readonly #output = new LinkOutput();
  #decoder = new FrameDecoder(ANSWER_BYTES_MAX);
  /** The version of the next hello: the latest, until the peer refuses it. */
  #protocolVersion: number;
  /** The welcome of the other end; null until it is found good. */
  #welcome: Hello | null = null;
  /** True once the handshake has passed. */
  isUp = false;
  #isConnected = false;
  /** True where nothing came back for too long: what waits to be written will never leave. */
  isLost = false;
  /** In listening time: when something came back last, and when something was last asked for. */
  #heardMs = 0;
  #pingMs = 0;
  #lastProblem = "";
  /** This end wants another connection, and nothing is wrong with the present one. */
  #isPlannedEnd = false;
  #hasNews = false;
  /** Something was sent since the last ping, or since one was due. */
  #hasSent = false;

  constructor(peerId: ServerId, links: LinkOwner, outboxBytesMax: number) {
    this.peerId = peerId;
    this.#links = links;
    this.#outboxBytesMax = outboxBytesMax;
    this.#protocolVersion = links.protocolVersionMax;
  }

  get address(): string {
    return this.#links.logAddressOf(this.peerId);
  }

  /** What waits to be written. */
  get pendingBytes(): number {
    return this.#output.pendingBytes;
  }

  /** True where the peer named a feature: its frames and fields may be sent. */
  supports(feature: Feature): boolean {
    return this.isUp && this.#welcome!.features.has(feature);
  }

  /**
   * The peer has sent a hello in some version. If it once refused that version, it is of a later build
   * now. An earlier version proves nothing: the peer may remember an earlier build of this server.
   */
  heardVersion(protocolVersion: number): void {
    if (protocolVersion <= this.#protocolVersion) return;
    this.#protocolVersion = protocolVersion;
    this.connectAfresh("the peer is of a later build now");
  }

  connected(): void {
    this.retriesAtOnce = false;
    this.#isPlannedEnd = false;
    this.#isConnected = true;
    this.isLost = false;
    this.#heardMs = this.#pingMs = this.#links.time.nowMs();
    this.closing = null;
    this.#output.restart(this.#heardMs);
    this.#decoder = new FrameDecoder(ANSWER_BYTES_MAX);
    encodeHello(this.#output.writer, this.#links.hello(this.peerId, this.#protocolVersion));
    this.#links.dueEarlier();
    this.#hasNews = true;
    this.wake();
  }

  receive(bytes: Uint8Array): void {
    // Nothing after the frame that ended the connection is an answer to anything.
    if (this.closing !== null) return;
    this.#links.linkActive();
    const nowMs = this.#heardMs = this.#links.time.nowMs();
    const malformed = takeFrames(this.#decoder, bytes, this);
    if (malformed !== null) this.#refusedBy("A peer's answer makes no sense", malformed);
    if (this.isUp) this.#links.silence.heard(this.peerId, nowMs);
  }

  /** When there is something to do, in listening time. */
  nextDeadlineMs(): number {
    if (!this.#isConnected || this.isLost) return Infinity;
    const { silenceMaxMs, pingIntervalMs } = this.#links.pace;
    const lostMs = this.#heardMs + silenceMaxMs;
    return this.isUp ? Math.min(lostMs, this.#pingMs + pingIntervalMs) : lostMs;
  }

  /**
   * Lets time pass. A network that silently drops packets leaves a connection that looks alive until TCP
   * gives up, minutes later, and that recovers late once the network works again: TCP waits longer and
   * longer between its tries. So whatever is written has to be answered; otherwise the connection is
   * given up and made again.
   */
  elapse(nowMs: number): void {
    if (!this.#isConnected || this.isLost) return;
    const { silenceMaxMs, pingIntervalMs } = this.#links.pace;
    if (nowMs - this.#heardMs >= silenceMaxMs) {
      this.isLost = true;
      return this.reconnect(`nothing came back for ${silenceMaxMs} ms`);
    }
    this.#output.rest(nowMs);
    if (!this.isUp || nowMs - this.#pingMs < pingIntervalMs) return;
    this.#pingMs = nowMs;
    // Whatever was sent since asks as well as a ping does.
    if (!this.#hasSent && !this.#isCrowded) {
      encodePing(this.#output.writer);
      this.#hasNews = true;
    }
    this.#hasSent = false;
  }

  disconnected(reason: string): void {
    this.#links.dueEarlier();
    const wasUp = this.isUp;
    this.isUp = false;
    this.#welcome = null;
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
    if (!this.isUp || this.#isCrowded) return;
    if (this.version.max < CLUSTER_VERSION_MAX) {
      // Its build may stop on it: then the connection ends instead, and its handshake says why.
      if (this.closing === null) this.versionRaised(neededBy(message));
      if (this.closing !== null) return;
    }
    encodeMessage(this.#output.writer, message);
    this.#hasSent = true;
    if (this.#output.isBusy) this.#output.noteBusy(this.#links.time.nowMs());
    this.#hasNews = true;
  }

  /** The cluster version is, or is about to be, `version`. */
  versionRaised(version: number): void {
    const refused = this.isUp ? versionRefusal(this.peerId, this.version, version) : null;
    if (refused !== null) this.#refusedBy(refusalMessage(refused), refused.text);
  }

  sendNotice(notice: FormationNotice): void {
    if (!this.isUp) return;
    encodeFormation(this.#output.writer, notice);
    this.#hasNews = true;
    this.wake();
  }

  sendDigest(notice: DigestNotice): void {
    if (!this.isUp || this.#isCrowded) return;
    encodeDigest(this.#output.writer, notice);
    this.#hasNews = true;
  }

  sendStatus(status: StatusNotice): void {
    if (!this.supports(Feature.status) || this.#isCrowded) return;
    encodeStatus(this.#output.writer, status);
    this.#hasSent = true;
    this.#hasNews = true;
  }

  /** `body`: of `factsBytes`. */
  sendFacts(body: Uint8Array): void {
    if (!this.supports(Feature.facts) || this.#isCrowded) return;
    encodeFacts(this.#output.writer, body);
    this.#hasNews = true;
  }

  /** Ends the present connection once its output is out; the shell connects again. */
  reconnect(reason: string): void {
    if (!this.#isConnected) return;
    this.closing = reason;
    this.#hasNews = true;
    this.wake();
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

  wake(): void {
    if (!this.#hasNews) return;
    this.#hasNews = false;
    this.onActivity?.();
  }

  frameReceived(frame: Frame): void {
    if (this.#welcome === null) {
      if (frame.type === "welcome") return this.#onWelcome(frame.hello);
    } else if (frame.type === "pong") return;
    if (frame.type === "refusal") return this.#onRefusal(frame.reason, frame.text);
    const isProbe = frame.type === "probe" || frame.type === "probeResponse";
    const feature = isProbe ? featureOfFrame(FrameType[frame.type]) : null;
    if (!isProbe || feature === null || this.#welcome?.features.has(feature) !== true) {
      return this.#refusedBy("A peer's answer makes no sense", `an unexpected ${frame.type} frame`);
    }
    if (frame.type === "probeResponse") this.#links.processes.answered(this, frame.number);
    else this.#answerProbe(frame.number);
  }

  #answerProbe(number: number): void {
    if (this.#isCrowded) return;
    encodeProbeResponse(this.#output.writer, number);
    this.#hasNews = true;
    this.wake();
  }

  #onWelcome(hello: Hello): void {
    if (hello.protocolVersion !== this.#protocolVersion) {
      const reason = `a welcome in protocol ${hello.protocolVersion} to a hello in another`;
      return this.#refusedBy("A peer's answer makes no sense", reason);
    }
    const refused = this.#links.check(hello);
    if (refused !== null) return this.#refusedBy(refusalMessage(refused), refused.text);
    this.#welcome = hello;
    this.version = peerVersionOf(hello.features);
    this.#links.processes.present(
      this,
      this.peerId,
      startIdOf(hello.features),
      hello.incarnation,
    );
  }

  // What PeerProcesses decides about this connection, see ProcessLink.

  admitted(): void {
    this.isUp = true;
    this.#links.dueEarlier();
    this.#lastProblem = "";
    this.#links.peerUp(this.peerId);
  }

  refusedFor(twin: Twin): void {
    this.#links.log.twins(this.peerId, twin, this.address);
    this.#isPlannedEnd = true;
    this.reconnect(twinText(this.peerId, twin));
  }

  probe(number: number): void {
    encodeProbe(this.#output.writer, number);
    this.#hasNews = true;
    this.wake();
  }

  givesWay(): void {
    this.isLost = true;
    this.reconnect("another process of its server has come, and this one does not answer");
  }

  #onRefusal(reason: number, text: string): void {
    // A peer that speaks this version to this server now knows it: somebody else answers here.
    const mayBeOlder = reason === RefusalReason.otherVersion && !this.isUp &&
      !this.#links.hears(this.peerId, this.#protocolVersion);
    if (!mayBeOlder || this.#protocolVersion === PROTOCOL_VERSION_MIN) {
      const isTwin = reason === RefusalReason.secondProcess;
      return this.#refusedBy("A peer refuses this server", text, isTwin ? "error" : "warning");
    }
    this.#protocolVersion = PROTOCOL_VERSION_MIN;
    this.retriesAtOnce = true;
    this.#links.log.isOlder(this.peerId, this.#protocolVersion, text);
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
