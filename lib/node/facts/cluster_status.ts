/** What this server knows of itself and the others, as one document. */
import { missesLeader } from "../../raft/state.ts";
import { NOBODY } from "../../raft/types.ts";
import type { PeerView } from "../../wire/codec.ts";
import type { ClusterStatus, ServerFacts, ServerStatus } from "../../wire/status.ts";
import { peerViews } from "../peers/peer_views.ts";
import type { NodeState } from "../state.ts";
import { EVENTS_MAX } from "./event_ring.ts";
import { ownFacts } from "./own_facts.ts";

/** As JSON, for `RAFTKV.STATUS` and `/status`. */
export function statusText(state: NodeState): string {
  return JSON.stringify(clusterStatus(state));
}

function clusterStatus(state: NodeState): ClusterStatus {
  const { options, links, replica, eventRing } = state;
  const raft = replica?.raft.state;
  const hasLeader = raft !== undefined && (raft.role.kind === "leader" || !missesLeader(raft));
  const peers = new Map(peerViews(links, undefined).map((peer) => [peer.id, peer]));
  return {
    format: 1,
    clusterId: links.formation.clusterId,
    serverId: options.serverId,
    wallMs: Math.floor(options.clock.wallMs()),
    leaderId: hasLeader ? raft.leaderId : NOBODY,
    servers: state.addresses.map(({ id, hostname, clientPort, logPort }) => ({
      id,
      hostname,
      clientPort,
      logPort,
      ...(id === options.serverId ? itself(ownFacts(state)) : other(peers.get(id), null)),
    })),
    events: eventRing.after(0, EVENTS_MAX),
  };
}

type Seen = Pick<ServerStatus, "reach" | "silentMs" | "facts" | "factsAgeMs" | "unknownBecause">;

function itself(facts: ServerFacts): Seen {
  return { reach: "self", silentMs: 0, facts, factsAgeMs: 0, unknownBecause: null };
}

function other(peer: PeerView | undefined, facts: ServerFacts | null): Seen {
  const silentMs = peer?.silentMs ?? null;
  return {
    reach: peer?.reach ?? "lost",
    silentMs: silentMs === null ? null : Math.floor(silentMs),
    facts,
    factsAgeMs: null,
    unknownBecause: silentMs === null
      ? "It has not been heard since this server started"
      : `It was last heard ${Math.floor(silentMs)} ms ago, and has told nothing of itself`,
  };
}
