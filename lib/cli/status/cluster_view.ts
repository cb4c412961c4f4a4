/**
 * One picture of the cluster from all answers: what each server says of itself, and where it says
 * nothing, what the others last heard of it, with its age. Pure.
 */
import type { FollowerFacts, ServerFacts } from "../../wire/status.ts";
import { serverText } from "../client_ports.ts";
import { counted, msText } from "../output/units.ts";
import { visibleText } from "../output/escape.ts";
import type { Answer } from "./gather.ts";

/** One server, as far as anybody knows. */
export interface ServerRow {
  /** Null where no server that answers names this address. */
  readonly id: number | null;
  readonly address: string;
  readonly facts: ServerFacts | null;
  /** Null: it said so itself, just now. Else who heard it, and how old that is. */
  readonly heard: { readonly byServer: number; readonly ageMs: number } | null;
  /** Why it does not answer, as half a sentence; null where it does. */
  readonly failure: string | null;
  /** How its leader sees it; null for the leader, and where none tells. */
  readonly follower: FollowerFacts | null;
}

export interface ClusterView {
  /** Null where nobody says, or it is not formed. */
  readonly clusterId: string | null;
  /** Which server is of which, as a sentence, where they are of different ones. */
  readonly mixedClusters: string | null;
  readonly rows: readonly ServerRow[];
  /** Those of the rows that answer and that the leader does not have among the members (any more). */
  readonly removedIds: readonly number[];
  /** The server that leads and answers; null where none does. */
  readonly leaderId: number | null;
  readonly leaderTerm: number | null;
  /** Sentences about what is not as it should be, the gravest first; empty where all is well. */
  readonly findings: readonly string[];
}

export function clusterView(answers: readonly Answer[]): ClusterView {
  const rows = rowsOf(answers);
  const leader = leaderOf(rows);
  const placed = rows.map((row) => ({
    ...row,
    follower: leader?.facts?.followers.find(({ id }) => id === row.id) ?? null,
  }));
  const removedIds = removedOf(placed, leader, answers);
  const clusters = clustersOf(answers);
  const mixedClusters = mixedText(clusters);
  return {
    clusterId: clusters.size === 1 ? [...clusters.keys()][0]! : null,
    mixedClusters,
    rows: placed,
    removedIds,
    leaderId: leader?.id ?? null,
    leaderTerm: leader?.facts?.term ?? null,
    findings: findings(placed, leader, mixedClusters, removedIds, answers),
  };
}

/**
 * Servers of the leader's cluster that nobody else lists: neither the leader nor another one. A leader
 * that has just begun may not know yet where a member is.
 */
function removedOf(
  rows: readonly ServerRow[],
  leader: ServerRow | null,
  answers: readonly Answer[],
): number[] {
  const statuses = answers.flatMap(({ status }) => status ?? []);
  const its = statuses.find(({ serverId }) => serverId === leader?.id);
  if (its === undefined) return [];
  const ofIt = statuses.filter(({ clusterId }) => clusterId === its.clusterId);
  return rows.flatMap(({ id }) => {
    if (id === null || !ofIt.some(({ serverId }) => serverId === id)) return [];
    const isListed = ofIt.some(({ serverId, servers }) =>
      serverId !== id && servers.some((one) => one.id === id)
    );
    // A cluster of one has nobody else.
    return isListed || id === its.serverId ? [] : [id];
  });
}

function rowsOf(answers: readonly Answer[]): ServerRow[] {
  const rows: ServerRow[] = [];
  const seen = new Set<number>();
  for (const answer of answers) {
    const address = serverText(answer.server);
    if (answer.status !== null) {
      const { serverId, servers } = answer.status;
      // Two names for one server (localhost and 127.0.0.1) are one row.
      if (seen.has(serverId)) continue;
      seen.add(serverId);
      const facts = servers.find(({ id }) => id === serverId)?.facts ?? null;
      rows.push({ id: serverId, address, facts, heard: null, failure: null, follower: null });
    } else rows.push(heardRow(answer, address, answers));
  }
  const ids = new Set(rows.map(({ id }) => id));
  // A silent server that another name of the same row stands for.
  const unique = rows.filter((row, at) =>
    row.failure === null || row.id === null || rows.findIndex(({ id }) => id === row.id) === at
  );
  return ids.has(null) ? unique : unique.toSorted((a, b) => a.id! - b.id!);
}

/** The freshest of what others heard of a server that does not answer. */
function heardRow(answer: Answer, address: string, answers: readonly Answer[]): ServerRow {
  let row: ServerRow = {
    id: null,
    address,
    facts: null,
    heard: null,
    failure: answer.failure,
    follower: null,
  };
  for (const { status } of answers) {
    const known = status?.servers.find(({ hostname, clientPort }) =>
      serverText({ hostname, port: clientPort }) === address
    );
    if (status === null || known === undefined) continue;
    if (row.id === null) row = { ...row, id: known.id };
    const ageMs = known.factsAgeMs;
    if (known.facts === null || ageMs === null) continue;
    if (row.heard !== null && row.heard.ageMs <= ageMs) continue;
    row = { ...row, facts: known.facts, heard: { byServer: status.serverId, ageMs } };
  }
  return row;
}

