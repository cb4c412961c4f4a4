/** One accepted connection from another server: a handshake, then its messages. */
import type { ServerId } from "../../raft/types.ts";
import { OutputBuffer } from "../../util/output_buffer.ts";
import {
  encodePong,
  encodeProbe,
  encodeProbeResponse,
  encodeRefusal,
  encodeWelcome,
  featureOfFrame,
  type Frame,
  FrameDecoder,
  FrameType,
  HANDSHAKE_BYTES_MAX,
  type Hello,
  PROTOCOL_VERSION_MIN,
  RefusalReason,
} from "../../wire/rpc/rpc.ts";
import { type AcceptedLink, type FrameTaker, type LinkOwner, takeFrames } from "./peer_link.ts";
import { type ProcessLink, startIdOf, type Twin, twinText } from "./peer_processes.ts";
import { peerVersionOf, versionRefusal } from "./peer_version.ts";
import type { InboundLink } from "../api.ts";

/** Without a handshake by then a connection is closed: strangers must not use up the connections. */
const HANDSHAKE_MAX_MS = 5_000;
/**
 * The end that made a connection gives it up after one silent period; the other end waits for several.
 * A connection that its maker gave up is replaced by the next one: this is for makers that died.
 */
const SILENT_PERIODS = 4;
/** A peer that asks without reading the answers gets no more of them. */
const ANSWER_BYTES_MAX = 4_096;

type FeatureFrame = Extract<Frame, { type: "status" | "facts" | "probe" | "probeResponse" }>;

export class PeerInbound implements InboundLink, ProcessLink, AcceptedLink, FrameTaker {
  onActivity: (() => void) | null = null;
  closing: string | null = null;
  readonly #remote: string;
  readonly #links: LinkOwner;
  readonly #output = new OutputBuffer();
  /** Until the handshake has passed, nothing larger than a hello is held for anybody. */
  #decoder = new FrameDecoder(HANDSHAKE_BYTES_MAX);
  /** The hello of the other end; null until it is found good. */
  #hello: Hello | null = null;
  /** Set once the handshake has passed. */
  #from: ServerId | null = null;
  #isLost = false;
  /** In listening time: when something came in last, and when it was answered last. */
  #heardMs: number;
  readonly #acceptedMs: number;
  #pongMs: number;

  constructor(remote: string, links: LinkOwner) {
    this.#remote = remote;
    this.#links = links;
    this.#acceptedMs = this.#heardMs = links.time.nowMs();
    this.#pongMs = links.time.clockMs();
  }

  get address(): string {
    return this.#remote;
  }

  get from(): ServerId | null {
    return this.#from;
  }

  get isKnown(): boolean {
    return this.#from !== null;
  }

  /** True where the handshake has passed with this server, in this version. */
  speaks(peer: ServerId, protocolVersion: number): boolean {
    return this.#from === peer && this.#hello!.protocolVersion === protocolVersion;
  }

  /** True where nothing came in for too long. */
  get isLost(): boolean {
    return this.#isLost;
  }

