/**
 * What a node holds: its parts, and the few facts that several of them need, as plain data. Each field
 * that changes is changed in one place, which its comment names; everybody may read all of them.
 */
import { CLUSTER_VERSION_FIRST, CLUSTER_VERSION_MAX } from "../kv/cluster_version.ts";
import { Alarm } from "./alarm.ts";
import { EventRing } from "./facts/event_ring.ts";
import { Meters } from "./facts/meters.ts";
import { ObservedHost } from "./facts/observed_host.ts";
import { Forwards } from "./forward/forwards.ts";
import { frameBytesMax } from "./frame_limit.ts";
import { KnownLeader } from "./known_leader.ts";
import { Appender } from "./log/append.ts";
import { ReadWaiters } from "./log/read_waiters.ts";
import { reportList } from "./members/file_report.ts";
import { KnownMembers } from "./members/known_members.ts";
import { Moves } from "./members/moves.ts";
import { RemovalReport } from "./members/removal_report.ts";
import type { NodeConfig, NodeOptions } from "./node_options.ts";
import { DigestExchange } from "./peers/digest_exchange.ts";
import type { PeerEvents } from "./peers/peer_events.ts";
import { PeerLinks } from "./peers/peer_links.ts";
import { sendPublished } from "./peers/published.ts";
import { drawStartId } from "./peers/peer_processes.ts";
import type { RoleState } from "../raft/state.ts";
import { NOBODY, type ServerId } from "../raft/types.ts";
import { Standstill } from "./reports/standstill.ts";
import type { Replica } from "./replica.ts";
import { type SessionLimits, sessionLimitsOf } from "./session/session_limits.ts";
import { PacedLog } from "./reports/paced_log.ts";
import { BoundedClients } from "./session/client_bounds.ts";
import { Sessions } from "./session/sessions.ts";
import type { Shutdown } from "./shutdown.ts";
import { PubSub } from "./pubsub/pubsub.ts";
import { Space } from "./space.ts";
import { Clocks } from "./time/clocks.ts";
import { Moment } from "./time/moment.ts";
import { Watches } from "./watches/watches.ts";

/** Who was removed is talked to for so long: it may have to hand over, and is told when it asks. */
const GRACE_ELECTION_TIMEOUTS = 2;

export interface NodeState {
  /** As given, the host with an ear on it. */
  readonly options: NodeOptions & { readonly host: ObservedHost };
  /** What the node reads of the machine's clocks, which are in `options`. */
  readonly clock: Moment;
  /** By the monotonic clock. */
  readonly startedMs: number;
  /** Who the members are, and where. */
  readonly members: KnownMembers;
  readonly clocks: Clocks;
  readonly standstill: Standstill;
  readonly alarm: Alarm;
  readonly links: PeerLinks;
  /** Commands that are sent on to whoever leads. */
  readonly forwards: Forwards;
  readonly digests: DigestExchange;
  readonly space: Space;
  readonly appender: Appender;
  readonly readWaiters: ReadWaiters;
  readonly sessions: Sessions;
  readonly sessionLimits: SessionLimits;
  /** Null where no address and no user is bounded. */
  readonly boundedClients: BoundedClients | null;
  readonly knownLeader: KnownLeader;
  readonly removal: RemovalReport;
  readonly moves: Moves;
  readonly watches: Watches;
  readonly pubsub: PubSub;
  readonly meters: Meters;
  /** What was logged lately. */
  readonly eventRing: EventRing;
  /** Null until the cluster is formed. Set by begin_replica.ts, once. */
  replica: Replica | null;
  /** Null while this server does not stop. Set by node.ts, once. */
  shutdown: Shutdown | null;
  /** The term that this node leads, as far as the sessions know; 0 where it does not. By node.ts. */
  ledTerm: number;
  /** What the last turn has seen. By leadership.ts, but for the time: by node.ts. */
  readonly seen: Seen;
  /** Index of the entry under way that only lets time pass; 0: none is. By passing_time.ts. */
  timeEntryIndex: number;
  /** Of raising the cluster version. By version_raise.ts. */
  readonly raise: RaiseState;
  /** The cluster version that the links know. By node.ts. */
  clusterVersion: number;
  /** It was woken late: what has arrived meanwhile comes in before anything is done. By node.ts. */
  isCatchingUp: boolean;
}

/** What a turn has seen: most turns find it as it was, and leave alone what depends on it. */
export interface Seen {
  /** When the turn began, by the monotonic clock. */
  atMs: number;
  /** Of the core; null before the first turn. */
  role: RoleState | null;
  term: number;
  leaderId: ServerId;
  /** How many reports of the other servers had come. */
  reports: number;
}

/** What a leader has seen on the way to raising the cluster version. */
export interface RaiseState {
  /** When it looks next, by the monotonic clock. */
  lookMs: number;
  /** How many looks in a row have found nobody to wait for. */
  looks: number;
  /** Index of the entry under way; 0: none is. */
  index: number;
  /** What is to be told of it in the log at a start was told, or there is nothing. */
  isSaid: boolean;
  /** Who is not waited for while it is silent, as somebody removes it; and until when that holds. */
  without: readonly ServerId[];
  withoutUntilMs: number;
}

