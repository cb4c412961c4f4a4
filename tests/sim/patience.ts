/**
 * How long clients wait, and how much may wait in front of them: rules of the world that follow from
 * its network, disks and windows, not draws, so that kept runs obey them too. Where clients give up
 * before an answer can be there, the log goes on with what nobody waits for, and nothing is learned.
 */
import type { SimOptions } from "./options.ts";

/** A client waits for so many round trips at the least. */
const ROUND_TRIPS_WAITED = 8;
const HASTY_TIMEOUT_MS = 500;
/** One-way delays that hasty clients wait at the least. */
const HASTY_DELAYS = 8;
/** Room for a few commands, however narrow the window is. */
const QUEUE_BYTES_MIN = 2_000;
/** What a command's entry takes besides its value. */
const COMMAND_OVERHEAD_BYTES = 60;
/** Pieces of a snapshot that are under way to a follower. */
const SNAPSHOT_CHUNKS_IN_FLIGHT = 4;

/** The drawn options as the rules here leave them. */
export function withRules(options: SimOptions): SimOptions {
  return withLogBehindSnapshots(withShortQueue(options));
}

/** How long a client waits for an answer. */
export function patienceMs(options: SimOptions): number {
  const { clients, network } = options;
  const slowestMs = ROUND_TRIPS_WAITED * 2 * (network.delayMinMs + network.delayMeanMs);
  return Math.max(clients.timeoutMs, slowestMs, 2 * allAskedMs(options));
}

/** Some clients soon try another server, so that writes go on elsewhere while others still read. */
export function hastyPatienceMs(options: SimOptions): number {
  const { delayMinMs, delayMeanMs } = options.network;
  const soonMs = Math.max(HASTY_TIMEOUT_MS, HASTY_DELAYS * (delayMinMs + delayMeanMs));
  return Math.min(patienceMs(options), Math.max(soonMs, 2 * allAskedMs(options)));
}

/** The mean time from an append to its answer, with what is lost on either way sent again. */
export function appendMs({ network, disk, timing }: SimOptions): number {
  const delayMs = network.delayMinMs + network.delayMeanMs;
  const roundTripMs = 2 * delayMs + disk.syncMinMs + disk.syncMeanMs;
  // A heartbeat's answer tells of a loss.
  const lost = 1 - (1 - network.loss) ** 2;
  return roundTripMs + lost * (roundTripMs + timing.heartbeatIntervalMs);
}

/** How long it takes until what all clients ask at once has gone through the log. */
function allAskedMs(options: SimOptions): number {
  const { clients, limits } = options;
  const bytes = commandBytes(clients);
  const inOneAppend = Math.max(1, Math.floor(limits.appendBytesMax / bytes));
  const inFlight = Math.min(
    limits.appendsInFlightMax,
    Math.max(1, Math.floor(limits.appendBytesInFlightMax / bytes)),
  );
  return Math.ceil(commandsAtOnce(options) / (inOneAppend * inFlight)) * appendMs(options);
}

/** What the window to a follower holds. */
function inFlightBytes({ limits }: SimOptions): number {
  return Math.min(limits.appendsInFlightMax * limits.appendBytesMax, limits.appendBytesInFlightMax);
}

/**
 * Bounds what may wait to be committed to what goes through within half of a client's patience: a
 * narrow window's queue would stay full of what was given up. The servers themselves are as patient.
 */
function withShortQueue(options: SimOptions): SimOptions {
  const { limits, timing } = options;
  const msPerByte = appendMs(options) / inFlightBytes(options);
  const bytesMax = Math.max(QUEUE_BYTES_MIN, Math.floor(patienceMs(options) / 2 / msPerByte));
  const uncommittedBytesMax = Math.min(limits.uncommittedBytesMax, bytesMax);
  const queueMs = Math.max(uncommittedBytesMax * msPerByte, 2 * allAskedMs(options));
  const commandTimeoutMs = Math.max(timing.commandTimeoutMs, Math.ceil(queueMs));
  return {
    ...options,
    limits: { ...limits, uncommittedBytesMax },
    timing: { ...timing, commandTimeoutMs },
  };
}

/**
 * While a snapshot is on its way to a follower, its leader keeps the log after it, up to a bound: where
 * more than that is written meanwhile, the follower needs the next snapshot, and so on for as long as
 * clients write. So the bound is at least what goes through the window in that time.
 */
function withLogBehindSnapshots(options: SimOptions): SimOptions {
  const { storage, limits } = options;
  const turnMs = appendMs(options);
  const turns = snapshotBytes(options) / (SNAPSHOT_CHUNKS_IN_FLIGHT * storage.snapshotChunkBytes);
  const entryBytes = Math.max(limits.appendBytesMax, limits.entryBytesMax);
  const bytesPerMs = limits.appendsInFlightMax * entryBytes / turnMs;
  const bytes = Math.min(bytesPerMs, clientBytesPerMs(options)) * Math.ceil(turns) * turnMs;
  const least = Math.ceil(bytes) + 2 * storage.segmentBytesMax;
  const catchUpBytes = storage.catchUpBytes === 0 ? 0 : Math.max(storage.catchUpBytes, least);
  return { ...options, storage: { ...storage, catchUpBytes } };
}

/** A snapshot of all keys that clients write, about. */
function snapshotBytes({ clients, redis }: SimOptions): number {
  const keys = clients.keys + clients.expiringKeys + (redis?.counters ?? 0) +
    (redis?.accounts ?? 0);
  return keys * commandBytes(clients);
}

/** What clients write at the most, thinking as long as they do. */
function clientBytesPerMs(options: SimOptions): number {
  const { clients } = options;
  const bytes = commandsAtOnce(options) * commandBytes(clients);
  return bytes / (clients.thinkMeanMs + appendMs(options));
}

function commandBytes({ valueBytesMax }: SimOptions["clients"]): number {
  return valueBytesMax / 2 + COMMAND_OVERHEAD_BYTES;
}

/** Commands that all clients ask for at once, on the mean. */
function commandsAtOnce({ clients, redis, sessions }: SimOptions): number {
  const redisClients = redis === null ? 0 : redis.counterClients + redis.transferClients +
    (redis.versionClients ?? 0);
  const sessionClients = (sessions?.exactClients ?? 0) + (sessions?.looseClients ?? 0);
  return clients.count * (1 + clients.burstMax) / 2 +
    redisClients * (1 + (redis?.burstMax ?? 0)) / 2 +
    sessionClients * (1 + (sessions?.burstMax ?? 0)) / 2;
}
