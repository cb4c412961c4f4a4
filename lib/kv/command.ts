/**
 * Commands as bytes. Writes travel in the log in exactly this form, reads stay on the leader. The
 * payload of a commands entry is these, back to back:
 *
 *   0  u32  length of the whole command, these 4 bytes included
 *   4  u8   operation (Op)
 *   5  u8   flags: zero (bit 0 is kept for a client session: u64 session, u64 sequence behind byte 8)
 *   6  u16  length of the key
 *   8  operation's own fields, then the key, then the value up to the end
 *
 *   set     8 u8 expiry kind, 9 u64 expiry ms, 17 key, value
 *   cas     8 u8 expiry kind, 9 u64 expiry ms, 17 u64 version, 25 key, value
 *   delete  8 key
 *   get     8 key      (never in the log)
 *   getm    8 key      (never in the log)
 */
import { type ByteWriter, readU32, readU64, writeU32, writeU64 } from "../util/bytes.ts";

export const Op = { set: 1, cas: 2, delete: 3, get: 64, getm: 65 } as const;
export type Op = typeof Op[keyof typeof Op];

/** Operations from here on only read. */
export const FIRST_READ_OP = 64;

export const ExpiryKind = {
  never: 0,
  /** Milliseconds from the entry's stamp on. */
  relative: 1,
  /** Milliseconds since 1970. */
  absolute: 2,
} as const;
export type ExpiryKind = typeof ExpiryKind[keyof typeof ExpiryKind];

export const COMMAND_HEAD_BYTES = 8;
export const SET_KEY_OFFSET = 17;
export const CAS_KEY_OFFSET = 25;

/** Appends a set; key and value are ranges of `source`. */
export function encodeSet(
  out: ByteWriter,
  expiryKind: ExpiryKind,
  expiryMs: number,
  source: Uint8Array,
  keyStart: number,
  keyEnd: number,
  valueStart: number,
  valueEnd: number,
): void {
  const at = begin(out, Op.set, SET_KEY_OFFSET, keyEnd - keyStart, valueEnd - valueStart);
  out.bytes[at + 8] = expiryKind;
  writeU64(out.bytes, at + 9, expiryMs);
  put(out.bytes, at + SET_KEY_OFFSET, source, keyStart, keyEnd);
  put(out.bytes, at + SET_KEY_OFFSET + keyEnd - keyStart, source, valueStart, valueEnd);
}

/** Appends a cas; key and value are ranges of `source`. */
export function encodeCas(
  out: ByteWriter,
  expiryKind: ExpiryKind,
  expiryMs: number,
  version: number,
  source: Uint8Array,
  keyStart: number,
  keyEnd: number,
  valueStart: number,
  valueEnd: number,
): void {
  const at = begin(out, Op.cas, CAS_KEY_OFFSET, keyEnd - keyStart, valueEnd - valueStart);
  out.bytes[at + 8] = expiryKind;
  writeU64(out.bytes, at + 9, expiryMs);
  writeU64(out.bytes, at + 17, version);
  put(out.bytes, at + CAS_KEY_OFFSET, source, keyStart, keyEnd);
  put(out.bytes, at + CAS_KEY_OFFSET + keyEnd - keyStart, source, valueStart, valueEnd);
}

/** Appends an operation that has a key and nothing else: delete, get, getm. */
export function encodeKeyOnly(
  out: ByteWriter,
  op: Op,
  source: Uint8Array,
  keyStart: number,
  keyEnd: number,
): void {
  const at = begin(out, op, COMMAND_HEAD_BYTES, keyEnd - keyStart, 0);
  put(out.bytes, at + COMMAND_HEAD_BYTES, source, keyStart, keyEnd);
}

/** The length of the command at `offset`, its head included. */
export function commandLength(bytes: Uint8Array, offset: number): number {
  return readU32(bytes, offset);
}

/** Where the key of the command at `offset` begins. */
export function keyOffset(bytes: Uint8Array, offset: number): number {
  const op = bytes[offset + 4];
  if (op === Op.set) return offset + SET_KEY_OFFSET;
  if (op === Op.cas) return offset + CAS_KEY_OFFSET;
  return offset + COMMAND_HEAD_BYTES;
}

/**
 * Checks a batch of commands that came from outside (a peer, a file): lengths, operations, flags,
 * expiry. Returns what is wrong, or null. Apply trusts what passed here.
 */
export function commandsProblem(bytes: Uint8Array, start: number): string | null {
  let offset = start;
  while (offset < bytes.length) {
    if (bytes.length - offset < COMMAND_HEAD_BYTES) return "a command's head is cut off";
    const length = readU32(bytes, offset);
    const op = bytes[offset + 4];
    if (bytes[offset + 5] !== 0) return "command flags are set that this version does not know";
    const keyBytes = (bytes[offset + 6]! << 8) | bytes[offset + 7]!;
    const isWrite = op === Op.set || op === Op.cas || op === Op.delete;
    if (!isWrite) return `operation ${op} is unknown to this version`;
    const fixed = keyOffset(bytes, offset) - offset + keyBytes;
    if (keyBytes === 0 || length < fixed || length > bytes.length - offset) {
      return "a command's length is wrong";
    }
    if (op === Op.delete && length !== fixed) return "a command's length is wrong";
    if (op !== Op.delete) {
      if (bytes[offset + 8]! > ExpiryKind.absolute) return "an expiry kind is unknown";
      if (!Number.isSafeInteger(readU64(bytes, offset + 9))) return "an expiry is too large";
    }
    if (op === Op.cas && !Number.isSafeInteger(readU64(bytes, offset + 17))) {
      return "a version is above 2^53 - 1";
    }
    offset += length;
  }
  return null;
}

function begin(out: ByteWriter, op: Op, fixed: number, keyBytes: number, valueBytes: number) {
  const length = fixed + keyBytes + valueBytes;
  out.reserve(length);
  const at = out.length;
  writeU32(out.bytes, at, length);
  out.bytes[at + 4] = op;
  out.bytes[at + 5] = 0;
  out.bytes[at + 6] = keyBytes >>> 8;
  out.bytes[at + 7] = keyBytes;
  out.length = at + length;
  return at;
}

/** Copies a range; a loop beats `set(subarray)` for the short ones that keys mostly are. */
function put(
  into: Uint8Array,
  at: number,
  source: Uint8Array,
  start: number,
  end: number,
): void {
  if (end - start > 48) {
    into.set(source.subarray(start, end), at);
    return;
  }
  for (let i = start; i < end; i++) into[at++] = source[i]!;
}
