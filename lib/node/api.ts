/**
 * What the shells around the node call: the async stages of net/ in production, the event heap of the
 * simulator. All of it is synchronous; bytes in, bytes out.
 */
import type { ProcessUse } from "../host/ports.ts";
import type { Message } from "../raft/types.ts";
import type { CommandBatch } from "../wire/command_batch.ts";

/** Bytes that wait to be written, by whoever owns the connection. */
export interface ByteSource {
  /**
   * What may be written now, or null. It aliases an internal buffer and stays valid until
   * `outputWritten()`, which must be called before the next `takeOutput()`.
   */
  takeOutput(): Uint8Array | null;
  outputWritten(): void;
  /** Called (at the end of a turn) when there is output again, room for input again, or an end. */
  onActivity: (() => void) | null;
  /** Set once this side wants the connection closed as soon as the output is out; why, for the log. */
  readonly closing: string | null;
}

/** One client connection. */
export interface ClientSession extends ByteSource {
  /** Free space to read into; at least one byte long while `wantsInput`. */
  inputSpace(): Uint8Array;
  /** `count` bytes were put at the beginning of the last `inputSpace()`. */
  received(count: number): void;
  /**
   * False while a bound is reached (commands in flight, output not yet taken): stop reading, wait
   * for `onActivity`.
   */
  readonly wantsInput: boolean;
  /**
   * The next batch out of what was received: null where nothing whole is there, or a bound is
   * reached. The batch is lent: submit it before the next call, and do not use it afterwards.
   */
  nextBatch(): CommandBatch | null;
  /** Answers, redirects or puts into the log every command of a batch, in order. */
  submit(batch: CommandBatch): void;
  /** Close the connection at once, whatever waits to be written; `closing` says why. */
  readonly isKilled?: boolean;
  /** It watches or subscribes, so it may be told nothing for long, and say nothing itself. */
  readonly listens?: boolean;
  /** The client sends no more: replies that are due still go out, then the connection closes. */
  inputEnded(): void;
  /** The connection is gone. */
  disconnected(): void;
}

/** What both directions of a link between servers have in common. */
export interface PeerLink extends ByteSource {
  receive(bytes: Uint8Array): void;
  /** The other end is silent for too long: close the connection at once, whatever waits to be written. */
  readonly isLost?: boolean;
}

/** Where another server listens for frames. */
export interface PeerAddress {
  readonly hostname: string;
  readonly port: number;
}

/** The outgoing link to one other server (connectToServers). It reconnects: many connections, one link. */
export interface OutboundLink extends PeerLink {
  readonly peerId: number;
  /** Where that server may be, the likeliest place first; never empty. They change as it moves. */
  readonly addresses: readonly PeerAddress[];
  /** True once there is nothing to be said to that server any more: it is not connected to again. */
  readonly isOver: boolean;
  /**
   * True after a connection ended because the other end speaks an earlier version, until the next one is
   * there: that is to be made at once. At most once for each time that the other end was heard speaking
   * the later version.
   */
  readonly retriesAtOnce?: boolean;
  /** A connection is there: the handshake is put into the output. `peerNames`: see `Connection`. */
  connected(peerNames?: readonly string[]): void;
  disconnected(reason: string): void;
}

/** One accepted connection on the log port (acceptRpc): frames come in, a welcome or refusal goes out. */
export interface InboundLink extends PeerLink {
  /** The handshake has passed: this is a server of the cluster. */
  readonly isKnown?: boolean;
  disconnected(): void;
}

/** One line for the operator. Names of fields carry their units. */
export interface LogEvent {
  readonly level: "debug" | "info" | "warning" | "error";
  readonly message: string;
  readonly fields: Readonly<Record<string, string | number | boolean>>;
}

/** The links to the other servers, as what sends messages sees them. */
export interface MessageSender {
  /**
   * Sends a message where its link is up; drops it otherwise: Raft sends again what matters. Its bytes are
   * copied.
   */
  send(message: Message): void;
}

/** The certificate of a port that speaks TLS. */
export interface CertificateFacts {
  /** `client`, `log` or `admin`. */
  readonly port: string;
  /** Below 0: it has expired. */
  readonly expiresInMs: number;
}

/** What became of the lines of an audit log. */
export interface AuditFacts {
  readonly written: number;
  readonly dropped: number;
  readonly isFailing: boolean;
}

/** What the node says of its process and machine, and can't see itself. Null: unknown. */
export interface MachineFacts {
  /** Memory of the process that is resident. */
  readonly memoryBytes: number | null;
  /** Files and connections that may still be opened, as far as that was counted. */
  readonly freeDescriptors: number | null;
  /** Where the admin port listens; 0: nowhere. */
  readonly adminPort: number;
  /** Since the start: time of the processor, and time in calls to the disk that block. */
  readonly cpuMs: number | null;
  readonly diskMs: number | null;
  /** Of the ports that speak TLS. */
  readonly certificates: readonly CertificateFacts[];
  /** Connections on the log port without TLS, where it is optional there; else absent. */
  readonly plainLinks?: number | undefined;
  /** Absent without an audit log. */
  readonly audit?: AuditFacts | undefined;
}

/** What the node asks of whoever runs it. */
export interface NodeHost {
  /** Call `node.turn()` soon, after what else has arrived by now; at most one call is outstanding. */
  scheduleTurn(): void;
  /** This server can't go on safely (disk, broken invariant): end the process at once, exit code 1. */
  fatal(error: Error): void;
  log(event: LogEvent): void;
  /** What this process has used; absent where that is unknown, as in the simulator. */
  use?(): ProcessUse;
  /** Asked about once a second; absent where nothing is known, as in the simulator. */
  machine?(): MachineFacts;
}

/** And what it asks of it in addition: to be woken when something is due. */
export interface WakingHost extends NodeHost {
  /**
   * Call `node.wake()` once the monotonic clock shows `atMs`, in the place of any such call that is
   * outstanding. Where that time has come, or comes while the process stands still: soon, after what
   * has arrived by then was handed to the node.
   */
  wakeAt(atMs: number): void;
}

/** The node as its shells see it. */
export interface ServerNode {
  /**
   * To be called at the time that the node has asked its host for last (`WakingHost.wakeAt`), once. Late
   * or lost calls cost latency, never safety; early ones cost nothing.
   */
  wake(): void;
  turn(): void;
  /**
   * `local`: what the client connected to; `isForwarding`: the forward port. Null where the bound on
   * connections is reached.
   */
  openSession(remote: string, local?: string, isForwarding?: boolean): ClientSession | null;
  /** The line for the client that `openSession` did not let in last, without its end. */
  readonly turnedAwayWith: string;
  /** And why that was, for the log; one of a few texts. */
  readonly turnedAwayBecause: string;
  /** Another list whenever a link came, went or moved: to be looked at after each turn. */
  readonly outboundLinks: readonly OutboundLink[];
  /** `peerNames`: see `Connection` of host/ports.ts. */
  openInboundLink(remote: string, peerNames?: readonly string[]): InboundLink;
  /**
   * Hands the leadership over, finishes or refuses what is open; `done` is called once the process
   * may end, within about 1.5 s at most.
   */
  shutdown(done: () => void): void;
}
