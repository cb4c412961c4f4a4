/**
 * What one seed draws before its world begins (swarm testing): the size of the cluster, times, limits,
 * and which faults there are at all. Each fault is off in at least 30 % of the seeds, because two
 * faults often hide what one alone would show.
 */
import {
  type ClientBounds,
  DEFAULT_CLIENT_BOUNDS,
  DEFAULT_LIMITS,
  DEFAULT_TIMING,
  type Limits,
  type StorageLimits,
  type Timing,
} from "../../lib/node/limits.ts";
import { drawMembers, type MembersOptions } from "./member_options.ts";
import { Random } from "../../lib/util/random.ts";
import { withRules } from "./patience.ts";
import { drawSecret, type SecretOption } from "./secrets.ts";
import { drawRedis, type RedisOptions } from "./redis_options.ts";
import { drawScripts, type ScriptsOptions } from "./scripts_options.ts";
import { drawSessions, type SessionsOptions } from "./sessions_options.ts";
import { drawSubscribers, type SubscriberOptions } from "./subscriber_options.ts";
import { drawUsers, type UsersOptions } from "./users_options.ts";
import { drawWatches, type WatchOptions } from "./watch_options.ts";

/** Faults that come and go by themselves, with the mean time between two and how long one lasts. */
export const FAULTS = [
  "crash",
  "crashInDisk",
  "crashAll",
  "pause",
  "partition",
  "oneWayCut",
  "clog",
  "connectionReset",
  "clientCut",
  "clockStep",
  "clockDrift",
  "clockFreeze",
  "diskStall",
  "diskError",
  "diskFull",
  "swizzle",
  "wipe",
  "damage",
  "sleepingLeader",
  "chase",
  "lag",
  "damageEnd",
  "overtaken",
  "stop",
] as const;
/** These come at a moment that they look for, not at times of their own. */
export const MOMENT_FAULTS = [
  "newLeader",
  "figureEight",
  "installing",
  "earlyReads",
  "settling",
] as const;
/** Those that come at times of their own; changes of members (operator.ts) are drawn apart from the others. */
export const TIMED_FAULTS = [...FAULTS, "members"] as const;
export type FaultName = typeof TIMED_FAULTS[number] | typeof MOMENT_FAULTS[number];

/** One fault as it struck: enough to do it again at the same moment. */
export interface Strike {
  /** Since the faulty phase began. */
  readonly atUs: number;
  readonly name: FaultName;
  readonly durationMs: number;
  /** For what it draws itself: whom it hits, how. */
  readonly seed: number;
}

export interface FaultOptions {
  readonly meanIntervalMs: number;
  readonly durationMinMs: number;
  readonly durationMaxMs: number;
}

export interface NetworkOptions {
  readonly delayMinMs: number;
  /** Mean of the exponential part on top of the least delay. */
  readonly delayMeanMs: number;
  readonly loss: number;
  readonly duplicate: number;
  readonly reorder: number;
  /** Chance that a frame comes very late, beyond what election timeouts wait for. */
  readonly late: number;
  readonly lateMaxMs: number;
  /** Chance that a delivery comes in several pieces. */
  readonly fragment: number;
  /** Chance that a bit of a frame is flipped. */
  readonly damaged: number;
  /** Chance that nobody hears of a server's end before that server is there again. */
  readonly halfOpen: number;
}

/** Where the log begins: far ahead in some seeds, where 32 bits end. */
export interface Origin {
  readonly index: number;
  readonly term: number;
  /** The store's floor of versions. */
  readonly version: number;
}

export interface DiskOptions {
  readonly syncMinMs: number;
  readonly syncMeanMs: number;
}

export interface ClientOptions {
  readonly count: number;
  readonly keys: number;
  /** Further keys whose writes carry an exptime. */
  readonly expiringKeys: number;
  readonly thinkMeanMs: number;
  /** Most commands in one write. */
  readonly burstMax: number;
  readonly timeoutMs: number;
  readonly noreply: number;
  readonly valueBytesMax: number;
  readonly reads: number;
  readonly cas: number;
  readonly deletes: number;
  /** Chance of a large value, up to the limit. */
  readonly large: number;
  /** Some clients only read, others hardly ever do and give up soon. */
  readonly split: boolean;
}