/** Makes the parts of a node that is not formed yet; `events` hears of the other servers. */
export function makeNodeState(given: NodeOptions, events: PeerEvents): NodeState {
  const { config, config: { limits, timing }, directory, serverId } = given;
  const clock = new Moment(given.clock);
  const eventRing = new EventRing(serverId, clock);
  const host = new ObservedHost(given.host, eventRing, clock);
  const options = { ...given, host };
  const clocks = new Clocks(clock, host, options.clock);
  const standstill = new Standstill({ clock, host, ...timing });
  const { formation } = directory;
  const joins = formation === null ? given.join?.clusterId : undefined;
  const members = membersOf(given, joins !== undefined);
  // A formed server's members are those of its log.
  if (formation?.stage === "prepared") reportList(config.servers, members, formation, host);
  const links = new PeerLinks({
    serverId,
    members,
    directory,
    joins,
    startId: drawStartId(given.rng),
    host,
    clock,
    events,
    published: ({ channel, message }) => state.pubsub.received(channel, message),
    outboxBytesMax: limits.outboxBytesMax,
    frameBytesMax: frameBytesMax(),
    electionTimeoutMs: timing.electionTimeoutMs,
    secret: options.secret,
    version: ownVersionOf(options),
    ...(options.protocolVersionMax && { protocolVersionMax: options.protocolVersionMax }),
  });
  const state: NodeState = {
    options,
    clock,
    startedMs: clock.monotonicMs(),
    members,
    clocks,
    standstill,
    alarm: new Alarm(host, standstill),
    links,
    forwards: new Forwards(links, hasForwardPort(given), timing.electionTimeoutMs),
    digests: new DigestExchange(host, links),
    space: new Space({ ...config, statuses: links.statuses, host }),
    appender: new Appender(limits.entryBytesMax),
    readWaiters: new ReadWaiters(),
    sessions: new Sessions(),
    sessionLimits: sessionLimitsOf(limits),
    boundedClients: BoundedClients.of(limits, new PacedLog(host)),
    knownLeader: new KnownLeader(clock),
    moves: new Moves({ members, host, pauseMs: timing.electionTimeoutMs }),
    removal: new RemovalReport(host, timing.electionTimeoutMs),
    watches: watchesOf(config, links, () => state.replica),
    pubsub: pubsubOf(config, links, clock, () => state),
    meters: new Meters(),
    eventRing,
    replica: null,
    shutdown: null,
    ledTerm: 0,
    seen: { atMs: -Infinity, role: null, term: 0, leaderId: NOBODY, reports: 0 },
    timeEntryIndex: 0,
    raise: { lookMs: 0, looks: 0, index: 0, isSaid: false, without: [], withoutUntilMs: 0 },
    clusterVersion: CLUSTER_VERSION_FIRST,
    isCatchingUp: false,
  };
  return state;
}

function membersOf({ config, serverId, directory }: NodeOptions, joins: boolean): KnownMembers {
  return new KnownMembers({
    serverId,
    incarnation: directory.identity.incarnation,
    listed: config.servers,
    record: directory.formation,
    joins,
    graceMs: GRACE_ELECTION_TIMEOUTS * config.timing.electionTimeoutMs,
  });
}

function hasForwardPort({ config: { servers }, serverId }: NodeOptions): boolean {
  return servers.find(({ id }) => id === serverId)?.forwardPort !== undefined;
}

function ownVersionOf({ clusterVersionMax, config }: NodeOptions) {
  const isHeld = config.holdClusterVersion === true;
  return { max: clusterVersionMax ?? CLUSTER_VERSION_MAX, isHeld };
}

function watchesOf(
  { limits, timing }: NodeConfig,
  { formation, facts }: PeerLinks,
  replica: () => Replica | null,
): Watches {
  return new Watches({ limits, markMs: timing.watchMarkMs }, {
    store: () => replica()?.store ?? null,
    clusterId: () => formation.clusterId,
    isAskedToKeep: () => facts.othersKeepChanges,
  });
}

function pubsubOf(
  { limits }: NodeConfig,
  links: PeerLinks,
  clock: Moment,
  state: () => Pick<NodeState, "replica" | "seen">,
): PubSub {
  return new PubSub(limits, {
    store: () => state().replica?.store ?? null,
    nowMs: () => clock.monotonicMs(),
    sendToOthers: (channel, message) => {
      const dropped = sendPublished(links.outbound, channel, message);
      links.linkActive();
      return dropped;
    },
    leadership: () => `${state().seen.term} ${state().seen.leaderId}`,
    hasOthers: () => links.outbound.length > 0,
    othersTellChanges: () => links.facts.othersTellChanges,
  });
}

/** Asks the host for a turn, where none is coming. */
export function scheduleTurn(state: NodeState): void {
  state.options.host.scheduleTurn();
}