  receive(bytes: Uint8Array): void {
    if (this.closing !== null) return;
    this.#links.linkActive();
    const nowMs = this.#heardMs = this.#links.time.nowMs();
    // From the handshake on silence ends it, which is sooner.
    if (this.#from === null) this.#links.dueEarlier();
    const malformed = takeFrames(this.#decoder, bytes, this);
    if (malformed !== null) {
      this.#end(`a malformed frame from ${this.#remote}: ${malformed}`);
      if (this.#from !== null) this.#links.log.malformed(this.#from, malformed);
    }
    if (this.#from === null) return;
    this.#links.silence.heard(this.#from, nowMs);
    this.#answer();
  }

  disconnected(): void {
    this.onActivity = null;
    this.#links.dueEarlier();
    this.#links.processes.closed(this);
    this.#links.inboundClosed(this);
    this.#forget();
  }

  /** When there is something to do, in listening time. */
  nextDeadlineMs(): number {
    if (this.#isLost) return Infinity;
    if (this.#from === null) return this.#acceptedMs + HANDSHAKE_MAX_MS;
    return this.#heardMs + SILENT_PERIODS * this.#links.pace.silenceMaxMs;
  }

  /** Lets time pass: ends a connection that stays silent. */
  elapse(nowMs: number): void {
    if (this.#isLost) return;
    if (this.#from === null) {
      if (nowMs - this.#acceptedMs < HANDSHAKE_MAX_MS) return;
      return this.#lose(`no handshake within ${HANDSHAKE_MAX_MS} ms`);
    }
    const silenceMaxMs = SILENT_PERIODS * this.#links.pace.silenceMaxMs;
    if (nowMs - this.#heardMs >= silenceMaxMs) this.#lose(`nothing came in for ${silenceMaxMs} ms`);
  }

  /**
   * Whatever came in is answered, parts of a large frame too: a slow connection is not a lost one. At once
   * or with what comes next, which the other end sees to: nobody has to be woken for it.
   */
  #answer(): void {
    // By the clock: the other end waits while this process stands still.
    const clockMs = this.#links.time.clockMs();
    if (clockMs - this.#pongMs < this.#links.pace.pongPauseMs) return;
    if (this.closing !== null || this.#output.pendingBytes > 0) return;
    this.#pongMs = clockMs;
    encodePong(this.#output.writer);
    this.onActivity?.();
  }

  /** The same server has made a newer connection: it does not use this one any more. */
  replaceBy(newer: AcceptedLink): void {
    if (newer === this || newer.from === null || newer.from !== this.#from) return;
    this.#forget();
    this.#lose("its server has made a newer connection");
  }

  /** What the other end's process held may be gone with the connection: reported once. */
  #forget(): void {
    const from = this.#from;
    this.#from = null;
    if (from !== null) this.#links.inboundLost(from);
  }

  /** Ends this connection so that the other end makes a fresh handshake. */
  reconnect(reason: string): void {
    this.#end(reason);
  }

  versionRaised(version: number): void {
    if (this.#from === null) return;
    const refused = versionRefusal(this.#from, peerVersionOf(this.#hello!.features), version);
    if (refused !== null) this.#end(refused.text);
  }

  takeOutput(): Uint8Array | null {
    return this.#output.take();
  }

  outputWritten(): void {
    this.#output.written();
  }

  frameReceived(frame: Frame): void {
    if (this.#from === null) {
      if (frame.type === "hello" && this.#hello === null) this.#onHello(frame.hello);
      else if (frame.type === "otherVersion") this.#onOtherVersion(frame.protocolVersion);
      else this.#end(`a ${frame.type} frame before the handshake`);
      return;
    }
    switch (frame.type) {
      case "message":
        if (frame.message.from !== this.#from || frame.message.to !== this.#links.serverId) {
          this.#end(`a message under another server's name`);
          return;
        }
        this.#links.receiveMessage(frame.message, this.#hello!.incarnation);
        return;
      case "formation":
        this.#links.receiveNotice(this.#from, frame.notice);
        return;
      case "digest":
        this.#links.receiveDigest(this.#from, frame.notice);
        return;
      case "ping":
        return;
      case "status":
      case "facts":
      case "probe":
      case "probeResponse":
        this.#onFeatureFrame(frame, this.#from);
        return;
      default:
        this.#end(`a second ${frame.type} frame`);
    }
  }

  /** A frame that came after version 1: the other end must have named its feature. */
  #onFeatureFrame(frame: FeatureFrame, from: ServerId): void {
    const feature = featureOfFrame(FrameType[frame.type]);
    if (feature !== null && !this.#hello!.features.has(feature)) {
      return this.#end(`a ${frame.type} frame, and the handshake did not name ${feature}`);
    }
    switch (frame.type) {
      case "status":
        return this.#links.receiveStatus(from, frame.status);
      case "facts":
        return this.#links.receiveFacts(from, frame.notice);
      case "probeResponse":
        return this.#links.processes.answered(this, frame.number);
      case "probe":
        if (this.#output.pendingBytes > ANSWER_BYTES_MAX) return;
        encodeProbeResponse(this.#output.writer, frame.number);
        this.onActivity?.();
        return;
    }
  }

  #onHello(hello: Hello): void {
    if (hello.protocolVersion > this.#links.protocolVersionMax) {
      return this.#onOtherVersion(hello.protocolVersion);
    }
    const refused = this.#links.check(hello);
    if (refused !== null) {
      encodeRefusal(this.#output.writer, refused.reason, refused.text);
      if (refused.reason !== RefusalReason.wrongServer) {
        this.#links.log.refused(hello.from, refused);
      }
      this.#end(refused.text);
      return;
    }
    this.#hello = hello;
    this.#links.processes.present(
      this,
      hello.from,
      startIdOf(hello.features),
      hello.incarnation,
    );
  }

  // What PeerProcesses decides about this connection, see ProcessLink.

  admitted(): void {
    const { from, protocolVersion } = this.#hello!;
    this.#from = from;
    this.#links.handshakePassed(this);
    this.#decoder.setFrameBytesMax(this.#links.frameBytesMax);
    encodeWelcome(this.#output.writer, this.#links.hello(from, protocolVersion));
    this.onActivity?.();
    this.#links.heardVersion(from, protocolVersion);
  }

  refusedFor(twin: Twin): void {
    const { from } = this.#hello!;
    const text = twinText(from, twin);
    encodeRefusal(this.#output.writer, RefusalReason.secondProcess, text);
    this.#links.log.twins(from, twin, this.address);
    this.#end(text);
  }

  probe(number: number): void {
    encodeProbe(this.#output.writer, number);
    this.onActivity?.();
  }

  givesWay(): void {
    this.#forget();
    this.#lose("another process of its server has come, and this one does not answer");
  }

  #onOtherVersion(theirs: number): void {
    const { protocolVersionMax } = this.#links;
    const ours = protocolVersionMax === PROTOCOL_VERSION_MIN
      ? `protocol ${protocolVersionMax}`
      : `protocols ${PROTOCOL_VERSION_MIN} to ${protocolVersionMax}`;
    const text = `this server speaks ${ours}, not ${theirs}`;
    encodeRefusal(this.#output.writer, RefusalReason.otherVersion, text);
    this.#end(text);
  }

  #lose(reason: string): void {
    this.#isLost = true;
    this.#end(reason);
    this.onActivity?.();
  }

  #end(reason: string): void {
    if (this.closing !== null) return;
    this.closing = reason;
    this.#links.processes.closed(this);
    this.onActivity?.();
  }
}
