/** Requests of the calls, as parts. */
import { kept, wrongKind } from "./arguments.ts";
import type { Key } from "./calls.ts";
import type { Argument } from "./request_writer.ts";

interface Expiry {
  readonly timeToLiveMs?: number;
}

/** A key that its owner can't change any more. @throws {TypeError} where it is none. */
export function keptKey(key: Key): Argument {
  return kept("a key", key);
}

/** @throws {TypeError} where these are no keys. */
export function mget(keys: readonly Key[]): Argument[] {
  if (!Array.isArray(keys)) throw wrongKind("what mget takes", "an array of keys", keys, "");
  return ["MGET", ...Array.from(keys, keptKey)];
}

export function set(key: Key, value: Argument, options: Expiry | undefined): Argument[] {
  return withExpiry(["RAFTKV.SET", keptKey(key), value], options);
}

export function cas(
  key: Key,
  value: Argument,
  version: number,
  options: Expiry | undefined,
): Argument[] {
  if (typeof version !== "number") throw wrongKind("a version", "a number", version, "");
  if (!Number.isSafeInteger(version) || version < 0) {
    throw new RangeError(`${version} is no version: give one that getm() or set() gave, or 0`);
  }
  return withExpiry(["RAFTKV.CAS", keptKey(key), value, `${version}`], options);
}

export function del(key: Key): Argument[] {
  return ["DEL", keptKey(key)];
}

export function incr(key: Key, by: number | bigint): Argument[] {
  if (typeof by !== "number" && typeof by !== "bigint") {
    throw wrongKind("what incr adds", "a number or a bigint", by, "");
  }
  if (typeof by === "number" && !Number.isSafeInteger(by)) {
    throw new RangeError(`${by} can't be added: give a whole number, a bigint where it is large`);
  }
  return ["INCRBY", keptKey(key), `${by}`];
}

/** Commands that change the connection that they are sent on. */
const OWN_CONNECTION = new Set(
  ["AUTH", "DISCARD", "EXEC", "HELLO", "MULTI", "QUIT", "READONLY", "READWRITE", "RESET", "SELECT"]
    .concat("UNWATCH", "WATCH", "RAFTKV.UNWATCH", "RAFTKV.WATCH")
    .concat("SUBSCRIBE", "UNSUBSCRIBE", "PSUBSCRIBE", "PUNSUBSCRIBE", "CLIENT TRACKING"),
);

/** As much of it as a command's name has at most. */
function wordOf(argument: Argument | undefined): string {
  if (typeof argument === "string") return argument;
  return new TextDecoder().decode(argument?.subarray(0, 32));
}

/** @throws {TypeError} where the request can't be sent on a connection that is shared. */
export function checkShared([first, second]: readonly Argument[]): void {
  const command = wordOf(first);
  const name = command.toUpperCase() === "CLIENT" ? `${command} ${wordOf(second)}` : command;
  if (!OWN_CONNECTION.has(name.toUpperCase())) return;
  throw new TypeError(`${name} would change the connection that all calls share: see transact()`);
}

function withExpiry(request: Argument[], options: Expiry | undefined): Argument[] {
  const ms = options?.timeToLiveMs;
  if (ms === undefined) return request;
  if (typeof ms !== "number") {
    throw wrongKind("timeToLiveMs", "a number of milliseconds", ms, "");
  }
  if (!Number.isSafeInteger(ms) || ms <= 0) {
    throw new RangeError(`timeToLiveMs is ${ms}: write whole milliseconds above 0`);
  }
  request.push("PX", `${ms}`);
  return request;
}
