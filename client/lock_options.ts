/** The options of locks, leaderships and permits. */
import { kept, wrongKind } from "./arguments.ts";
import type { CallOptions, Key } from "./calls.ts";
import { checkNames, checkSignal, optionNames } from "./options.ts";
import { checkTimeout, type Settings } from "./settings.ts";
import type { Argument } from "./request_writer.ts";

export interface LockOptions extends CallOptions {
  /**
   * How long it is held without a sign of life of its holder, in ms: 10,000 unless given, from 3,000 to
   * 86,400,000. The client extends it by itself.
   */
  readonly ttlMs?: number | undefined;
  /** How long others are waited for, in ms: without end unless given; 0: not at all. */
  readonly waitMs?: number | undefined;
  /** What the key holds, for who looks; of an election: what others are told. "" unless given. */
  readonly value?: string | Uint8Array | undefined;
}

/** What a taking is given, checked. */
export interface LockSettings {
  readonly ttlMs: number;
  readonly waitMs: number;
  readonly value: Argument;
  /** Of each request. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

export const LOCK_OPTIONS: ReadonlySet<string> = optionNames<LockOptions>({
  timeoutMs: true,
  signal: true,
  ttlMs: true,
  waitMs: true,
  value: true,
});
const PERMITS_MAX = 1_000;
/** The longest key of a server, 1,024 bytes unless configured, less what a queue puts behind a name. */
const NAME_BYTES_MAX = 990;
const TTL_MS = 10_000;
/** As servers take them (docs/sessions.md). */
const TTL_MS_MIN = 3_000;
const TTL_MS_MAX = 86_400_000;

/** @throws {TypeError | RangeError} where they are wrong. */
export function checkLockOptions(
  options: LockOptions | undefined,
  settings: Settings,
): LockSettings {
  checkNames(options, LOCK_OPTIONS);
  return {
    ttlMs: checkTtl(options?.ttlMs),
    waitMs: options?.waitMs === 0 ? 0 : checkTimeout("waitMs", options?.waitMs, Infinity),
    value: kept("value", options?.value ?? ""),
    timeoutMs: checkTimeout("timeoutMs", options?.timeoutMs, settings.timeoutMs),
    signal: checkSignal(options?.signal),
  };
}

/**
 * What a lock's, a semaphore's or an election's keys begin with.
 * @throws {TypeError | RangeError} where it is no key, or too long for the keys of those who wait.
 */
export function nameBytes(name: Key): Uint8Array {
  const own = kept("a name", name);
  const bytes = typeof own === "string" ? new TextEncoder().encode(own) : own;
  if (bytes.length === 0) throw new TypeError("a name has at least one byte");
  if (bytes.length <= NAME_BYTES_MAX) return bytes;
  throw new RangeError(
    `a name has at most ${NAME_BYTES_MAX} bytes, and this one has ${bytes.length}`,
  );
}

/** @throws {TypeError | RangeError} where a semaphore can't have so many. */
export function checkPermits(permits: number): number {
  if (typeof permits !== "number") throw wrongKind("permits", "a number", permits, "");
  if (Number.isSafeInteger(permits) && permits > 0 && permits <= PERMITS_MAX) return permits;
  throw new RangeError(`permits is ${permits}: write a whole number from 1 to ${PERMITS_MAX}`);
}

function checkTtl(ms: number | undefined): number {
  if (ms === undefined) return TTL_MS;
  if (typeof ms !== "number") throw wrongKind("ttlMs", "a number of milliseconds", ms, "");
  if (Number.isSafeInteger(ms) && ms >= TTL_MS_MIN && ms <= TTL_MS_MAX) return ms;
  throw new RangeError(
    `ttlMs is ${ms}: write whole milliseconds from ${TTL_MS_MIN} to ${TTL_MS_MAX}`,
  );
}
