/**
 * Commands as bytes. Writes travel in the log in exactly this form, reads stay on the leader. The
 * payload of a commands entry is these, back to back:
 *
 *   0  u32  length of the whole command, these 4 bytes included
 *   4  u8   operation (Op)
 *   5  u8   flags: zero
 *   6  u16  length of the key, 0 where there is none
 *   8  operation's own fields, then the key, then the value up to the end
 *
 *   set         8 u8 expiry kind, 9 u64 expiry ms, 17 key, value
 *   cas         8 u8 expiry kind, 9 u64 expiry ms, 17 u64 version, 25 key, value
 *   delete      8 key
 *   setWith     8 u8 expiry kind, 9 u64 expiry ms, 17 u8 SetFlag, 18 key, value
 *   append      8 u32 most bytes of the new value, 12 key, value: what is put after the old one
 *   setRange    8 u32 most bytes of the new value, 12 u32 where, 16 key, value: what is put there
 *   add         8 i64 what is added, 16 key
 *   addFloat    8 key, value: what is added, in decimal
 *   expire      8 u8 expiry kind (never means now), 9 u64 expiry ms, 17 u8 ExpireFlag, 18 key
 *   persist     8 key
 *   getDelete   8 key
 *   getExpire   8 u8 expiry kind, 9 u64 expiry ms, 17 key
 *   flush       8
 *   group       8 u8 GroupFlag, 9 u32 how many, 13 that many commands: set
 *   deleteGroup 8 u8 0, 9 u32 how many, 13 that many commands: delete
 *   transaction 8 u32 how many watched keys, 12 u32 how many commands, 16 the watched keys, each u64
 *               version (0 for absent), u16 length, key; then the commands, each
 *               after a u8 tag that its result carries: writes and reads, but no transaction
 *   deleteIfEqual 8 key, value: what it has to have; from cluster version 2 on (kv/cluster_version.ts)
 *   changeUser, deleteUser, byUser: from cluster version 3 on (kv/users/operations.ts)
 *   openSession, closeSession, inSession, keepSessions: from cluster version 4 on (kv/sessions/operations.ts)
 *   loadScript, flushScripts: from cluster version 5 on (kv/scripts/operations.ts)
 *
 * From cluster version 4 on; what the old value is compared with is a value, or a digest of 8 bytes (0 bytes:
 * one that no value has):
 *
 *   setIf       8 u8 expiry kind, 9 u64 expiry ms, 17 u8 SetFlag (returnOld, keepExpiry), 18 u8 Comparison,
 *               19 u32 length of what it is compared with, 23 key, value, what it is compared with
 *   deleteIf    8 u8 Comparison, 9 key, what its value is compared with
 *   setAll      8 u8 GroupFlag, 9 u32 how many, 13 that many commands: setWith (keepExpiry at most)
 *
 * Reads are in the log within a transaction only:
 *
 *   get, getm   8 key
 *   getRange    8 i64 from, 16 i64 to, 24 key
 *   readGroup   8 u8 0, 9 u32 how many, 13 that many commands: get
 *   scan        8 u64 cursor, 16 u32 how many keys, 20 pattern (empty for all)
 *   keys        8 pattern
 *   randomKey   8 u32 where to look first
 *   size        8
 *   constant    8 value: bytes for the reply
 *   digest      8 key; from cluster version 4 on
 *   range       8 u8 RangeFlag, 9 u32 how many keys, 13 u32 length of the first key, 17 the first key that is
 *               shown, then the first one that is not, empty for none; from cluster version 4 on in the log
 */
import { type ByteWriter, readU32, writeU32, writeU64 } from "../../util/bytes.ts";

export const Op = {
  set: 1,
  cas: 2,
  delete: 3,
  setWith: 4,
  append: 5,
  setRange: 6,
  add: 7,
  addFloat: 8,
  expire: 9,
  persist: 10,
  getDelete: 11,
  getExpire: 12,
  flush: 13,
  group: 14,
  deleteGroup: 15,
  transaction: 16,
  deleteIfEqual: 17,
  changeUser: 18,
  deleteUser: 19,
  byUser: 20,
  openSession: 21,
  closeSession: 22,
  inSession: 23,
  keepSessions: 24,
  setIf: 26,
  deleteIf: 27,
  setAll: 28,
  loadScript: 29,
  flushScripts: 30,
  get: 64,
  getm: 65,
  getRange: 66,
  readGroup: 67,
  scan: 68,
  keys: 69,
  randomKey: 70,
  size: 71,
  constant: 72,
  range: 73,
  digest: 74,
  pingSession: 75,
} as const;
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

/** What has to hold for a setWith, and what it leaves alone. */
export const SetFlag = { ifAbsent: 1, ifPresent: 2, returnOld: 4, keepExpiry: 8 } as const;

/** What has to hold for an expire. */
export const ExpireFlag = { ifNone: 1, ifAny: 2, ifLater: 4, ifSooner: 8 } as const;

/** What has to hold for a group; the second for a setAll alone. */
export const GroupFlag = { ifAllAbsent: 1, ifAllPresent: 2 } as const;

/** What has to hold for a setIf or deleteIf. A key that is not there differs from every value and digest. */
export const Comparison = { equal: 1, differs: 2, digestEqual: 3, digestDiffers: 4 } as const;
export type Comparison = typeof Comparison[keyof typeof Comparison];

/** What a range shows. */
export const RangeFlag = { keysOnly: 1 } as const;