export interface SimOptions {
  readonly seed: number;
  readonly servers: number;
  readonly timing: Timing;
  readonly limits: Limits;
  readonly storage: StorageLimits;
  readonly network: NetworkOptions;
  readonly disk: DiskOptions;
  readonly clients: ClientOptions;
  /** Clients of the Redis protocol next to those; null where there are none. */
  readonly redis: RedisOptions | null;
  /** Users, and clients that are some; null where there are none, as in runs kept before there were any. */
  readonly users?: UsersOptions | null;
  /** Clients with client sessions; null where there are none, as in runs kept before there were any. */
  readonly sessions?: SessionsOptions | null;
  /** Clients of scripts; null where there are none, as in runs kept before there were any. */
  readonly scripts?: ScriptsOptions | null;
  /** Clients that watch; null where there are none, as in runs kept before there were any. */
  readonly watches?: WatchOptions | null;
  /** Clients that publish and subscribe; null where there are none, as in runs kept before there were any. */
  readonly subscribers?: SubscriberOptions | null;
  /** The share of connections that come to a forward port; absent where no server has one. */
  readonly forwarding?: number;
  readonly faults: Partial<Record<FaultName, FaultOptions>>;
  /** Exactly these faults, in the place of drawn ones: a shrunk schedule. */
  readonly schedule: readonly Strike[] | null;
  /** Chance that a fault hits a leader just after its election, before its term's first commit. */
  readonly newLeaderFault: number;
  /** Chance that a fault hits while a server makes a snapshot durable that has come whole. */
  readonly installFault: number;
  /** Chance of a fault where reads wait for their round behind a write, or a repair for its last sync. */
  readonly momentFault: number;
  /** A server loses its directory while its cluster forms. */
  readonly wipesAtFirst: boolean;
  /** Servers that may lose data or have it damaged: a minority; any minority of them where members change. */
  readonly damageable: readonly number[];
  /** How members change; null where they stay those that founded the cluster. */
  readonly members: MembersOptions | null;
  /** Timers are late by up to this share of an election timeout, each time, while there are faults. */
  readonly timersLate: number;
  /** Chance that a bit is flipped in what is read of the log for a follower. */
  readonly spoiledReads: number;
  /** Servers that speak the handshake's version 1 alone, as builds before the features do. */
  readonly older: readonly number[];
  /** So many machines for all clients, an address each; 0, or absent: an address for each connection. */
  readonly clientHosts?: number;
  /** What the servers prove to each other; absent in cases that were kept before there was one. */
  readonly secret?: SecretOption;
  readonly origin: Origin;
  /** Processes end on their very first start, while they form their cluster. */
  readonly crashesAtFirst: boolean;
  /** The clocks' first differences: wall offset at most this, drift at most this part. */
  readonly wallOffsetMaxMs: number;
  readonly driftMax: number;
  readonly faultsMs: number;
  /** Acknowledged operations that the faulty phase has to bring; it is extended for them. */
  readonly operationsMin: number;
  /** Before all heals, only a core that is a majority does; the others stay broken. */
  readonly coreFirst: boolean;
  /** A crashed server starts again within this time. */
  readonly restartMaxMs: number;
  /** Has the core check all its invariants after each call: slow with long logs. */
  readonly checkInvariants: boolean;
}

