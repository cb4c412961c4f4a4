/** The words of the log port: frame types, handshake, refusals. docs/protocol.md gives every byte. */
import type { Message, ServerId } from "../raft/types.ts";
import type { ClusterId, FoundingMember, Incarnation } from "../storage/types.ts";

/** The version of all that is said behind the handshake. Servers of one cluster speak the same. */
export const PROTOCOL_VERSION = 1;

/** The first four bytes of a handshake: "RKVL". */
export const HANDSHAKE_MAGIC = 0x524b564c;

/** What a frame's type byte says. A number, once given, is never given to something else. */
export const FrameType = {
  hello: 1,
  welcome: 2,
  refusal: 3,
  formation: 4,
  ping: 5,
  pong: 6,
  voteRequest: 16,
  voteResponse: 17,
  appendRequest: 18,
  appendResponse: 19,
  heartbeat: 20,
  heartbeatResponse: 21,
  timeoutNow: 22,
  snapshotChunk: 32,
  snapshotChunkResponse: 33,
  digest: 48,
  // Reserved: 64 to 67 for changes of membership. Refused until a version of ours speaks them.
} as const;
export type FrameType = typeof FrameType[keyof typeof FrameType];

/** Why a handshake is refused. Numbers that this version does not know are shown as they are. */
export const RefusalReason = {
  otherCluster: 1,
  otherVersion: 2,
  /** No such server in the cluster file. */
  stranger: 3,
  /** The one who connects wanted another server than the one it reached. */
  wrongServer: 4,
  /** The right id with another data directory. */
  wrongIncarnation: 5,
  unformed: 6,
  busy: 7,
} as const;
export type RefusalReason = typeof RefusalReason[keyof typeof RefusalReason];

/** The longest text of a refusal, as UTF-8; a longer one is cut. */
export const REFUSAL_TEXT_BYTES_MAX = 256;

/** What one end of a connection says of itself, in this version of the protocol. */
export interface Hello {
  /** `UNFORMED` until the cluster is formed. */
  readonly clusterId: ClusterId;
  readonly from: ServerId;
  readonly to: ServerId;
  readonly incarnation: Incarnation;
}

/** How far the sender's forming has come (storage/types.ts: FormationRecord). */
export interface FormationNotice {
  /** 0 unformed, 1 prepared, 2 formed. */
  readonly stage: number;
  readonly incarnation: Incarnation;
  readonly clusterId: ClusterId;
  /** Sorted by id, no id twice. */
  readonly members: readonly FoundingMember[];
}

/** The digest of the sender's contents after entry `index`, as 16 hexadecimal digits. */
export interface DigestNotice {
  readonly index: number;
  readonly digest: string;
}

export type Frame =
  | { readonly type: "hello"; readonly hello: Hello }
  | { readonly type: "welcome"; readonly hello: Hello }
  /**
   * A hello or welcome of another protocol version or checksum: answer with
   * `RefusalReason.otherVersion` and close. Nothing else in it can be trusted to mean what it means here.
   */
  | {
    readonly type: "otherVersion";
    readonly protocolVersion: number;
    readonly checksumAlgorithm: number;
  }
  /** `text` has its control characters escaped already: it may be shown and logged as it is. */
  | { readonly type: "refusal"; readonly reason: number; readonly text: string }
  | { readonly type: "formation"; readonly notice: FormationNotice }
  | { readonly type: "digest"; readonly notice: DigestNotice }
  /** Says nothing, so that something arrives; pong: something has arrived since the last pong. */
  | { readonly type: "ping" }
  | { readonly type: "pong" }
  | { readonly type: "message"; readonly message: Message };

/** What came over the log port is no frame of ours: the connection ends, the process goes on. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}
