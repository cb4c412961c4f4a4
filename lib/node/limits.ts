/**
 * Every bound and every time of a server, with its default; the cluster file can set each. Units last.
 * The configuration is validated once (config.ts); what uses it relies on that.
 */
export interface Timing {
  readonly heartbeatIntervalMs: number;
  /** A follower campaigns after a random time in [electionTimeoutMs, 2 * electionTimeoutMs). */
  readonly electionTimeoutMs: number;
  /** A command that is in the log but not confirmed after this long answers ERR_TIMEOUT. */
  readonly commandTimeoutMs: number;
  /** How long commands wait for a leader where none is known; 0: they are refused at once. */
  readonly leaderWaitMs: number;
  /** A client connection without traffic is closed after this long; 0 keeps it for ever. */
  readonly idleTimeoutMs: number;
  /** A command that arrived in part has to be whole within this time. */
  readonly halfCommandTimeoutMs: number;
  /** A client that takes no bytes of a waiting reply for this long is disconnected. */
  readonly writeTimeoutMs: number;
  /** A sync that takes longer is logged. */
  readonly slowSyncMs: number;
  /** A watch with nothing to tell tells how far it has come this often. */
  readonly watchMarkMs: number;
}

/** What one of many may do at most; 0: as much as it likes. */
export interface ClientBounds {
  readonly connectionsMax: number;
  /** Commands, and bytes received and sent, over all its connections; a second's worth at once. */
  readonly commandsPerSecond: number;
  readonly bytesPerSecond: number;
}

export interface Limits extends NumericLimits {
  /** Of all clients of one IPv4 address, or of one IPv6 network of 64 bits. */
  readonly perAddress: ClientBounds;
  /** Of all clients of one user. */
  readonly perUser: ClientBounds;
}

export interface NumericLimits {
  readonly valueBytesMax: number;
  /** The longest key of the Redis protocol; at most 65535. */
  readonly redisKeyBytesMax: number;
  readonly connectionsMax: number;
  /** Commands of one connection that are not answered yet. */
  readonly pipelineCommandsMax: number;
  /** Reply bytes of one connection that are not taken yet; one reply may go beyond. */
  readonly outputBytesMax: number;
  /** Bytes that all connections together hold in buffers; beyond, the large ones wait. */
  readonly clientBytesMax: number;
  /** Bytes of commands gathered or in the log but not committed, over all connections. */
  readonly uncommittedBytesMax: number;
  /** Bytes of commands in one log entry; a single larger command gets an entry of its own. */
  readonly entryBytesMax: number;
  /** Bytes of entries in one AppendEntries; a single larger entry goes alone. */
  readonly appendBytesMax: number;
  /** AppendEntries in flight to one follower: how many, and how many bytes. */
  readonly appendsInFlightMax: number;
  readonly appendBytesInFlightMax: number;
  /** Frame bytes waiting for one peer's connection; more are dropped (Raft sends again). */
  readonly outboxBytesMax: number;
  /** The last changes that are kept for watches, once there is one. */
  readonly historyBytes: number;
  /** Watches of all connections, and of one. */
  readonly watchesMax: number;
  readonly watchesPerConnectionMax: number;
  /** Channels and patterns that all connections subscribe to, and that one does; so for tracked prefixes. */
  readonly subscriptionsMax: number;
  readonly subscriptionsPerConnectionMax: number;
  /** Different patterns of channels: each message is compared with all of them. */
  readonly patternsMax: number;
  /** What waits to be taken by one subscriber, and by all together; beyond, the slowest is disconnected. */
  readonly subscriberBytesMax: number;
  readonly subscribersBytesMax: number;
  /** What is published here and goes to the other servers; beyond, PUBLISH is refused. */
  readonly publishBytesPerSecond: number;
  /** What is remembered of which connections have read which keys, for CLIENT TRACKING. */
  readonly trackingBytesMax: number;
}

