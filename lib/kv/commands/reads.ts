/** Commands that only read: what they show is decided from the present state. */
import { assert } from "../../util/assert.ts";
import { readU32, readU64 } from "../../util/bytes.ts";
import { Int64, readI64 } from "../../util/int64.ts";
import { xxh3 } from "../../util/xxh3.ts";
import {
  COMMAND_HEAD_BYTES,
  commandLength,
  GROUP_COMMANDS_OFFSET,
  keyLength,
  keyOffset,
  Op,
} from "./command.ts";
import { DIGEST_BYTES } from "./conditions.ts";
import { Glob, PATTERN_BYTES_MAX } from "./glob.ts";
import type { Keyspace } from "./keyspace.ts";
import { Ranges } from "./ranges.ts";
import { type Result, Status } from "./result.ts";
import { Access } from "../users/command_numbers.ts";
import type { User } from "../users/user.ts";
import type { Scan } from "./scan.ts";

/** The most keys that one scan step visits, whatever its client asks for. */
const SCAN_KEYS_MAX = 1_000;
/** The most keys that may be there for `keys` to look through them all. */
const KEYS_LOOKED_AT_MAX = 50_000;
/** The most bytes of values that one reply carries. */
export const REPLY_VALUE_BYTES_MAX = 67_108_864;
/** The most steps of comparing that one command, or one transaction, takes: some 10 ms. */
const GLOB_STEPS_MAX = 4_000_000;
/**
 * Keys that are visited between two looks at the steps. One key takes at most its bytes times the
 * words of the pattern's states: 8,400,000 steps where both are as long as they may be.
 */
const STRIDE_KEYS = 16;
/** Transactions of one entry may walk over so many times what a single one may. */
const ENTRY_WALKS = 4;
/** What visiting a key takes, anywhere in memory as it is. */
const KEY_STEPS = 300;
const POSITIONS = 0x1_0000_0000;
/** For a digest, a byte of the value. */
const DIGEST_STEPS = 3;
const ZERO = 0x30;
const LETTER_A = 0x61;

export class Reads {
  readonly #keys: Keyspace;
  readonly #scan: Scan;
  readonly #digest = new Uint8Array(DIGEST_BYTES);
  readonly #digits = new Uint8Array(2 * DIGEST_BYTES);
  readonly #ranges: Ranges;
  readonly #from = new Int64();
  readonly #to = new Int64();
  /** What may still be walked over and compared, by this command or by all of a transaction. */
  #keysLeft = KEYS_LOOKED_AT_MAX;
  #stepsLeft = GLOB_STEPS_MAX;
  #isInTransaction = false;
  /** Who may not read every key: null where that is nobody. */
  #reader: User | null = null;
  /** What the transactions of one entry may still take together. */
  #entryIndex = -1;
  #entryKeysLeft = 0;
  #entryStepsLeft = 0;
  /** What all reads have taken so far, in steps of about a nanosecond. */
  work = 0;

  constructor(keys: Keyspace, scan: Scan) {
    this.#keys = keys;
    this.#scan = scan;
    this.#ranges = new Ranges(keys);
  }

  /**
   * The reads up to `endTransaction` share the bounds of a single one, and the transactions of one entry
   * those of a few: nothing else can come between.
   */
  beginTransaction(entryIndex: number): void {
    if (entryIndex !== this.#entryIndex) {
      this.#entryIndex = entryIndex;
      this.#entryKeysLeft = ENTRY_WALKS * KEYS_LOOKED_AT_MAX;
      this.#entryStepsLeft = ENTRY_WALKS * GLOB_STEPS_MAX;
    }
    this.#keysLeft = Math.min(KEYS_LOOKED_AT_MAX, this.#entryKeysLeft);
    this.#stepsLeft = Math.min(GLOB_STEPS_MAX, this.#entryStepsLeft);
    this.#isInTransaction = true;
  }

  endTransaction(): void {
    this.#isInTransaction = false;
  }

