/**
 * The vocabulary of the consensus core: entries, messages, hard state, and what one turn hands out.
 * Names follow the Raft thesis (Ongaro 2014) and etcd/raft.
 */

/** A server's number in the cluster file: a positive safe integer, not necessarily 1..N. */
export type ServerId = number;

/** No server: an unknown leader, a vote not given. */
export const NOBODY: ServerId = 0;

/** First byte of every entry's envelope. A server that does not know a kind stops (see envelope.ts). */
export const EntryKind = { noop: 1, commands: 2, configuration: 3, clusterVersion: 4 } as const;
export type EntryKind = typeof EntryKind[keyof typeof EntryKind];

/**
 * One entry of the shared log. `data` is its envelope (envelope.ts), encoded once by the leader; it
 * travels unchanged into every server's write-ahead log and is never changed after it was made.
 */
export interface Entry {
  readonly index: number;
  readonly term: number;
  readonly data: Uint8Array;
}

/** What a server must remember over a crash, besides the log (Raft paper, Figure 2). */
export interface HardState {
  readonly term: number;
  /** Who got this server's vote in `term`, or NOBODY. */
  readonly votedFor: ServerId;
  /**
   * True where recovery cut a tail that may have been synced: this server may have forgotten an ack
   * or a vote. Durable, so that a second crash does not launder it; cleared once all voters were heard
   * and the log has matched a commit of the leader's own term (suspicion.ts).
   */
  readonly suspect: boolean;
}

/** The position of a snapshot: everything up to `index` is in it. Zeroes where there is none. */
export interface SnapshotPosition {
  readonly index: number;
  readonly term: number;
}

/** 8 random bytes as 16 hexadecimal digits, made once for a data directory: one life of a server's id. */
export type Incarnation = string;

/** A server as the log describes it. */
export interface Member {
  readonly id: ServerId;
  /** Another incarnation under the same id is another server: nothing that it says counts as this one's. */
  readonly incarnation: Incarnation;
  /** A learner that the leader does not make a voter. */
  readonly staysLearner: boolean;
  /** Where to reach it: bytes that only the caller reads. */
  readonly addresses: Uint8Array;
}

/**
 * Who votes, and who only listens, each list by ascending id. The log's latest configuration is in effect
 * (thesis chapter 4).
 */
export interface Configuration {
  /** In a joint configuration (thesis §4.3) the new half. */
  readonly voters: readonly ServerId[];
  /** The old half of a joint configuration, which needs a majority of its own; else empty. */
  readonly votersOutgoing: readonly ServerId[];
  readonly learners: readonly ServerId[];
  /** Outgoing voters that are learners once the joint configuration is left. */
  readonly learnersNext: readonly ServerId[];
  /** All of them by ascending id; empty in a cluster whose members never changed. */
  readonly members: readonly Member[];
}

/**
 * What a server's disk has room for: any entries; only what its reserve takes, such as deletes and changes of
 * members; or nothing.
 */
export type DiskRoom = "free" | "reserve" | "none";

/** One server's part in a change of members: each server is named once in a change. */
export type MemberChange =
  /** It gets the log, and is made a voter once it keeps up, unless it is to stay a learner. */
  | ({ readonly kind: "add" } & Member)
  /** A learner becomes a voter now. */
  | { readonly kind: "promote"; readonly id: ServerId }
  /** A voter becomes a learner, and stays one. */
  | { readonly kind: "demote"; readonly id: ServerId }
  | { readonly kind: "remove"; readonly id: ServerId }
  /** A learner's data is lost: another life of it takes its place, and is the same kind of learner. */
  | ({ readonly kind: "replace" } & Pick<Member, "id" | "incarnation" | "addresses">)
  /** It is reached elsewhere. */
  | { readonly kind: "move"; readonly id: ServerId; readonly addresses: Uint8Array };

interface MessageHeader {
  readonly from: ServerId;
  readonly to: ServerId;
  /** The sender's term; for a pre-vote, the term that it would campaign in. */
  readonly term: number;
}

/** RequestVote (paper §5.2, §5.4.1), or its pre-vote (thesis §9.6). */
export interface VoteRequest extends MessageHeader {
  readonly kind: "voteRequest";
  readonly preVote: boolean;
  readonly lastIndex: number;
  readonly lastTerm: number;
  /** Sent by order of the leader (thesis §3.10): answered even while that leader is heard. */
  readonly transfer: boolean;
}

export interface VoteResponse extends MessageHeader {
  readonly kind: "voteResponse";
  readonly preVote: boolean;
  readonly granted: boolean;
  /** The voter may have forgotten a vote: it counts only where every other grants or abstains. */
  readonly suspect: boolean;
  /** The voter has lost entries that it held durably (RaftOptions.repair): it has no say. */
  readonly repairing: boolean;
  /** Whoever asked is no member any more: that is committed, and nothing after it adds it again. */
  readonly removed: boolean;
}

