/** Requests of the calls, as parts. */
import type { Key } from "./calls.ts";
import type { Argument } from "./request_writer.ts";

interface Expiry {
  readonly timeToLiveMs?: number;
}

/** A key that its owner can't change any more. */
export function kept(key: Key): Argument {
  return typeof key === "string" ? key : new Uint8Array(key);
}

export function set(key: Key, value: Argument, options: Expiry | undefined): Argument[] {
  return withExpiry(["RAFTKV.SET", kept(key), value], options);
}

export function cas(
  key: Key,
  value: Argument,
  version: number,
  options: Expiry | undefined,
): Argument[] {
  if (!Number.isSafeInteger(version) || version < 0) {
    throw new RangeError(`${version} is no version: give one that getm() or set() gave, or 0`);
  }
  return withExpiry(["RAFTKV.CAS", kept(key), value, `${version}`], options);
}

export function del(key: Key): Argument[] {
  return ["DEL", kept(key)];
}

export function incr(key: Key, by: number | bigint): Argument[] {
  if (typeof by === "number" && !Number.isSafeInteger(by)) {
    throw new RangeError(`${by} can't be added: give a whole number, a bigint where it is large`);
  }
  return ["INCRBY", kept(key), `${by}`];
}

/** Commands that change the connection that they are sent on. */
const OWN_CONNECTION = new Set(
  ["AUTH", "DISCARD", "EXEC", "HELLO", "MULTI", "QUIT", "READONLY", "READWRITE", "RESET", "SELECT"]
    .concat("UNWATCH", "WATCH"),
);

/** @throws {TypeError} where the request is none, or can't be sent on a connection that is shared. */
export function checkShared(request: readonly Argument[]): void {
  const [first] = request;
  if (first === undefined || first.length === 0) {
    throw new TypeError("A command begins with its name");
  }
  // Longer ones are none of these.
  const name = typeof first === "string" ? first : new TextDecoder().decode(first.subarray(0, 32));
  if (!OWN_CONNECTION.has(name.toUpperCase())) return;
  throw new TypeError(`${name} would change the connection that all calls share: see transact()`);
}

function withExpiry(request: Argument[], options: Expiry | undefined): Argument[] {
  const ms = options?.timeToLiveMs;
  if (ms === undefined) return request;
  if (!Number.isSafeInteger(ms) || ms <= 0) {
    throw new RangeError(`timeToLiveMs is ${ms}: write whole milliseconds above 0`);
  }
  request.push("PX", `${ms}`);
  return request;
}
