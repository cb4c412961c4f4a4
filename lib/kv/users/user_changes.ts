/**
 * How a user changes: modifications, one after the other, as ACL SETUSER has them. They stand in the
 * `changeUser` operation (kv/commands/command.ts) in the order in which they hold, each as
 *
 *   0  u8   ModificationKind
 *   1  u16  length of what follows
 *   3       rule: its text, in the form of rules.ts
 *           addPassword, removePassword: the password as in user.ts
 *
 * They are done to the user as it is where the entry is applied, so that two changes compose; all or none.
 */
import { ByteFormatError, ByteReader, type ByteWriter } from "../../util/bytes.ts";
import { Access } from "./command_numbers.ts";
import type { KeyPattern } from "./key_rules.ts";
import { isRule } from "./rules.ts";
import {
  decodePassword,
  encodePassword,
  type Password,
  ruleBytes,
  samePassword,
  USER_PASSWORDS_MAX,
  USER_RULE_BYTES_MAX,
  USER_RULES_MAX,
  type UserFields,
} from "./user.ts";
import { latin1, latin1Bytes } from "../../util/latin1.ts";

export type Modification =
  /** As `parseRule` gives it. */
  | { readonly kind: "rule"; readonly rule: string }
  /** Removing names all of a password: which of them a clear text belongs to is found out before. */
  | { readonly kind: "addPassword" | "removePassword"; readonly password: Password };

/** Why a change of users is not done; the log has it as a number (`Result.version`). */
export const UserProblem = {
  /** Nobody would be left who gets in and may change users. */
  noAdministrator: 1,
  /** A pattern of keys after all keys. */
  keysAfterAll: 2,
  channelsAfterAll: 3,
  noSuchPassword: 4,
  tooManyPasswords: 5,
  tooManyRules: 6,
  tooManyUsers: 7,
  /** All users together take as much as they may. */
  noRoom: 8,
  /** There are users already: the first one is made by somebody else. */
  notFirst: 9,
} as const;
export type UserProblem = typeof UserProblem[keyof typeof UserProblem];

const ModificationKind = { rule: 1, addPassword: 2, removePassword: 3 } as const;

/** Appends modifications. */
export function encodeModifications(out: ByteWriter, modifications: readonly Modification[]): void {
  for (const one of modifications) {
    out.u8(ModificationKind[one.kind]);
    const lengthAt = out.length;
    out.u16(0);
    if (one.kind === "rule") out.raw(latin1Bytes(one.rule));
    else encodePassword(out, one.password);
    const length = out.length - lengthAt - 2;
    out.bytes[lengthAt] = length >>> 8;
    out.bytes[lengthAt + 1] = length;
  }
}

/** The modifications `bytes[start, end)`. Throws `ByteFormatError` where they are none. */
export function decodeModifications(
  bytes: Uint8Array,
  start: number,
  end: number,
): Modification[] {
  const found: Modification[] = [];
  const reader = new ByteReader(bytes, start, end);
  while (reader.remaining > 0) {
    const kind = reader.u8();
    const inner = new ByteReader(reader.view(reader.u16()));
    if (kind === ModificationKind.rule) {
      const rule = latin1(inner.view(inner.remaining));
      if (!isRule(rule)) throw new ByteFormatError("a rule for users is none");
      found.push({ kind: "rule", rule });
    } else if (kind === ModificationKind.addPassword || kind === ModificationKind.removePassword) {
      const password = decodePassword(inner);
      inner.finish();
      const isAdded = kind === ModificationKind.addPassword;
      found.push({ kind: isAdded ? "addPassword" : "removePassword", password });
    } else throw new ByteFormatError(`a change of users of kind ${kind} is unknown`);
  }
  return found;
}

/** What came of modifications: the user's new fields, or what is wrong with which of them. */
export type Changed =
  | { readonly fields: UserFields }
  | { readonly problem: UserProblem; readonly at: number };

/**
 * The user after the modifications; it stays as it is where one of them can't be done. Takes about as long as
 * rules and modifications are long together: it is done where it is applied, and all servers wait.
 */
export function modified(user: UserFields, modifications: readonly Modification[]): Changed {
  const draft = new Draft(user);
  for (const [at, modification] of modifications.entries()) {
    const problem = draft.modify(modification);
    if (problem !== null) return { problem, at };
  }
  return { fields: draft.fields() };
}

/** A user while it changes. What it has never exceeds the bounds of a user, not even in between. */
class Draft {
  readonly #id: number;
  readonly #name: string;
  #isOn: boolean;
  #hasNoPassword: boolean;
  #passwords: readonly Password[];
  #allKeys: boolean;
  /** By the text of the pattern, in the order in which they came. */
  readonly #keys = new Map<string, KeyPattern>();
  #allChannels: boolean;
  readonly #channels: Set<string>;
  /** By what they are for, in the order in which they hold. */
  readonly #commandRules = new Map<string, string>();
  /** Of all patterns and rules. */
  #bytes: number;

