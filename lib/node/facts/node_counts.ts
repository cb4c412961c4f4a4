/** Reads what `/metrics` and the probes show from the node's state. */
import { missesLeader } from "../../raft/state.ts";
import { NOBODY } from "../../raft/types.ts";
import { peerViews } from "../peers/peer_views.ts";
import { isLoading } from "../replica.ts";
import type { ForwardMeters } from "../session/forwarding.ts";
import type { ClientLoad } from "../session/sessions.ts";
import type { NodeState } from "../state.ts";
import { clusterStatus } from "./cluster_status.ts";
import type { NodeCounts, NodeHealth, NodeView } from "./node_view.ts";
import type { ServerView } from "../../wire/codec.ts";
import { ownFacts } from "./own_facts.ts";

function nodeCounts(state: NodeState): NodeCounts {
  const { replica, links, options: { directory, clock, host }, appender, sessions } = state;
  const leader = replica?.raft.leader ?? null;
  const nowMs = clock.monotonicMs();
  const outboxes = new Map(links.outbound.map((link) => [link.peerId, link.pendingBytes]));
  return {
    facts: ownFacts(state),
    meters: state.meters,
    peers: peerViews(links, leader?.progress).map((peer) => {
      return { ...peer, outboxBytes: outboxes.get(peer.id) ?? 0 };
    }),
    logBytes: replica?.log.bytes() ?? 0,
    snapshotBytes: replica === null ? 0 : directory.snapshots.bytes(),
    isSuspect: replica?.raft.state.suspect ?? false,
    isRepairing: replica?.raft.repairing ?? false,
    isSendingSnapshot: replica?.snapshots.isSending ?? false,
    isReceivingSnapshot: replica?.snapshots.isReceiving ?? false,
    waitingEntries: appender.proposals.length,
    waitingRounds: state.readWaiters.length,
    gatheredBytes: appender.gatheredBytes,
    writeShare: appender.pace.share,
    uncommittedBytes: leader?.uncommittedBytes ?? 0,
    heldCommands: sessions.heldCommands,
    clientBufferBytes: state.sessionLimits.budget.bytes,
    boundedAddresses: state.boundedClients?.addressCount ?? 0,
    watches: state.watches.figures(),
    clientSessions: replica?.store.clientSessions.count ?? 0,
    clientSessionBytes: replica?.store.clientSessions.bytes ?? 0,
    loadedScripts: replica?.store.loadedScripts.count ?? 0,
    loadedScriptBytes: replica?.store.loadedScripts.bytes ?? 0,
    pubsub: state.pubsub.figures(),
    forwarded: state.forwards.meters,
    forwardedClients: sessions.forwardedCount,
    heldBack: state.boundedClients?.heldBack ?? 0,
    syncingMs: replica?.persister.syncingMs(nowMs) ?? 0,
    stoodStillMs: state.standstill.totalMs(nowMs),
    machine: host.machine(),
  };
}

function nodeHealth(state: NodeState): NodeHealth {
  const { replica, knownLeader, shutdown, space, options: { clock, config } } = state;
  const raft = replica?.raft.state;
  const nowMs = clock.monotonicMs();
  const leads = raft?.role.kind === "leader";
  const transfer = raft?.role.kind === "leader" ? raft.role.transfer : null;
  const isHeard = raft !== undefined && raft.leaderId !== NOBODY && !missesLeader(raft, nowMs);
  return {
    isStopping: shutdown !== null,
    isFormed: replica !== null,
    isRemoved: state.removal.isSure,
    leads,
    keepsLeading: leads && transfer === null && shutdown === null,
    hasLeader: leads || isHeard,
    leaderId: leads || isHeard ? raft.leaderId : NOBODY,
    leaderMissingMs: knownLeader.missingSinceMs < 0 ? 0 : nowMs - knownLeader.missingSinceMs,
    isLoading: isLoading(replica),
    isRepairing: raft?.repairing ?? false,
    canWrite: replica !== null && space.takesEntries(replica),
    syncingMs: replica?.persister.syncingMs(nowMs) ?? 0,
    electionTimeoutMs: config.timing.electionTimeoutMs,
  };
}

/** What the admin port sees of the node. */
export function nodeView(state: () => NodeState, serverView: () => ServerView): NodeView {
  return {
    serverView,
    status: () => clusterStatus(state()),
    counts: () => nodeCounts(state()),
    health: () => nodeHealth(state()),
  };
}

/**
 * What clients have open here: nothing of it may be left after them. Each figure is counted when it is read:
 * some walk over all sessions and their commands.
 */
export class CountedLoad implements ClientLoad {
  readonly #state: NodeState;

  constructor(state: NodeState) {
    this.#state = state;
  }

  get connections(): number {
    return this.#state.sessions.count;
  }

  get bufferBytes(): number {
    return this.#state.sessionLimits.budget.bytes;
  }

  get waitingEntries(): number {
    return this.#state.appender.proposals.length;
  }

  get waitingRounds(): number {
    return this.#state.readWaiters.length;
  }

  get waitingCommands(): number {
    return this.#state.sessions.waitingForLeader;
  }

  get watches(): number {
    return this.#state.watches.count;
  }

  get subscriptions(): number {
    return this.#state.pubsub.channels.count;
  }

  get heldCommands(): number {
    return this.#state.sessions.heldCommands;
  }

  get forwardedClients(): number {
    return this.#state.sessions.forwardedCount;
  }

  get forwarded(): ForwardMeters {
    return this.#state.forwards.meters;
  }
}
