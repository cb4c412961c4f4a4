/**
 * The operations that users bring, from cluster version 3 on (kv/commands/command.ts has the others):
 *
 *   changeUser  8 u8 ChangeUserFlag, 9 name (in the place of a key), modifications (user_changes.ts)
 *   deleteUser  8 u16 how many, 10 that many names, each after its length as u8
 *   byUser      8 u32 the user's id, 12 u16 the command's number (command_numbers.ts), 14 the command: a
 *               whole one, of any operation but byUser itself
 *
 * Once there are users, every write in the log has the user whose it is: it is a byUser, and within one whose
 * command is a transaction each command of that is one as well. What has none is refused where it is applied,
 * for it was sent before there were users; only a changeUser may be without (`ChangeUserFlag.byReset`).
 * Whoever looks at what a command does looks at what is in a byUser: `innerOf`.
 */
import {
  ByteFormatError,
  ByteReader,
  type ByteWriter,
  readU32,
  writeU32,
} from "../../util/bytes.ts";
import {
  afterWatches,
  commandLength,
  encodeCommand,
  endCommand,
  innerOf,
  keyLength,
  keyOffset,
  Op,
} from "../commands/command.ts";
import { type Result, Status } from "../commands/result.ts";
import { commandNumbered } from "./command_numbers.ts";
import { isUserName } from "./rules.ts";
import { latin1, latin1Bytes } from "../../util/latin1.ts";
import {
  decodeModifications,
  encodeModifications,
  type Modification,
  UserProblem,
} from "./user_changes.ts";
import type { Users } from "./users.ts";

export const ChangeUserFlag = {
  /** Done though it has no user and there are some: whoever asked has the data directory. */
  byReset: 1,
} as const;

const NAMES_OFFSET = 10;
const NO_BYTES = new Uint8Array(0);

/** Appends a changeUser; `flags`: `ChangeUserFlag`. Returns where it begins. */
export function encodeChangeUser(
  out: ByteWriter,
  name: string,
  modifications: readonly Modification[],
  flags = 0,
): number {
  const bytes = latin1Bytes(name);
  const at = encodeCommand(out, Op.changeUser, bytes, 0, bytes.length, 0, 0);
  out.bytes[at + 8] = flags;
  encodeModifications(out, modifications);
  endCommand(out, at);
  return at;
}

/** Appends a deleteUser. Returns where it begins. */
export function encodeDeleteUser(out: ByteWriter, names: readonly string[]): number {
  const at = encodeCommand(out, Op.deleteUser, NO_BYTES, 0, 0, 0, 0);
  out.bytes[at + 8] = names.length >>> 8;
  out.bytes[at + 9] = names.length;
  for (const name of names) {
    out.u8(name.length);
    out.raw(latin1Bytes(name));
  }
  endCommand(out, at);
  return at;
}

/**
 * Appends what stands before a command that a user has sent. Returns where it begins: the command comes next,
 * and then `endCommand` for both.
 */
export function encodeByUser(out: ByteWriter, userId: number, command: number): number {
  const at = encodeCommand(out, Op.byUser, NO_BYTES, 0, 0, 0, 0);
  writeU32(out.bytes, at + 8, userId);
  out.bytes[at + 12] = command >>> 8;
  out.bytes[at + 13] = command;
  return at;
}

/** The user of the byUser at `bytes[at]`. */
export function userIdOf(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at + 8);
}

/** The number of its command. */
export function commandNumberOf(bytes: Uint8Array, at: number): number {
  return (bytes[at + 12]! << 8) | bytes[at + 13]!;
}

/** The name of the user that the changeUser at `bytes[at]` changes. */
function changedName(bytes: Uint8Array, at: number): string {
  const start = keyOffset(bytes, at);
  return latin1(bytes.subarray(start, start + keyLength(bytes, at)));
}

/** The modifications of the changeUser at `bytes[at]`. Throws `ByteFormatError` where they are none. */
function modificationsOf(bytes: Uint8Array, at: number): Modification[] {
  const start = keyOffset(bytes, at) + keyLength(bytes, at);
  return decodeModifications(bytes, start, at + commandLength(bytes, at));
}

/** The names in the deleteUser at `bytes[at]`. Throws `ByteFormatError` where they are none. */
export function deletedNames(bytes: Uint8Array, at: number): string[] {
  const reader = new ByteReader(bytes, at + NAMES_OFFSET, at + commandLength(bytes, at));
  const count = (bytes[at + 8]! << 8) | bytes[at + 9]!;
  const names: string[] = [];
  for (let i = 0; i < count; i++) names.push(latin1(reader.view(reader.u8())));
  reader.finish();
  return names;
}

/**
 * Applies the changeUser or deleteUser at `bytes[at]` at log index `index`, which may be done as far as its
 * user is concerned. `integer` is the user's id, or how many users were deleted.
 */
export function applyToUsers(
  users: Users,
  index: number,
  bytes: Uint8Array,
  at: number,
  isByUser: boolean,
  result: Result,
): void {
  if (bytes[at + 4] === Op.deleteUser) {
    const deleted = users.delete(index, deletedNames(bytes, at));
    if ("problem" in deleted) setProblem(result, deleted.problem, 0);
    else result.setInteger(deleted.count);
    return;
  }
  const isFirst = users.count === 0 || bytes[at + 8] === ChangeUserFlag.byReset;
  if (!isByUser && !isFirst) return setProblem(result, UserProblem.notFirst, 0);
  const changed = users.change(index, changedName(bytes, at), modificationsOf(bytes, at));
  if ("problem" in changed) setProblem(result, changed.problem, changed.at);
  else result.setInteger(changed.id);
}

/**
 * Whether one of the commands from `bytes[start]` on, of an entry of the log, may change a user or make one.
 * Looks at heads alone.
 */
export function changesUsers(bytes: Uint8Array, start: number): boolean {
  for (let at = start; at < bytes.length;) {
    const inner = innerOf(bytes, at);
    const op = bytes[inner + 4];
    if (op === Op.changeUser) return true;
    if (op === Op.transaction && transactionChangesUsers(bytes, inner)) return true;
    const length = commandLength(bytes, at);
    if (length === 0) return true; // damaged, and found to be so where it is applied
    at += length;
  }
  return false;
}

function transactionChangesUsers(bytes: Uint8Array, offset: number): boolean {
  const end = Math.min(bytes.length, offset + commandLength(bytes, offset));
  for (let at = afterWatches(bytes, offset); at < end; at += 1 + commandLength(bytes, at + 1)) {
    if (bytes[innerOf(bytes, at + 1) + 4] === Op.changeUser) return true;
  }
  return false;
}

function setProblem(result: Result, problem: UserProblem, at: number): void {
  result.status = Status.userProblem;
  result.version = problem;
  result.cursor = at;
}

/** What is wrong with the fields of the operation of users at `bytes[at]`, or null. */
export function userOperationProblem(bytes: Uint8Array, at: number): string | null {
  try {
    switch (bytes[at + 4]) {
      case Op.changeUser: {
        if (bytes[at + 8]! > ChangeUserFlag.byReset) {
          return "flags of a change of users are unknown";
        }
        if (!isUserName(changedName(bytes, at))) return "a user's name is none";
        modificationsOf(bytes, at);
        return null;
      }
      case Op.deleteUser:
        return deletedNames(bytes, at).every(isUserName) ? null : "a user's name is none";
      default: {
        const number = commandNumberOf(bytes, at);
        return commandNumbered(number) === undefined ? `command number ${number} is unknown` : null;
      }
    }
  } catch (error) {
    if (error instanceof ByteFormatError) return error.message;
    throw error;
  }
}
