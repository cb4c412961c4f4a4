/** Who clients are and who there is: what the codecs put to the node about users, and what it answers. */
import { COMMAND_HEAD_BYTES, commandLength, encodeCommand, Op } from "../kv/commands/command.ts";
import { latin1 } from "../util/latin1.ts";
import { type ByteWriter, readU32, writeU32 } from "../util/bytes.ts";

/** The longest password. */
export const PASSWORD_BYTES_MAX = 1_024;

/** Questions about users, which the leader answers. */
export type UserRequest =
  /** Whether the users that this server has are the present ones. */
  | { readonly kind: "users" }
  /** To make a user, or to change one: the rules as they came, a byte a letter. */
  | { readonly kind: "changeUser"; readonly name: string; readonly rules: readonly string[] }
  /** The same by whoever has the secret that was left in the leader's data directory. */
  | {
    readonly kind: "resetUser";
    readonly secret: string;
    readonly name: string;
    readonly rules: readonly string[];
  };

/** It is to go into the log: this command, encoded. */
export interface WriteAnswer {
  readonly kind: "write";
  readonly bytes: Uint8Array;
}

export type UserAnswer =
  /** They are: the codec looks itself. */
  | { readonly kind: "users" }
  | WriteAnswer
  /** A rule can't be followed, or a secret is not good: the reply, a line of the Redis protocol. */
  | { readonly kind: "wrongRule"; readonly why: string }
  /** Name and password are those of this user. */
  | { readonly kind: "authenticated"; readonly userId: number };

/** Appends name and password as the constant command of an `Action.authenticate`; gives where it begins. */
export function encodeCredentials(
  out: ByteWriter,
  name: Uint8Array,
  password: Uint8Array,
): number {
  const value = new Uint8Array(4 + name.length + password.length);
  writeU32(value, 0, name.length);
  value.set(name, 4);
  value.set(password, 4 + name.length);
  return encodeCommand(out, Op.constant, value, 0, 0, 0, value.length);
}

/**
 * What `encodeCredentials` put at `bytes[offset]`, which is wiped: a password is in memory no longer than it
 * is needed.
 */
export function takeCredentials(
  bytes: Uint8Array,
  offset: number,
): { readonly name: string; readonly password: Uint8Array } {
  const start = offset + COMMAND_HEAD_BYTES;
  const end = offset + commandLength(bytes, offset);
  const nameEnd = start + 4 + readU32(bytes, start);
  const name = latin1(bytes.subarray(start + 4, nameEnd));
  const password = bytes.slice(nameEnd, end);
  bytes.fill(0, start, end);
  return { name, password };
}

/** The reply for one rule, a line of the Redis protocol. A password is not repeated. */
export function ruleProblem(rule: string, why: string): string {
  const shown = /^[<>#!]/.test(rule) ? `${rule[0]}...` : printable(rule.slice(0, 128));
  return `-ERR Error in ACL SETUSER modifier '${shown}': ${why}`;
}

/** What can be shown of a client's text. */
export function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, " ");
}
