/** What `raftkv lock` and `raftkv-run` share: how a lock is taken, and the flags for that. */
import { type Client, type Lock, type LockOptions, NotDone } from "../../../client/mod.ts";
import { parseDurationMs } from "../../util/duration.ts";

export interface LockFlags {
  readonly ttl?: number;
  readonly wait?: number;
  readonly value?: string;
}

/** As servers take them (docs/sessions.md). */
const TTL_MS_MIN = 3_000;
const TTL_MS_MAX = 86_400_000;

export const LOCK_FLAGS = {
  ttl: {
    kind: "parsed",
    parse: parseTtlMs,
    brief: "How long it is held once its holder is gone or cut off, from 3s to 1d; 10s",
    placeholder: "DURATION",
    optional: true,
  },
  wait: {
    kind: "parsed",
    parse: parseWaitMs,
    brief: "How long others are waited for, 0 for not at all; without end unless given",
    placeholder: "DURATION",
    optional: true,
  },
  value: {
    kind: "parsed",
    parse: String,
    brief: "What the key holds meanwhile, for who looks; nothing unless given",
    placeholder: "TEXT",
    optional: true,
  },
} as const;

export const LOCK_ARGUMENT = {
  brief: "The lock's name: a key",
  parse: parseName,
  placeholder: "NAME",
} as const;

/** @throws {Error} for an empty name, which is no key. */
function parseName(text: string): string {
  if (text !== "") return text;
  throw new Error("a lock's name has at least one byte");
}

function parseTtlMs(text: string): number {
  const ms = parseDurationMs(text);
  if (ms >= TTL_MS_MIN && ms <= TTL_MS_MAX) return ms;
  throw new Error(`${JSON.stringify(text)} is too short or too long: from 3s to 1d`);
}

function parseWaitMs(text: string): number {
  const ms = parseDurationMs(text);
  // Timers of JavaScript end in the 25th day.
  if (ms <= 24 * TTL_MS_MAX) return ms;
  throw new Error(`${JSON.stringify(text)} is too long: at most 24d`);
}

/**
 * Takes the lock; `waiting` is called where others have it, before they are waited for.
 * @throws {NotDone} code `held` where it is not to be had in time.
 */
export async function takeLock(
  client: Client,
  name: string,
  { ttl, wait, value }: LockFlags,
  { timeoutMs, signal }: LockOptions,
  waiting: () => Promise<void> | void,
): Promise<Lock> {
  const options = { ttlMs: ttl, value, timeoutMs, signal };
  try {
    return await client.lock(name, { ...options, waitMs: 0 });
  } catch (error) {
    if (!isHeld(error) || wait === 0) throw error;
  }
  await waiting();
  // Others are waited for from here on: where it is in vain, the time that was said is told.
  return await client.lock(name, { ...options, ...(wait !== undefined && { waitMs: wait }) });
}

/** Others have it: no fault of anybody's. */
export function isHeld(error: unknown): error is NotDone {
  return error instanceof NotDone && error.code === "held";
}
