/**
 * What a node holds: its parts, and the few facts that several of them need, as plain data. Each field
 * that changes is changed in one place, which its comment names; everybody may read all of them.
 */
import { CLUSTER_VERSION_FIRST, CLUSTER_VERSION_MAX } from "../kv/cluster_version.ts";
import { Alarm } from "./alarm.ts";
import { EventRing } from "./facts/event_ring.ts";
import { Meters } from "./facts/meters.ts";
import { ObservedHost } from "./facts/observed_host.ts";
import { frameBytesMax } from "./frame_limit.ts";
import { KnownLeader } from "./known_leader.ts";
import { knownServers } from "./known_servers.ts";
import { Appender } from "./log/append.ts";
import { ReadWaiters } from "./log/read_waiters.ts";
import { logAddresses, type NodeOptions, type ServerAddress } from "./node_options.ts";
import { DigestExchange } from "./peers/digest_exchange.ts";
import { type PeerEvents, PeerLinks } from "./peers/peer_links.ts";
import { drawStartId } from "./peers/peer_processes.ts";
import { Standstill } from "./reports/standstill.ts";
import type { Replica } from "./replica.ts";
import { type SessionLimits, sessionLimitsOf } from "./session/session_limits.ts";
import { Sessions } from "./session/sessions.ts";
import type { Shutdown } from "./shutdown.ts";
import { Space } from "./space.ts";
import { Clocks } from "./time/clocks.ts";
import { Moment } from "./time/moment.ts";

export interface NodeState {
  /** As given, the host with an ear on it. */
  readonly options: NodeOptions & { readonly host: ObservedHost };
  /** What the node reads of the machine's clocks, which are in `options`. */
  readonly clock: Moment;
  /** By the monotonic clock. */
  readonly startedMs: number;
  /** Those servers of the cluster whose addresses the cluster file tells. */
  readonly addresses: readonly ServerAddress[];
  readonly clocks: Clocks;
  readonly standstill: Standstill;
  readonly alarm: Alarm;
  readonly links: PeerLinks;
  readonly digests: DigestExchange;
  readonly space: Space;
  readonly appender: Appender;
  readonly readWaiters: ReadWaiters;
  readonly sessions: Sessions;
  readonly sessionLimits: SessionLimits;
  readonly knownLeader: KnownLeader;
  readonly meters: Meters;
  /** What was logged lately. */
  readonly eventRing: EventRing;
  /** Null until the cluster is formed. Set by node.ts, once. */
  replica: Replica | null;
  /** Null while this server does not stop. Set by node.ts, once. */
  shutdown: Shutdown | null;
  /** The term that this node leads, as far as the sessions know; 0 where it does not. By node.ts. */
  ledTerm: number;
  /** Index of the entry under way that only lets time pass; 0: none is. By passing_time.ts. */
  timeEntryIndex: number;
  /** Of raising the cluster version. By version_raise.ts. */
  readonly raise: RaiseState;
  /** The cluster version that the links know. By node.ts. */
  clusterVersion: number;
  /** The host was asked for a turn that has not begun. By `scheduleTurn`; taken back by the turn. */
  isTurnScheduled: boolean;
  /** It was woken late: what has arrived meanwhile comes in before anything is done. By node.ts. */
  isCatchingUp: boolean;
}

/** What a leader has seen on the way to raising the cluster version. */
export interface RaiseState {
  /** When it looks next, by the monotonic clock. */
  lookMs: number;
  /** How many looks in a row have found nobody to wait for. */
  looks: number;
  /** Index of the entry under way; 0: none is. */
  index: number;
}

/** Makes the parts of a node that is not formed yet; `events` hears of the other servers. */
export function makeNodeState(given: NodeOptions, events: PeerEvents): NodeState {
  const { config, serverId, directory, rng } = given;
  const clock = new Moment(given.clock);
  const eventRing = new EventRing(serverId, clock);
  const host = new ObservedHost(given.host, eventRing);
  const options = { ...given, host };
  const { limits, timing } = config;
  const clocks = new Clocks(clock, host, options.clock);
  const standstill = new Standstill({ clock, host, ...timing });
  const known = knownServers(config.servers, directory.formation, host);
  const links = new PeerLinks({
    serverId,
    ...known,
    directory,
    startId: drawStartId(rng),
    logAddresses: logAddresses(config.servers),
    host,
    clock,
    events,
    outboxBytesMax: limits.outboxBytesMax,
    frameBytesMax: frameBytesMax(),
    electionTimeoutMs: timing.electionTimeoutMs,
    version: {
      max: options.clusterVersionMax ?? CLUSTER_VERSION_MAX,
      isHeld: config.holdClusterVersion === true,
    },
    ...(options.protocolVersionMax && { protocolVersionMax: options.protocolVersionMax }),
  });
  return {
    options,
    clock,
    startedMs: clock.monotonicMs(),
    addresses: known.addresses,
    clocks,
    standstill,
    alarm: new Alarm(host, standstill),
    links,
    digests: new DigestExchange(host, links),
    space: new Space({ ...config, statuses: links.statuses, host }),
    appender: new Appender(limits.entryBytesMax, clock),
    readWaiters: new ReadWaiters(),
    sessions: new Sessions(),
    sessionLimits: sessionLimitsOf(limits),
    knownLeader: new KnownLeader(clock),
    meters: new Meters(),
    eventRing,
    replica: null,
    shutdown: null,
    ledTerm: 0,
    timeEntryIndex: 0,
    raise: { lookMs: 0, looks: 0, index: 0 },
    clusterVersion: CLUSTER_VERSION_FIRST,
    isTurnScheduled: false,
    isCatchingUp: false,
  };
}

/** Asks the host for a turn, where none is coming. */
export function scheduleTurn(state: NodeState): void {
  if (state.isTurnScheduled) return;
  state.isTurnScheduled = true;
  state.clock.begin();
  state.options.host.scheduleTurn();
}
