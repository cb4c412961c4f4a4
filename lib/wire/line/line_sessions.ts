/**
 * Client sessions in lines (docs/sessions.md): `session <seconds>` opens one, and
 * `@<session>.<sequence>.<lowest>` stands before a `set`, `cas` or `delete` that is one of its writes.
 */
import {
  encodeOpenSession,
  SESSION_TTL_MS_MAX,
  SESSION_TTL_MS_MIN,
  type SessionPlace,
} from "../../kv/sessions/operations.ts";
import { commandNamed } from "../../kv/users/command_numbers.ts";
import type { ClientAccess } from "../client_access.ts";
import { Action, type CommandBatch, ReplyMode } from "../command_batch.ts";
import { readDecimal } from "../decimal.ts";
import { beginCommand, endCommand } from "./line_commands.ts";
import { refuse } from "./line_hints.ts";

const AT = 0x40;
const DOT = 0x2e;
const SPACE = 0x20;
const OPEN = commandNamed("raftkv.session|open")!.number;
const VERB = new TextEncoder().encode("session ");

/** Whether a line says, or means to say, which write of a session it is. */
export function beginsWithPlace(bytes: Uint8Array, start: number): boolean {
  return bytes[start] === AT;
}

/** Where the verb begins after the place that the line begins with; `lineEnd` where nothing follows. */
export function afterPlace(bytes: Uint8Array, start: number, lineEnd: number): number {
  let at = start;
  while (at < lineEnd && bytes[at] !== SPACE) at++;
  return Math.min(at + 1, lineEnd);
}

/** The place that the line begins with, before the verb at `verbStart`; null where it is none. */
export function readPlace(
  bytes: Uint8Array,
  start: number,
  verbStart: number,
): SessionPlace | null {
  const end = verbStart - 1;
  const first = dotAfter(bytes, start + 1, end);
  const second = dotAfter(bytes, first + 1, end);
  const id = number(bytes, start + 1, first);
  const sequence = number(bytes, first + 1, second);
  const lowest = number(bytes, second + 1, end);
  if (id < 1 || lowest < 1 || lowest > sequence) return null;
  return { id, sequence, lowest, flags: 0 };
}

/** Adds the command of the line `bytes[start, lineEnd)` where that opens a session; else false. */
export function addSession(
  batch: CommandBatch,
  access: ClientAccess,
  bytes: Uint8Array,
  start: number,
  lineEnd: number,
): boolean {
  if (lineEnd - start < VERB.length || !VERB.every((byte, i) => bytes[start + i] === byte)) {
    return false;
  }
  const ttlMs = 1000 *
    readDecimal(bytes, start + VERB.length, lineEnd, SESSION_TTL_MS_MAX / 1000);
  if (ttlMs < SESSION_TTL_MS_MIN) {
    refuse(batch);
    return true;
  }
  const from = beginCommand(batch, access, OPEN);
  encodeOpenSession(batch.bytes, ttlMs);
  endCommand(batch, access, from);
  batch.add(Action.write, ReplyMode.plain, from, 0, OPEN);
  return true;
}

function dotAfter(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && bytes[at] !== DOT) at++;
  return Math.min(at, end);
}

function number(bytes: Uint8Array, start: number, end: number): number {
  return end <= start ? -1 : readDecimal(bytes, start, end, Number.MAX_SAFE_INTEGER);
}
