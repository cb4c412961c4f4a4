/**
 * The operations that client sessions bring, from cluster version 4 on (kv/commands/command.ts has the
 * others). A client session is a client's own count of its writes, in the replicated state: no connection,
 * which node/session/ is about.
 *
 *   openSession   8 u64 time to live in ms
 *   closeSession  8 u64 session
 *   inSession     8 u64 session, 16 u64 sequence, 24 u64 the lowest sequence that is not answered yet, 32 u8
 *                 InSessionFlag, 33 the command: a whole write, with its user before it where there are users
 *   keepSessions  8 u32 how many, 12 that many sessions, u64 each: a leader's, for those that were pinged
 *
 * and a read, which is never in the log:
 *
 *   pingSession   8 u64 session
 */
import {
  COMMAND_HEAD_BYTES,
  encodeCommand,
  endCommand,
  innerOf,
  keyLength,
  keyOffset,
  Op,
} from "../commands/command.ts";
import { type ByteWriter, readU32, readU64, writeU32, writeU64 } from "../../util/bytes.ts";

export const InSessionFlag = {
  /** The key that it writes goes when the session ends, unless it is written again before. */
  bind: 1,
} as const;

export const SESSION_TTL_MS_MIN = 3_000;
export const SESSION_TTL_MS_DEFAULT = 60_000;
export const SESSION_TTL_MS_MAX = 86_400_000;

const FIRST_FIELD = COMMAND_HEAD_BYTES;
const KEPT_IDS_OFFSET = 12;
const NO_BYTES = new Uint8Array(0);

/** Appends an openSession. Returns where it begins. */
export function encodeOpenSession(out: ByteWriter, ttlMs: number): number {
  return encodeWithNumber(out, Op.openSession, ttlMs);
}

/** Appends a closeSession. Returns where it begins. */
export function encodeCloseSession(out: ByteWriter, id: number): number {
  return encodeWithNumber(out, Op.closeSession, id);
}

/** Appends a pingSession. Returns where it begins. */
export function encodePingSession(out: ByteWriter, id: number): number {
  return encodeWithNumber(out, Op.pingSession, id);
}

/** Which write of which client session a command is. */
export interface SessionPlace {
  readonly id: number;
  readonly sequence: number;
  /** All writes of the session below this one are answered: never above `sequence`. */
  readonly lowest: number;
  /** `InSessionFlag` */
  readonly flags: number;
}

/**
 * Appends what stands before a write of a client session. Returns where it begins: the command comes next,
 * and then `endCommand` for both.
 */
export function encodeInSession(out: ByteWriter, place: SessionPlace): number {
  const at = encodeCommand(out, Op.inSession, NO_BYTES, 0, 0, 0, 0);
  writeU64(out.bytes, at + FIRST_FIELD, place.id);
  writeU64(out.bytes, at + FIRST_FIELD + 8, place.sequence);
  writeU64(out.bytes, at + FIRST_FIELD + 16, place.lowest);
  out.bytes[at + FIRST_FIELD + 24] = place.flags;
  return at;
}

/** Appends a keepSessions. Returns where it begins. */
export function encodeKeepSessions(out: ByteWriter, ids: Iterable<number>): number {
  const at = encodeCommand(out, Op.keepSessions, NO_BYTES, 0, 0, 0, 0);
  let count = 0;
  for (const id of ids) {
    out.u64(id);
    count++;
  }
  writeU32(out.bytes, at + FIRST_FIELD, count);
  endCommand(out, at);
  return at;
}

/** The session, or time to live, of the operation at `bytes[at]`. */
export function firstNumberOf(bytes: Uint8Array, at: number): number {
  return readU64(bytes, at + FIRST_FIELD);
}

export function sequenceOf(bytes: Uint8Array, at: number): number {
  return readU64(bytes, at + FIRST_FIELD + 8);
}

export function lowestOf(bytes: Uint8Array, at: number): number {
  return readU64(bytes, at + FIRST_FIELD + 16);
}

/** Whether the key that the inSession at `bytes[at]` writes is bound to its session. */
export function binds(bytes: Uint8Array, at: number): boolean {
  return bytes[at + FIRST_FIELD + 24] === InSessionFlag.bind;
}

/** Calls `visit` with each session of the keepSessions at `bytes[at]`. */
export function visitKept(bytes: Uint8Array, at: number, visit: (id: number) => void): void {
  const end = at + KEPT_IDS_OFFSET + 8 * readU32(bytes, at + FIRST_FIELD);
  for (let one = at + KEPT_IDS_OFFSET; one < end; one += 8) visit(readU64(bytes, one));
}

/** Whether an operation is about client sessions: none of these stands within another command. */
export function isOfSessions(op: number): boolean {
  return (op >= Op.openSession && op <= Op.keepSessions) || op === Op.pingSession;
}

/** What is wrong with the fields of the operation of sessions at `bytes[at]`, or null. */
export function sessionOperationProblem(bytes: Uint8Array, at: number): string | null {
  switch (bytes[at + 4]) {
    case Op.openSession: {
      const ttlMs = firstNumberOf(bytes, at);
      const isPossible = ttlMs >= SESSION_TTL_MS_MIN && ttlMs <= SESSION_TTL_MS_MAX;
      return isPossible ? null : "a session's time to live is out of range";
    }
    case Op.inSession:
      return placeProblem(bytes, at);
    case Op.keepSessions: {
      const bytesOfIds = 8 * readU32(bytes, at + FIRST_FIELD);
      if (readU32(bytes, at) !== KEPT_IDS_OFFSET + bytesOfIds) {
        return "a command's length is wrong";
      }
      let problem: string | null = null;
      visitKept(bytes, at, (id) => problem ??= idProblem(id));
      return problem;
    }
    default:
      return idProblem(firstNumberOf(bytes, at));
  }
}

function placeProblem(bytes: Uint8Array, at: number): string | null {
  const sequence = sequenceOf(bytes, at);
  const lowest = lowestOf(bytes, at);
  if (!Number.isSafeInteger(sequence) || lowest < 1 || lowest > sequence) {
    return "a session's sequence is out of range";
  }
  const flags = bytes[at + FIRST_FIELD + 24]!;
  if (flags > InSessionFlag.bind) return "flags are set that this version does not know";
  if (flags === InSessionFlag.bind && !hasOneKey(bytes, innerOf(bytes, at))) {
    return "a command without one key is to bind one";
  }
  return idProblem(firstNumberOf(bytes, at));
}

/** Whether the command at `bytes[at]` has one key of its own: none of several, none of a transaction's. */
function hasOneKey(bytes: Uint8Array, at: number): boolean {
  return bytes[at + 4] !== Op.changeUser && keyOffset(bytes, at) > at && keyLength(bytes, at) > 0;
}

function idProblem(id: number): string | null {
  return id >= 1 && Number.isSafeInteger(id) ? null : "a session's number is out of range";
}

function encodeWithNumber(out: ByteWriter, op: Op, number: number): number {
  const at = encodeCommand(out, op, NO_BYTES, 0, 0, 0, 0);
  writeU64(out.bytes, at + FIRST_FIELD, number);
  return at;
}
