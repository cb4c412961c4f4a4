/**
 * `/livez`, `/readyz` in etcd's form of lines; `/leader` and `/replica` for load balancers: 200 or 503.
 * What is alive and what is ready differ: a process is only worth ending where that could help, so a
 * server without a leader, or that is being caught up, is alive and not ready.
 */
import type { NodeHealth } from "../node/facts/node_view.ts";
import type { HttpRequest } from "./http_request.ts";
import { type HttpResponse, json, text } from "./http_response.ts";

interface Check {
  readonly name: string;
  /** Why it fails, in words; null where it is well. */
  readonly fault: (health: NodeHealth) => string | null;
}

/** A write that takes longer than so many election timeouts is not merely slow. */
const STALLED_ELECTION_TIMEOUTS = 10;

/** That it answers is all there is to say: what a restart would not help is no reason for one. */
const LIVE: readonly Check[] = [{ name: "process", fault: () => null }];

const READY: readonly Check[] = [
  { name: "running", fault: ({ isStopping }) => isStopping ? "this server is stopping" : null },
  {
    name: "formed",
    fault: ({ isFormed }) =>
      isFormed ? null : "the cluster is not formed: it waits for other servers",
  },
  {
    name: "member",
    fault: ({ isRemoved }) =>
      isRemoved ? "this server was removed from its cluster: stop it" : null,
  },
  {
    name: "log",
    fault: ({ isRepairing }) =>
      isRepairing ? "the log was damaged and is being fetched again" : null,
  },
  {
    name: "data",
    fault: ({ isLoading }) => isLoading ? "nothing is here yet that could be read" : null,
  },
  {
    name: "disk",
    fault: ({ isFormed, canWrite, syncingMs, electionTimeoutMs }) => {
      if (isFormed && !canWrite) return "the disk takes nothing any more, not even votes";
      if (syncingMs < STALLED_ELECTION_TIMEOUTS * electionTimeoutMs) return null;
      return `a write to the log has taken ${Math.round(syncingMs)} ms and has not ended`;
    },
  },
  {
    name: "leader",
    fault: ({ hasLeader, leaderMissingMs }) => {
      if (hasLeader) return null;
      return leaderMissingMs > 0
        ? `no leader has been known for ${Math.round(leaderMissingMs)} ms`
        : "the leader has not been heard for three heartbeats";
    },
  },
];

/** The names of the checks, for docs/admin.md. */
export const CHECK_NAMES = {
  livez: LIVE.map(({ name }) => name),
  readyz: READY.map(({ name }) => name),
} as const;

/** `/livez`, `/readyz`, and one check of them: `/readyz/leader`. Null where there is no such check. */
function probe(request: HttpRequest, health: NodeHealth): HttpResponse | null {
  const [, kind, only, ...rest] = request.path.split("/");
  const all = kind === "livez" ? LIVE : READY;
  const checks = only === undefined ? all : all.filter(({ name }) => name === only);
  if (checks.length === 0 || rest.length > 0) return null;
  const excluded = new Set(request.query.getAll("exclude"));
  if (request.query.has("noleader")) excluded.add("leader");
  const lines: string[] = [];
  let isWell = true;
  for (const { name, fault } of checks) {
    const why = excluded.delete(name) ? EXCLUDED : fault(health);
    if (why === null) lines.push(`[+]${name} ok`);
    else if (why === EXCLUDED) lines.push(`[+]${name} excluded: ok`);
    else {
      lines.push(`[-]${name} failed: ${why}`);
      isWell = false;
    }
  }
  const unknown = [...excluded].filter((name) => /^[\w-]{1,40}$/.test(name) && name !== "leader");
  if (unknown.length > 0) lines.push(`warn: no such checks to exclude: ${unknown.join(", ")}`);
  if (!isWell) return text(503, `${lines.join("\n")}\n${kind} check failed\n`);
  if (!request.query.has("verbose")) return text(200, "ok\n");
  return text(200, `${lines.join("\n")}\n${kind} check passed\n`);
}

const EXCLUDED = "excluded";

/** Paths that say nothing but how this server is. */
export const PROBE_PATHS = ["/livez", "/readyz", "/leader", "/replica"];

/** The answer of whichever probe is asked for; null where it is none. */
export function probeAnswer(request: HttpRequest, health: () => NodeHealth): HttpResponse | null {
  if (request.path === "/leader") return leaderProbe(health());
  if (request.path === "/replica") return replicaProbe(health());
  return /^\/(livez|readyz)(\/|$)/.test(request.path) ? probe(request, health()) : null;
}

/** 200 on the server that leads, and goes on leading. */
function leaderProbe({ keepsLeading, leads }: NodeHealth): HttpResponse {
  const role = leads ? "leader" : "other";
  return json(`${JSON.stringify({ role, isReady: keepsLeading })}\n`, keepsLeading ? 200 : 503);
}

/** 200 on a server that follows a leader which it hears: READONLY connections read there. */
function replicaProbe(health: NodeHealth): HttpResponse {
  const { leads, hasLeader, isLoading, isStopping } = health;
  const isReady = !leads && hasLeader && !isLoading && !isStopping;
  const role = leads ? "leader" : hasLeader ? "replica" : "other";
  return json(`${JSON.stringify({ role, isReady })}\n`, isReady ? 200 : 503);
}
