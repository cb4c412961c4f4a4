/**
 * Watches, between a codec and its session: what a client asks for, as it waits for its turn, and what it is
 * answered. What it is told afterwards is in watch_events.ts.
 */
import { COMMAND_HEAD_BYTES, commandLength, encodeCommand, Op } from "../kv/commands/command.ts";
import { Access } from "../kv/users/command_numbers.ts";
import { opensPrefix } from "../kv/users/key_rules.ts";
import type { User } from "../kv/users/user.ts";
import { latin1, latin1Bytes } from "../util/latin1.ts";
import { type ByteWriter, readU64, writeU64 } from "../util/bytes.ts";
import type { ClientError } from "./command_batch.ts";
import { readDecimal } from "./decimal.ts";
import type { ClientSubscriptions } from "./subscribing.ts";

/** How it is written: in lines or in a version of the Redis protocol, with values or with keys alone. */
export const WatchFormat = {
  lines: 0,
  resp2: 1,
  resp3: 2,
  linesWithoutValues: 3,
  resp2WithoutValues: 4,
  resp3WithoutValues: 5,
} as const;
export type WatchFormat = typeof WatchFormat[keyof typeof WatchFormat];
export const WATCH_FORMATS = 6;

/** What becomes of a watch without its client asking: it ends, and this is why. */
export type WatchEnd =
  | { readonly kind: "compacted"; readonly revision: number }
  /** Its user may not read what it watches any more. */
  | { readonly kind: "notPermitted" }
  /** By now there are users, and nobody has been authenticated. */
  | { readonly kind: "notAuthenticated" };

/** A moment in the history of one cluster: all that its entries up to `revision` have changed is known. */
export interface WatchPosition {
  readonly revision: number;
  /** Of the cluster that counted it; "" where that was not said. */
  readonly clusterId: string;
}

export interface WatchRequest {
  /** A key, or what the keys begin with. */
  readonly key: Uint8Array;
  readonly isPrefix: boolean;
  /** Changes after it are told; null: after what this server has applied. */
  readonly after: WatchPosition | null;
  readonly format: WatchFormat;
}

export type WatchAnswer =
  /** Changes after `revision` are told from now on. */
  | { readonly kind: "watching"; readonly revision: number; readonly clusterId: string }
  /** There are changes after what was asked for that are not kept: all after `revision` are. */
  | { readonly kind: "compacted"; readonly revision: number }
  /** This server has applied up to `revision`, which is less than what was asked for. */
  | { readonly kind: "future"; readonly revision: number }
  /** The connection watches just that already. */
  | { readonly kind: "twice" }
  /** There are as many watches as may be, by the limit of this name. */
  | { readonly kind: "tooMany"; readonly limit: "watchesMax" | "watchesPerConnectionMax" };

/** The watches of one connection, and what else it is told. */
export interface ClientWatches {
  readonly subscriptions: ClientSubscriptions;
  /** Of them all. */
  readonly count: number;
  open(request: WatchRequest): WatchAnswer | ClientError;
  /** Ends the watch of this key or prefix, or all for null; how many that were. */
  close(what: Pick<WatchRequest, "key" | "isPrefix"> | null): number;
}

/** What a client gives and gets as a position, `<revision>@<cluster id>`, or the revision alone. */
const POSITION_BYTES_MAX = 16 + 1 + 32;
const AT = 0x40;
const STAR = 0x2a;

/** The position that `bytes[start, end)` spells; null where it is none. */
export function readPosition(bytes: Uint8Array, start: number, end: number): WatchPosition | null {
  if (end - start > POSITION_BYTES_MAX) return null;
  const at = bytes.subarray(start, end).indexOf(AT);
  const revisionEnd = at < 0 ? end : start + at;
  const revision = readDecimal(bytes, start, revisionEnd, Number.MAX_SAFE_INTEGER);
  const clusterId = at < 0 ? "" : latin1(bytes.subarray(revisionEnd + 1, end));
  const isWhole = at < 0 || /^[0-9a-f]{32}$/.test(clusterId);
  return revision < 0 || !isWhole ? null : { revision, clusterId };
}

export function positionText({ revision, clusterId }: WatchPosition): string {
  return `${revision}@${clusterId}`;
}

/** What `bytes[start, end)` names: a key, or with a star at its end all keys that begin so. */
export function readWatched(
  bytes: Uint8Array,
  start: number,
  end: number,
): Pick<WatchRequest, "key" | "isPrefix"> {
  const isPrefix = bytes[end - 1] === STAR;
  return { key: bytes.slice(start, isPrefix ? end - 1 : end), isPrefix };
}

/** Whether a user's patterns let it read the key, or every key with the prefix. */
export function mayRead(
  user: User,
  { key, isPrefix }: Pick<WatchRequest, "key" | "isPrefix">,
): boolean {
  return isPrefix
    ? opensPrefix(user, Access.read, key)
    : user.allowsKey(Access.read, key, 0, key.length);
}

const FLAG_PREFIX = 1;
const FLAG_AFTER = 2;
/** Flags, format, revision, how long the cluster id is. */
const HEAD_BYTES = 11;

/** Appends the request as a constant command, as it waits for its turn; returns where it begins. */
export function encodeWatch(out: ByteWriter, request: WatchRequest): number {
  const { key, isPrefix, after, format } = request;
  const clusterId = latin1Bytes(after?.clusterId ?? "");
  const value = new Uint8Array(HEAD_BYTES + clusterId.length + key.length);
  value[0] = (isPrefix ? FLAG_PREFIX : 0) | (after === null ? 0 : FLAG_AFTER);
  value[1] = format;
  writeU64(value, 2, after?.revision ?? 0);
  value[10] = clusterId.length;
  value.set(clusterId, HEAD_BYTES);
  value.set(key, HEAD_BYTES + clusterId.length);
  return encodeCommand(out, Op.constant, value, 0, 0, 0, value.length);
}

/** What `encodeWatch` put at `bytes[offset]`. */
export function decodeWatch(bytes: Uint8Array, offset: number): WatchRequest {
  const start = offset + COMMAND_HEAD_BYTES;
  const end = offset + commandLength(bytes, offset);
  const flags = bytes[start]!;
  const keyAt = start + HEAD_BYTES + bytes[start + 10]!;
  const clusterId = latin1(bytes.subarray(start + HEAD_BYTES, keyAt));
  const after = { revision: readU64(bytes, start + 2), clusterId };
  return {
    key: bytes.slice(keyAt, end),
    isPrefix: (flags & FLAG_PREFIX) !== 0,
    after: (flags & FLAG_AFTER) === 0 ? null : after,
    format: bytes[start + 1]! as WatchFormat,
  };
}
