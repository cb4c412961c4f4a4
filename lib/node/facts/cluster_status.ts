/** What this server knows of itself and the others, as one document. */
import { missesLeader } from "../../raft/state.ts";
import { NOBODY, type ServerId } from "../../raft/types.ts";
import type { PeerView } from "../../wire/codec.ts";
import { Feature } from "../../wire/rpc/rpc.ts";
import type { ClusterStatus, EventFacts, ServerFacts, ServerStatus } from "../../wire/status.ts";
import type { HeardFacts } from "../peers/peer_facts.ts";
import type { PeerLinks } from "../peers/peer_links.ts";
import { peerViews } from "../peers/peer_views.ts";
import type { ServerAddress } from "../node_options.ts";
import type { NodeState } from "../state.ts";
import { ownFacts } from "./own_facts.ts";

/** As JSON, for `RAFTKV.STATUS` and `/status`. */
export function statusText(state: NodeState): string {
  return JSON.stringify(clusterStatus(state));
}

export function clusterStatus(state: NodeState): ClusterStatus {
  const { options, clock, links, replica, eventRing } = state;
  const raft = replica?.raft.state;
  const nowMs = clock.monotonicMs();
  const hasLeader = raft !== undefined &&
    (raft.role.kind === "leader" || !missesLeader(raft, nowMs));
  const peers = new Map(peerViews(links, undefined).map((peer) => [peer.id, peer]));
  const seen = (id: ServerId): Seen => {
    if (id === options.serverId) return itself(ownFacts(state));
    return other(id, peers.get(id), links, links.facts.of(id, nowMs));
  };
  return {
    format: 1,
    clusterId: links.formation.clusterId,
    serverId: options.serverId,
    wallMs: Math.floor(options.clock.wallMs()),
    leaderId: hasLeader ? raft.leaderId : NOBODY,
    servers: toldOf(state).map(({ id, hostname, clientPort, logPort }) => ({
      id,
      hostname,
      clientPort,
      logPort,
      ...seen(id),
    })),
    events: inOrder([...eventRing.last(), ...links.facts.events()]),
  };
}

/** The members; and this server itself where it is none any more, so that its own word of it is there. */
function toldOf({ members, removal, options: { serverId, config } }: NodeState): ServerAddress[] {
  const servers = members.servers();
  if (!removal.isSure || servers.some(({ id }) => id === serverId)) return servers;
  return [...servers, ...config.servers.filter(({ id }) => id === serverId)];
}

type Seen = Pick<ServerStatus, "reach" | "silentMs" | "facts" | "factsAgeMs" | "unknownBecause">;

/** By the wall clocks of their servers; those of one server as they came, should its clock go back. */
function inOrder(events: readonly EventFacts[]): EventFacts[] {
  const lastMs = new Map<ServerId, number>();
  const placed = events.map((event) => {
    const atMs = Math.max(event.atMs, lastMs.get(event.serverId) ?? 0);
    lastMs.set(event.serverId, atMs);
    return { event, atMs };
  });
  return placed.sort((a, b) => a.atMs - b.atMs).map(({ event }) => event);
}

function itself(facts: ServerFacts): Seen {
  return { reach: "self", silentMs: 0, facts, factsAgeMs: 0, unknownBecause: null };
}

function other(
  id: ServerId,
  peer: PeerView | undefined,
  links: PeerLinks,
  heard: HeardFacts | null,
): Seen {
  const silentMs = peer === undefined || peer.silentMs === null ? null : Math.floor(peer.silentMs);
  const reach = peer?.reach ?? "lost";
  if (heard !== null) {
    const factsAgeMs = Math.floor(heard.ageMs);
    return { reach, silentMs, facts: heard.facts, factsAgeMs, unknownBecause: null };
  }
  const link = links.outbound.find(({ peerId }) => peerId === id);
  const isOlder = link !== undefined && link.isUp && !link.supports(Feature.facts);
  const unknownBecause = silentMs === null
    ? "It has not been heard since this server started"
    : isOlder
    ? "It is of an earlier build, which tells nothing of itself"
    : `It has told nothing of itself lately, and was last heard ${silentMs} ms ago`;
  return { reach, silentMs, facts: null, factsAgeMs: null, unknownBecause };
}
