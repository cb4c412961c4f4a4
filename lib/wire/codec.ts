/** The two sides of a client protocol, as the session uses them. Synchronous and incremental. */
import type { ByteWriter } from "../util/bytes.ts";
import type { Result } from "../kv/commands/result.ts";
import type { BackupSource } from "./backup.ts";
import type { ClientFacts, ClientFilter, ClientView } from "./clients.ts";
import type { ClientError, CommandBatch } from "./command_batch.ts";
import type { Answer } from "./questions.ts";
import type { ClientWatches } from "./watching.ts";

/** Where the leader's clients connect, for a redirect. */
export interface ClientAddress {
  readonly hostname: string;
  readonly port: number;
}

/** The log's time, as the server that answers knows it: keys expire by it and by no other. */
export interface LogTime {
  /** Ms since 1970. */
  nowMs(): number;
  /**
   * How far it is ahead of this server's wall clock, in ms; negative where it is behind. Clients give
   * absolute times by the wall clock, and read them so.
   */
  aheadOfWallMs(): number;
}

/** What a client may hear of the server, for the commands that ask about it. */
export interface ServerView {
  readonly serverId: number;
  /** It is told as a server without a cluster. Absent: it is not. */
  readonly isAlone?: boolean;
  /** 0 where no leader is known. */
  readonly leaderId: number;
  /** That, or the last one that was known to this process; 0 where none was. */
  readonly lastLeaderId: number;
  /** A leader is known, and not silent. */
  readonly hasLeader: boolean;
  /** Since when no leader is known, in ms; 0 while one is. */
  readonly leaderMissingMs: number;
  /** Commands are answered, or wait for a leader: they are not refused for want of one. */
  readonly takesCommands: boolean;
  /** It was removed from its cluster, and knows it. */
  readonly isRemoved: boolean;
  /** Nothing is here yet that could be read: a first snapshot, or a repair, is under way. */
  readonly isLoading: boolean;
  readonly isReceivingSnapshot: boolean;
  readonly isHandingOver: boolean;
  /** The log's end here, committed or not. */
  readonly lastIndex: number;
  /** The other servers, as far as this one knows of them. */
  readonly peers: readonly PeerView[];
  readonly servers: readonly ServerPlace[];
  readonly term: number;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly keys: number;
  readonly keyBytesTotal: number;
  readonly expiringKeys: number;
  readonly connections: number;
  /** How many other servers hold all that this one, the leader, has applied. */
  readonly upToDateFollowers: number;
  /** Ms since 1970, and the microseconds after that. */
  readonly wallMs: number;
  readonly uptimeMs: number;
  /** The cluster version that it has applied. */
  readonly clusterVersion: number;
}

/** What a server knows of another one. Null stands for what it does not know. */
export interface PeerView {
  readonly id: number;
  /** The connection over which this server sends to it is there, and the handshake has passed. */
  readonly isConnected: boolean;
  /** Since its last byte came, in ms; null where none has in this process's life. */
  readonly silentMs: number | null;
  /** `silent`: it missed two pings, or was not heard yet. `lost`: its connection is gone as well. */
  readonly reach: "heard" | "silent" | "lost";
  /** A leader's: its log is durable and equal to this server's up to here. */
  readonly matchIndex: number | null;
  /** By its own report, where that is not older than two election timeouts. */
  readonly appliedIndex: number | null;
  /** A leader's: its log is too far behind, so it is sent a snapshot. */
  readonly isSentSnapshot: boolean;
  /** It has nothing yet that could be read. */
  readonly isEmpty: boolean;
}

/** A server as the cluster file names it. */
export interface ServerPlace {
  readonly id: number;
  readonly hostname: string;
  readonly port: number;
  readonly logPort: number;
}

/** Gives out a `ServerView`, made only where a command asks for it. */
export interface ServerViewSource {
  serverView(): ServerView;
  /** What this server knows of itself and the others: a `ClusterStatus` (status.ts) as JSON. */
  statusText(): string;
  /** For backups of this server; null while it has nothing that could be taken. */
  backups(): BackupSource | null;
  /** The client connections that are meant, in the order in which they came. */
  clients(filter: ClientFilter): ClientView[];
  /**
   * Ends the client connections that are meant, soon, and returns how many those are: `clientId`, who asks,
   * once its replies are out, all others at once.
   */
  killClients(filter: ClientFilter, clientId: number): number;
  /** True where there is a user of that name. */
  knowsUser(name: string): boolean;
  /** So many hexadecimal digits that nobody can guess. */
  randomHex(digits: number): string;
}

export interface Codec {
  /**
   * Parses whole commands from `bytes[start, end)` into `batch` until the bytes or `room` commands
   * are used up. Returns how many bytes were consumed: what is left is offered again with more
   * after it. Keeps its own state between calls (a value being swallowed, a line being dropped),
   * never a reference to `bytes`.
   */
  parse(
    bytes: Uint8Array,
    start: number,
    end: number,
    batch: CommandBatch,
    room: number,
  ): number;

  /**
   * How many bytes, from the first unconsumed one on, the command now at the front needs in all, as
   * far as is known; 0 where nothing is begun. Never above the codec's largest command.
   */
  bytesNeeded(): number;

  /** True while a command is half read: its deadline runs. */
  isMidCommand(): boolean;

  /** True while what comes is the rest of a command that was refused, and counted, already. */
  readonly isPassingOver: boolean;

  /** True while what came means one thing or another, depending on the next byte. */
  readonly isUndecided: boolean;

  /** No next byte came for a while, or none will: decides without it, and puts what is due into `batch`. */
  fellSilent(batch: CommandBatch): void;

  /** Appends the reply to a command that was decided. `time` is for what time a key has left. */
  writeResult(out: ByteWriter, replyMode: number, result: Result, time: LogTime): void;

  /** Hears that the connection is over, where it keeps an account of that. */
  gone?(): void;

  /** Bytes that it keeps from call to call. */
  heldBytes(): number;

  /** For whoever asks who is connected. */
  facts(): ClientFacts;

  /** True while nothing more is parsed before a reply that is due has been written. */
  isWaiting(): boolean;

  /**
   * Appends the reply to a local command: the constant command at `bytes[offset]` is what `parse`
   * put into the batch. Or appends nothing, and returns why it is refused.
   */
  writeLocal(
    out: ByteWriter,
    replyMode: number,
    bytes: Uint8Array,
    offset: number,
    source: ServerViewSource,
    watches: ClientWatches,
  ): ClientError | 0;

  /** Appends the answer to a question, or to a name and a password. */
  writeAnswer(out: ByteWriter, replyMode: number, answer: Answer, source: ServerViewSource): void;

  /**
   * Hears that a command was refused before it was decided; `isRevoked` where its reply was written
   * already, and is replaced.
   */
  noteRefused(replyMode: number, isRevoked: boolean): void;

  /**
   * Appends an error; `leader` is given for a redirect, `slot` and `command` as in the batch. Never echoes
   * input.
   */
  writeError(
    out: ByteWriter,
    replyMode: number,
    error: ClientError,
    leader: ClientAddress | null,
    slot: number,
    command: number,
  ): void;
}