/** Who leads by its own word, in the highest term: an old leader that is cut off still says so. */
function leaderOf(rows: readonly ServerRow[]): ServerRow | null {
  let leader: ServerRow | null = null;
  for (const row of rows) {
    if (row.heard !== null || row.facts?.role !== "leader") continue;
    if (leader === null || row.facts.term > leader.facts!.term) leader = row;
  }
  return leader;
}

/** Of a server that has formed no cluster yet. */
export function isUnformed(clusterId: string): boolean {
  return /^0*$/.test(clusterId);
}

/** Whoever answers, by cluster. */
function clustersOf(answers: readonly Answer[]): Map<string, Set<string>> {
  const clusters = new Map<string, Set<string>>();
  for (const { status } of answers) {
    if (status === null || isUnformed(status.clusterId)) continue;
    const names = clusters.get(status.clusterId) ?? new Set();
    clusters.set(status.clusterId, names.add(`server ${status.serverId}`));
  }
  return clusters;
}

/** Servers of different clusters refuse each other. */
function mixedText(clusters: ReadonlyMap<string, ReadonlySet<string>>): string | null {
  if (clusters.size < 2) return null;
  const each = [...clusters].map(([id, names]) => `${[...names].join(", ")} to ${visibleText(id)}`);
  return `the servers belong to different clusters: ${each.join("; ")}`;
}

/**
 * Null where it is not known. An asterisk marks what others heard of it, and who led by hearsay may do so no
 * more: who leads is nobody's word but its own.
 */
export function roleOf({ facts, heard }: Pick<ServerRow, "facts" | "heard">): string | null {
  if (facts === null || heard === null) return facts?.role ?? null;
  return facts.role === "leader" ? "was leader*" : `${facts.role}*`;
}

export function nameOf({ id, address }: Pick<ServerRow, "id" | "address">): string {
  return id === null ? `the server at ${address}` : `server ${id}`;
}

function findings(
  rows: readonly ServerRow[],
  leader: ServerRow | null,
  mixedClusters: string | null,
  removedIds: readonly number[],
  answers: readonly Answer[],
): string[] {
  const answering = rows.filter(({ failure }) => failure === null);
  const found: string[] = [];
  if (answering.length === 0) found.push("no server answers");
  else if (leader === null) found.push(withoutLeader(rows, answering, answers));
  if (mixedClusters !== null) found.push(mixedClusters);
  for (const row of rows) {
    if (row.failure !== null) found.push(`${nameOf(row)} does not answer: ${row.failure}`);
  }
  for (const id of removedIds) {
    found.push(`server ${id} answers, and is no member any more: stop it`);
  }
  for (const row of answering) {
    if (row.id !== null && removedIds.includes(row.id)) continue;
    for (const { text } of row.facts?.problems ?? []) {
      found.push(`${nameOf(row)}: ${visibleText(text)}`);
    }
  }
  return [...new Set(found)];
}

/** It answers, and does not know the question: what it is doing only the others can tell. */
export function isEarlierBuild({ failure }: Pick<ServerRow, "failure">): boolean {
  return failure !== null && /RAFTKV\.STATUS/.test(failure);
}

/** By whom, and how long ago: the others follow a leader until it has been silent for too long. */
function lastHeard({ id }: ServerRow, answers: readonly Answer[]): string {
  const heard = answers.flatMap(({ status }) => {
    const silentMs = status?.servers.find((one) => one.id === id)?.silentMs;
    return status === null || typeof silentMs !== "number"
      ? []
      : [{ by: status.serverId, silentMs }];
  });
  const [last] = heard.sort((a, b) => a.silentMs - b.silentMs);
  return last === undefined ? "" : `; server ${last.by} last heard it ${msText(last.silentMs)} ago`;
}

/** What is known of a leader that does not answer: the others may still follow it for a moment. */
function withoutLeader(
  rows: readonly ServerRow[],
  answering: readonly ServerRow[],
  answers: readonly Answer[],
): string {
  const followed = answering.find(({ facts }) => (facts?.leaderId ?? 0) !== 0)?.facts?.leaderId;
  const row = rows.find(({ id }) => id === followed);
  if (row !== undefined && isEarlierBuild(row)) {
    return `no leader says so of itself: ${nameOf(row)} is followed, and runs an earlier build, ` +
      "which tells nothing";
  }
  if (row !== undefined && row.failure !== null) {
    return `no leader answers: ${nameOf(row)} led until now and does not answer` +
      lastHeard(row, answers);
  }
  const missing = Math.max(0, ...answering.map(({ facts }) => facts?.leaderMissingMs ?? 0));
  const since = missing > 0 ? `, for ${msText(missing)} now` : "";
  const majority = Math.floor(rows.length / 2) + 1;
  // One of an earlier build is there all the same.
  const there = answering.length + rows.filter(isEarlierBuild).length;
  const few = there < majority
    ? `: ${counted(answering.length, "server answers", "servers answer")} of ${rows.length}, and ` +
      `${majority} are needed`
    : "";
  return `no leader${since}${few}`;
}
