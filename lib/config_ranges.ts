/** How small and how great each number of the cluster file may be. */
import {
  type ClientBounds,
  ENTRY_BYTES_CEILING,
  type NumericLimits,
  REDIS_KEY_BYTES_CEILING,
  type StorageLimits,
  type Timing,
  VALUE_BYTES_CEILING,
} from "./node/limits.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;
const HOUR_MS = 3_600_000;

/** Smallest and greatest value of each number, per section. */
export type Ranges<T> = { readonly [K in keyof T]: readonly [number, number] };

/** Of builds that counted time in ticks. */
export const TICK_RANGE_MS = [1, 1_000] as const;

export const TIMING_RANGES: Ranges<Timing> = {
  heartbeatIntervalMs: [1, 60_000],
  electionTimeoutMs: [10, 600_000],
  commandTimeoutMs: [10, HOUR_MS],
  leaderWaitMs: [0, 10 * 60_000],
  idleTimeoutMs: [0, 24 * HOUR_MS],
  halfCommandTimeoutMs: [100, HOUR_MS],
  writeTimeoutMs: [100, HOUR_MS],
  slowSyncMs: [1, HOUR_MS],
  watchMarkMs: [100, HOUR_MS],
};

export const LIMIT_RANGES: Ranges<NumericLimits> = {
  valueBytesMax: [1, VALUE_BYTES_CEILING],
  redisKeyBytesMax: [1, REDIS_KEY_BYTES_CEILING],
  connectionsMax: [1, 1_000_000],
  pipelineCommandsMax: [1, 1_000_000],
  outputBytesMax: [KIB, GIB],
  clientBytesMax: [MIB, 64 * GIB],
  uncommittedBytesMax: [64 * KIB, 512 * MIB],
  entryBytesMax: [KIB, ENTRY_BYTES_CEILING],
  appendBytesMax: [KIB, ENTRY_BYTES_CEILING],
  appendsInFlightMax: [1, 4_096],
  appendBytesInFlightMax: [KIB, GIB],
  outboxBytesMax: [64 * KIB, GIB],
  historyBytes: [64 * KIB, 16 * GIB],
  watchesMax: [0, 1_000_000],
  watchesPerConnectionMax: [1, 1_000_000],
  subscriptionsMax: [0, 1_000_000],
  subscriptionsPerConnectionMax: [1, 1_000_000],
  patternsMax: [0, 100_000],
  subscriberBytesMax: [64 * KIB, GIB],
  subscribersBytesMax: [MIB, 64 * GIB],
  publishBytesPerSecond: [KIB, 10 * GIB],
  trackingBytesMax: [64 * KIB, 64 * GIB],
};

export const CLIENT_BOUND_RANGES: Ranges<ClientBounds> = {
  connectionsMax: [0, 1_000_000],
  commandsPerSecond: [0, 1_000_000_000],
  bytesPerSecond: [0, 1024 * GIB],
};

export const STORAGE_RANGES: Ranges<StorageLimits> = {
  segmentBytesMax: [64 * KIB, GIB],
  reserveBytes: [0, GIB],
  snapshotLogBytesMin: [4 * KIB, 64 * GIB],
  snapshotSliceBytes: [64, MIB],
  snapshotChunkBytes: [64, 8 * MIB],
  logMemoryBytes: [4 * KIB, 4 * GIB],
  catchUpBytes: [0, 1024 * GIB],
  dataBytesMax: [0, 1024 * GIB],
};

export const BACKUP_EVERY_RANGE_MS = [1_000, 366 * 24 * HOUR_MS] as const;