  /**
   * Answers the read at `bytes[offset]`, which `commandsProblem` would pass. `user`: who reads, and may;
   * what walks over keys shows those alone that it may read. Null: whoever it is may read all.
   */
  read(bytes: Uint8Array, offset: number, result: Result, user: User | null): void {
    result.deadlineMs = 0;
    this.#reader = user === null || user.allowsAllKeys(Access.read) ? null : user;
    const op = bytes[offset + 4] as Op;
    switch (op) {
      case Op.get:
      case Op.getm:
        return this.#get(bytes, offset, result);
      case Op.digest:
        return this.#showDigest(bytes, offset, result);
      case Op.getRange:
        return this.#getRange(bytes, offset, result);
      case Op.readGroup:
        return this.#readGroup(bytes, offset, result);
      case Op.scan:
        return this.#scanStep(bytes, offset, result);
      case Op.keys:
        return this.#allKeys(bytes, offset, result);
      case Op.range:
        return this.#range(bytes, offset, result);
      case Op.randomKey:
        return this.#randomKey(bytes, offset, result);
      case Op.size:
        result.setInteger(this.#keys.contents.table.length);
        return;
      case Op.constant: {
        const start = offset + COMMAND_HEAD_BYTES;
        result.setValue(bytes, start, offset + commandLength(bytes, offset) - start);
        return;
      }
      default:
        assert(false, `Operation ${op} is no read`);
    }
  }

  #get(bytes: Uint8Array, offset: number, result: Result): void {
    const keys = this.#keys;
    if (keys.find(bytes, offset + COMMAND_HEAD_BYTES, keyLength(bytes, offset))) {
      keys.show(result);
      return;
    }
    result.status = Status.notFound;
  }

  /** The value is the digest of the key's: 16 hexadecimal digits. */
  #showDigest(bytes: Uint8Array, offset: number, result: Result): void {
    this.#get(bytes, offset, result);
    if (result.status !== Status.found) return;
    this.work += DIGEST_STEPS * result.length;
    xxh3(result.bytes, result.offset, result.length, this.#digest);
    for (let i = 0; i < this.#digits.length; i++) {
      const half = (this.#digest[i >> 1]! >> (i % 2 === 0 ? 4 : 0)) & 15;
      this.#digits[i] = half < 10 ? ZERO + half : LETTER_A + half - 10;
    }
    result.setValue(this.#digits, 0, this.#digits.length);
  }

  /** Both ends included; negative ones count from the value's end. */
  #getRange(bytes: Uint8Array, offset: number, result: Result): void {
    const keys = this.#keys;
    const start = keyOffset(bytes, offset);
    if (!keys.find(bytes, start, keyLength(bytes, offset))) {
      result.status = Status.notFound;
      return;
    }
    keys.show(result);
    readI64(bytes, offset + 8, this.#from);
    readI64(bytes, offset + 16, this.#to);
    const length = result.length;
    let from = this.#from.toNumber();
    let to = this.#to.toNumber();
    const isBackward = from < 0 && to < 0 && from > to;
    from = Math.max(0, from < 0 ? length + from : from);
    to = Math.min(length - 1, Math.max(0, to < 0 ? length + to : to));
    if (isBackward || from > to) {
      result.length = 0;
      return;
    }
    result.offset += from;
    result.length = to - from + 1;
  }

  #readGroup(bytes: Uint8Array, offset: number, result: Result): void {
    result.beginList();
    const end = offset + commandLength(bytes, offset);
    let total = 0;
    let at = offset + GROUP_COMMANDS_OFFSET;
    for (; at < end; at += commandLength(bytes, at)) {
      const part = result.addPart();
      this.#get(bytes, at, part);
      if (part.status !== Status.found) continue;
      result.noteDeadline(part.deadlineMs);
      total += part.length;
    }
    this.work += total + result.listLength * KEY_STEPS;
    if (total > REPLY_VALUE_BYTES_MAX) result.status = Status.tooMuch;
  }

  #scanStep(bytes: Uint8Array, offset: number, result: Result): void {
    const start = keyOffset(bytes, offset);
    const glob = this.#beginWalk(bytes, start, offset + commandLength(bytes, offset));
    if (glob === null) {
      result.status = Status.tooMuch;
      return;
    }
    const keysMax = Math.min(SCAN_KEYS_MAX, Math.max(1, readU32(bytes, offset + 16)));
    this.#beginKeys(result);
    result.cursor = this.#visit(readU64(bytes, offset + 8), keysMax, glob, result);
  }

  #allKeys(bytes: Uint8Array, offset: number, result: Result): void {
    const start = offset + COMMAND_HEAD_BYTES;
    const { length } = this.#keys.contents.table;
    const glob = length > KEYS_LOOKED_AT_MAX
      ? null
      : this.#beginWalk(bytes, start, offset + commandLength(bytes, offset));
    if (glob === null || length > this.#keysLeft) {
      result.status = Status.tooMuch;
      return;
    }
    this.#beginKeys(result);
    // One more than there are: the walk then comes to its end.
    const rest = this.#visit(0, length + 1, glob, result);
    if (rest !== 0) result.status = Status.tooMuch;
  }

