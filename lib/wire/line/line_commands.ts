/** Commands of lines as the store gets them: where there are users, each after its user. */
import { endCommand as endWhole, IN_SESSION_BYTES, Op } from "../../kv/commands/command.ts";
import { encodeInSession, type SessionPlace } from "../../kv/sessions/operations.ts";
import { commandNamed } from "../../kv/users/command_numbers.ts";
import { encodeByUser } from "../../kv/users/operations.ts";
import type { ClientAccess } from "../client_access.ts";
import type { CommandBatch } from "../command_batch.ts";

/** The numbers of the commands of the Redis protocol that do the same. */
export const LineCommand = {
  get: commandNamed("get")!.number,
  getm: commandNamed("raftkv.get")!.number,
  set: commandNamed("set")!.number,
  cas: commandNamed("raftkv.cas")!.number,
  delete: commandNamed("del")!.number,
  scan: commandNamed("raftkv.range")!.number,
  auth: commandNamed("auth")!.number,
} as const;

/** Of the operation of a line that has a key alone. */
export function commandOf(op: Op): number {
  if (op === Op.delete) return LineCommand.delete;
  return op === Op.getm ? LineCommand.getm : LineCommand.get;
}

/** What may be a write of a client session. */
export function isSessionWrite(op: Op | 0): boolean {
  return op === Op.set || op === Op.cas || op === Op.delete;
}

/** Of a set or cas. */
export function storeOf(isCas: boolean): number {
  return isCas ? LineCommand.cas : LineCommand.set;
}

/** Begins a command that the store decides; returns where. It is encoded next, then `endCommand`. */
export function beginCommand(
  batch: CommandBatch,
  { userId }: ClientAccess,
  command: number,
  place: SessionPlace | null = null,
): number {
  const from = batch.bytes.length;
  if (place !== null) encodeInSession(batch.bytes, place);
  if (userId !== 0) encodeByUser(batch.bytes, userId, command);
  return from;
}

export function endCommand(
  batch: CommandBatch,
  { userId }: ClientAccess,
  from: number,
  place: SessionPlace | null = null,
): void {
  if (userId !== 0) endWhole(batch.bytes, place === null ? from : from + IN_SESSION_BYTES);
  if (place !== null) endWhole(batch.bytes, from);
}
