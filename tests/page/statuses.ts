/** Statuses of three servers, as server 1 gives them, for tests of what the page makes of them. */
import type { ClusterStatus, ServerFacts, ServerStatus } from "../../lib/wire/status.ts";
import { facts, leaderFacts } from "../cli/status_facts.ts";

export { facts, leaderFacts };

export const WALL_MS = Date.UTC(2026, 0, 2, 3, 4, 5);

export function seenServer(
  id: number,
  own: ServerFacts | null,
  changes: Partial<ServerStatus> = {},
): ServerStatus {
  return {
    id,
    hostname: `host${id}`,
    clientPort: 9_000,
    logPort: 9_001,
    reach: id === 1 ? "self" : "heard",
    silentMs: id === 1 ? 0 : 40,
    facts: own,
    factsAgeMs: own === null ? null : 100,
    unknownBecause: own === null ? "It has told nothing of itself lately" : null,
    ...changes,
  };
}

/** Server 2 leads unless told otherwise. */
export function statusWith(
  servers: readonly ServerStatus[] = [
    seenServer(1, facts({ leaderId: 2 })),
    seenServer(2, leaderTwo()),
    seenServer(3, facts({ leaderId: 2 })),
  ],
  changes: Partial<ClusterStatus> = {},
): ClusterStatus {
  return {
    format: 1,
    clusterId: "c".repeat(32),
    serverId: 1,
    wallMs: WALL_MS,
    leaderId: 2,
    servers,
    events: [],
    ...changes,
  };
}

export function leaderTwo(changes: Partial<ServerFacts> = {}): ServerFacts {
  const follower = (id: number) => (
    { id, mode: "replicate", matchIndex: 100, lagEntries: 0, lagBytes: 0, lagMs: 0 } as const
  );
  return leaderFacts({ leaderId: 2, followers: [follower(1), follower(3)], ...changes });
}