  constructor(user: UserFields) {
    this.#id = user.id;
    this.#name = user.name;
    this.#isOn = user.isOn;
    this.#hasNoPassword = user.hasNoPassword;
    this.#passwords = user.passwords;
    this.#allKeys = user.allKeys;
    for (const key of user.keys) this.#keys.set(latin1(key.pattern), key);
    this.#allChannels = user.allChannels;
    this.#channels = new Set(user.channels);
    for (const rule of user.commandRules) this.#commandRules.set(rule.slice(1), rule);
    this.#bytes = ruleBytes(user);
  }

  fields(): UserFields {
    return {
      id: this.#id,
      name: this.#name,
      isOn: this.#isOn,
      hasNoPassword: this.#hasNoPassword,
      passwords: this.#passwords,
      allKeys: this.#allKeys,
      keys: [...this.#keys.values()],
      allChannels: this.#allChannels,
      channels: [...this.#channels],
      commandRules: [...this.#commandRules.values()],
    };
  }

  modify(modification: Modification): UserProblem | null {
    if (modification.kind === "rule") return this.#follow(modification.rule);
    const { password } = modification;
    const others = this.#passwords.filter((one) => !samePassword(one, password));
    if (modification.kind === "addPassword") {
      if (others.length >= USER_PASSWORDS_MAX) return UserProblem.tooManyPasswords;
      this.#passwords = [...others, password];
      this.#hasNoPassword = false;
      return null;
    }
    if (others.length === this.#passwords.length) return UserProblem.noSuchPassword;
    this.#passwords = others;
    return null;
  }

  #follow(rule: string): UserProblem | null {
    switch (rule) {
      case "on":
      case "off":
        this.#isOn = rule === "on";
        return null;
      case "nopass":
      case "resetpass":
        this.#setNoPasswords(rule === "nopass");
        return null;
      case "resetkeys":
      case "~*":
        this.#setAllKeys(rule === "~*");
        return null;
      case "resetchannels":
      case "&*":
        this.#setAllChannels(rule === "&*");
        return null;
      case "reset":
        this.#isOn = false;
        this.#setNoPasswords(false);
        this.#setAllKeys(false);
        this.#setAllChannels(false);
        return this.#addCommands("-@all");
      default:
        if (rule[0] === "&") return this.#addChannels(rule.slice(1));
        if (rule[0] === "~") return this.#addKeys(Access.both, rule.slice(1));
        if (rule[0] === "%") {
          return this.#addKeys(rule[1] === "R" ? Access.read : Access.write, rule.slice(3));
        }
        return this.#addCommands(rule);
    }
  }

  #setNoPasswords(hasNoPassword: boolean): void {
    this.#passwords = [];
    this.#hasNoPassword = hasNoPassword;
  }

  #setAllKeys(allKeys: boolean): void {
    for (const text of this.#keys.keys()) this.#bytes -= text.length;
    this.#keys.clear();
    this.#allKeys = allKeys;
  }

  #setAllChannels(allChannels: boolean): void {
    for (const text of this.#channels) this.#bytes -= text.length;
    this.#channels.clear();
    this.#allChannels = allChannels;
  }

  /** The same pattern twice opens keys to what both say. */
  #addKeys(access: Access, text: string): UserProblem | null {
    if (this.#allKeys) return UserProblem.keysAfterAll;
    const before = this.#keys.get(text);
    if (before !== undefined) {
      const both = (before.access | access) as Access;
      this.#keys.set(text, { access: both, pattern: before.pattern });
      return null;
    }
    this.#keys.set(text, { access, pattern: latin1Bytes(text) });
    return this.#added(text.length);
  }

  #addChannels(text: string): UserProblem | null {
    if (this.#allChannels) return UserProblem.channelsAfterAll;
    if (this.#channels.has(text)) return null;
    this.#channels.add(text);
    return this.#added(text.length);
  }

  /** A rule takes the place of the earlier one for the same, which it overrides. */
  #addCommands(rule: string): UserProblem | null {
    const isAll = rule.slice(1) === "@all";
    const before = isAll ? [...this.#commandRules.keys()] : [rule.slice(1)];
    for (const one of before) {
      if (this.#commandRules.delete(one)) this.#bytes -= 1 + one.length;
    }
    this.#commandRules.set(rule.slice(1), rule);
    return this.#added(rule.length);
  }

  #added(bytes: number): UserProblem | null {
    this.#bytes += bytes;
    const count = this.#keys.size + this.#channels.size + this.#commandRules.size;
    const isTooMuch = count > USER_RULES_MAX || this.#bytes > USER_RULE_BYTES_MAX;
    return isTooMuch ? UserProblem.tooManyRules : null;
  }
}
