/**
 * The connection over which this server sends its clients' commands to the one that leads: made to the other
 * end's log port, with the handshake of any connection between servers, and never the one of heartbeats. It
 * is for one leadership: the next leader has another one.
 */
import type { ServerId } from "../../raft/types.ts";
import {
  encodeForward,
  encodeForwardEnd,
  encodeForwardTaken,
  encodePing,
  encodeProbeResponse,
  Feature,
  type Frame,
  FrameDecoder,
  type Hello,
  ProtocolError,
} from "../../wire/rpc/rpc.ts";
import { encodeForwarded, type ForwardedHead } from "../../wire/forward/forwarded_commands.ts";
import { ByteWriter } from "../../util/bytes.ts";
import type { OutboundLink, PeerAddress } from "../api.ts";
import { logPlaces } from "../members/addresses.ts";
import type { LinkTarget } from "../members/known_member.ts";
import { LinkOutput } from "../peers/link_output.ts";
import { LinkWatch } from "../peers/link_watch.ts";
import { OutboundHandshake } from "../peers/outbound_handshake.ts";
import { type FrameTaker, type LinkOwner, takeFrames } from "../peers/peer_link.ts";
import { refusalMessage } from "../peers/peer_version.ts";
import type { ForwardStream, StreamOwner } from "../session/forwarding.ts";
import { forwardHello } from "./forward_purpose.ts";

/** A piece of a stream, with room for its frame. */
const FRAME_BYTES_MAX = 131_072;
/** Bytes that wait to be written; beyond, commands wait where they are. */
const OUTPUT_BYTES_MAX = 4_194_304;
/** Memory for a command that is larger is given back. */
const COMMAND_BYTES_KEEP = 65_536;

export class ForwardLink implements OutboundLink, FrameTaker {
  readonly peerId: ServerId;
  readonly addresses: readonly PeerAddress[];
  readonly target: LinkTarget;
  isOver = false;
  isLost = false;
  onActivity: (() => void) | null = null;
  closing: string | null = null;
  /** Its server leads, as far as is known: streams may begin. */
  isCurrent = true;
  readonly #links: LinkOwner;
  readonly #output = new LinkOutput();
  readonly #handshake: OutboundHandshake;
  readonly #watch: LinkWatch;
  readonly #streams = new Map<number, StreamOwner>();
  readonly #command = new ByteWriter(0);
  #decoder = new FrameDecoder(FRAME_BYTES_MAX);
  #lastStream = 0;
  #isConnected = false;
  #isUp = false;
  #hasNews = false;
  #lastProblem = "";

  constructor(target: LinkTarget, links: LinkOwner) {
    this.peerId = target.id;
    this.target = target;
    this.addresses = logPlaces(target.places);
    this.#links = links;
    this.#handshake = new OutboundHandshake(forwardHello(links));
    this.#watch = new LinkWatch(links.pace);
  }

  get isUp(): boolean {
    return this.#isUp && this.closing === null;
  }

  get hasStreams(): boolean {
    return this.#streams.size > 0;
  }