/** AppendEntries with entries, or a probe without (paper §5.3). */
export interface AppendRequest extends MessageHeader {
  readonly kind: "appendRequest";
  readonly prevIndex: number;
  readonly prevTerm: number;
  readonly entries: readonly Entry[];
  readonly commitIndex: number;
  /** The newest read round begun; an answer confirms it (thesis §6.4). */
  readonly readRound: number;
}

export interface AppendResponse extends MessageHeader {
  readonly kind: "appendResponse";
  readonly success: boolean;
  /** Success: the log is durable and equal to the leader's up to here. Else: the refused prevIndex. */
  readonly index: number;
  /** Refusal: where the leader should look next (greatest index at most `index` with a term at most
   * the leader's prevTerm), and the term there. Zeroes with success. */
  readonly hintIndex: number;
  readonly hintTerm: number;
  readonly readRound: number;
}

/** Keeps followers from campaigning, moves their commitIndex, carries read rounds. */
export interface Heartbeat extends MessageHeader {
  readonly kind: "heartbeat";
  /** min(commitIndex, what this follower is known to hold). */
  readonly commitIndex: number;
  readonly readRound: number;
}

export interface HeartbeatResponse extends MessageHeader {
  readonly kind: "heartbeatResponse";
  readonly readRound: number;
}

/** The leader's order to campaign immediately (thesis §3.10). */
export interface TimeoutNow extends MessageHeader {
  readonly kind: "timeoutNow";
}

/**
 * A piece of a snapshot (paper §7, InstallSnapshot). The caller builds and sends these: the core only
 * judges what arrives. No data asks how much the follower holds already.
 */
export interface SnapshotChunk extends MessageHeader {
  readonly kind: "snapshotChunk";
  /** The snapshot's position: everything up to here is in it. */
  readonly index: number;
  readonly snapshotTerm: number;
  /** Where `data` begins in the snapshot's body. */
  readonly offset: number;
  /** Of the whole body; `offset + data.length` never exceeds it. Null while the body is being made. */
  readonly totalBytes: number | null;
  readonly data: Uint8Array;
}

export interface SnapshotChunkResponse extends MessageHeader {
  readonly kind: "snapshotChunkResponse";
  /** The position of the snapshot that is meant. */
  readonly index: number;
  readonly snapshotTerm: number;
  /** The follower holds the body up to here without a gap: continue there. */
  readonly offset: number;
}

export type Message =
  | VoteRequest
  | VoteResponse
  | AppendRequest
  | AppendResponse
  | Heartbeat
  | HeartbeatResponse
  | TimeoutNow
  | SnapshotChunk
  | SnapshotChunkResponse;

/** What has to become durable together, in one write and one sync. */
export interface PersistBatch {
  /** Set where term or vote changed. */
  readonly hardState: HardState | null;
  /**
   * Contiguous; the first may lie at or below the last index persisted before: then the log's
   * suffix from there on is replaced.
   */
  readonly entries: readonly Entry[];
  /** Messages that promise something about this batch: they may leave only once it is synced. */
  readonly messagesAfterSync: readonly Message[];
}

/** One read batch whose leadership has been confirmed. */
export interface ReadState {
  readonly round: number;
  /** Serve once applied up to here. */
  readonly readIndex: number;
}

/**
 * Entries that left memory and that a follower needs: to be read from the log's files. Answered with
 * `Raft.entriesRead` and this very object, so that an answer which comes too late is known.
 */
export interface EntriesRequest {
  readonly follower: ServerId;
  /**
   * The entry before the first that the follower needs: only its term counts, so its data may be empty.
   * Before entry 1 that is entry 0, of term 0.
   */
  readonly fromIndex: number;
  /** Up to here at most; from there on the entries are in memory. */
  readonly toIndex: number;
  /** About so many bytes; at least two entries. */
  readonly bytesMax: number;
}

/** Everything that one turn of the core hands out. */
export interface Ready {
  /** These may leave now. */
  readonly messages: readonly Message[];
  /** Write and sync this; then call `advance(batch)`. Null while the batch before is under way. */
  readonly persist: PersistBatch | null;
  /** Apply these, in order. */
  readonly committed: readonly Entry[];
  /** Rounds confirmed, in order; a round that was lost with the leadership never appears. */
  readonly reads: readonly ReadState[];
  /**
   * Leader: entries that followers need and that are not in memory any more, one request each follower.
   * Call `entriesRead` with what the files have of them.
   */
  readonly entriesNeeded: readonly EntriesRequest[];
  /**
   * Leader: these followers need entries that no file has any more. Stream them the newest snapshot,
   * until `needsSnapshot(id)` is false; call `snapshotFailed(id)` where that can't continue. An id comes
   * again where the follower needs a newer one: a stream under way may continue while its snapshot lies
   * beyond the follower's matchIndex.
   */
  readonly snapshotsNeeded: readonly ServerId[];
  /** Follower: pieces of a snapshot that is newer than what this server has. Keep and answer them. */
  readonly snapshotChunks: readonly SnapshotChunk[];
  /** Leader: answers to the chunks sent. */
  readonly snapshotAnswers: readonly SnapshotChunkResponse[];
}