/** The options of a seed; `overrides` replace whole parts, for fixed scenarios. */
export function drawOptions(seed: number, overrides: Partial<SimOptions> = {}): SimOptions {
  const random = new Random(seed);
  const servers = overrides.servers ?? random.pick([1, 2, 3, 3, 3, 3, 3, 4, 5, 5, 5, 5, 6, 7]);
  const timing = drawTiming(random.fork());
  const isTiny = random.chance(0.5);
  const clients = drawClients(random.fork(), isTiny);
  const network = drawNetwork(random.fork(), timing);
  const drawn: SimOptions = {
    seed,
    servers,
    timing: { ...timing, leaderWaitMs: drawLeaderWait(seed) },
    limits: {
      ...isTiny ? drawTinyLimits(random.fork()) : DEFAULT_LIMITS,
      perAddress: drawPerAddress(seed),
    },
    storage: { ...drawStorage(random.fork()), catchUpBytes: drawCatchUpBytes(seed) },
    network,
    disk: drawDisk(random.fork(), timing),
    clients,
    faults: drawFaults(random.fork(), timing),
    schedule: null,
    wallOffsetMaxMs: random.chance(0.5) ? 0 : 3_600_000,
    driftMax: random.chance(0.4) ? 0 : random.unit() * 0.1,
    faultsMs: 60_000,
    operationsMin: 500,
    coreFirst: servers >= 3 && random.chance(0.4),
    restartMaxMs: random.pick([50, 1_000, 10_000]),
    newLeaderFault: random.chance(0.5) ? 0 : random.pick([0.3, 0.9, 0.9]),
    origin: drawOrigin(random.fork()),
    damageable: drawDamageable(random.fork(), servers),
    crashesAtFirst: random.chance(0.3),
    // Costs time linear in the log: some seeds pay it for all.
    checkInvariants: random.chance(0.1),
    redis: null,
    installFault: drawInstallFault(seed),
    older: drawOlder(seed, servers),
    spoiledReads: drawSpoiledReads(seed),
    timersLate: drawTimersLate(seed),
    members: null,
    ...drawMoments(seed, servers),
  };
  // One connection is left for whoever reads back. A stream of its own: other draws stay as they are.
  const room = drawn.limits.connectionsMax - clients.count - 1;
  const redis = withNewest(drawRedis(new Random(seed ^ 0x4ed1), room), drawn.older, room);
  // Readers that never leave would take every connection, and no write would come in.
  const split = clients.split && room >= 0;
  const withLag = drawn.faults.lag === undefined ? drawn : forLag(drawn);
  const calmed = withLag.faults.overtaken === undefined ? withLag : forOvertaken(withLag);
  const changing = withMembers(calmed);
  const secret = drawSecret(seed, changing.older);
  const others = redis !== null || drawn.older.length > 0;
  const users = others ? null : drawUsers(seed, room);
  const bounded = { ...changing, ...drawBounds(seed, changing.limits, users !== null) };
  const sessions = users === null ? drawSessions(seed, room - redisClients(redis)) : null;
  const workloads = { redis, secret, users, sessions, ...drawForwarding(seed) };
  const asked = { ...bounded, clients: { ...changing.clients, split }, ...workloads };
  const { exactClients, looseClients } = sessions ?? { exactClients: 0, looseClients: 0 };
  const roomLeft = room - redisClients(redis) - exactClients - looseClients;
  const watching = withWatches(asked, roomLeft);
  // Who watches may have left a connection open that it lost.
  const roomForScripts = roomLeft - 2 * (watching.watches?.clients ?? 0);
  const scripts = users === null ? drawScripts(seed, roomForScripts) : null;
  const scriptClients = (scripts?.clients ?? 0) + (scripts?.plainClients ?? 0);
  const subscribing = withSubscribers({ ...watching, scripts }, roomForScripts - scriptClients);
  return { ...withRules(subscribing), ...overrides };
}

/** Not where there are bounds that they would use up for others. */
function withSubscribers(drawn: SimOptions, room: number): SimOptions {
  const { seed, redis, limits } = drawn;
  if (redis === null || isBounded(drawn)) return drawn;
  const subscribers = drawSubscribers(seed, room);
  if (subscribers === null) return drawn;
  const { subscriberBytesMax, publishBytesPerSecond } = subscribers;
  return {
    ...drawn,
    subscribers,
    limits: { ...limits, subscriberBytesMax, publishBytesPerSecond },
  };
}

