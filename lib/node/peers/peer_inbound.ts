/** One accepted connection from another server: a handshake, then its messages. */
import type { Incarnation, ServerId } from "../../raft/types.ts";
import type { ByteWriter } from "../../util/bytes.ts";
import { OutputBuffer } from "../../util/output_buffer.ts";
import {
  encodePong,
  encodeProbe,
  encodeProbeResponse,
  encodeRefusal,
  encodeWelcome,
  type Frame,
  FrameDecoder,
  HANDSHAKE_BYTES_MAX,
  type Hello,
  RefusalReason,
} from "../../wire/rpc/rpc.ts";
import { certificateRefusal } from "./certificate_check.ts";
import type { ForwardPipe, ForwardReceiver } from "./forward_pipe.ts";
import { passOn } from "./inbound_frames.ts";
import { InboundWatch } from "./inbound_watch.ts";
import { AcceptorProof, secretDoubted } from "./link_proof.ts";
import {
  type AcceptedLink,
  type FrameTaker,
  isForForwarding,
  type LinkOwner,
  takeFrames,
} from "./peer_link.ts";
import { type ProcessLink, startIdOf, type Twin, twinText } from "./peer_processes.ts";
import { otherVersionText, peerVersionOf, unnamedFeature, versionRefusal } from "./peer_version.ts";
import type { Refused } from "./refused.ts";
import type { InboundLink } from "../api.ts";

/** A peer that asks without reading the answers gets no more of them. */
const ANSWER_BYTES_MAX = 4_096;

