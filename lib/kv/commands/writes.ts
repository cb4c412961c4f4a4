/**
 * Commands that change what is there: what they come to is decided here, when the entry is applied,
 * so no other write can come between the reading and the writing.
 */
import { ByteWriter, readU32 } from "../../util/bytes.ts";
import { Int64, readI64 } from "../../util/int64.ts";
import { assert } from "../../util/assert.ts";
import {
  commandLength,
  ExpireFlag,
  ExpiryKind,
  keyLength,
  keyOffset,
  Op,
  SetFlag,
} from "./command.ts";
import { causeOfSet, SetCause } from "./changes.ts";
import { deleteIf, hasValue, setIf } from "./conditions.ts";
import { addDecimals, DecimalProblem } from "./decimal_sum.ts";
import { deadlineOf } from "./expiry_time.ts";
import type { Keyspace } from "./keyspace.ts";
import { type Result, Status } from "./result.ts";

/** The buffer of new values is given back where one huge value grew it beyond this. */
const SCRATCH_BYTES_KEPT = 65_536;

export class Writes {
  readonly #keys: Keyspace;
  /** A key and its new value, on their way into the record. */
  #scratch = new ByteWriter(1024);
  readonly #value = new Int64();
  readonly #delta = new Int64();

  constructor(keys: Keyspace) {
    this.#keys = keys;
  }

  /** Applies the command at `bytes[offset]`, which `commandsProblem` has passed. */
  apply(bytes: Uint8Array, offset: number, result: Result): void {
    const keyStart = keyOffset(bytes, offset);
    this.#keys.find(bytes, keyStart, keyLength(bytes, offset));
    const op = bytes[offset + 4] as Op;
    switch (op) {
      case Op.delete:
        return this.#delete(result);
      case Op.setWith:
        return this.#setWith(bytes, offset, keyStart, result);
      case Op.append:
        return this.#append(bytes, offset, keyStart, result);
      case Op.setRange:
        return this.#setRange(bytes, offset, keyStart, result);
      case Op.add:
        return this.#add(bytes, offset, keyStart, result);
      case Op.addFloat:
        return this.#addFloat(bytes, offset, keyStart, result);
      case Op.expire:
        return this.#expire(bytes, offset, keyStart, result);
      case Op.persist:
        return this.#persist(bytes, offset, keyStart, result);
      case Op.getDelete:
        return this.#getDelete(result);
      case Op.getExpire:
        return this.#getExpire(bytes, offset, keyStart, result);
      case Op.deleteIfEqual:
        return this.#deleteIfEqual(bytes, offset, keyStart, result);
      case Op.setIf:
        return setIf(this.#keys, bytes, offset, result);
      case Op.deleteIf:
        return deleteIf(this.#keys, bytes, offset, result);
      default:
        assert(false, `Operation ${op} changes no single key`);
    }
  }

  #delete(result: Result): void {
    const { isPresent } = this.#keys;
    result.status = isPresent ? Status.deleted : Status.notFound;
    if (isPresent) this.#keys.remove();
  }

  #setWith(bytes: Uint8Array, offset: number, keyStart: number, result: Result): void {
    const keys = this.#keys;
    const flags = bytes[offset + 17]!;
    const length = keyLength(bytes, offset);
    const isPresent = keys.isPresent;
    const returnsOld = (flags & SetFlag.returnOld) !== 0;
    result.status = Status.notFound;
    result.deadlineMs = 0;
    if (returnsOld && isPresent) {
      keys.show(result);
      result.keepValue();
    }
    const isRefused = isPresent
      ? (flags & SetFlag.ifAbsent) !== 0
      : (flags & SetFlag.ifPresent) !== 0;
    if (isRefused) {
      if (!returnsOld) result.status = Status.notDone;
      return;
    }
    const keeps = isPresent && (flags & SetFlag.keepExpiry) !== 0;
    const deadlineMs = keeps ? keys.deadlineMs : deadlineOf(bytes, offset + 8, keys.clockMs);
    const end = offset + commandLength(bytes, offset);
    const cause = keeps ? SetCause.set : causeOfSet(deadlineMs);
    result.version = keys.put(bytes, keyStart, length, end, deadlineMs, cause);
    if (!returnsOld) result.status = Status.stored;
  }