function isBounded({ limits: { perAddress } }: SimOptions): boolean {
  return perAddress.commandsPerSecond + perAddress.bytesPerSecond > 0;
}

/** Not where there are users, which a watch would have to be, or bounds that it would use up for others. */
function withWatches(drawn: SimOptions, room: number): SimOptions {
  const { timing, limits } = drawn;
  const watches = isBounded(drawn) || drawn.users !== null ? null : drawWatches(drawn.seed, room);
  if (watches === null) return { ...drawn, watches };
  const { historyBytes, markMs: watchMarkMs } = watches;
  return {
    ...drawn,
    watches,
    timing: { ...timing, watchMarkMs },
    limits: { ...limits, historyBytes },
  };
}

/** In half of the seeds, by a stream of its own. */
function drawForwarding(seed: number): { readonly forwarding?: number } {
  const random = new Random(seed ^ 0xf0a4d);
  const forwarding = random.pick([0.3, 0.7, 1]);
  return random.chance(0.5) ? { forwarding } : {};
}

function redisClients(redis: RedisOptions | null): number {
  if (redis === null) return 0;
  const { counterClients, transferClients, volatileClients = 0, versionClients = 0 } = redis;
  return counterClients + transferClients + volatileClients + versionClients;
}

/** Where builds are mixed, somebody uses a command that waits for the cluster version. */
function withNewest(
  redis: RedisOptions | null,
  older: readonly number[],
  room: number,
): RedisOptions | null {
  if (older.length === 0 || room < 2 || redis !== null) return redis;
  const some = { counters: 1, accounts: 2, thinkMeanMs: 30, burstMax: 4 };
  return { ...some, counterClients: 0, transferClients: 1, volatileClients: 1 };
}

/**
 * Most clusters change their members. Not those where builds are mixed: a build before knows the members of
 * the cluster file alone, so that nothing could change for most of the run. And some stay as they are, since
 * whoever is lost is lost there for the rest of the run.
 */
function withMembers(drawn: SimOptions): SimOptions {
  const random = new Random(drawn.seed ^ 0x3e3b);
  if (drawn.older.length > 0 || !random.chance(MEMBERS_SHARE)) return drawn;
  const fault = {
    meanIntervalMs: random.pick([1_000, 3_000, 8_000]),
    durationMinMs: 0,
    durationMaxMs: 0,
  };
  const faults = { ...drawn.faults, members: fault };
  return { ...drawn, members: drawMembers(random), wipesAtFirst: false, faults };
}

/** Of the seeds with one build. */
const MEMBERS_SHARE = 0.8;

/**
 * Where servers are left behind, little of the log stays in memory, and mostly little in files: else they
 * would just catch up. And there are fewer other faults: else the others would not get ahead.
 */
function forLag(drawn: SimOptions): SimOptions {
  const random = new Random(drawn.seed ^ 0x1a6);
  const { lag } = drawn.faults;
  const others = Object.entries(drawn.faults).filter(() => random.chance(0.4));
  const { storage } = drawn;
  const logMemoryBytes = Math.min(storage.logMemoryBytes, LAG_LOG_MEMORY_BYTES_MAX);
  const shortLog = new Random(drawn.seed ^ 0x109).chance(0.7) ? LAG_SHORT_LOG : {};
  return {
    ...drawn,
    storage: { ...storage, logMemoryBytes, ...shortLog },
    faults: { ...Object.fromEntries(others), lag },
    installFault: random.pick([0, 0.5, 0.9]),
  };
}

/**
 * Where a leader is to be overtaken, another has to be elected and written to while it sleeps: little
 * else goes wrong, and clients write without much thought.
 */
