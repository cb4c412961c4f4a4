/**
 * Checks commands that came from outside (a peer, a file) before anything trusts them: lengths,
 * operations, flags, numbers, and what may stand in what.
 */
import { readU32, readU64 } from "../../util/bytes.ts";
import { isOfScripts, loadScriptProblem } from "../scripts/operations.ts";
import { isOfSessions, sessionOperationProblem } from "../sessions/operations.ts";
import { userOperationProblem } from "../users/operations.ts";
import { DIGEST_BYTES } from "./conditions.ts";
import {
  BY_USER_BYTES,
  COMMAND_HEAD_BYTES,
  Comparison,
  ExpireFlag,
  ExpiryKind,
  FIRST_READ_OP,
  GROUP_COMMANDS_OFFSET,
  GroupFlag,
  IN_SESSION_BYTES,
  innerOf,
  KEY_OFFSETS,
  keyLength,
  Op,
  RANGE_START_OFFSET,
  RangeFlag,
  SetFlag,
  TRANSACTION_WATCHES_OFFSET,
  WATCH_HEAD_BYTES,
} from "./command.ts";

/** Operations without a key; a changeUser has a user's name in its place. */
const KEYLESS = new Set<number>([
  Op.deleteUser,
  Op.byUser,
  Op.openSession,
  Op.closeSession,
  Op.inSession,
  Op.keepSessions,
  Op.pingSession,
  Op.loadScript,
  Op.flushScripts,
  Op.flush,
  Op.group,
  Op.deleteGroup,
  Op.transaction,
  Op.setAll,
  Op.readGroup,
  Op.scan,
  Op.keys,
  Op.randomKey,
  Op.size,
  Op.constant,
  Op.range,
]);

/** Operations that may have bytes after their key, or in place of one. */
const WITH_VALUE = new Set<number>([
  Op.changeUser,
  Op.deleteUser,
  Op.byUser,
  Op.inSession,
  Op.keepSessions,
  Op.loadScript,
  Op.set,
  Op.cas,
  Op.setWith,
  Op.append,
  Op.setRange,
  Op.addFloat,
  Op.group,
  Op.deleteGroup,
  Op.transaction,
  Op.deleteIfEqual,
  Op.setIf,
  Op.deleteIf,
  Op.setAll,
  Op.readGroup,
  Op.scan,
  Op.keys,
  Op.constant,
  Op.range,
]);

/** No server can be configured to take longer values than this. */
const VALUE_BYTES_LIMIT = 67_108_864;

const WRONG_LENGTH = "a command's length is wrong";
const SET_FLAGS = SetFlag.ifAbsent | SetFlag.ifPresent | SetFlag.returnOld | SetFlag.keepExpiry;
const SET_IF_FLAGS = SetFlag.returnOld | SetFlag.keepExpiry;
const SET_ALL_FLAGS = GroupFlag.ifAllAbsent | GroupFlag.ifAllPresent;
const EXPIRE_FLAGS = ExpireFlag.ifNone | ExpireFlag.ifAny | ExpireFlag.ifLater |
  ExpireFlag.ifSooner;

/** What is wrong with the commands `bytes[start, end)` of a log entry, or null. */
export function commandsProblem(bytes: Uint8Array, start: number): string | null {
  let offset = start;
  while (offset < bytes.length) {
    const problem = writeProblem(bytes, offset) ?? headProblem(bytes, offset, bytes.length) ??
      bodyProblem(bytes, offset);
    if (problem !== null) return problem;
    offset += readU32(bytes, offset);
  }
  return null;
}

/** What is wrong with the one command, a write or a read, that is all of `bytes[start, end)`, or null. */
export function commandProblem(bytes: Uint8Array, start: number, end: number): string | null {
  const problem = headProblem(bytes, start, end);
  if (problem !== null) return problem;
  return readU32(bytes, start) === end - start ? bodyProblem(bytes, start) : WRONG_LENGTH;
}

/** By themselves, or in a byUser alone, reads are not in the log. */
function writeProblem(bytes: Uint8Array, offset: number): string | null {
  const op = bytes[innerOf(bytes, offset) + 4];
  if (op === undefined || op < FIRST_READ_OP) return null;
  return `operation ${op} is unknown among the writes of this version`;
}

