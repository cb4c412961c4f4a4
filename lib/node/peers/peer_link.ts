/**
 * What both directions of a link share, and what they ask of the owner of all links (peer_links.ts): who
 * may talk to this server, and whom to tell of what came in.
 */
import type { Incarnation, Message, ServerId } from "../../raft/types.ts";
import type { ByteWriter } from "../../util/bytes.ts";
import {
  type AddressNotice,
  type DigestNotice,
  type FactsNotice,
  Feature,
  type FormationNotice,
  ForwardPurpose,
  type Frame,
  type FrameDecoder,
  type Hello,
  ProtocolError,
  type PublishNotice,
  type StatusNotice,
} from "../../wire/rpc/rpc.ts";
import type { ForwardPipe, ForwardReceiver } from "./forward_pipe.ts";
import type { ClusterSecret } from "./cluster_secret.ts";
import type { Refused } from "./refused.ts";
import type { LinkPace } from "./link_pace.ts";
import type { ListeningTime } from "./listening_time.ts";
import type { InputMoment } from "./peer_events.ts";
import type { PeerLog } from "./peer_log.ts";
import type { PeerProcesses } from "./peer_processes.ts";
import type { PeerSilence } from "./peer_silence.ts";

/** An accepted connection, as the owner sees it. */
export interface AcceptedLink {
  /** The server at the other end; null until its handshake has passed. */
  readonly from: ServerId | null;
  /** True where the handshake has passed with this life of a server. */
  isFrom(peer: ServerId, incarnation: Incarnation): boolean;
  /** True where the handshake has passed with this server, in this version. */
  speaks(peer: ServerId, protocolVersion: number): boolean;
  /** When `elapse` has something to do, in listening time. */
  nextDeadlineMs(): number;
  /** It is `nowMs`, in listening time. */
  elapse(nowMs: number): void;
  /** Somebody's handshake has passed: where that is the same server, this connection is dead. */
  replaceBy(newer: AcceptedLink): void;
  /** Ends this connection so that the other end makes a fresh handshake. */
  reconnect(reason: string): void;
  /** The members have changed: ends this connection, in words, where its server may not talk any more. */
  reconsider(): void;
  /** Ends this connection where it was proven by a secret that counts no more, or by none. */
  secretExchanged(): void;
  /** The cluster version is `version` now: ends this connection where its server can't read that. */
  versionRaised(version: number): void;
}

/** Who said this has made the connection for forwarded commands: no message comes over it. */
export function isForForwarding({ features }: Hello): boolean {
  return features.get(Feature.forward)?.[0] === ForwardPurpose.commands;
}

/** A link whose handshake has passed, as the owner sees it. */
export interface WelcomedLink {
  readonly peerId: ServerId;
  sendNotice(notice: FormationNotice): void;
  sendOf(feature: Feature | null, encode: (out: ByteWriter) => void): void;
}

/** The owner of all links, as a link sees it. */
export interface LinkOwner {
  readonly serverId: ServerId;
  readonly frameBytesMax: number;
  readonly protocolVersionMax: number;
  readonly pace: LinkPace;
  readonly time: ListeningTime;
  readonly input: InputMoment;
  readonly log: PeerLog;
  readonly silence: PeerSilence;
  readonly processes: PeerProcesses;
  /** What the servers prove to each other; null where they prove nothing. */
  readonly secret: ClusterSecret | null;
  /** Where another server's log port is, for people. */
  logAddressOf(id: ServerId): string;
  /**
   * What this server says of itself at the start of a connection, in a version of the handshake; `asking`:
   * whose hello it answers, whatever life this server's configuration has under that id.
   */
  hello(to: ServerId, protocolVersion: number, asking?: Incarnation): Hello;
  /** Checks what the other end says of itself; null where it may talk to this server. */
  check(hello: Hello): Refused | null;
  /** A link that this server makes to another one is up, by this welcome, or down again. */
  peerUp(link: WelcomedLink, welcome: Hello): void;
  peerDown(id: ServerId, reason: string): void;
  /** True where a server speaks this version over a connection that it has made. */
  hears(from: ServerId, protocolVersion: number): boolean;
  /** A server's handshake in this version was good. */
  heardVersion(from: ServerId, protocolVersion: number): void;
  /** The handshake has passed: an older connection of the same server is dead, or will be. */
  handshakePassed(newer: AcceptedLink, hello: Hello): void;
  /** A server, of that incarnation, says where it or another one is. Returns what is wrong, or null. */
  receiveAddresses(from: ServerId, incarnation: Incarnation, notice: AddressNotice): string | null;
  /** Another server has refused this one because it was removed. */
  toldRemoved(by: ServerId): void;
  /** A server has made a connection for forwarded commands, and its handshake has passed. */
  readonly acceptForwarded: (from: ServerId, pipe: ForwardPipe) => ForwardReceiver;
  inboundLost(from: ServerId, incarnation: Incarnation): void;
  inboundClosed(link: AcceptedLink): void;
  /**
   * What has come in or changed here is to be looked at, and a turn does that. Pings and pongs are heard, and
   * ask for none; whether a message does, the node knows.
   */
  linkActive(): void;
  /** The same, and this link has something to do earlier than it said before. */
  dueEarlier(): void;
  receiveMessage(message: Message, incarnation: Incarnation): void;
  receiveNotice(from: ServerId, notice: FormationNotice): void;
  receiveDigest(from: ServerId, notice: DigestNotice): void;
  receiveFacts(from: ServerId, notice: FactsNotice): void;
  receivePublish(notice: PublishNotice): void;
  receiveStatus(from: ServerId, status: StatusNotice): void;
}

/** What takes in whole frames. */
export interface FrameTaker {
  /** Not null once this connection is to end: what follows is not read any more. */
  readonly closing: string | null;
  frameReceived(frame: Frame): void;
}

/** Hands each frame that is whole now to `taker`; returns what is wrong with the bytes, or null. */
export function takeFrames(
  decoder: FrameDecoder,
  bytes: Uint8Array,
  taker: FrameTaker,
): string | null {
  try {
    decoder.push(bytes);
    let frame = decoder.next();
    while (frame !== null && taker.closing === null) {
      taker.frameReceived(frame);
      frame = decoder.next();
    }
    return null;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return error.message;
  }
}