export interface StorageLimits {
  /** A write-ahead log segment is closed once it is larger than this. */
  readonly segmentBytesMax: number;
  /** Bytes set aside so that deletes, votes and the log's own end still fit on a full disk. */
  readonly reserveBytes: number;
  /**
   * A snapshot is taken once the log after the last one is longer than this, and longer than that
   * snapshot.
   */
  readonly snapshotLogBytesMin: number;
  /** Bytes of a snapshot that are made at a time, while commands wait: bounds the pause. */
  readonly snapshotSliceBytes: number;
  /** Bytes of a snapshot in one frame to a follower; at most 16 frames are on their way. */
  readonly snapshotChunkBytes: number;
  /** Applied entries kept in memory, for followers that lag a little. */
  readonly logMemoryBytes: number;
  /**
   * Files of the log that a leader keeps for followers that lag, bytes; 0: a quarter of what the keys and
   * values take, and 64 MiB at least.
   */
  readonly catchUpBytes: number;
  /** A soft quota on keys and values: sets are refused beyond it, deletes continue; 0: none. */
  readonly dataBytesMax: number;
}

/**
 * The most that `valueBytesMax`, `entryBytesMax` and `appendBytesMax` may be set to. What other servers
 * send is checked against these, not against this server's own settings: a log may hold entries from
 * before a limit was lowered, and a follower has to take them.
 */
export const VALUE_BYTES_CEILING = 67_108_864;
export const REDIS_KEY_BYTES_CEILING = 65_535;
export const ENTRY_BYTES_CEILING = 67_108_864;

/** What the store can hold, with room for what is in the log already. */
const STORE_BYTES_MAX = 20 * 1024 ** 3;

/** What `catchUpBytes` is at the least where it is not set, and of which part of the contents. */
const CATCH_UP_BYTES_MIN = 67_108_864;
const CATCH_UP_SHARE = 0.25;

/** How much of the log's files a leader keeps for followers, with contents of so many bytes. */
export function catchUpBytesMax({ catchUpBytes }: StorageLimits, contentBytes: number): number {
  return catchUpBytes || Math.max(CATCH_UP_BYTES_MIN, Math.ceil(contentBytes * CATCH_UP_SHARE));
}

/** Sets are refused once keys and values take so much. */
export function contentBytesMax({ dataBytesMax }: StorageLimits): number {
  return Math.min(dataBytesMax || Infinity, STORE_BYTES_MAX);
}

export const DEFAULT_TIMING: Timing = {
  heartbeatIntervalMs: 100,
  electionTimeoutMs: 300,
  commandTimeoutMs: 5_000,
  leaderWaitMs: 1_000,
  idleTimeoutMs: 0,
  halfCommandTimeoutMs: 30_000,
  writeTimeoutMs: 30_000,
  slowSyncMs: 100,
  watchMarkMs: 10_000,
};

export const DEFAULT_CLIENT_BOUNDS: ClientBounds = {
  connectionsMax: 0,
  commandsPerSecond: 0,
  bytesPerSecond: 0,
};

export const DEFAULT_LIMITS: Limits = {
  valueBytesMax: 1_048_576,
  redisKeyBytesMax: 1_024,
  connectionsMax: 10_000,
  pipelineCommandsMax: 4_096,
  outputBytesMax: 262_144,
  clientBytesMax: 536_870_912,
  uncommittedBytesMax: 67_108_864,
  entryBytesMax: 16_384,
  appendBytesMax: 1_048_576,
  appendsInFlightMax: 64,
  appendBytesInFlightMax: 16_777_216,
  outboxBytesMax: 33_554_432,
  historyBytes: 4_194_304,
  watchesMax: 20_000,
  watchesPerConnectionMax: 1_024,
  subscriptionsMax: 20_000,
  subscriptionsPerConnectionMax: 1_024,
  patternsMax: 1_000,
  subscriberBytesMax: 8_388_608,
  subscribersBytesMax: 67_108_864,
  publishBytesPerSecond: 16_777_216,
  trackingBytesMax: 16_777_216,
  perAddress: DEFAULT_CLIENT_BOUNDS,
  perUser: DEFAULT_CLIENT_BOUNDS,
};

export const DEFAULT_STORAGE_LIMITS: StorageLimits = {
  segmentBytesMax: 67_108_864,
  reserveBytes: 8_388_608,
  snapshotLogBytesMin: 67_108_864,
  snapshotSliceBytes: 131_072,
  snapshotChunkBytes: 262_144,
  logMemoryBytes: 4_194_304,
  catchUpBytes: 0,
  dataBytesMax: 0,
};