function forOvertaken(drawn: SimOptions): SimOptions {
  const random = new Random(drawn.seed ^ 0x07e4);
  const { overtaken, lag } = drawn.faults;
  const others = Object.entries(drawn.faults).filter(() => random.chance(0.2));
  const { clients } = drawn;
  const thinkMeanMs = Math.min(clients.thinkMeanMs, OVERTAKEN_THINK_MS);
  return {
    ...drawn,
    clients: { ...clients, thinkMeanMs },
    faults: { ...Object.fromEntries(others), lag, overtaken },
    newLeaderFault: random.chance(0.7) ? 0 : drawn.newLeaderFault,
  };
}

/** A stream of its own: other draws stay as they are. */
function drawInstallFault(seed: number): number {
  const random = new Random(seed ^ 0x1257);
  return random.chance(0.5) ? 0 : random.pick([0.2, 0.8]);
}

/** In a fifth of the seeds; a stream of its own: other draws stay as they are. */
function drawOlder(seed: number, servers: number): number[] {
  const random = new Random(seed ^ 0x01de);
  if (random.chance(0.8)) return [];
  const ids = Array.from({ length: servers }, (_, at) => at + 1);
  return ids.filter(() => random.chance(0.5));
}

/** In a fifth of the seeds; a stream of its own, again. */
function drawSpoiledReads(seed: number): number {
  const random = new Random(seed ^ 0x5b01);
  return random.chance(0.8) ? 0 : random.pick([0.02, 0.2]);
}

/** In a tenth of the seeds; a stream of its own, again. */
function drawTimersLate(seed: number): number {
  const random = new Random(seed ^ 0x1a7e);
  return random.chance(0.9) ? 0 : random.pick([0.15, 0.3, 0.3]);
}

/** A stream of its own, again. */
function drawMoments(
  seed: number,
  servers: number,
): Pick<SimOptions, "momentFault" | "wipesAtFirst"> {
  const random = new Random(seed ^ 0x30e7);
  const momentFault = random.chance(0.5) ? 0 : random.pick([0.1, 0.5]);
  return { momentFault, wipesAtFirst: random.chance(0.15) && servers > 1 };
}

/** Mostly more than a run ever writes; a stream of its own: other draws stay as they are. */
function drawCatchUpBytes(seed: number): number {
  const random = new Random(seed ^ 0xca7c);
  return random.chance(0.7) ? 0 : random.pick([1, 20_000, 200_000]);
}

/** A stream of its own: other draws stay as they are. */
/** In some seeds clients may do so little that most of them wait for it, and some are refused. */
function drawPerAddress(seed: number): ClientBounds {
  const random = new Random(seed ^ 0xb0b0);
  if (random.chance(0.85)) return DEFAULT_CLIENT_BOUNDS;
  return {
    connectionsMax: 0,
    commandsPerSecond: random.pick([0, 20, 50]),
    bytesPerSecond: random.pick([0, 100_000]),
  };
}

/**
 * Where addresses are bounded, clients share one, mostly: what one takes is missing to the others. Where there
 * are users they have one each, as passwords that fail are counted by it, and users are bounded instead.
 */
function drawBounds(
  seed: number,
  limits: Limits,
  hasUsers: boolean,
): Pick<SimOptions, "limits" | "clientHosts"> {
  const random = new Random(seed ^ 0x4057);
  const clientHosts = random.pick([0, 1, 1, 2, 3]);
  const isBounded = random.chance(0.4);
  const perUser = {
    connectionsMax: 0,
    commandsPerSecond: random.pick([0, 50, 200]),
    bytesPerSecond: random.pick([0, 100_000]),
  };
  if (hasUsers) return isBounded ? { limits: { ...limits, perUser } } : { limits };
  const { perAddress } = limits;
  const { commandsPerSecond, bytesPerSecond } = perAddress;
  if (clientHosts === 0 || commandsPerSecond + bytesPerSecond === 0) return { limits };
  const shared = { ...perAddress, commandsPerSecond: commandsPerSecond * 2 };
  return { limits: { ...limits, perAddress: shared }, clientHosts };
}

function drawLeaderWait(seed: number): number {
  const random = new Random(seed ^ 0x1ead);
  return random.pick([0, 100, 1_000, 1_000, 1_000, 5_000]);
}

