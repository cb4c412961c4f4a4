/**
 * Ranges: the keys from one to another, in the order of their bytes, as they are at one moment. A page of
 * them at a time, bounded by number and by bytes, which tells where the next one begins.
 *
 * A page's list has for each key the key and, unless keys alone are asked for, its value after it. Where
 * there may be more (`cursor` is 1), one part more comes last: the key that the next page comes after.
 */
import { type ByteWriter, readU32, writeU32 } from "../../util/bytes.ts";
import { compareKeys, RecordHead } from "../memory/record.ts";
import { NO_REF } from "../memory/slabs.ts";
import { Access } from "../users/command_numbers.ts";
import type { User } from "../users/user.ts";
import {
  commandLength,
  encodeCommand,
  endCommand,
  Op,
  RANGE_START_OFFSET,
  RangeFlag,
} from "./command.ts";
import type { Keyspace } from "./keyspace.ts";
import { type Result, Status } from "./result.ts";

/** The most keys of a page, whatever its client asks for. */
export const RANGE_KEYS_MAX = 1_000;
/** The most bytes of keys and values of a page, unless its first key and value have more. */
export const RANGE_BYTES_MAX = 1_048_576;
/** So many keys may be passed over for each one that is asked for: due ones, and what one may not read. */
const PASSED_PER_KEY = 2;
const PASSED_MIN = 100;
/** What it takes to come to a key and its value, anywhere in memory as they are, in nanoseconds. */
const KEY_STEPS = 400;

export class Ranges {
  readonly #keys: Keyspace;
  readonly #head = new RecordHead();
  /** Of the last range: keys that were looked at, and what that took. */
  looked = 0;
  steps = 0;

  constructor(keys: Keyspace) {
    this.#keys = keys;
  }

  /**
   * Answers the range at `bytes[offset]` for `reader`, or for whoever may read every key (null), within about
   * `stepsMax` steps of a nanosecond. `tooMuch` where `reader` may read none of the keys that could be looked
   * at: which key comes next is nothing that it may be told. `looked` and `steps` tell what it took.
   */
  read(
    bytes: Uint8Array,
    offset: number,
    result: Result,
    reader: User | null,
    stepsMax: number,
  ): void {
    const { order, slabs } = this.#keys.contents;
    const start = offset + RANGE_START_OFFSET;
    const startBytes = readU32(bytes, start - 4);
    const end = start + startBytes;
    const endBytes = offset + commandLength(bytes, offset) - end;
    const keysOnly = (bytes[offset + 8]! & RangeFlag.keysOnly) !== 0;
    const keysMax = Math.min(Math.max(1, readU32(bytes, offset + 9)), RANGE_KEYS_MAX);
    const lookedMax = Math.max(PASSED_PER_KEY * keysMax, PASSED_MIN);
    const head = this.#head;
    let shown = 0;
    let shownBytes = 0;
    let looked = 0;
    let steps = 0;
    // Where the next page begins: only a key that may be read is ever told.
    let lastRef = NO_REF;
    result.beginList();
    order.seek(bytes, start, startBytes);
    let ref = order.ref();
    for (; ref !== NO_REF; order.next(), ref = order.ref()) {
      const slab = slabs.bytesOf(ref);
      const at = slabs.offsetOf(ref);
      head.read(slab, at);
      const key = at + head.keyAt;
      const { keyLength, valueLength } = head;
      if (endBytes > 0 && compareKeys(slab, key, keyLength, bytes, end, endBytes) >= 0) {
        ref = NO_REF;
        break;
      }
      const entryBytes = keyLength + (keysOnly ? 0 : valueLength);
      if (shown === keysMax || (shown > 0 && shownBytes + entryBytes > RANGE_BYTES_MAX)) break;
      if (steps > stepsMax || (lastRef !== NO_REF && looked >= lookedMax)) break;
      looked++;
      // The same on all servers, which may keep what it shows as the reply of a client session.
      steps += KEY_STEPS + (reader === null ? 0 : reader.stepsOf(slab, key, keyLength));
      const mayRead = reader === null || reader.allowsKey(Access.read, slab, key, keyLength);
      if (!mayRead) continue;
      lastRef = ref;
      const deadlineMs = head.hasDeadline ? this.#keys.contents.deadlineMs(ref) : 0;
      if (deadlineMs !== 0 && deadlineMs <= this.#keys.clockMs) continue;
      result.noteDeadline(deadlineMs);
      shown++;
      shownBytes += entryBytes;
      steps += entryBytes;
      result.addPart().setValue(slab, key, keyLength);
      if (keysOnly) continue;
      const value = result.addPart();
      value.setValue(slab, key + keyLength, valueLength);
      value.version = head.version;
      value.deadlineMs = deadlineMs;
    }
    this.looked = looked;
    this.steps = steps;
    if (ref === NO_REF) return;
    if (lastRef === NO_REF) {
      result.status = Status.tooMuch;
      return;
    }
    result.cursor = 1;
    const slab = slabs.bytesOf(lastRef);
    const at = slabs.offsetOf(lastRef);
    head.read(slab, at);
    result.addPart().setValue(slab, at + head.keyAt, head.keyLength);
  }
}

/** Appends a range: from `start` on, `end` left out; no bound where `end` is empty. */
export function encodeRange(
  out: ByteWriter,
  start: Uint8Array,
  end: Uint8Array,
  keysMax: number,
  flags = 0,
): void {
  const at = encodeCommand(out, Op.range, start, 0, 0, 0, start.length);
  out.bytes[at + 8] = flags;
  writeU32(out.bytes, at + 9, keysMax);
  writeU32(out.bytes, at + 13, start.length);
  out.raw(end);
  endCommand(out, at);
}

/** What comes after all keys that begin with `prefix`; empty where that is nothing. */
export function endOfPrefix(prefix: Uint8Array): Uint8Array {
  let length = prefix.length;
  while (length > 0 && prefix[length - 1] === 0xff) length--;
  const end = prefix.slice(0, length);
  if (length > 0) end[length - 1]!++;
  return end;
}

/** The first key that comes after this one. */
export function keyAfter(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1);
  next.set(key);
  return next;
}