/** Checks what all commands have in common. */
function headProblem(bytes: Uint8Array, offset: number, end: number): string | null {
  if (end - offset < COMMAND_HEAD_BYTES) return "a command's head is cut off";
  const length = readU32(bytes, offset);
  const op = bytes[offset + 4]!;
  if (bytes[offset + 5] !== 0) return "command flags are set that this version does not know";
  if (KEY_OFFSETS[op] === 0) return `operation ${op} is unknown to this version`;
  const keyBytes = keyLength(bytes, offset);
  const fixed = KEY_OFFSETS[op]! + keyBytes;
  if (length < fixed || length > end - offset) return WRONG_LENGTH;
  if (length !== fixed && !WITH_VALUE.has(op)) return WRONG_LENGTH;
  if (KEYLESS.has(op) !== (keyBytes === 0)) return WRONG_LENGTH;
  return null;
}

/** Checks an operation's own fields. */
function bodyProblem(bytes: Uint8Array, offset: number): string | null {
  const op = bytes[offset + 4]! as Op;
  const at = offset + COMMAND_HEAD_BYTES;
  switch (op) {
    case Op.set:
    case Op.getExpire:
      return expiryProblem(bytes, at);
    case Op.cas:
      return expiryProblem(bytes, at) ?? u64Problem(bytes, at + 9, "a version");
    case Op.setWith:
      return expiryProblem(bytes, at) ?? flagsProblem(bytes[at + 9]!, SET_FLAGS);
    case Op.expire:
      return expiryProblem(bytes, at) ?? flagsProblem(bytes[at + 9]!, EXPIRE_FLAGS);
    case Op.append:
    case Op.setRange:
      return readU32(bytes, at) <= VALUE_BYTES_LIMIT ? null : "a bound for values is too large";
    case Op.scan:
      return u64Problem(bytes, at, "a cursor");
    case Op.range:
      return flagsProblem(bytes[at]!, RangeFlag.keysOnly) ?? rangeProblem(bytes, offset);
    case Op.group:
      return flagsProblem(bytes[at]!, GroupFlag.ifAllAbsent) ??
        groupProblem(bytes, offset, Op.set);
    case Op.setAll:
      return flagsProblem(bytes[at]!, SET_ALL_FLAGS) ?? groupProblem(bytes, offset, Op.setWith);
    case Op.setIf:
    case Op.deleteIf:
      return conditionProblem(bytes, offset);
    case Op.deleteGroup:
      return flagsProblem(bytes[at]!, 0) ?? groupProblem(bytes, offset, Op.delete);
    case Op.readGroup:
      return flagsProblem(bytes[at]!, 0) ?? groupProblem(bytes, offset, Op.get);
    case Op.transaction:
      return transactionProblem(bytes, offset);
    case Op.changeUser:
    case Op.deleteUser:
      return userOperationProblem(bytes, offset);
    case Op.byUser:
      return userOperationProblem(bytes, offset) ?? byUserProblem(bytes, offset);
    case Op.openSession:
    case Op.closeSession:
    case Op.keepSessions:
    case Op.pingSession:
      return sessionOperationProblem(bytes, offset);
    case Op.loadScript:
      return loadScriptProblem(bytes, offset);
    case Op.inSession:
      return sessionOperationProblem(bytes, offset) ?? inSessionProblem(bytes, offset);
    default:
      return null;
  }
}

function expiryProblem(bytes: Uint8Array, at: number): string | null {
  if (bytes[at]! > ExpiryKind.absolute) return "an expiry kind is unknown";
  return u64Problem(bytes, at + 1, "an expiry");
}

/** Of a setIf or deleteIf: what its value is compared with ends the command. */
function conditionProblem(bytes: Uint8Array, offset: number): string | null {
  const at = offset + COMMAND_HEAD_BYTES;
  const op = bytes[offset + 4]! as Op;
  const room = readU32(bytes, offset) - KEY_OFFSETS[op]! - keyLength(bytes, offset);
  let length = room;
  let comparison = bytes[at]!;
  if (op === Op.setIf) {
    const problem = expiryProblem(bytes, at) ?? flagsProblem(bytes[at + 9]!, SET_IF_FLAGS);
    if (problem !== null) return problem;
    comparison = bytes[at + 10]!;
    length = readU32(bytes, at + 11);
    if (length > room) return WRONG_LENGTH;
  }
  if (comparison < Comparison.equal || comparison > Comparison.digestDiffers) {
    return "a comparison is unknown";
  }
  const isDigest = comparison >= Comparison.digestEqual;
  return !isDigest || length === 0 || length === DIGEST_BYTES ? null : WRONG_LENGTH;
}