  #append(bytes: Uint8Array, offset: number, keyStart: number, result: Result): void {
    const keys = this.#keys;
    const suffixStart = keyStart + keyLength(bytes, offset);
    const end = offset + commandLength(bytes, offset);
    const oldLength = keys.isPresent ? keys.head.valueLength : 0;
    if (oldLength + end - suffixStart > readU32(bytes, offset + 8)) {
      result.status = Status.tooLong;
      return;
    }
    const scratch = this.#beginValue(bytes, offset, keyStart);
    if (oldLength > 0) {
      scratch.slice(keys.bytes, keys.valueOffset, keys.valueOffset + oldLength);
    }
    scratch.slice(bytes, suffixStart, end);
    this.#endValue(bytes, offset, this.#keptDeadline, SetCause.append, result);
    result.setInteger(oldLength + end - suffixStart);
  }

  #setRange(bytes: Uint8Array, offset: number, keyStart: number, result: Result): void {
    const keys = this.#keys;
    const patchStart = keyStart + keyLength(bytes, offset);
    const patchLength = offset + commandLength(bytes, offset) - patchStart;
    const where = readU32(bytes, offset + 12);
    const oldLength = keys.isPresent ? keys.head.valueLength : 0;
    if (patchLength === 0) {
      result.setInteger(oldLength);
      return;
    }
    if (where + patchLength > readU32(bytes, offset + 8)) {
      result.status = Status.tooLong;
      return;
    }
    const scratch = this.#beginValue(bytes, offset, keyStart);
    const valueStart = scratch.length;
    const newLength = Math.max(oldLength, where + patchLength);
    scratch.reserve(newLength);
    if (oldLength > 0) {
      scratch.slice(keys.bytes, keys.valueOffset, keys.valueOffset + oldLength);
    }
    scratch.bytes.fill(0, valueStart + oldLength, valueStart + newLength);
    const patch = bytes.subarray(patchStart, patchStart + patchLength);
    scratch.bytes.set(patch, valueStart + where);
    scratch.length = valueStart + newLength;
    this.#endValue(bytes, offset, this.#keptDeadline, SetCause.setRange, result);
    result.setInteger(newLength);
  }

  #add(bytes: Uint8Array, offset: number, keyStart: number, result: Result): void {
    const keys = this.#keys;
    const value = this.#value;
    value.set(0);
    if (keys.isPresent) {
      const at = keys.valueOffset;
      if (!value.parse(keys.bytes, at, at + keys.head.valueLength)) {
        result.status = Status.notInteger;
        return;
      }
    }
    readI64(bytes, offset + 8, this.#delta);
    if (!value.add(this.#delta)) {
      result.status = Status.overflow;
      return;
    }
    value.write(this.#beginValue(bytes, offset, keyStart));
    this.#endValue(bytes, offset, this.#keptDeadline, SetCause.add, result);
    result.status = Status.integer;
    result.integer.copy(value);
  }

  #addFloat(bytes: Uint8Array, offset: number, keyStart: number, result: Result): void {
    const keys = this.#keys;
    const deltaStart = keyStart + keyLength(bytes, offset);
    const deltaEnd = offset + commandLength(bytes, offset);
    const at = keys.isPresent ? keys.valueOffset : 0;
    const length = keys.isPresent ? keys.head.valueLength : 0;
    const held = keys.isPresent ? keys.bytes : null;
    const scratch = this.#beginValue(bytes, offset, keyStart);
    const valueStart = scratch.length;
    const problem = addDecimals(held, at, at + length, bytes, deltaStart, deltaEnd, scratch);
    if (problem !== DecimalProblem.none) {
      result.status = problem === DecimalProblem.notNumber ? Status.notFloat : Status.infinite;
      return;
    }
    result.setValue(scratch.bytes, valueStart, scratch.length - valueStart);
    result.keepValue();
    this.#endValue(bytes, offset, this.#keptDeadline, SetCause.addFloat, result);
    result.deadlineMs = 0;
  }

  #expire(bytes: Uint8Array, offset: number, keyStart: number, result: Result): void {
    const keys = this.#keys;
    result.setInteger(0);
    if (!keys.isPresent) return;
    // Never means now, and so does 0 from now; the past is absolute.
    const isNow = deadlineOf(bytes, offset + 8, keys.clockMs) === 0;
    const deadlineMs = isNow ? keys.clockMs : deadlineOf(bytes, offset + 8, keys.clockMs);
    if (!mayExpire(bytes[offset + 17]!, keys.deadlineMs, deadlineMs)) return;
    result.setInteger(1);
    if (deadlineMs <= keys.clockMs) keys.remove();
    else this.#rewrite(bytes, offset, keyStart, deadlineMs, SetCause.expire, result);
  }

  #persist(bytes: Uint8Array, offset: number, keyStart: number, result: Result): void {
    const keys = this.#keys;
    const hasDeadline = keys.isPresent && keys.deadlineMs !== 0;
    result.setInteger(hasDeadline ? 1 : 0);
    if (hasDeadline) this.#rewrite(bytes, offset, keyStart, 0, SetCause.persist, result);
  }

  #getDelete(result: Result): void {
    result.status = Status.notFound;
    if (!this.#keys.isPresent) return;
    this.#keys.show(result);
    result.keepValue();
    this.#keys.remove();
  }

  #getExpire(bytes: Uint8Array, offset: number, keyStart: number, result: Result): void {
    const keys = this.#keys;
    result.status = Status.notFound;
    if (!keys.isPresent) return;
    keys.show(result);
    result.keepValue();
    const deadlineMs = deadlineOf(bytes, offset + 8, keys.clockMs);
    if (bytes[offset + 8] === ExpiryKind.never) {
      if (keys.deadlineMs === 0) return;
      this.#rewrite(bytes, offset, keyStart, 0, SetCause.persist, result);
    } else if (deadlineMs <= keys.clockMs) keys.remove();
    else this.#rewrite(bytes, offset, keyStart, deadlineMs, SetCause.expire, result);
  }

  /** Removes the key where its value is the one given: `deleted`, else `notDone` or `notFound`. */
  #deleteIfEqual(bytes: Uint8Array, offset: number, keyStart: number, result: Result): void {
    const keys = this.#keys;
    result.status = Status.notFound;
    if (!keys.isPresent) return;
    result.status = Status.notDone;
    const valueStart = keyStart + keyLength(bytes, offset);
    if (!hasValue(keys, bytes, valueStart, offset + commandLength(bytes, offset))) return;
    keys.remove();
    result.status = Status.deleted;
  }

  /** Gives the key another deadline: a write of the same value. */
  #rewrite(
    bytes: Uint8Array,
    offset: number,
    keyStart: number,
    deadlineMs: number,
    cause: SetCause,
    result: Result,
  ): void {
    const keys = this.#keys;
    const scratch = this.#beginValue(bytes, offset, keyStart);
    scratch.slice(keys.bytes, keys.valueOffset, keys.valueOffset + keys.head.valueLength);
    this.#endValue(bytes, offset, deadlineMs, cause, result);
  }

  #beginValue(bytes: Uint8Array, offset: number, keyStart: number): ByteWriter {
    if (this.#scratch.bytes.length > SCRATCH_BYTES_KEPT) this.#scratch = new ByteWriter(1024);
    this.#scratch.clear();
    this.#scratch.slice(bytes, keyStart, keyStart + keyLength(bytes, offset));
    return this.#scratch;
  }

  /** The time to live that the key found keeps. */
  get #keptDeadline(): number {
    return this.#keys.isPresent ? this.#keys.deadlineMs : 0;
  }

  #endValue(
    bytes: Uint8Array,
    offset: number,
    deadlineMs: number,
    cause: SetCause,
    result: Result,
  ): void {
    const { bytes: written, length } = this.#scratch;
    const keyBytes = keyLength(bytes, offset);
    result.version = this.#keys.put(written, 0, keyBytes, length, deadlineMs, cause);
  }
}

/** Whether an expire with these flags goes ahead; a key without a deadline counts as the latest. */
function mayExpire(flags: number, oldMs: number, newMs: number): boolean {
  if ((flags & ExpireFlag.ifNone) !== 0 && oldMs !== 0) return false;
  if ((flags & ExpireFlag.ifAny) !== 0 && oldMs === 0) return false;
  if ((flags & ExpireFlag.ifLater) !== 0 && (oldMs === 0 || newMs <= oldMs)) return false;
  return (flags & ExpireFlag.ifSooner) === 0 || oldMs === 0 || newMs < oldMs;
}
