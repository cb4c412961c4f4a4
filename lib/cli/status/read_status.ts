/**
 * The reply to RAFTKV.STATUS, checked before anything of it is used: it comes from whatever listens at
 * the address that somebody typed. A newer server's other fields are passed over. Pure.
 */
import type {
  ClusterStatus,
  FollowerFacts,
  ProblemFacts,
  ServerFacts,
  ServerStatus,
} from "../../wire/status.ts";

/** What of the reply the commands use. */
export type StatusReply = Omit<ClusterStatus, "events">;

const SERVERS_MAX = 1_000;
const TEXT_MAX = 2_000;

type Fields = Readonly<Record<string, unknown>>;

/** @throws {Error} with what is wrong with it. */
export function readStatus(text: string): StatusReply {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new Error("its status is no JSON: is it a raftkv server?");
  }
  const fields = record(json, "status");
  if (fields.format !== 1) {
    throw new Error(`its status has format ${String(fields.format).slice(0, 20)}, known is 1`);
  }
  return {
    format: 1,
    clusterId: string(fields, "clusterId"),
    serverId: number(fields, "serverId"),
    wallMs: number(fields, "wallMs"),
    leaderId: number(fields, "leaderId"),
    servers: list(fields, "servers").map(readServer),
  };
}

function readServer(value: unknown): ServerStatus {
  const fields = record(value, "server");
  return {
    id: number(fields, "id"),
    hostname: string(fields, "hostname"),
    clientPort: number(fields, "clientPort"),
    logPort: number(fields, "logPort"),
    reach: oneOf(fields, "reach", ["self", "heard", "silent", "lost"]),
    silentMs: maybeNumber(fields, "silentMs"),
    facts: fields.facts === null ? null : readFacts(fields.facts),
    factsAgeMs: maybeNumber(fields, "factsAgeMs"),
    unknownBecause: fields.unknownBecause === null ? null : string(fields, "unknownBecause"),
  };
}

const NUMBERS = [
  "uptimeMs",
  "adminPort",
  "term",
  "leaderId",
  "leaderMissingMs",
  "lastIndex",
  "commitIndex",
  "appliedIndex",
  "durableIndex",
  "snapshotIndex",
  "keys",
  "expiringKeys",
  "contentBytes",
  "connections",
  "writesTotal",
  "readsTotal",
  "refusedTotal",
  "electionsTotal",
  "leaderChangesTotal",
  "clockAheadMs",
] as const;
const MAYBE_NUMBERS = [
  "memoryBytes",
  "diskBytes",
  "reservedLogBytes",
  "freeDescriptors",
  "fsyncP99Ms",
  "writeP99Ms",
  "readP99Ms",
] as const;

function readFacts(value: unknown): ServerFacts {
  const fields = record(value, "facts");
  const numbers = Object.fromEntries(NUMBERS.map((key) => [key, number(fields, key)]));
  const maybe = Object.fromEntries(MAYBE_NUMBERS.map((key) => [key, maybeNumber(fields, key)]));
  return {
    ...numbers as Record<typeof NUMBERS[number], number>,
    ...maybe as Record<typeof MAYBE_NUMBERS[number], number | null>,
    version: string(fields, "version"),
    // Builds before don't say it: they know the first version alone.
    clusterVersion: maybeNumber(fields, "clusterVersion") ?? 1,
    clusterVersionMax: maybeNumber(fields, "clusterVersionMax") ?? 1,
    clusterVersionWaits: typeof fields.clusterVersionWaits === "string"
      ? string(fields, "clusterVersionWaits")
      : null,
    role: oneOf(fields, "role", ["leader", "follower", "candidate", "preCandidate", "unformed"]),
    isDiskShort: fields.isDiskShort === true,
    refusesSets: fields.refusesSets === true,
    keepsChanges: fields.keepsChanges === true,
    tellsChanges: fields.tellsChanges === true,
    followers: list(fields, "followers").map(readFollower),
    problems: list(fields, "problems").map(readProblem),
  };
}

function readFollower(value: unknown): FollowerFacts {
  const fields = record(value, "follower");
  return {
    id: number(fields, "id"),
    mode: oneOf(fields, "mode", ["probe", "replicate", "snapshot"]),
    matchIndex: number(fields, "matchIndex"),
    lagEntries: maybeNumber(fields, "lagEntries"),
    lagBytes: maybeNumber(fields, "lagBytes"),
    lagMs: maybeNumber(fields, "lagMs"),
  };
}

function readProblem(value: unknown): ProblemFacts {
  const fields = record(value, "problem");
  // Kinds that a newer server names are shown as they are.
  return { kind: string(fields, "kind") as ProblemFacts["kind"], text: string(fields, "text") };
}

function record(value: unknown, what: string): Fields {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields;
  throw new Error(`its status is not understood: ${what} is no object`);
}

function list(fields: Fields, key: string): readonly unknown[] {
  const value = fields[key];
  if (Array.isArray(value) && value.length <= SERVERS_MAX) return value;
  throw new Error(`its status is not understood: ${key} is no list`);
}

function number(fields: Fields, key: string): number {
  const value = fields[key];
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw new Error(`its status is not understood: ${key} is no number`);
}

function maybeNumber(fields: Fields, key: string): number | null {
  return fields[key] === null || fields[key] === undefined ? null : number(fields, key);
}

function string(fields: Fields, key: string): string {
  const value = fields[key];
  if (typeof value === "string" && value.length <= TEXT_MAX) return value;
  throw new Error(`its status is not understood: ${key} is no text`);
}

function oneOf<T extends string>(fields: Fields, key: string, words: readonly T[]): T {
  const found = words.find((word) => word === fields[key]);
  if (found !== undefined) return found;
  throw new Error(`its status is not understood: ${key} is none of ${words.join(", ")}`);
}
