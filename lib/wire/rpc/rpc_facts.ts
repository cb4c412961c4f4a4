/**
 * The frame by which a server tells the others what it says of itself (status.ts); it belongs to the
 * feature `facts`. Its body is JSON in UTF-8: an object with `facts` and `events`. Every field is checked
 * here, once; those that this build does not know are dropped.
 */
import type { ByteReader, ByteWriter } from "../../util/bytes.ts";
import type { EventFacts, FollowerFacts, ProblemFacts, ServerFacts } from "../status.ts";
import { beginFrame, endFrame } from "./frame.ts";
import { escapeControls } from "./rpc_handshake.ts";
import { type FactsNotice, type Frame, FrameType, ProtocolError } from "./rpc_types.ts";

const FACTS_BYTES_MAX = 16_384;
const TEXT_LENGTH_MAX = 400;
/** Of followers, problems and events each. */
const LIST_LENGTH_MAX = 64;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** The body of a frame; where all does not fit, without the events. */
export function factsBytes(notice: FactsNotice): Uint8Array {
  const bytes = encoder.encode(JSON.stringify(notice));
  if (bytes.length <= FACTS_BYTES_MAX) return bytes;
  return encoder.encode(JSON.stringify({ ...notice, events: [] }));
}

/** `body`: of `factsBytes`. */
export function encodeFacts(out: ByteWriter, body: Uint8Array): void {
  const at = beginFrame(out, FrameType.facts);
  out.raw(body);
  endFrame(out, at);
}

export function decodeFacts(reader: ByteReader): Frame {
  if (reader.remaining > FACTS_BYTES_MAX) {
    throw new ProtocolError(`${reader.remaining} bytes, at most ${FACTS_BYTES_MAX} are taken`);
  }
  let json: unknown;
  try {
    json = JSON.parse(decoder.decode(reader.view(reader.remaining)));
  } catch {
    throw new ProtocolError("it is no JSON in UTF-8");
  }
  const { facts, events } = record(NOTICE, json, "it");
  return { type: "facts", notice: { facts, events } };
}

type Check<T> = (value: unknown, name: string) => T;
type Checks<T> = { readonly [K in keyof T]: Check<T[K]> };

/** An object with exactly the fields of `checks`. */
function record<T>(checks: Checks<T>, value: unknown, name: string): T {
  if (typeof value !== "object" || value === null || Array.isArray(value)) fail(name, "object");
  const found = value as Readonly<Record<string, unknown>>;
  const taken: Partial<T> = {};
  for (const key of Object.keys(checks) as (keyof T & string)[]) {
    taken[key] = checks[key](Object.hasOwn(found, key) ? found[key] : undefined, key);
  }
  return taken as T;
}

function list<T>(check: Check<T>): Check<readonly T[]> {
  return (value, name) => {
    if (!Array.isArray(value) || value.length > LIST_LENGTH_MAX) fail(name, "list, or too long");
    return value.map((one: unknown) => check(one, name));
  };
}

function orNull<T>(check: Check<T>): Check<T | null> {
  return (value, name) => value === null ? null : check(value, name);
}

/** For what builds before don't say. */
function otherwise<T>(check: Check<T>, absent: T): Check<T> {
  return (value, name) => value === undefined ? absent : check(value, name);
}

function oneOf<T extends string>(...words: readonly T[]): Check<T> {
  return (value, name) => words.find((word) => word === value) ?? fail(name, "known word");
}

const count: Check<number> = (value, name) => {
  return Number.isSafeInteger(value) && (value as number) >= 0
    ? value as number
    : fail(name, "count");
};

const signed: Check<number> = (value, name) => {
  return Number.isSafeInteger(value) ? value as number : fail(name, "whole number");
};

const time: Check<number> = (value, name) => {
  const isTime = typeof value === "number" && Number.isFinite(value) && value >= 0;
  return isTime ? value : fail(name, "time");
};

const flag: Check<boolean> = (value, name) => {
  return typeof value === "boolean" ? value : fail(name, "true or false");
};

/** It may be shown and logged as it is. */
const text: Check<string> = (value, name) => {
  return typeof value === "string"
    ? escapeControls(value.slice(0, TEXT_LENGTH_MAX))
    : fail(name, "text");
};

/** A kind that only a later build knows is shown as it is. */
const problemKind = text as Check<ProblemFacts["kind"]>;

function fail(name: string, what: string): never {
  throw new ProtocolError(`${name} is no ${what}`);
}

const FOLLOWER: Checks<FollowerFacts> = {
  id: count,
  mode: oneOf("probe", "replicate", "snapshot"),
  matchIndex: count,
  lagEntries: orNull(count),
  lagBytes: orNull(count),
  lagMs: orNull(time),
};

const PROBLEM: Checks<ProblemFacts> = { kind: problemKind, text };

const EVENT: Checks<EventFacts> = {
  serverId: count,
  number: count,
  atMs: count,
  level: oneOf("info", "warning", "error"),
  message: text,
  detail: text,
};

const FACTS: Checks<ServerFacts> = {
  version: text,
  uptimeMs: count,
  // A build that does not say it knows the first version alone.
  clusterVersion: otherwise(count, 1),
  clusterVersionMax: otherwise(count, 1),
  clusterVersionWaits: otherwise(orNull(text), null),
  adminPort: count,
  role: oneOf("leader", "follower", "candidate", "preCandidate", "unformed"),
  term: count,
  leaderId: count,
  leaderMissingMs: count,
  lastIndex: count,
  commitIndex: count,
  appliedIndex: count,
  durableIndex: count,
  snapshotIndex: count,
  followers: list((value, name) => record(FOLLOWER, value, name)),
  keys: count,
  expiringKeys: count,
  contentBytes: count,
  connections: count,
  memoryBytes: orNull(count),
  diskBytes: orNull(count),
  isDiskShort: flag,
  reservedLogBytes: orNull(count),
  refusesSets: flag,
  freeDescriptors: orNull(count),
  fsyncP99Ms: orNull(time),
  writeP99Ms: orNull(time),
  readP99Ms: orNull(time),
  writesTotal: count,
  readsTotal: count,
  refusedTotal: count,
  electionsTotal: count,
  leaderChangesTotal: count,
  clockAheadMs: signed,
  // Builds before have no watches.
  keepsChanges: otherwise(flag, false),
  tellsChanges: otherwise(flag, false),
  problems: list((value, name) => record(PROBLEM, value, name)),
};

const NOTICE: Checks<FactsNotice> = {
  facts: (value, name) => record(FACTS, value, name),
  events: list((value, name) => record(EVENT, value, name)),
};