function u64Problem(bytes: Uint8Array, at: number, what: string): string | null {
  return Number.isSafeInteger(readU64(bytes, at)) ? null : `${what} is above 2^53 - 1`;
}

function flagsProblem(flags: number, known: number): string | null {
  return (flags & ~known) === 0 ? null : "flags are set that this version does not know";
}

function rangeProblem(bytes: Uint8Array, offset: number): string | null {
  const startBytes = readU32(bytes, offset + RANGE_START_OFFSET - 4);
  const all = readU32(bytes, offset) - RANGE_START_OFFSET;
  return startBytes <= all ? null : "a range's first key is longer than the command";
}

/** Within a byUser is one whole command, up to its end. */
function byUserProblem(bytes: Uint8Array, offset: number): string | null {
  const op = bytes[offset + BY_USER_BYTES + 4];
  if (op === Op.byUser) return "a command has two users";
  if (op === Op.inSession) return "a session stands after the user of its command";
  return wrappedProblem(bytes, offset, offset + BY_USER_BYTES);
}

/** Within an inSession is one whole write, with its user or without, up to its end. */
function inSessionProblem(bytes: Uint8Array, offset: number): string | null {
  const op = bytes[innerOf(bytes, offset) + 4];
  if (op !== undefined && isOfSessions(op)) return "a session lies within a session";
  if (op !== undefined && isOfScripts(op)) return "a change of scripts lies within a session";
  return wrappedProblem(bytes, offset, offset + IN_SESSION_BYTES);
}

/** The command at `bytes[inner]` is whole, and ends with the one at `offset`. */
function wrappedProblem(bytes: Uint8Array, offset: number, inner: number): string | null {
  const end = offset + readU32(bytes, offset);
  const problem = headProblem(bytes, inner, end);
  if (problem !== null) return problem;
  return inner + readU32(bytes, inner) === end ? bodyProblem(bytes, inner) : WRONG_LENGTH;
}

/** A group holds commands of one operation, as many as it says, up to its end. */
function groupProblem(bytes: Uint8Array, offset: number, op: Op): string | null {
  const end = offset + readU32(bytes, offset);
  const count = readU32(bytes, offset + COMMAND_HEAD_BYTES + 1);
  let at = offset + GROUP_COMMANDS_OFFSET;
  let found = 0;
  for (; at < end; found++) {
    const problem = headProblem(bytes, at, end);
    if (problem !== null) return problem;
    if (bytes[at + 4] !== op) return `operation ${bytes[at + 4]} does not belong into this group`;
    const inside = bodyProblem(bytes, at) ??
      (op === Op.setWith ? flagsProblem(bytes[at + 17]!, SetFlag.keepExpiry) : null);
    if (inside !== null) return inside;
    at += readU32(bytes, at);
  }
  return found === count ? null : "a group does not hold as many commands as it says";
}

function transactionProblem(bytes: Uint8Array, offset: number): string | null {
  const end = offset + readU32(bytes, offset);
  const watches = readU32(bytes, offset + COMMAND_HEAD_BYTES);
  const commands = readU32(bytes, offset + COMMAND_HEAD_BYTES + 4);
  let at = offset + TRANSACTION_WATCHES_OFFSET;
  for (let i = 0; i < watches; i++) {
    if (end - at < WATCH_HEAD_BYTES) return "a watched key is cut off";
    const problem = u64Problem(bytes, at, "a watched version");
    if (problem !== null) return problem;
    const keyBytes = (bytes[at + 8]! << 8) | bytes[at + 9]!;
    if (keyBytes === 0 || end - at - WATCH_HEAD_BYTES < keyBytes) return "a watched key is cut off";
    at += WATCH_HEAD_BYTES + keyBytes;
  }
  let found = 0;
  for (; at < end; found++) {
    const problem = headProblem(bytes, at + 1, end);
    if (problem !== null) return problem;
    const op = bytes[innerOf(bytes, at + 1) + 4];
    if (op === Op.transaction) return "a transaction lies within another one";
    if (bytes[at + 5] === Op.inSession || (op !== undefined && isOfSessions(op))) {
      return "a session lies within a transaction";
    }
    if (op !== undefined && isOfScripts(op)) return "a change of scripts lies within a transaction";
    const inside = bodyProblem(bytes, at + 1);
    if (inside !== null) return inside;
    at += 1 + readU32(bytes, at + 1);
  }
  return found === commands ? null : "a transaction does not hold as many commands as it says";
}