  get #hasRoom(): boolean {
    return this.isUp && this.#output.pendingBytes < OUTPUT_BYTES_MAX;
  }

  /** A stream for this owner; null where nothing can be sent now. */
  open(owner: StreamOwner): ForwardStream | null {
    if (!this.#hasRoom || !this.isCurrent) return null;
    const stream = ++this.#lastStream;
    this.#streams.set(stream, owner);
    const mayUse = () => this.isCurrent && this.#hasRoom;
    return {
      get isCurrent() {
        return mayUse();
      },
      send: (head, bytes, start, end) => this.#send(stream, head, bytes, start, end),
      taken: (count) => {
        if (!this.isUp) return;
        encodeForwardTaken(this.#output.writer, stream, count);
        this.#said();
      },
      close: () => {
        if (!this.#streams.delete(stream) || !this.isUp) return;
        encodeForwardEnd(this.#output.writer, stream, false);
        this.#said();
      },
      distrust: (problem) => this.#distrust(problem),
    };
  }

  #send(
    stream: number,
    head: ForwardedHead,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    const command = this.#command;
    command.clear();
    encodeForwarded(command, head, bytes, start, end);
    encodeForward(this.#output.writer, stream, command.bytes, 0, command.length);
    if (command.bytes.length > COMMAND_BYTES_KEEP) command.free();
    this.#said();
    this.#watch.sent(this.#links.time.nowMs());
    if (this.#output.isBusy) this.#output.noteBusy(this.#links.time.nowMs());
  }

  /** Another server leads, or none: nothing more is sent, and what was may still be answered. */
  retire(): void {
    this.isCurrent = false;
    this.finishIfIdle();
  }

  finishIfIdle(): void {
    if (!this.isCurrent && this.#streams.size === 0) {
      this.finish("its server does not lead any more");
    }
  }

  finish(reason: string): void {
    this.isCurrent = false;
    this.isOver = true;
    this.#end(reason);
  }

  connected(peerNames?: readonly string[]): void {
    this.#isConnected = true;
    this.isLost = false;
    this.closing = null;
    const nowMs = this.#links.time.nowMs();
    this.#watch.begin(nowMs);
    this.#output.restart(nowMs);
    this.#decoder = new FrameDecoder(FRAME_BYTES_MAX);
    const refused = this.#handshake.begin(this.peerId, this.#output.writer, peerNames);
    this.#links.dueEarlier();
    if (refused !== null) return this.#problem(refusalMessage(refused), refused.text);
    this.#said();
  }

  disconnected(reason: string): void {
    this.#isConnected = false;
    this.#isUp = false;
    this.#handshake.welcome = null;
    this.closing = null;
    this.#output.clear();
    this.#endStreams();
    if (!this.isOver && reason !== this.#lastProblem) {
      this.#links.log.problem(
        this.peerId,
        "The connection for forwarded commands ended",
        reason,
        "info",
      );
    }
    this.#links.dueEarlier();
  }

  /** Whatever was on its way is lost, or is nobody's. */
  #endStreams(): void {
    const owners = [...this.#streams.values()];
    this.#streams.clear();
    for (const owner of owners) owner.streamEnded(false);
  }

  receive(bytes: Uint8Array): void {
    if (this.closing !== null) return;
    this.#watch.heard(this.#links.time.nowMs());
    const malformed = takeFrames(this.#decoder, bytes, this);
    if (malformed !== null) this.#distrust(malformed);
  }

  frameReceived(frame: Frame): void {
    if (frame.type === "pong" && !this.#handshake.isAwaitingEntry) return;
    this.#links.linkActive();
    switch (frame.type) {
      case "welcome":
        if (this.#handshake.welcome === null) return this.#onWelcome(frame.hello);
        break;
      case "pong":
        return this.#enter();
      case "refusal":
        return this.#problem("A peer refuses forwarded commands", frame.text);
      case "probe":
        encodeProbeResponse(this.#output.writer, frame.number);
        return this.#said();
      case "forward":
        return this.#streams.get(this.#known(frame.stream))?.answersReceived(frame.bytes);
      case "forwardEnd": {
        const owner = this.#streams.get(this.#known(frame.stream));
        this.#streams.delete(frame.stream);
        return owner?.streamEnded(frame.isOrderly);
      }
    }
    throw new ProtocolError(`an unexpected ${frame.type} frame`);
  }

  #known(stream: number): number {
    if (stream <= this.#lastStream && this.#isUp) return stream;
    throw new ProtocolError(`an answer on stream ${stream}, which was never begun`);
  }

  #onWelcome(hello: Hello): void {
    const refused = this.#handshake.take(hello, this.target, this.#output.writer);
    if (refused !== null) return this.#problem(refusalMessage(refused), refused.text);
    if (!hello.features.has(Feature.forward)) {
      return this.#problem("A peer takes no forwarded commands", "it runs an earlier build");
    }
    if (this.#handshake.isAwaitingEntry) this.#said();
    else this.#enter();
  }

  /** The other end has let this one in. */
  #enter(): void {
    if (this.#handshake.welcome === null) return;
    this.#handshake.entered();
    this.#isUp = true;
    this.#lastProblem = "";
    this.#links.dueEarlier();
  }

  secretExchanged(): void {
    const { welcome, isProofCurrent } = this.#handshake;
    if (welcome !== null && !isProofCurrent) this.#end("the secret was exchanged");
  }

  /** When there is something to do, in listening time. */
  nextDeadlineMs(): number {
    if (!this.#isConnected || this.isLost) return Infinity;
    return this.#watch.nextDeadlineMs(this.#isUp);
  }

  elapse(nowMs: number): void {
    if (!this.#isConnected || this.isLost) return;
    if (this.#watch.isLost(nowMs)) {
      this.isLost = true;
      return this.#end(`nothing came back for ${this.#links.pace.silenceMaxMs} ms`);
    }
    this.#output.rest(nowMs);
    if (!this.isUp || !this.#watch.wantsPing(nowMs) || !this.#hasRoom) return;
    encodePing(this.#output.writer);
    this.#hasNews = true;
  }

  takeOutput(): Uint8Array | null {
    return this.#output.take();
  }

  outputWritten(): void {
    const hadRoom = this.#hasRoom;
    this.#output.written();
    if (this.#output.pendingBytes > 0) this.onActivity?.();
    // Commands may have waited for just this.
    if (!hadRoom) this.#links.linkActive();
  }

  /** Wakes the shell where there is something to write. */
  wake(): void {
    if (!this.#hasNews) return;
    this.#hasNews = false;
    this.onActivity?.();
  }

  #said(): void {
    this.#hasNews = true;
    this.#links.linkActive();
  }

  #distrust(problem: string): void {
    this.#problem("A peer's answer makes no sense", problem);
  }

  #problem(message: string, reason: string): void {
    if (reason !== this.#lastProblem) this.#links.log.problem(this.peerId, message, reason);
    this.#lastProblem = reason;
    this.#end(reason);
  }

  #end(reason: string): void {
    if (!this.#isConnected || this.closing !== null) return;
    this.closing = reason;
    this.#endStreams();
    this.onActivity?.();
  }
}
