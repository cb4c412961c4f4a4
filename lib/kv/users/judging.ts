/**
 * What it takes to judge a command: each of its keys is compared with each pattern of its user's. Known
 * before a command goes into the log, as far as the users are known then, so that a leader can bound what
 * all servers will have to do.
 */
import { readU32 } from "../../util/bytes.ts";
import {
  commandLength,
  GROUP_COMMANDS_OFFSET,
  innerOf,
  keyLength,
  keyOffset,
  Op,
  TRANSACTION_WATCHES_OFFSET,
  WATCH_HEAD_BYTES,
  withoutSession,
} from "../commands/command.ts";
import { userIdOf } from "./operations.ts";
import type { User } from "./user.ts";
import type { Users } from "./users.ts";

/** What one key may take without being counted: next to nothing beside the command itself. */
const SMALL_STEPS = 4_096;

/**
 * The most steps, of about a nanosecond, that judging the keys of the command at `bytes[from]` takes, keys
 * that take next to nothing left out. Stops counting beyond `stepsMax`.
 */
export function judgingSteps(
  users: Users,
  bytes: Uint8Array,
  from: number,
  stepsMax: number,
): number {
  const offset = withoutSession(bytes, from);
  if (bytes[offset + 4] !== Op.byUser) return 0;
  const user = users.byId(userIdOf(bytes, offset));
  if (user === undefined || user.keySteps === 0) return 0;
  const at = innerOf(bytes, offset);
  const end = at + commandLength(bytes, at);
  let steps = 0;
  switch (bytes[at + 4]) {
    case Op.group:
    case Op.deleteGroup:
    case Op.setAll:
    case Op.readGroup: {
      let one = at + GROUP_COMMANDS_OFFSET;
      for (; one < end && steps <= stepsMax; one += commandLength(bytes, one)) {
        steps += user.stepsOf(bytes, keyOffset(bytes, one), keyLength(bytes, one));
      }
      return steps <= SMALL_STEPS ? 0 : steps;
    }
    case Op.transaction: {
      let one = at + TRANSACTION_WATCHES_OFFSET;
      for (let watches = readU32(bytes, at + 8); watches > 0; watches--) {
        const length = (bytes[one + 8]! << 8) | bytes[one + 9]!;
        if (steps <= stepsMax) steps += oneKey(user, bytes, one + WATCH_HEAD_BYTES, length);
        one += WATCH_HEAD_BYTES + length;
      }
      for (; one < end && steps <= stepsMax; one += 1 + commandLength(bytes, one + 1)) {
        steps += judgingSteps(users, bytes, one + 1, stepsMax);
      }
      return steps;
    }
    default:
      return oneKey(user, bytes, keyOffset(bytes, at), keyLength(bytes, at));
  }
}

function oneKey(user: User, bytes: Uint8Array, start: number, length: number): number {
  const steps = user.stepsOf(bytes, start, length, SMALL_STEPS);
  return steps <= SMALL_STEPS ? 0 : steps;
}