function drawOrigin(random: Random): Origin {
  if (random.chance(0.7)) return { index: 0, term: 0, version: 0 };
  const edge = () => random.pick([2 ** 31, 2 ** 32]);
  return {
    index: edge() - random.between(5, 800),
    term: edge() - random.between(1, 20),
    version: edge() - random.between(1, 300),
  };
}

/** At most a minority of the servers, and none where one alone is all. */
function drawDamageable(random: Random, servers: number): number[] {
  const most = Math.floor((servers - 1) / 2);
  const count = Math.min(most, random.between(1, 3));
  const first = random.between(0, servers - 1);
  return Array.from({ length: count }, (_, at) => (first + at) % servers + 1);
}

function drawTiming(random: Random): Timing {
  const stepMs = random.pick([10, 10, 10, 20, 25]);
  const electionTimeoutMs = random.pick([150, 300, 300, 500, 1_000]);
  const heartbeatIntervalMs = Math.max(
    stepMs,
    Math.floor(electionTimeoutMs / random.between(4, 8) / stepMs) * stepMs,
  );
  return {
    ...DEFAULT_TIMING,
    electionTimeoutMs,
    heartbeatIntervalMs,
    commandTimeoutMs: random.pick([1_000, 3_000, 5_000]),
  };
}

function drawTinyLimits(random: Random): Limits {
  return {
    ...DEFAULT_LIMITS,
    valueBytesMax: random.pick([2_000, 20_000]),
    connectionsMax: random.pick([4, 20, 1_000]),
    pipelineCommandsMax: random.pick([4, 16, 128]),
    outputBytesMax: random.pick([200, 4_096]),
    clientBytesMax: random.pick([100_000, 1_000_000]),
    uncommittedBytesMax: random.pick([2_000, 20_000, 1_000_000]),
    entryBytesMax: random.pick([100, 1_000, 10_000]),
    appendBytesMax: random.pick([100, 1_000, 10_000]),
    appendsInFlightMax: random.pick([1, 2, 8]),
    appendBytesInFlightMax: random.pick([200, 2_000, 20_000]),
    outboxBytesMax: random.pick([40_000, 1_000_000]),
  };
}

function drawStorage(random: Random): Omit<StorageLimits, "catchUpBytes"> {
  // Recovery reads whole segments: the default of 64 MiB would make each restart cost a second.
  return {
    segmentBytesMax: random.pick([4_096, 20_000, 200_000, 1_000_000]),
    reserveBytes: 65_536,
    snapshotLogBytesMin: random.pick([500, 2_000, 10_000, 50_000, 1_000_000]),
    snapshotSliceBytes: random.pick([64, 1_000, 100_000]),
    snapshotChunkBytes: random.pick([64, 1_000, 100_000, 100_000]),
    logMemoryBytes: random.pick([500, 2_000, 10_000, 50_000, 1_000_000]),
    dataBytesMax: 0,
  };
}

function drawNetwork(random: Random, timing: Timing): NetworkOptions {
  // A round trip has to fit well into an election timeout, or no leader could live.
  const room = timing.electionTimeoutMs;
  const sometimes = (max: number) => random.chance(0.35) ? 0 : random.unit() * max;
  return {
    delayMinMs: sometimes(Math.min(30, room / 20)),
    delayMeanMs: 0.1 + sometimes(Math.min(100, room / 12)),
    loss: random.chance(0.5) ? sometimes(0.03) : sometimes(0.3),
    duplicate: random.chance(0.5) ? sometimes(0.05) : sometimes(0.5),
    reorder: sometimes(0.5),
    late: random.chance(0.5) ? 0 : random.pick([0.005, 0.05]),
    lateMaxMs: 4 * room,
    fragment: random.chance(0.5) ? 0 : random.pick([0.02, 0.2, 1]),
    damaged: random.chance(0.6) ? 0 : random.pick([0.000_2, 0.002]),
    halfOpen: random.chance(0.5) ? 0 : random.pick([0.3, 1]),
  };
}

