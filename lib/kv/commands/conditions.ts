/**
 * Writes that are done where the key's value, or its digest, is the one given or another: SET and DELEX with
 * IFEQ, IFNE, IFDEQ and IFDNE. Decided when the entry is applied, so no other write can come between.
 */
import { xxh3 } from "../../util/xxh3.ts";
import { readU32 } from "../../util/bytes.ts";
import {
  commandLength,
  Comparison,
  DELETE_IF_KEY_OFFSET,
  keyLength,
  SET_IF_KEY_OFFSET,
  SetFlag,
} from "./command.ts";
import { causeOfSet, SetCause } from "./changes.ts";
import { deadlineOf } from "./expiry_time.ts";
import type { Keyspace } from "./keyspace.ts";
import { type Result, Status } from "./result.ts";

/** What a digest has: XXH3's 64 bits. */
export const DIGEST_BYTES = 8;

const digest = new Uint8Array(DIGEST_BYTES);

/** The setIf at `bytes[offset]`, whose key `keys` has just looked for. */
export function setIf(keys: Keyspace, bytes: Uint8Array, offset: number, result: Result): void {
  const keyStart = offset + SET_IF_KEY_OFFSET;
  const flags = bytes[offset + 17]!;
  const returnsOld = (flags & SetFlag.returnOld) !== 0;
  const end = offset + commandLength(bytes, offset) - readU32(bytes, offset + 19);
  const isMet = holds(keys, bytes[offset + 18]!, bytes, end, offset + commandLength(bytes, offset));
  result.status = Status.notFound;
  result.deadlineMs = 0;
  if (returnsOld && keys.isPresent) {
    keys.show(result);
    result.keepValue();
  }
  if (!isMet) {
    if (!returnsOld) result.status = Status.notDone;
    return;
  }
  const keeps = keys.isPresent && (flags & SetFlag.keepExpiry) !== 0;
  const deadlineMs = keeps ? keys.deadlineMs : deadlineOf(bytes, offset + 8, keys.clockMs);
  const cause = keeps ? SetCause.set : causeOfSet(deadlineMs);
  result.version = keys.put(bytes, keyStart, keyLength(bytes, offset), end, deadlineMs, cause);
  if (!returnsOld) result.status = Status.stored;
}

/** The deleteIf at `bytes[offset]`, whose key `keys` has just looked for. */
export function deleteIf(keys: Keyspace, bytes: Uint8Array, offset: number, result: Result): void {
  result.status = Status.notFound;
  if (!keys.isPresent) return;
  const start = offset + DELETE_IF_KEY_OFFSET + keyLength(bytes, offset);
  const end = offset + commandLength(bytes, offset);
  result.status = Status.notDone;
  if (!holds(keys, bytes[offset + 8]!, bytes, start, end)) return;
  keys.remove();
  result.status = Status.deleted;
}

/** Whether the value of the key just found is `bytes[start, end)`. */
export function hasValue(keys: Keyspace, bytes: Uint8Array, start: number, end: number): boolean {
  if (!keys.isPresent || end - start !== keys.head.valueLength) return false;
  return areEqual(keys.bytes, keys.valueOffset, bytes, start, end);
}

function holds(
  keys: Keyspace,
  comparison: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): boolean {
  switch (comparison) {
    case Comparison.equal:
      return hasValue(keys, bytes, start, end);
    case Comparison.differs:
      return !hasValue(keys, bytes, start, end);
    case Comparison.digestEqual:
      return hasDigest(keys, bytes, start, end);
    default:
      return !hasDigest(keys, bytes, start, end);
  }
}

function hasDigest(keys: Keyspace, bytes: Uint8Array, start: number, end: number): boolean {
  if (!keys.isPresent || end - start !== DIGEST_BYTES) return false;
  xxh3(keys.bytes, keys.valueOffset, keys.head.valueLength, digest);
  return areEqual(digest, 0, bytes, start, end);
}

function areEqual(
  held: Uint8Array,
  heldAt: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): boolean {
  for (let at = start; at < end; at++) {
    if (held[heldAt + at - start] !== bytes[at]) return false;
  }
  return true;
}
