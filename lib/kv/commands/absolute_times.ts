/**
 * Absolute times in commands on their way into the log. Clients give them by the wall clock, the store
 * compares them with the log's own time; the leader moves them from one to the other when it appends
 * (node/log/append.ts), so that the log and all servers know one time only.
 */
import { readU64, writeU64 } from "../../util/bytes.ts";
import {
  afterWatches,
  BY_USER_BYTES,
  commandLength,
  ExpiryKind,
  GROUP_COMMANDS_OFFSET,
  IN_SESSION_BYTES,
  Op,
} from "./command.ts";

/** Where a command's expiry stands: u8 kind, u64 ms. */
const EXPIRY_OFFSET = 8;

/** Operations that have an expiry. */
const WITH_EXPIRY = new Uint8Array(256);
for (const op of [Op.set, Op.cas, Op.setWith, Op.expire, Op.getExpire, Op.setIf]) {
  WITH_EXPIRY[op] = 1;
}
/** Operations that other commands stand in. */
const WITH_COMMANDS = new Uint8Array(256);
for (const op of [Op.group, Op.setAll, Op.transaction, Op.byUser, Op.inSession]) {
  WITH_COMMANDS[op] = 1;
}

/**
 * Adds the places of all absolute times in the commands `bytes[start, end)` to `places`, each less
 * `start` and plus `base`. The commands have to be whole and well formed.
 */
export function findAbsoluteTimes(
  bytes: Uint8Array,
  start: number,
  end: number,
  base: number,
  places: number[],
): void {
  for (let at = start; at < end; at += commandLength(bytes, at)) {
    const op = bytes[at + 4]!;
    if (WITH_EXPIRY[op] === 1) {
      if (bytes[at + EXPIRY_OFFSET] !== ExpiryKind.absolute) continue;
      places.push(base + at - start + EXPIRY_OFFSET + 1);
    } else if (WITH_COMMANDS[op] === 1) {
      findInside(bytes, at, base + at - start, places);
    }
  }
}

/**
 * The same for the commands in the group, transaction, byUser or inSession at `at`, whose place is `base`.
 * A closure would cost every command a context of its own, also where there is no group.
 */
function findInside(bytes: Uint8Array, at: number, base: number, places: number[]): void {
  const end = at + commandLength(bytes, at);
  const op = bytes[at + 4];
  if (op === Op.byUser || op === Op.inSession) {
    const headBytes = op === Op.byUser ? BY_USER_BYTES : IN_SESSION_BYTES;
    findAbsoluteTimes(bytes, at + headBytes, end, base + headBytes, places);
    return;
  }
  // In a transaction a tag stands before each command.
  const tagBytes = op === Op.transaction ? 1 : 0;
  let inner = tagBytes === 1 ? afterWatches(bytes, at) : at + GROUP_COMMANDS_OFFSET;
  for (; inner < end; inner += tagBytes + commandLength(bytes, inner + tagBytes)) {
    const from = inner + tagBytes;
    findAbsoluteTimes(bytes, from, from + commandLength(bytes, from), base + from - at, places);
  }
}

/** Moves the absolute times at `places` by `ms`, which may be negative; none leaves 0 to 2^53 - 1. */
export function moveAbsoluteTimes(bytes: Uint8Array, places: readonly number[], ms: number): void {
  for (const place of places) {
    const moved = Math.max(0, readU64(bytes, place) + ms);
    writeU64(bytes, place, Math.min(moved, Number.MAX_SAFE_INTEGER));
  }
}
