/** One accepted connection from another server: a handshake, then its messages. */
import type { ServerId } from "../raft/types.ts";
import { OutputBuffer } from "../util/output_buffer.ts";
import {
  encodeRefusal,
  encodeWelcome,
  type Frame,
  FrameDecoder,
  type Hello,
  PROTOCOL_VERSION,
  ProtocolError,
  RefusalReason,
} from "../wire/rpc.ts";
import type { PeerLinks } from "./peer_links.ts";
import type { InboundLink } from "./shells.ts";

/** Until the handshake has passed, nothing larger than a hello is held for anybody. */
const HELLO_BYTES_MAX = 256;
/** Who has not said who it is by then is closed: strangers must not use up the connections. */
const HANDSHAKE_MAX_MS = 5_000;

export class PeerInbound implements InboundLink {
  onActivity: (() => void) | null = null;
  closing: string | null = null;
  readonly #remote: string;
  readonly #links: PeerLinks;
  readonly #output = new OutputBuffer();
  #decoder = new FrameDecoder(HELLO_BYTES_MAX);
  /** Set once the handshake has passed. */
  #from: ServerId | null = null;
  /** When this connection was first looked at; -1 before. */
  #seenMs = -1;

  constructor(remote: string, links: PeerLinks) {
    this.#remote = remote;
    this.#links = links;
  }

  receive(bytes: Uint8Array): void {
    if (this.closing !== null) return;
    try {
      this.#decoder.push(bytes);
      let frame = this.#decoder.next();
      while (frame !== null && this.closing === null) {
        this.#onFrame(frame);
        frame = this.#decoder.next();
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#end(`a malformed frame from ${this.#remote}: ${error.message}`);
      if (this.#from !== null) {
        this.#links.peerProblem(this.#from, "A peer sends what makes no sense", error.message);
      }
    }
  }

  disconnected(): void {
    this.onActivity = null;
    this.#links.inboundClosed(this, this.#from);
    this.#from = null;
  }

  /** Ends a connection whose handshake takes too long; called every now and then. */
  checkDeadline(nowMs: number): void {
    if (this.#from !== null) return;
    if (this.#seenMs < 0) this.#seenMs = nowMs;
    else if (nowMs - this.#seenMs >= HANDSHAKE_MAX_MS) {
      this.#end(`no handshake within ${HANDSHAKE_MAX_MS} ms`);
    }
  }

  /** Ends this connection so that the other end makes a fresh handshake. */
  reconnect(reason: string): void {
    this.#end(reason);
  }

  takeOutput(): Uint8Array | null {
    return this.#output.take();
  }

  outputWritten(): void {
    this.#output.written();
  }

  #onFrame(frame: Frame): void {
    if (this.#from === null) {
      if (frame.type === "hello") this.#onHello(frame.hello);
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
        this.#links.receiveMessage(frame.message);
        return;
      case "formation":
        this.#links.receiveNotice(this.#from, frame.notice);
        return;
      case "digest":
        this.#links.receiveDigest(this.#from, frame.notice);
        return;
      default:
        this.#end(`a second ${frame.type} frame`);
    }
  }

  #onHello(hello: Hello): void {
    const refused = this.#links.check(hello);
    if (refused !== null) {
      encodeRefusal(this.#output.writer, refused.reason, refused.text);
      if (refused.reason !== RefusalReason.wrongServer) {
        this.#links.peerRefused(hello.from, refused.text);
      }
      this.#end(refused.text);
      return;
    }
    this.#from = hello.from;
    this.#decoder.setFrameBytesMax(this.#links.frameBytesMax);
    encodeWelcome(this.#output.writer, this.#links.hello(hello.from));
    this.onActivity?.();
  }

  #onOtherVersion(theirs: number): void {
    const text = `this server speaks protocol ${PROTOCOL_VERSION}, not ${theirs}`;
    encodeRefusal(this.#output.writer, RefusalReason.otherVersion, text);
    this.#end(text);
  }

  #end(reason: string): void {
    if (this.closing !== null) return;
    this.closing = reason;
    this.onActivity?.();
  }
}
