/**
 * A command on its way from the server that a client is connected to, to the one that leads. The bytes of a
 * stream from who connected are these, back to back:
 *
 *   0  u8   action: write, read or ask (command_batch.ts)
 *   1  u8   reply mode: as the codec of the server that forwards has it
 *   2  u16  number of the command, where permissions are asked later; else 0
 *   4  u64  the user; 0 for nobody
 *  12       the command itself, or the question as a constant command
 */
import { commandProblem } from "../../kv/commands/command_check.ts";
import {
  COMMAND_HEAD_BYTES,
  commandLength,
  FIRST_READ_OP,
  innerOf,
  Op,
} from "../../kv/commands/command.ts";
import { ByteWriter, readU64 } from "../../util/bytes.ts";
import { Action } from "../command_batch.ts";
import { questionProblem } from "./forwarded_questions.ts";

export const FORWARDED_HEAD_BYTES = 12;

/** What the server that leads has to know of a command besides its bytes. */
export interface ForwardedHead {
  readonly action: Action;
  readonly replyMode: number;
  readonly command: number;
  readonly userId: number;
}

/** Appends the command `bytes[start, end)`. A transaction that comes this far is a write. */
export function encodeForwarded(
  out: ByteWriter,
  { action, replyMode, command, userId }: ForwardedHead,
  bytes: Uint8Array,
  start: number,
  end: number,
): void {
  out.u8(action === Action.transaction ? Action.write : action);
  out.u8(replyMode);
  out.u16(command);
  out.u64(userId);
  out.slice(bytes, start, end);
}

/** How many bytes the command at `bytes[start]` takes, its head included; 0 where that is not here yet. */
export function forwardedLength(bytes: Uint8Array, start: number, end: number): number {
  if (end - start < FORWARDED_HEAD_BYTES + 4) return 0;
  return FORWARDED_HEAD_BYTES + commandLength(bytes, start + FORWARDED_HEAD_BYTES);
}

/** What is wrong with the command that is all of `bytes[start, end)`, or null. */
export function forwardedProblem(bytes: Uint8Array, start: number, end: number): string | null {
  const action = bytes[start]!;
  const at = start + FORWARDED_HEAD_BYTES;
  if (!Number.isSafeInteger(readU64(bytes, start + 4))) return "a user's id is above 2^53 - 1";
  const problem = commandProblem(bytes, at, end);
  if (problem !== null) return problem;
  const op = bytes[innerOf(bytes, at) + 4]!;
  switch (action) {
    case Action.write:
      return op < FIRST_READ_OP ? null : `operation ${op} is no write`;
    case Action.read:
      return op >= FIRST_READ_OP && op !== Op.constant ? null : `operation ${op} is no read`;
    case Action.ask:
      return op === Op.constant && bytes[at + 4] === Op.constant
        ? questionProblem(bytes, at + COMMAND_HEAD_BYTES, end)
        : `operation ${op} is no question`;
    default:
      return `action ${action} is not forwarded`;
  }
}
