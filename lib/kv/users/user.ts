/**
 * One user: what is kept of it, and what rules make of it. Users don't change: a change makes another one, so
 * a snapshot holds what there was. What is kept, as it stands in snapshots:
 *
 *   u32  id                u8  UserFlag
 *   u8   length, name
 *   u8   how many passwords, each: u8 log2 N, u8 r, u8 p, u8 length, salt, u8 length, hash
 *   u16  how many patterns of keys, each: u8 Access, u16 length, pattern
 *   u16  how many patterns of channels, each: u16 length, pattern
 *   u16  how many rules for commands, each: u8 length, rule (rules.ts), in the order in which they hold
 */
import { ByteFormatError, ByteReader, ByteWriter } from "../../util/bytes.ts";
import { checksum } from "../../util/checksum.ts";
import { latin1, latin1Bytes } from "../../util/latin1.ts";
import {
  Access,
  CATEGORIES,
  COMMAND_NUMBER_MAX,
  COMMAND_NUMBERS,
  type CommandNumber,
  commandNumbered,
} from "./command_numbers.ts";
import { type KeyPattern, KeyRules } from "./key_rules.ts";
import { isRule, isUserName, PATTERN_BYTES_MAX } from "./rules.ts";

export const USER_PASSWORDS_MAX = 16;
/** Patterns of keys and channels and rules for commands, together. */
export const USER_RULES_MAX = 1_000;
export const USER_RULE_BYTES_MAX = 65_536;

/** 128 * N * r * p of a password, at most: 16 times what is used now, so up to 256 MiB and a second. */
const SCRYPT_WORK_MAX = 268_435_456;

/** A password as scrypt left it. N is 2 to the power of `logN`. */
export interface Password {
  readonly salt: Uint8Array;
  readonly hash: Uint8Array;
  readonly logN: number;
  readonly r: number;
  readonly p: number;
}

const UserFlag = { on: 1, noPassword: 2, allKeys: 4, allChannels: 8 } as const;
const FLAGS_MAX = 15;

/** What is kept of a user. */
export interface UserFields {
  /** Given once, from 1 on; a user made again under the same name has another one. */
  readonly id: number;
  readonly name: string;
  readonly isOn: boolean;
  readonly hasNoPassword: boolean;
  readonly passwords: readonly Password[];
  readonly allKeys: boolean;
  readonly keys: readonly KeyPattern[];
  readonly allChannels: boolean;
  readonly channels: readonly string[];
  /** Of commands, in the order in which they hold; the first is +@all or -@all. */
  readonly commandRules: readonly string[];
}

/** A user that was just made, before any rule: nobody gets in by it, and it may do nothing. */
export function newUserFields(id: number, name: string): UserFields {
  return {
    id,
    name,
    isOn: false,
    hasNoPassword: false,
    passwords: [],
    allKeys: false,
    keys: [],
    allChannels: false,
    channels: [],
    commandRules: ["-@all"],
  };
}

export class User implements UserFields {
  readonly id: number;
  readonly name: string;
  readonly isOn: boolean;
  readonly hasNoPassword: boolean;
  readonly passwords: readonly Password[];
  readonly allKeys: boolean;
  readonly keys: readonly KeyPattern[];
  readonly allChannels: boolean;
  readonly channels: readonly string[];
  readonly commandRules: readonly string[];
  /** What is kept, as bytes. */
  readonly encoded: Uint8Array;
  /** Both halves of 64 bits over these bytes, signed as the digest of the contents has its own. */
  readonly digestLow: number;
  readonly digestHigh: number;
  /** It is on, and every command and key is open to it: the rules need not be looked at. */
  readonly mayAll: boolean;
  /** About how many nanoseconds it takes to ask for a key, matching apart (match_pattern.ts). */
  readonly keySteps: number;
  readonly #keyRules: KeyRules;
  /** By number, a bit each. */
  readonly #commands: Int32Array;

  constructor(fields: UserFields) {
    this.id = fields.id;
    this.name = fields.name;
    this.isOn = fields.isOn;
    this.hasNoPassword = fields.hasNoPassword;
    this.passwords = fields.passwords;
    this.allKeys = fields.allKeys;
    this.keys = fields.keys;
    this.allChannels = fields.allChannels;
    this.channels = fields.channels;
    this.commandRules = fields.commandRules;
    this.encoded = encodeUser(fields);
    this.digestLow = checksum(this.encoded) | 0;
    this.digestHigh = otherHash(this.encoded);
    this.#keyRules = new KeyRules(fields.allKeys, fields.keys);
    this.#commands = commandBits(fields.commandRules);
    this.mayAll = fields.isOn && fields.allKeys && fields.commandRules.join() === "+@all";
    this.keySteps = this.#keyRules.stepsMaxOf(0);
  }