export const COMMAND_HEAD_BYTES = 8;
export const SET_KEY_OFFSET = 17;
export const CAS_KEY_OFFSET = 25;
export const SET_IF_KEY_OFFSET = 23;
export const DELETE_IF_KEY_OFFSET = 9;
export const GROUP_COMMANDS_OFFSET = 13;
export const TRANSACTION_WATCHES_OFFSET = 16;
export const RANGE_START_OFFSET = 17;
/** Of a byUser, before the command that is in it. */
export const BY_USER_BYTES = 14;
/** Of an inSession, before the command that is in it. */
export const IN_SESSION_BYTES = 33;
/** A watched key's version and length, before the key. */
export const WATCH_HEAD_BYTES = 10;

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

/** Where the command begins that the one at `offset` is without its client session: a byUser, perhaps. */
export function withoutSession(bytes: Uint8Array, offset: number): number {
  return bytes[offset + 4] === Op.inSession ? offset + IN_SESSION_BYTES : offset;
}

/**
 * Where the command begins that is done for the one at `offset`: what is in an inSession, in a byUser, or
 * itself. Whoever asks what a command does, and not whose it is, asks this one.
 */
export function innerOf(bytes: Uint8Array, offset: number): number {
  // Asked for each command, several times: as `withoutSession`, without a call.
  const at = bytes[offset + 4] === Op.inSession ? offset + IN_SESSION_BYTES : offset;
  return bytes[at + 4] === Op.byUser ? at + BY_USER_BYTES : at;
}

/** How many commands the group at `offset` has. */
export function groupCount(bytes: Uint8Array, offset: number): number {
  return readU32(bytes, offset + COMMAND_HEAD_BYTES + 1);
}

/**
 * Where the first command of the transaction at `offset` has its tag: after the watched keys. Beyond the
 * end of `bytes` where those are damaged.
 */
export function afterWatches(bytes: Uint8Array, offset: number): number {
  let at = offset + TRANSACTION_WATCHES_OFFSET;
  const watches = readU32(bytes, offset + COMMAND_HEAD_BYTES);
  for (let left = watches; left > 0 && at < bytes.length; left--) {
    at += WATCH_HEAD_BYTES + ((bytes[at + 8]! << 8) | bytes[at + 9]!);
  }
  return at;
}

/** Where the key of the command at `offset` begins; if it has none, what comes after its fields. */
export function keyOffset(bytes: Uint8Array, offset: number): number {
  return offset + KEY_OFFSETS[bytes[offset + 4]!]!;
}

/** The length of the key of the command at `offset`. */
export function keyLength(bytes: Uint8Array, offset: number): number {
  return (bytes[offset + 6]! << 8) | bytes[offset + 7]!;
}

/** Where the key begins, or what there is in its place, by operation; 0 for unknown operations. */
export const KEY_OFFSETS: Uint8Array = new Uint8Array(256);
for (
  const [op, at] of [
    [Op.set, SET_KEY_OFFSET],
    [Op.cas, CAS_KEY_OFFSET],
    [Op.delete, COMMAND_HEAD_BYTES],
    [Op.setWith, 18],
    [Op.append, 12],
    [Op.setRange, 16],
    [Op.add, 16],
    [Op.addFloat, COMMAND_HEAD_BYTES],
    [Op.expire, 18],
    [Op.persist, COMMAND_HEAD_BYTES],
    [Op.getDelete, COMMAND_HEAD_BYTES],
    [Op.getExpire, SET_KEY_OFFSET],
    [Op.flush, COMMAND_HEAD_BYTES],
    [Op.group, GROUP_COMMANDS_OFFSET],
    [Op.deleteGroup, GROUP_COMMANDS_OFFSET],
    [Op.transaction, TRANSACTION_WATCHES_OFFSET],
    [Op.deleteIfEqual, COMMAND_HEAD_BYTES],
    [Op.changeUser, 9],
    [Op.deleteUser, 10],
    [Op.byUser, BY_USER_BYTES],
    [Op.openSession, 16],
    [Op.closeSession, 16],
    [Op.inSession, IN_SESSION_BYTES],
    [Op.keepSessions, 12],
    [Op.setIf, SET_IF_KEY_OFFSET],
    [Op.deleteIf, DELETE_IF_KEY_OFFSET],
    [Op.setAll, GROUP_COMMANDS_OFFSET],
    [Op.loadScript, 28],
    [Op.flushScripts, COMMAND_HEAD_BYTES],
    [Op.get, COMMAND_HEAD_BYTES],
    [Op.getm, COMMAND_HEAD_BYTES],
    [Op.getRange, 24],
    [Op.readGroup, GROUP_COMMANDS_OFFSET],
    [Op.scan, 20],
    [Op.keys, COMMAND_HEAD_BYTES],
    [Op.randomKey, 12],
    [Op.size, COMMAND_HEAD_BYTES],
    [Op.constant, COMMAND_HEAD_BYTES],
    [Op.digest, COMMAND_HEAD_BYTES],
    [Op.pingSession, 16],
    [Op.range, RANGE_START_OFFSET],
  ] as const
) KEY_OFFSETS[op] = at;

/**
 * Appends a command of any operation; key and value are ranges of `source`. Returns where it begins:
 * the caller writes the operation's own fields, from byte 8 on, before anything else is appended.
 */
export function encodeCommand(
  out: ByteWriter,
  op: Op,
  source: Uint8Array,
  keyStart: number,
  keyEnd: number,
  valueStart: number,
  valueEnd: number,
): number {
  const fixed = KEY_OFFSETS[op]!;
  const at = begin(out, op, fixed, keyEnd - keyStart, valueEnd - valueStart);
  put(out.bytes, at + fixed, source, keyStart, keyEnd);
  put(out.bytes, at + fixed + keyEnd - keyStart, source, valueStart, valueEnd);
  return at;
}

/** Sets the length of the command that begins at `at` to all that was appended since. */
export function endCommand(out: ByteWriter, at: number): void {
  writeU32(out.bytes, at, out.length - at);
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
