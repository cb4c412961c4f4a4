/** What this server says of itself, read from the node's state when somebody asks. */
import { entryStampMs } from "../../raft/envelope.ts";
import type { Progress } from "../../raft/progress.ts";
import type { RaftState } from "../../raft/state.ts";
import { NOBODY } from "../../raft/types.ts";
import type { FollowerFacts, ServerFacts } from "../../wire/status.ts";
import { contentBytesMax } from "../limits.ts";
import type { NodeState } from "../state.ts";
import { raiseWaits } from "../version_raise.ts";
import { problemsOf } from "./problems.ts";

/** The bytes of more entries than this are not added up. */
const COUNTED_ENTRIES_MAX = 10_000;

export function ownFacts(state: NodeState): ServerFacts {
  const facts = { ...aboutProcess(state), ...aboutLog(state), ...aboutData(state) };
  return { ...facts, ...aboutRequests(state), problems: problemsOf(state, facts) };
}

function aboutProcess(state: NodeState) {
  const { options, startedMs, sessions, clocks, replica, links } = state;
  const { clock, host, version = "unknown" } = options;
  const { memoryBytes, freeDescriptors, adminPort } = host.machine();
  const leads = replica?.raft.state.role.kind === "leader";
  return {
    version,
    uptimeMs: Math.floor(clock.monotonicMs() - startedMs),
    clusterVersion: state.clusterVersion,
    clusterVersionMax: links.ownVersion.max,
    clusterVersionWaits: raiseWaits(state).join("; ") || null,
    adminPort,
    connections: sessions.count,
    memoryBytes,
    freeDescriptors,
    clockAheadMs: (leads ? clocks.leader : clocks.follower).aheadOfWallMs(),
    keepsChanges: state.watches.isKeeping,
    tellsChanges: state.pubsub.isListening,
  };
}

function aboutLog({ options: { clock, directory }, replica, knownLeader, clocks }: NodeState) {
  const { missingSinceMs } = knownLeader;
  const leaderMissingMs = missingSinceMs < 0 ? 0 : Math.floor(clock.monotonicMs() - missingSinceMs);
  if (replica === null) {
    const indexes = { lastIndex: 0, commitIndex: 0, appliedIndex: 0, durableIndex: 0 };
    const role = "unformed" as const;
    return { ...indexes, role, term: 0, leaderId: NOBODY, leaderMissingMs, ...NO_SNAPSHOT };
  }
  const { raft, store } = replica;
  const { log, role, term, leaderId, commitIndex } = raft.state;
  const logNowMs = role.kind === "leader" ? clocks.leader.nowMs() : 0;
  return {
    role: role.kind,
    term,
    leaderId,
    leaderMissingMs,
    lastIndex: log.lastIndex,
    commitIndex,
    appliedIndex: store.appliedIndex,
    durableIndex: log.durableIndex,
    snapshotIndex: directory.snapshots.list()[0]?.index ?? 0,
    followers: role.kind === "leader"
      ? [...role.progress.values()].map((one) => followerFacts(raft.state, one, logNowMs))
      : [],
  };
}

const NO_SNAPSHOT = { snapshotIndex: 0, followers: [] };

const UNKNOWN_LAG = { lagEntries: null, lagBytes: null, lagMs: null };

/** `logNowMs`: the log's time, which its entries are stamped with. */
function followerFacts(
  { log }: RaftState,
  { id, mode, matchIndex }: Progress,
  logNowMs: number,
): FollowerFacts {
  if (matchIndex === 0) return { id, mode, matchIndex, ...UNKNOWN_LAG };
  const lagEntries = log.lastIndex - matchIndex;
  if (lagEntries === 0) return { id, mode, matchIndex, lagEntries, lagBytes: 0, lagMs: 0 };
  const isHeld = matchIndex + 1 >= log.firstIndex;
  const oldest = isHeld ? log.at(matchIndex + 1) : null;
  return {
    id,
    mode,
    matchIndex,
    lagEntries,
    lagBytes: isHeld && lagEntries <= COUNTED_ENTRIES_MAX ? bytesAfter(log, matchIndex) : null,
    lagMs: oldest === null ? null : Math.max(0, Math.floor(logNowMs - entryStampMs(oldest))),
  };
}

function bytesAfter({ entries, firstIndex }: RaftState["log"], index: number): number {
  let bytes = 0;
  for (let at = index + 1 - firstIndex; at < entries.length; at++) {
    bytes += entries[at]!.data.length;
  }
  return bytes;
}

function aboutData({ options: { config, directory }, replica, space }: NodeState) {
  if (replica === null) {
    const nothing = { keys: 0, expiringKeys: 0, contentBytes: 0, diskBytes: null };
    return { ...nothing, isDiskShort: false, reservedLogBytes: null, refusesSets: false };
  }
  const { store, log } = replica;
  const hasRoom = log.hasRoom();
  const roomBytes = log.roomBytes();
  const isWithinQuota = store.bytes < contentBytesMax(config.storage);
  return {
    keys: store.keys,
    expiringKeys: store.expiringKeys,
    contentBytes: store.bytes,
    diskBytes: log.bytes() + directory.snapshots.bytes(),
    isDiskShort: !hasRoom,
    reservedLogBytes: Number.isFinite(roomBytes) ? roomBytes : null,
    refusesSets: !isWithinQuota || !space.takesSets(replica, hasRoom),
  };
}

function aboutRequests({ meters, options: { clock } }: NodeState) {
  meters.rotate(clock.monotonicMs());
  const { requests: { byKind, refusedTotal }, fsync, elections, leaderChanges } = meters;
  return {
    fsyncP99Ms: fsync.recentPercentileMs(0.99),
    writeP99Ms: byKind.write.recentPercentileMs(0.99),
    readP99Ms: byKind.read.recentPercentileMs(0.99),
    writesTotal: byKind.write.count,
    readsTotal: byKind.read.count + byKind.stale.count,
    refusedTotal,
    electionsTotal: elections,
    leaderChangesTotal: leaderChanges,
  };
}
