/** What a server tells of itself: for INFO and CLUSTER, and for the replies that name the leader. */
import { missesLeader, type RaftState } from "../raft/state.ts";
import { NOBODY } from "../raft/types.ts";
import type { ServerView } from "../wire/codec.ts";
import { ClientError } from "../wire/command_batch.ts";
import { peerViews } from "./peers/peer_views.ts";
import { isLoading } from "./replica.ts";
import { AWAIT_LEADER, type Refusal } from "./session/session_host.ts";
import type { NodeState } from "./state.ts";

/** `refusal`: why this server takes no commands now. */
export function serverView(state: NodeState, refusal: Refusal): ServerView {
  const { options: { serverId, clock, config }, replica, sessions, knownLeader, links } = state;
  const raft = replica?.raft.state;
  const store = replica?.store;
  const appliedIndex = store?.appliedIndex ?? 0;
  const progress = replica?.raft.leader?.progress;
  const followers = [...progress?.values() ?? []];
  const { lastId, missingSinceMs } = knownLeader;
  const nowMs = clock.monotonicMs();
  return {
    serverId,
    leaderId: raft?.leaderId ?? NOBODY,
    lastLeaderId: lastId,
    hasLeader: raft !== undefined && isLeaderHeard(raft, nowMs),
    leaderMissingMs: missingSinceMs < 0 ? 0 : nowMs - missingSinceMs,
    takesCommands: refusal === AWAIT_LEADER
      ? missingSinceMs < 0 || nowMs - missingSinceMs <= config.timing.leaderWaitMs
      : refusal !== ClientError.noLeader && refusal !== ClientError.removed,
    isRemoved: state.removal.isSure,
    isLoading: isLoading(replica),
    isReceivingSnapshot: replica?.snapshots.isReceiving ?? false,
    isHandingOver: (replica?.raft.leader?.transfer ?? null) !== null,
    lastIndex: raft?.log.lastIndex ?? 0,
    peers: peerViews(links, progress),
    servers: state.members.servers().map(({ clientPort: port, ...one }) => ({ ...one, port })),
    term: raft?.term ?? 0,
    commitIndex: raft?.commitIndex ?? 0,
    appliedIndex,
    keys: store?.keys ?? 0,
    keyBytesTotal: store?.bytes ?? 0,
    expiringKeys: store?.expiringKeys ?? 0,
    connections: sessions.count,
    upToDateFollowers: followers.filter((one) => one.matchIndex >= appliedIndex).length,
    wallMs: clock.wallMs(),
    uptimeMs: nowMs - state.startedMs,
    clusterVersion: state.clusterVersion,
  };
}

/** A leader is known, and was heard lately. */
function isLeaderHeard(state: RaftState, nowMs: number): boolean {
  return state.role.kind === "leader" || (state.leaderId !== NOBODY && !missesLeader(state, nowMs));
}