export class PeerInbound
  implements InboundLink, ProcessLink, AcceptedLink, FrameTaker, ForwardPipe {
  onActivity: (() => void) | null = null;
  closing: string | null = null;
  readonly #remote: string;
  /** Of the certificate at the other end; undefined without TLS. */
  readonly #peerNames: readonly string[] | undefined;
  readonly #links: LinkOwner;
  readonly #output = new OutputBuffer();
  /** Until the handshake has passed, nothing larger than a hello is held for anybody. */
  #decoder = new FrameDecoder(HANDSHAKE_BYTES_MAX);
  /** The hello of the other end; null until it is found good. */
  #hello: Hello | null = null;
  readonly #proof: AcceptorProof;
  /** Set once the handshake has passed. */
  #from: ServerId | null = null;
  /** Not null on a connection for forwarded commands, which is no link for messages. */
  #forwarded: ForwardReceiver | null = null;
  #isLost = false;
  readonly #watch: InboundWatch;

  constructor(remote: string, links: LinkOwner, peerNames?: readonly string[]) {
    this.#remote = remote;
    this.#peerNames = peerNames;
    this.#links = links;
    this.#proof = new AcceptorProof(links.secret);
    const { pace, time } = links;
    this.#watch = new InboundWatch(pace, time.nowMs(), time.clockMs());
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

  isFrom(peer: ServerId, incarnation: Incarnation): boolean {
    return this.#isLinkOf(peer) && this.#hello!.incarnation === incarnation;
  }

  /** True where the handshake has passed with this server, in this version. */
  speaks(peer: ServerId, protocolVersion: number): boolean {
    return this.#isLinkOf(peer) && this.#hello!.protocolVersion === protocolVersion;
  }

  #isLinkOf(peer: ServerId): boolean {
    return this.#from === peer && this.#forwarded === null;
  }

  /** True where nothing came in for too long. */
  get isLost(): boolean {
    return this.#isLost;
  }

  receive(bytes: Uint8Array): void {
    if (this.closing !== null) return;
    this.#links.input.inputBegins();
    const nowMs = this.#links.time.nowMs();
    this.#watch.heard(nowMs);
    // From the handshake on silence ends it, which is sooner.
    if (this.#from === null) this.#links.dueEarlier();
    const malformed = takeFrames(this.#decoder, bytes, this);
    if (malformed !== null) {
      this.#end(`a malformed frame from ${this.#remote}: ${malformed}`);
      if (this.#from !== null) this.#links.log.malformed(this.#from, malformed);
    }
    if (this.#from !== null) {
      this.#links.silence.heard(this.#from, nowMs);
      this.#answer();
    }
    this.#links.input.inputEnds();
  }

  disconnected(): void {
    this.onActivity = null;
    this.#links.dueEarlier();
    this.#links.processes.closed(this);
    this.#links.inboundClosed(this);
    this.#forwarded?.closed();
    this.#forget();
  }

  /** When there is something to do, in listening time. */
  nextDeadlineMs(): number {
    return this.#isLost ? Infinity : this.#watch.nextDeadlineMs(this.isKnown);
  }

  /** Lets time pass: ends a connection that stays silent. */
  elapse(nowMs: number): void {
    const reason = this.#isLost ? null : this.#watch.lostReason(this.isKnown, nowMs);
    if (reason !== null) this.#lose(reason);
  }

  /**
   * Whatever came in is answered, parts of a large frame too: a slow connection is not a lost one. At once
   * or with what comes next, which the other end sees to: nobody has to be woken for it.
   */
  #answer(): void {
    if (this.closing !== null || this.#output.pendingBytes > 0) return;
    if (!this.#watch.mayAnswer(this.#links.time.clockMs())) return;
    encodePong(this.#output.writer);
    this.onActivity?.();
  }

  /** The same server has made a newer connection: it does not use this one any more. */
  replaceBy(newer: AcceptedLink): void {
    const from = this.#from;
    if (newer === this || from === null || !newer.isFrom(from, this.#hello!.incarnation)) return;
    this.#forget();
    this.#lose("its server has made a newer connection");
  }

  /** What the other end's process held may be gone with the connection: reported once. */
  #forget(): void {
    const from = this.#from;
    this.#from = null;
    if (from === null || this.#forwarded !== null) return;
    this.#links.inboundLost(from, this.#hello!.incarnation);
  }

  reconsider(): void {
    const refused = this.#from === null ? null : this.#links.check(this.#hello!);
    if (refused !== null) this.#refuse(refused);
  }

  /** Ends this connection so that the other end makes a fresh handshake. */
  reconnect(reason: string): void {
    this.#end(reason);
  }

  secretExchanged(): void {
    // A proof that is still to come is judged when it does.
    if (this.#hello === null || this.#proof.isAwaited || this.#proof.isCurrent) return;
    this.#end("the secret was exchanged");
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
    this.#forwarded?.outputWritten();
  }

  get writer(): ByteWriter {
    return this.#output.writer;
  }

  get pendingBytes(): number {
    return this.#output.pendingBytes;
  }

  said(): void {
    this.onActivity?.();
  }

  frameReceived(frame: Frame): void {
    if (frame.type !== "ping" && frame.type !== "message") this.#links.linkActive();
    if (this.#from === null) {
      if (frame.type === "hello" && this.#hello === null) this.#onHello(frame.hello);
      else if (frame.type === "proof" && this.#proof.isAwaited) this.#onProof(frame.mac);
      else if (frame.type === "refusal") this.#onRefusal(frame.reason);
      else if (frame.type === "otherVersion") this.#onOtherVersion(frame.protocolVersion);
      else this.#end(`a ${frame.type} frame before the handshake`);
      return;
    }
    const unnamed = unnamedFeature(frame, this.#hello!.features);
    if (unnamed !== null) return this.#end(unnamed);
    switch (frame.type) {
      case "ping":
        return;
      case "refusal":
        return this.#onRefusal(frame.reason);
      case "probeResponse":
        return this.#links.processes.answered(this, frame.number);
      case "probe":
        if (this.#output.pendingBytes > ANSWER_BYTES_MAX) return;
        encodeProbeResponse(this.#output.writer, frame.number);
        this.onActivity?.();
        return;
    }
    const wrong = this.#forwarded !== null
      ? this.#forwarded.frameReceived(frame)
      : passOn(frame, this.#hello!, this.#links);
    if (wrong !== null) this.#end(wrong);
  }

  #onHello(hello: Hello): void {
    if (hello.protocolVersion > this.#links.protocolVersionMax) {
      return this.#onOtherVersion(hello.protocolVersion);
    }
    const stranger = certificateRefusal(hello.from, this.#peerNames) ?? this.#proof.refusal(hello);
    if (stranger !== null) return this.#refuseAloud(hello.from, stranger);
    const challenge = this.#proof.challenge(hello, () => this.#answerTo(hello));
    if (challenge === null) return this.#judge(hello);
    this.#hello = hello;
    encodeWelcome(this.#output.writer, challenge);
    this.onActivity?.();
  }

  #answerTo({ from, protocolVersion, incarnation }: Hello): Hello {
    return this.#links.hello(from, protocolVersion, incarnation);
  }

  #onProof(mac: Uint8Array): void {
    const hello = this.#hello!;
    const refused = this.#proof.take(hello, mac);
    if (refused === null) this.#judge(hello);
    else this.#refuseAloud(hello.from, refused);
  }

  /** Nothing stands against believing what this hello says. */
  #judge(hello: Hello): void {
    const { from, incarnation, features } = hello;
    const refused = this.#links.check(hello);
    if (refused !== null) return this.#refuseAloud(from, refused);
    this.#hello = hello;
    this.#links.processes.present(this, from, startIdOf(features), incarnation);
  }

  #refuseAloud(from: ServerId, refused: Refused): void {
    if (refused.reason !== RefusalReason.wrongServer) this.#links.log.refused(from, refused);
    this.#refuse(refused);
  }

  /** Whoever connected refuses this end: it has not said what it claims to know. */
  #onRefusal(reason: number): void {
    if (this.#hello !== null && reason === RefusalReason.secret) {
      const { from } = this.#hello;
      this.#links.log.doubted(from, secretDoubted(from, this.#proof.isAwaited));
    }
    this.#end(`it is refused by whoever connected, with reason ${reason}`);
  }

  #refuse({ reason, text }: Refused): void {
    if (this.closing !== null) return;
    encodeRefusal(this.#output.writer, reason, text);
    this.#end(text);
  }

  // What PeerProcesses decides about this connection, see ProcessLink.

  admitted(): void {
    const { from, protocolVersion } = this.#hello!;
    this.#from = from;
    if (isForForwarding(this.#hello!)) {
      this.#forwarded = this.#links.acceptForwarded(from, this);
    } else this.#links.handshakePassed(this, this.#hello!);
    this.#decoder.setFrameBytesMax(this.#links.frameBytesMax);
    const { writer } = this.#output;
    // Who was asked for a proof has the welcome; a pong is the word that it was good.
    if (this.#proof.wasAsked) encodePong(writer);
    else encodeWelcome(writer, this.#answerTo(this.#hello!));
    this.onActivity?.();
    if (this.#forwarded === null) this.#links.heardVersion(from, protocolVersion);
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
    const text = otherVersionText(theirs, this.#links.protocolVersionMax);
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
    this.#forwarded?.closed();
    this.#links.processes.closed(this);
    this.onActivity?.();
  }
}