  /** One gets in as this user: it is on, and has a password or needs none. */
  get letsIn(): boolean {
    return this.isOn && (this.hasNoPassword || this.passwords.length > 0);
  }

  /** Whether the rules allow the command of this number, whether the user is on or not. */
  allowsCommand(command: number): boolean {
    return command <= COMMAND_NUMBER_MAX &&
      (this.#commands[command >>> 5]! & (1 << (command & 31))) !== 0;
  }

  /** Whether the rules allow `access` to the key `bytes[start, start + length)`. */
  allowsKey(access: Access, bytes: Uint8Array, start: number, length: number): boolean {
    return this.#keyRules.opens(access, bytes, start, length);
  }

  /** The most steps of asking for the key `bytes[start, start + length)`; 0: not more than `small`. */
  stepsOf(bytes: Uint8Array, start: number, length: number, small = 0): number {
    const rules = this.#keyRules;
    return rules.stepsMaxOf(length) <= small ? 0 : rules.stepsOf(bytes, start, length);
  }

  /** Whether they allow it to every key, whatever there is. */
  allowsAllKeys(access: Access): boolean {
    return this.#keyRules.opensAll(access);
  }

  /** The rules of keys, as ACL LIST has them. */
  keyRules(): string[] {
    return this.allKeys ? ["~*"] : this.keys.map(keyRuleText);
  }
}

/** The rule that gives this pattern. */
function keyRuleText({ pattern, access }: KeyPattern): string {
  const sign = access === Access.both ? "~" : access === Access.read ? "%R~" : "%W~";
  return sign + latin1(pattern);
}

/** Reads a user up to its end. Throws `ByteFormatError` where the bytes are none. */
export function decodeUser(reader: ByteReader): User {
  const id = reader.u32();
  const flags = reader.u8();
  const name = latin1(reader.view(reader.u8()));
  const fields: UserFields = {
    id,
    name,
    isOn: (flags & UserFlag.on) !== 0,
    hasNoPassword: (flags & UserFlag.noPassword) !== 0,
    passwords: Array.from({ length: reader.u8() }, () => decodePassword(reader)),
    allKeys: (flags & UserFlag.allKeys) !== 0,
    keys: Array.from({ length: reader.u16() }, () => {
      const access = reader.u8();
      return { access: accessOf(access), pattern: reader.copy(reader.u16()) };
    }),
    allChannels: (flags & UserFlag.allChannels) !== 0,
    channels: Array.from({ length: reader.u16() }, () => latin1(reader.view(reader.u16()))),
    commandRules: Array.from({ length: reader.u16() }, () => latin1(reader.view(reader.u8()))),
  };
  const problem = flags > FLAGS_MAX ? "its flags are unknown" : fieldsProblem(fields);
  if (problem !== null) throw new ByteFormatError(`A user can't be as the bytes say: ${problem}`);
  return new User(fields);
}

/** Reads one password. Throws `ByteFormatError` where the bytes are none, or ask for too much work. */
export function decodePassword(reader: ByteReader): Password {
  const [logN, r, p] = [reader.u8(), reader.u8(), reader.u8()];
  const salt = reader.copy(reader.u8());
  const hash = reader.copy(reader.u8());
  // RFC 7914 has N below 2 to the power of 128 * r / 8.
  const isPossible = logN >= 1 && logN < 16 * r && p >= 1 && hash.length >= 16 &&
    128 * 2 ** logN * r * p <= SCRYPT_WORK_MAX;
  if (!isPossible) throw new ByteFormatError("A password has parameters that scrypt does not");
  return { logN, r, p, salt, hash };
}

/** Appends one password. */
export function encodePassword(out: ByteWriter, { logN, r, p, salt, hash }: Password): void {
  for (const number of [logN, r, p]) out.u8(number);
  for (const bytes of [salt, hash]) {
    out.u8(bytes.length);
    out.raw(bytes);
  }
}

/** Whether both are the same result of the same work. */
export function samePassword(a: Password, b: Password): boolean {
  const sameBytes = (x: Uint8Array, y: Uint8Array) =>
    x.length === y.length && x.every((byte, i) => byte === y[i]);
  return a.logN === b.logN && a.r === b.r && a.p === b.p && sameBytes(a.salt, b.salt) &&
    sameBytes(a.hash, b.hash);
}

/** Bytes of all patterns and rules. */
export function ruleBytes({ keys, channels, commandRules }: UserFields): number {
  let bytes = 0;
  for (const { pattern } of keys) bytes += pattern.length;
  for (const text of channels) bytes += text.length;
  for (const text of commandRules) bytes += text.length;
  return bytes;
}

/** How many patterns and rules there are. */
function ruleCount({ keys, channels, commandRules }: UserFields): number {
  return keys.length + channels.length + commandRules.length;
}

function accessOf(byte: number): Access {
  if (byte === Access.read || byte === Access.write || byte === Access.both) return byte;
  throw new ByteFormatError("A pattern of keys opens them to nothing that is known");
}

function fieldsProblem(fields: UserFields): string | null {
  const { id, name, passwords, allKeys, keys, allChannels, channels, commandRules } = fields;
  if (id === 0) return "its id is 0";
  if (!isUserName(name)) return "its name is none";
  if (passwords.length > USER_PASSWORDS_MAX) return `it has ${passwords.length} passwords`;
  if (fields.hasNoPassword && passwords.length > 0) return "it has passwords and needs none";
  if (ruleCount(fields) > USER_RULES_MAX) return `it has ${ruleCount(fields)} rules`;
  if (ruleBytes(fields) > USER_RULE_BYTES_MAX) return "its rules are too long";
  if (allKeys && keys.length > 0 || allChannels && channels.length > 0) {
    return "it has patterns beside all keys or channels";
  }
  const isWhole = keys.every((key) => isRule(keyRuleText(key))) &&
    channels.every((text) => text.length <= PATTERN_BYTES_MAX && isRule(`&${text}`)) &&
    commandRules.every((text) => /^[+-]/.test(text) && isRule(text));
  if (!isWhole || !/^[+-]@all$/.test(commandRules[0] ?? "")) return "its rules are none";
  return null;
}

function encodeUser(fields: UserFields): Uint8Array {
  const { id, name, passwords, keys, channels, commandRules } = fields;
  const out = new ByteWriter(64);
  out.u32(id);
  out.u8(
    (fields.isOn ? UserFlag.on : 0) | (fields.hasNoPassword ? UserFlag.noPassword : 0) |
      (fields.allKeys ? UserFlag.allKeys : 0) | (fields.allChannels ? UserFlag.allChannels : 0),
  );
  out.u8(name.length);
  out.raw(latin1Bytes(name));
  out.u8(passwords.length);
  for (const password of passwords) encodePassword(out, password);
  out.u16(keys.length);
  for (const { access, pattern } of keys) {
    out.u8(access);
    out.u16(pattern.length);
    out.raw(pattern);
  }
  out.u16(channels.length);
  for (const text of channels) {
    out.u16(text.length);
    out.raw(latin1Bytes(text));
  }
  out.u16(commandRules.length);
  for (const text of commandRules) {
    out.u8(text.length);
    out.raw(latin1Bytes(text));
  }
  return out.copy();
}

const BIT_WORDS = (COMMAND_NUMBER_MAX >>> 5) + 1;

/** By what a rule for commands names: their numbers, a bit each. */
const MASKS: ReadonlyMap<string, Int32Array> = new Map([
  ["@all", maskOf(() => true)],
  ...CATEGORIES.map((category) =>
    [
      `@${category}`,
      maskOf((one) => isIn(category, one) || isIn(category, containerOf(one))),
    ] as const
  ),
  ...COMMAND_NUMBERS.map(({ number, name }) =>
    [name, maskOf((one) => one.number === number || one.container === number)] as const
  ),
]);
const FREE_MASK = maskOf(({ isFree }) => isFree);

/** What the rules for commands come to, a bit each; later ones override earlier ones. */
function commandBits(rules: readonly string[]): Int32Array {
  const bits = new Int32Array(BIT_WORDS);
  for (const rule of rules) {
    const mask = MASKS.get(rule.slice(1))!;
    if (rule[0] === "+") { for (let i = 0; i < BIT_WORDS; i++) bits[i]! |= mask[i]!; }
    else for (let i = 0; i < BIT_WORDS; i++) bits[i]! &= ~mask[i]!;
  }
  for (let i = 0; i < BIT_WORDS; i++) bits[i]! |= FREE_MASK[i]!;
  return bits;
}

function maskOf(isMeant: (command: CommandNumber) => boolean): Int32Array {
  const mask = new Int32Array(BIT_WORDS);
  for (const one of COMMAND_NUMBERS) {
    if (isMeant(one)) mask[one.number >>> 5]! |= 1 << (one.number & 31);
  }
  return mask;
}

function isIn(category: string, command: CommandNumber | undefined): boolean {
  return command !== undefined && command.categories.includes(category);
}

/** A rule for a container holds for all that it has. */
function containerOf({ container }: CommandNumber): CommandNumber | undefined {
  return commandNumbered(container);
}

/** FNV-1a: another 32 bits than the checksum's, so that both together are 64. */
function otherHash(bytes: Uint8Array): number {
  let hash = 0x811c9dc5 | 0;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash;
}