  #range(bytes: Uint8Array, offset: number, result: Result): void {
    if (!this.#mayWalk()) {
      result.status = Status.tooMuch;
      return;
    }
    const { order } = this.#keys.contents;
    const workBefore = order.work;
    this.#ranges.read(bytes, offset, result, this.#reader, this.#stepsLeft);
    this.#count(this.#ranges.looked, this.#ranges.steps);
    this.work += order.work - workBefore;
  }

  /** True where this walk, or this one of a transaction, may look at anything. */
  #mayWalk(): boolean {
    if (!this.#isInTransaction) {
      this.#keysLeft = KEYS_LOOKED_AT_MAX;
      this.#stepsLeft = GLOB_STEPS_MAX;
    }
    return this.#keysLeft > 0 && this.#stepsLeft > 0;
  }

  /** Takes what a walk took off what is left, and counts it. */
  #count(visited: number, steps: number): void {
    this.work += steps;
    this.#keysLeft -= visited;
    this.#stepsLeft -= steps;
    // A leader answers reads within an entry (node/session/session.ts): no other server does.
    if (!this.#isInTransaction) return;
    this.#entryKeysLeft -= visited;
    this.#entryStepsLeft -= steps;
  }

  /** The pattern of a walk; null where it is too long, or where nothing more may be walked over. */
  #beginWalk(bytes: Uint8Array, start: number, end: number): Glob | null {
    const isDone = !this.#mayWalk();
    return isDone || end - start > PATTERN_BYTES_MAX ? null : new Glob(bytes, start, end);
  }

  /**
   * Visits keys from `cursor` on, at least one and at most so many; returns where the next walk
   * continues, 0 at the end.
   */
  #visit(cursor: number, keysMax: number, glob: Glob, result: Result): number {
    let position = cursor;
    let visited = 0;
    const reader = this.#reader;
    const strideMax = glob.isLong || reader !== null ? 1 : STRIDE_KEYS;
    // The same on all servers, as of a range: which of its patterns a user tries first is not.
    let readerSteps = 0;
    let steps = 0;
    while (position < POSITIONS) {
      const stride = Math.min(strideMax, keysMax - visited);
      position = this.#scan(position, stride, (slab, start, length) => {
        if (!glob.matches(slab, start, length)) return;
        if (reader !== null) {
          readerSteps += reader.stepsOf(slab, start, length);
          if (!reader.allowsKey(Access.read, slab, start, length)) return;
        }
        result.addPart().setValue(slab, start, length);
      });
      visited += stride;
      steps = glob.steps + readerSteps;
      if (position === 0 || visited >= keysMax || steps >= this.#stepsLeft) break;
    }
    this.#count(visited, steps);
    this.work += visited * KEY_STEPS;
    return position < POSITIONS ? position : 0;
  }

  /**
   * The first key from a random place on. Whoever may not read every key is shown none where it takes more
   * than `GLOB_STEPS_MAX` to come to one of his.
   */
  #randomKey(bytes: Uint8Array, offset: number, result: Result): void {
    this.#beginKeys(result);
    const first = readU32(bytes, offset + 8);
    const { deadlineMs } = result;
    const reader = this.#reader;
    result.status = Status.notFound;
    let steps = 0;
    // From there to the end, then from the beginning: keys that are due are skipped.
    for (let round = 0, position = first; round < 2; round++, position = 0) {
      do {
        position = this.#scan(position, 1, (slab, start, length) => {
          steps += KEY_STEPS;
          if (reader !== null) {
            steps += reader.stepsOf(slab, start, length);
            if (!reader.allowsKey(Access.read, slab, start, length)) return;
          }
          result.setValue(slab, start, length);
        });
      } while (
        position !== 0 && result.status === Status.notFound && steps < GLOB_STEPS_MAX
      );
      if (result.status !== Status.notFound || steps >= GLOB_STEPS_MAX) break;
    }
    if (reader !== null) this.work += steps;
    result.deadlineMs = deadlineMs;
  }

  /** Any key may be shown, so the next one to expire counts. */
  #beginKeys(result: Result): void {
    result.beginList();
    const next = this.#keys.contents.expiry.nextDeadlineMs(this.#keys.clockMs);
    if (next !== Infinity) result.noteDeadline(next);
  }
}
