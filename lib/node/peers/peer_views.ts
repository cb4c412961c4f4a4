/** What this server knows of each other one, as plain data: for INFO and CLUSTER, and for operators. */
import type { Progress } from "../../raft/progress.ts";
import type { ServerId } from "../../raft/types.ts";
import type { PeerView } from "../../wire/codec.ts";
import type { PeerLinks } from "./peer_links.ts";
import type { PeerOutbound } from "./peer_outbound.ts";

/** Servers on an idle link hear each other with every ping: one that misses two is silent. */
const SILENT_PINGS = 2;

/** `progress` is a leader's; undefined where another leads. */
export function peerViews(
  links: PeerLinks,
  progress: ReadonlyMap<ServerId, Progress> | undefined,
): PeerView[] {
  // A guest, or who was just removed, is none of them.
  return links.outbound.filter(({ peerId }) => links.members.of(peerId) !== null)
    .map((link) => peerView(links, link, progress?.get(link.peerId)));
}

function peerView(
  links: PeerLinks,
  { peerId: id, isUp: isConnected }: PeerOutbound,
  progress: Progress | undefined,
): PeerView {
  const { silentMs, wasHeard } = links.silence.of(id);
  const status = links.statuses.of(id);
  const isSentSnapshot = progress?.mode === "snapshot";
  const isEmpty = status === null
    ? isSentSnapshot && progress.matchIndex === 0
    : status.appliedIndex === 0 || status.isRepairing;
  return {
    id,
    isConnected,
    silentMs: wasHeard ? silentMs : null,
    reach: reachOf(links, isConnected, silentMs, wasHeard),
    // 0 is what it begins with, and what is left once its connection has ended.
    matchIndex: progress?.matchIndex || null,
    appliedIndex: status?.appliedIndex ?? null,
    isSentSnapshot,
    isEmpty,
  };
}

function reachOf(
  { pace }: PeerLinks,
  isConnected: boolean,
  silentMs: number,
  wasHeard: boolean,
): PeerView["reach"] {
  if (wasHeard && silentMs < SILENT_PINGS * pace.pingIntervalMs) return "heard";
  return silentMs < pace.silenceMaxMs && (isConnected || !wasHeard) ? "silent" : "lost";
}
