/** Commands made of commands: all of them are applied at one index, with nothing in between. */
import { readU32, readU64 } from "../../util/bytes.ts";
import {
  COMMAND_HEAD_BYTES,
  commandLength,
  FIRST_READ_OP,
  GROUP_COMMANDS_OFFSET,
  GroupFlag,
  innerOf,
  keyLength,
  keyOffset,
  TRANSACTION_WATCHES_OFFSET,
  WATCH_HEAD_BYTES,
} from "./command.ts";
import type { Keyspace } from "./keyspace.ts";
import { REPLY_VALUE_BYTES_MAX } from "./reads.ts";
import { Result, Status } from "./result.ts";

/** Applies, or answers, one command that is no transaction. */
type RunCommand = (bytes: Uint8Array, offset: number, result: Result) => void;

export interface RunCommands {
  /** The group was judged with all that is in it. */
  readonly inGroup: RunCommand;
  /** Judges each command by itself. */
  readonly inTransaction: RunCommand;
}

export class Groups {
  readonly #keys: Keyspace;
  readonly #run: RunCommands;
  readonly #inner = new Result();

  constructor(keys: Keyspace, run: RunCommands) {
    this.#keys = keys;
    this.#run = run;
  }

  /** Applies the group at `bytes[offset]`: `integer` is how many keys it stored or deleted. */
  apply(bytes: Uint8Array, offset: number, result: Result): void {
    const end = offset + commandLength(bytes, offset);
    const first = offset + GROUP_COMMANDS_OFFSET;
    const flags = bytes[offset + COMMAND_HEAD_BYTES]!;
    for (let at = first; flags !== 0 && at < end; at += commandLength(bytes, at)) {
      const isThere = this.#keys.find(bytes, keyOffset(bytes, at), keyLength(bytes, at));
      if ((flags & (isThere ? GroupFlag.ifAllAbsent : GroupFlag.ifAllPresent)) === 0) continue;
      result.status = Status.notDone;
      return;
    }
    let count = 0;
    for (let at = first; at < end; at += commandLength(bytes, at)) {
      this.#run.inGroup(bytes, at, this.#inner);
      const { status } = this.#inner;
      if (status === Status.stored || status === Status.deleted) count++;
    }
    result.setInteger(count);
  }

  /** Applies the transaction at `bytes[offset]`, unless a watched key has changed. */
  transact(bytes: Uint8Array, offset: number, result: Result): void {
    const end = offset + commandLength(bytes, offset);
    const watches = readU32(bytes, offset + COMMAND_HEAD_BYTES);
    let at = offset + TRANSACTION_WATCHES_OFFSET;
    for (let i = 0; i < watches; i++) {
      const length = (bytes[at + 8]! << 8) | bytes[at + 9]!;
      const isPresent = this.#keys.find(bytes, at + WATCH_HEAD_BYTES, length);
      if ((isPresent ? this.#keys.head.version : 0) !== readU64(bytes, at)) {
        result.status = Status.aborted;
        return;
      }
      at += WATCH_HEAD_BYTES + length;
    }
    result.beginList();
    let keptBytes = 0;
    for (; at < end; at += 1 + commandLength(bytes, at + 1)) {
      const part = result.addPart();
      part.tag = bytes[at]!;
      this.#run.inTransaction(bytes, at + 1, part);
      // What was read must not change when a later operation writes. Writes have copies of their own.
      if (bytes[innerOf(bytes, at + 1) + 4]! >= FIRST_READ_OP) keptBytes = keep(part, keptBytes);
      else if (part.status === Status.found) keptBytes = keepOwn(part, keptBytes);
    }
  }
}

/** Counts what a write has kept of the value before it; drops that where the reply has no room. */
function keepOwn(part: Result, keptBytes: number): number {
  if (keptBytes + part.length <= REPLY_VALUE_BYTES_MAX) return keptBytes + part.length;
  part.drop();
  return keptBytes;
}

/** Copies what a read shows, as far as the reply has room for it. */
function keep(part: Result, keptBytes: number): number {
  if (part.status === Status.found) {
    if (keptBytes + part.length > REPLY_VALUE_BYTES_MAX) {
      part.status = Status.tooMuch;
      return keptBytes;
    }
    part.keepValue();
    return keptBytes + part.length;
  }
  if (part.status !== Status.list) return keptBytes;
  let total = keptBytes;
  for (let i = 0; i < part.listLength && part.status === Status.list; i++) {
    const inner = part.list[i]!;
    if (inner.status !== Status.found) continue;
    total += inner.length;
    if (total > REPLY_VALUE_BYTES_MAX) part.status = Status.tooMuch;
    else inner.keepValue();
  }
  return total;
}
