/**
 * Whether a user may do what a command does: asked where the command is decided, a write where it is applied
 * and a read where it is evaluated, of users as they are there. A command whose permission was revoked at a
 * lower index is not done, whatever was so when it was sent.
 *
 * It does nothing at all where one of its keys, or one of the commands in it, is not permitted; but in a
 * transaction each command is judged by itself, as in Redis. Watched keys are judged with the transaction.
 */
import { readU32 } from "../../util/bytes.ts";
import {
  BY_USER_BYTES,
  commandLength,
  GROUP_COMMANDS_OFFSET,
  groupCount,
  innerOf,
  keyLength,
  keyOffset,
  Op,
  SetFlag,
  TRANSACTION_WATCHES_OFFSET,
  WATCH_HEAD_BYTES,
} from "../commands/command.ts";
import { type Result, Status } from "../commands/result.ts";
import { Access, COMMAND_NUMBER_MAX, COMMAND_NUMBERS } from "./command_numbers.ts";
import { patternSteps } from "./match_pattern.ts";
import { commandNumberOf, userIdOf } from "./operations.ts";
import type { User } from "./user.ts";
import type { Users } from "./users.ts";

export class Permissions {
  /** Whose the last command was that was allowed; null where it was nobody's. */
  user: User | null = null;
  /** What judging reads has taken so far, in steps of about a nanosecond. */
  readWork = 0;
  readonly #users: Users;

  constructor(users: Users) {
    this.#users = users;
  }

  /**
   * Whether the command at `bytes[offset]` may be done: what its user may, and before there are users
   * anything. Otherwise `result` says why not.
   */
  allow(bytes: Uint8Array, offset: number, result: Result): boolean {
    const users = this.#users;
    const op = bytes[offset + 4];
    this.user = null;
    if (op !== Op.byUser) {
      // The one that makes the first user, or resets one, is judged where it is done. A constant tells
      // nothing, and a leader keeps those client sessions that their users have pinged.
      if (users.count === 0 || WITHOUT_USER.has(op!)) return true;
      result.status = Status.notAuthenticated;
      return false;
    }
    const user = users.byId(userIdOf(bytes, offset));
    const refusal = refusalOf(user, commandNumberOf(bytes, offset), bytes, offset + BY_USER_BYTES);
    if (refusal !== 0) {
      result.status = refusal;
      return false;
    }
    this.user = user ?? null;
    return true;
  }

  /** The same for a read by itself: judging it is work on reads, whether it is permitted or not. */
  allowRead(bytes: Uint8Array, offset: number, result: Result): boolean {
    const stepsBefore = patternSteps();
    const isAllowed = this.allow(bytes, offset, result);
    this.readWork += patternSteps() - stepsBefore + groupSteps(this.#users, bytes, offset);
    return isAllowed;
  }
}

/** What looking at its user's patterns takes for the keys of a group; for one key it is next to nothing. */
function groupSteps(users: Users, bytes: Uint8Array, offset: number): number {
  const inner = innerOf(bytes, offset);
  if (inner === offset || bytes[inner + 4] !== Op.readGroup) return 0;
  return groupCount(bytes, inner) * (users.byId(userIdOf(bytes, offset))?.keySteps ?? 0);
}

/** Operations that need no user. */
const WITHOUT_USER: ReadonlySet<number> = new Set([Op.changeUser, Op.constant, Op.keepSessions]);

/** What commands need of their keys, by number. */
const ACCESS = new Uint8Array(COMMAND_NUMBER_MAX + 1);
for (const { number, access } of COMMAND_NUMBERS) ACCESS[number] = access;

/**
 * Why the user may not do the command at `bytes[at]` (what is in a byUser), which it calls `command`: 0 where
 * it may. `user`: undefined where it is gone.
 */
function refusalOf(
  user: User | undefined,
  command: number,
  bytes: Uint8Array,
  at: number,
): Status | 0 {
  if (user === undefined || !user.isOn) return Status.notPermittedCommand;
  if (user.mayAll) return 0;
  if (!user.allowsCommand(command)) return Status.notPermittedCommand;
  return isOpen(user, ACCESS[command] as Access, bytes, at) ? 0 : Status.notPermittedKey;
}

function isOpen(user: User, access: Access, bytes: Uint8Array, at: number): boolean {
  switch (bytes[at + 4]) {
    case Op.group:
    case Op.deleteGroup:
    case Op.setAll:
    case Op.readGroup: {
      const end = at + commandLength(bytes, at);
      for (let one = at + GROUP_COMMANDS_OFFSET; one < end; one += commandLength(bytes, one)) {
        if (!user.allowsKey(access, bytes, keyOffset(bytes, one), keyLength(bytes, one))) {
          return false;
        }
      }
      return true;
    }
    case Op.transaction:
      return areWatchedOpen(user, bytes, at);
    case Op.size:
      return user.allowsAllKeys(Access.read);
    case Op.flush:
      return user.allowsAllKeys(Access.write);
    // These show what the user may read, and no more (kv/commands/reads.ts); the others have no keys.
    case Op.scan:
    case Op.keys:
    case Op.randomKey:
    case Op.range:
    case Op.constant:
    case Op.changeUser:
    case Op.deleteUser:
    // A session is its user's own (kv/sessions/client_sessions.ts).
    case Op.openSession:
    case Op.closeSession:
    case Op.pingSession:
    case Op.loadScript:
    case Op.flushScripts:
      return true;
    // Whether they are done tells of the value that was there.
    case Op.setIf:
    case Op.deleteIf:
      return user.allowsKey(Access.both, bytes, keyOffset(bytes, at), keyLength(bytes, at));
    case Op.setWith: {
      const shows = (bytes[at + 17]! & SetFlag.returnOld) !== 0;
      const needed = shows ? (access | Access.read) as Access : access;
      return user.allowsKey(needed, bytes, keyOffset(bytes, at), keyLength(bytes, at));
    }
    default:
      return user.allowsKey(access, bytes, keyOffset(bytes, at), keyLength(bytes, at));
  }
}

/** Whether a transaction is done tells whether a watched key has changed. */
function areWatchedOpen(user: User, bytes: Uint8Array, at: number): boolean {
  let key = at + TRANSACTION_WATCHES_OFFSET + WATCH_HEAD_BYTES;
  for (let left = readU32(bytes, at + 8); left > 0; left--) {
    const length = (bytes[key - 2]! << 8) | bytes[key - 1]!;
    if (!user.allowsKey(Access.none, bytes, key, length)) return false;
    key += length + WATCH_HEAD_BYTES;
  }
  return true;
}