function drawDisk(random: Random, timing: Timing): DiskOptions {
  return {
    syncMinMs: random.pick([0.02, 0.2, 2]),
    syncMeanMs: random.pick([0.05, 0.5, 5, timing.electionTimeoutMs / 20]),
  };
}

function drawClients(random: Random, isTiny: boolean): ClientOptions {
  const burstMax = random.pick([1, 1, 4, 16, 64]);
  // Deep pipelines by few clients on many keys: else nobody could search their histories.
  const isDeep = burstMax > 16;
  const count = random.between(1, isDeep ? 2 : 8);
  return {
    count,
    keys: isDeep ? 16 : random.pick([1, 2, 3, 8]),
    expiringKeys: random.chance(0.5) ? 0 : random.between(1, 4),
    // From 25 to about 250 operations a second over all clients.
    thinkMeanMs: Math.min(1_000, count * (1 + burstMax) / 2 * random.pick([4, 12, 40])),
    burstMax,
    timeoutMs: random.pick([500, 2_000, 6_000]),
    noreply: random.chance(0.4) ? 0 : random.unit() * 0.2,
    valueBytesMax: random.pick([10, 100, 1_000]),
    reads: random.pick([0.2, 0.5, 0.8]),
    cas: random.pick([0, 0.2, 0.5]),
    deletes: random.pick([0, 0.05, 0.3]),
    large: isTiny && random.chance(0.3) ? 0.02 : 0,
    split: count >= 2 && random.chance(0.5),
  };
}

function drawFaults(random: Random, timing: Timing): SimOptions["faults"] {
  const faults: Partial<Record<FaultName, FaultOptions>> = {};
  const election = timing.electionTimeoutMs;
  for (const name of FAULTS) {
    // Drawn for all, used for some: one more kind does not reshuffle the others.
    const isOff = random.chance(name === "lag" ? 0.7 : name === "overtaken" ? 0.64 : 0.4);
    const interval = random.pick([700, 2_000, 5_000, 15_000]);
    const long = random.pick([election, 4 * election, 15_000]);
    const lasts = name === "chase" ? 40 * election : name === "lag" ? LAG_MAX_MS : long;
    const short = random.unit();
    if (isOff) continue;
    faults[name] = {
      meanIntervalMs: interval * INTERVAL_FACTOR[name],
      // Another has to be elected while it lasts.
      durationMinMs: 1 + (name === "overtaken" ? 4 : short) * election,
      durationMaxMs: name === "clog" || name === "swizzle" ? Math.min(long, 5_000) : lasts,
    };
  }
  return faults;
}

/** A server is left behind until the others' logs have gone on without it, for so long at the most. */
const LAG_MAX_MS = 30_000;
const LAG_LOG_MEMORY_BYTES_MAX = 2_000;
/** Snapshots come often then, and take the log's files with them. */
const LAG_SHORT_LOG = { snapshotLogBytesMin: 2_000, segmentBytesMax: 4_096 };
const OVERTAKEN_THINK_MS = 30;

/** Some faults cost more progress than others and come less often. */
const INTERVAL_FACTOR: Record<FaultName, number> = {
  crash: 1.5,
  crashInDisk: 2,
  crashAll: 6,
  pause: 1.5,
  partition: 2,
  oneWayCut: 2,
  clog: 1,
  connectionReset: 0.5,
  clientCut: 2,
  clockStep: 1,
  clockDrift: 1,
  clockFreeze: 2,
  diskStall: 1.5,
  diskError: 4,
  diskFull: 3,
  swizzle: 3,
  wipe: 12,
  damage: 8,
  sleepingLeader: 3,
  chase: 2,
  lag: 4,
  damageEnd: 8,
  overtaken: 2,
  stop: 3,
  members: 1,
  newLeader: 1,
  figureEight: 1,
  installing: 1,
  earlyReads: 1,
  settling: 1,
};
