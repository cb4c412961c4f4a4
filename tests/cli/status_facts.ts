/** Statuses as servers give them, for tests of what is made of them. */
import type { Answer } from "../../lib/cli/status/gather.ts";
import type { ClusterStatus, ServerFacts, ServerStatus } from "../../lib/wire/status.ts";

export function facts(changes: Partial<ServerFacts> = {}): ServerFacts {
  return {
    version: "0.1.0",
    uptimeMs: 3_600_000,
    clusterVersion: 1,
    clusterVersionMax: 2,
    clusterVersionWaits: null,
    adminPort: 0,
    role: "follower",
    term: 5,
    leaderId: 1,
    leaderMissingMs: 0,
    lastIndex: 100,
    commitIndex: 100,
    appliedIndex: 100,
    durableIndex: 100,
    snapshotIndex: 0,
    followers: [],
    keys: 10,
    expiringKeys: 0,
    contentBytes: 100,
    connections: 3,
    memoryBytes: 100 * 1024 ** 2,
    diskBytes: 20 * 1024 ** 2,
    isDiskShort: false,
    reservedLogBytes: null,
    refusesSets: false,
    freeDescriptors: 32,
    fsyncP99Ms: 1.5,
    writeP99Ms: 3,
    readP99Ms: 1,
    writesTotal: 100,
    readsTotal: 200,
    refusedTotal: 0,
    electionsTotal: 1,
    leaderChangesTotal: 1,
    clockAheadMs: 0,
    keepsChanges: false,
    tellsChanges: false,
    problems: [],
    ...changes,
  };
}

/** Server 1 leads, 2 and 3 follow and are up to date. */
export function leaderFacts(changes: Partial<ServerFacts> = {}): ServerFacts {
  const follower = (id: number) => (
    { id, mode: "replicate", matchIndex: 100, lagEntries: 0, lagBytes: 0, lagMs: 0 } as const
  );
  return facts({ role: "leader", followers: [follower(2), follower(3)], ...changes });
}

export function server(id: number, own: ServerFacts | null, ageMs = 0): ServerStatus {
  return {
    id,
    hostname: "h",
    clientPort: 9_000 + id,
    logPort: 9_100 + id,
    reach: ageMs === 0 ? "self" : "heard",
    silentMs: ageMs,
    facts: own,
    factsAgeMs: own === null ? null : ageMs,
    unknownBecause: own === null ? "not heard" : null,
  };
}

/** What server `id` answers; others are known to it by their facts of 300 ms ago. */
export function answer(
  id: number,
  all: Readonly<Record<number, ServerFacts | null>>,
  changes: Partial<ClusterStatus> = {},
  clock: Partial<Answer> = {},
): Answer {
  const servers = Object.entries(all).map(([one, its]) =>
    server(Number(one), its, Number(one) === id ? 0 : 300)
  );
  const status: ClusterStatus = {
    format: 1,
    clusterId: "c".repeat(32),
    serverId: id,
    wallMs: 1_000_002,
    leaderId: all[id]?.leaderId ?? 0,
    servers,
    events: [],
    ...changes,
  };
  return {
    server: { hostname: "h", port: 9_000 + id },
    status,
    failure: null,
    askedMs: 1_000_000,
    answeredMs: 1_000_004,
    ...clock,
  };
}

export function silent(id: number, failure: string): Answer {
  return { ...answer(id, {}), status: null, failure };
}
