/** The words of the log port: frame types, handshake, refusals. docs/protocol.md gives every byte. */
import type { Message, ServerId } from "../../raft/types.ts";
import type { EventFacts, ServerFacts } from "../status.ts";
import type { ClusterId, FoundingMember, Incarnation } from "../../storage/types.ts";

/**
 * The version of a handshake. Version 2 names features (rpc_features.ts) after the fields of version
 * 1, and is otherwise the same: what is new is a feature, not a version. Whoever connects tries the
 * latest; a build that knows version 1 alone refuses that with `RefusalReason.otherVersion`.
 */
export const PROTOCOL_VERSION = 2;
export const PROTOCOL_VERSION_MIN = 1;

/**
 * The largest hello, as its frame's length, to a server of which nothing is known: builds that
 * know version 1 alone take no more, and could not even refuse it in words.
 */
export const HELLO_BYTES_MAX = 256;
/** And what this build takes before a handshake has passed: room for later builds' features. */
export const HANDSHAKE_BYTES_MAX = 1_024;

/** In a handshake: what one end drew for this connection alone (the feature `secret`). */
export const NONCE_BYTES = 16;
/** Of the proof of the cluster's secret, in a welcome and in the frame `proof`: HMAC-SHA256. */
export const SECRET_MAC_BYTES = 32;

/** The first four bytes of a handshake: "RKVL". */
export const HANDSHAKE_MAGIC = 0x524b564c;

/** A frame's type byte. A number, once given, is never given to something else. */
export const FrameType = {
  hello: 1,
  welcome: 2,
  refusal: 3,
  formation: 4,
  ping: 5,
  pong: 6,
  status: 7,
  probe: 8,
  probeResponse: 9,
  facts: 10,
  voteRequest: 16,
  voteResponse: 17,
  appendRequest: 18,
  appendResponse: 19,
  heartbeat: 20,
  heartbeatResponse: 21,
  timeoutNow: 22,
  snapshotChunk: 32,
  snapshotChunkResponse: 33,
  snapshotPiece: 34,
  digest: 48,
  addresses: 64,
  proof: 65,
  publish: 80,
  forward: 96,
  forwardTaken: 97,
  forwardEnd: 98,
  // Reserved: 66 and 67 for changes of membership. Refused until a version of ours speaks them.
} as const;
export type FrameType = typeof FrameType[keyof typeof FrameType];

/**
 * What a server can do beyond version 1, by the name that stands in its handshake. Short names:
 * `HELLO_BYTES_MAX` bounds all of them together.
 */
export const Feature = {
  /** The frame `status`: has this server's disk room, how far has it applied the log. */
  status: "status",
  /** Value: 8 bytes that the process drew when it started. The frames `probe` and `probeResponse`. */
  start: "start",
  /** The frame `facts`: what this server says of itself, for people and programs that ask. */
  facts: "facts",
  /** Value: which cluster versions this server can read (node/peers/peer_version.ts). No frames. */
  clusterVersion: "clusterVersion",
  /** Value: by which configuration the sender has a part (node/peers/claim.ts). The frame `addresses`. */
  claim: "claim",
  /**
   * Named where a secret is configured. Value: a nonce; in a welcome also a proof of the secret
   * (node/peers/cluster_secret.ts). The frame `proof`.
   */
  secret: "secret",
  /** The frame `snapshotPiece`: a chunk of a snapshot that is sent while it is made. */
  pieces: "pieces",
  /** The frame `publish`: what a client of the sender has published. */
  publish: "publish",
  /**
   * Value: what the connection is for, 0 for messages, 1 for commands that are forwarded. The frames
   * `forward`, `forwardTaken` and `forwardEnd`, on a connection of the second kind alone.
   */
  forward: "forward",
} as const;
export type Feature = typeof Feature[keyof typeof Feature];

/** The features of one server, each with its value (empty where it takes none). */
export type Features = ReadonlyMap<Feature, Uint8Array>;

export const NO_FEATURES: Features = new Map();

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
  /** Another process answers under the same id with the same data directory. */
  secondProcess: 8,
  /** The one who connects runs a build that can't read what this cluster has in its log. */
  clusterVersion: 9,
  /** The one who connects was a member, and is none any more. */
  removed: 10,
  /** One of the two does not prove the cluster's secret. Whoever connected may say this, too. */
  secret: 11,
  /** Its certificate is not that of the server that it says it is. */
  certificate: 12,
} as const;
export type RefusalReason = typeof RefusalReason[keyof typeof RefusalReason];

/** The longest text of a refusal, as UTF-8; a longer one is cut. */
export const REFUSAL_TEXT_BYTES_MAX = 256;

/** How one end of a connection describes itself. */
export interface Hello {
  /** From `PROTOCOL_VERSION_MIN` to `PROTOCOL_VERSION`; a welcome has that of its hello. */
  readonly protocolVersion: number;
  /** `UNFORMED` until the cluster is formed. */
  readonly clusterId: ClusterId;
  readonly from: ServerId;
  readonly to: ServerId;
  readonly incarnation: Incarnation;
  /** None under version 1. */
  readonly features: Features;
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

/** How a server is, by its own word. */
export interface StatusNotice {
  /** Its disk takes sets: the reserve is whole. */
  readonly hasRoom: boolean;
  /** Its disk takes what must be written even when full: votes, deletes, the log's end. */
  readonly canWrite: boolean;
  /** Its vote counts only with all others', see HardState.suspect. */
  readonly isSuspect: boolean;
  /** It fetches again what damage took from its log. */
  readonly isRepairing: boolean;
  /** The last entry that it has applied. */
  readonly appliedIndex: number;
  /** The log's time now, ms since 1970, where it leads; else 0. */
  readonly logTimeMs: number;
}

/** Where a server is: the sender, or one that has told the sender. */
export interface AddressNotice {
  readonly id: ServerId;
  readonly incarnation: Incarnation;
  /** Of node/members/addresses.ts. */
  readonly addresses: Uint8Array;
}

/** What a client has published in a channel. */
export interface PublishNotice {
  readonly channel: Uint8Array;
  readonly message: Uint8Array;
}

/** What a server says of itself, and its last log lines. */
export interface FactsNotice {
  readonly facts: ServerFacts;
  readonly events: readonly EventFacts[];
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
  | { readonly type: "status"; readonly status: StatusNotice }
  | { readonly type: "facts"; readonly notice: FactsNotice }
  | { readonly type: "addresses"; readonly notice: AddressNotice }
  | { readonly type: "publish"; readonly notice: PublishNotice }
  | { readonly type: "proof"; readonly mac: Uint8Array }
  /** Asks the other end's process whether it is there; the answer has the same number. */
  | { readonly type: "probe" | "probeResponse"; readonly number: number }
  /** Bytes of a stream (wire/forward/): commands from who connected, answers to them from who accepted. */
  | { readonly type: "forward"; readonly stream: number; readonly bytes: Uint8Array }
  /** Whoever connected has taken in so many bytes of answers. */
  | { readonly type: "forwardTaken"; readonly stream: number; readonly count: number }
  /** The stream is over. `isOrderly`: all that was taken in of it is answered. */
  | { readonly type: "forwardEnd"; readonly stream: number; readonly isOrderly: boolean }
  | { readonly type: "message"; readonly message: Message };

/** What came over the log port is no frame of ours: the connection ends, the process continues. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}
