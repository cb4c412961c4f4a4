/**
 * Users and what their commands come to, read off the committed log by a second reading of its bytes and of the
 * rules (tests/kv/users/model.ts): who there is after each entry, and what the keys hold that users write.
 * Every server that has applied an entry has to have come to the same. So no write is decided under a
 * permission that was revoked at a lower index; replies are compared with the permissions that there were
 * while their command was under way.
 */
import { commandNumbered } from "../../lib/kv/users/command_numbers.ts";
import { ENVELOPE_BYTES } from "../../lib/raft/envelope.ts";
import { EntryKind } from "../../lib/raft/types.ts";
import { readU32 } from "../../lib/util/bytes.ts";
import { ModelUser, type Need } from "../kv/users/model.ts";
import { fromBytes } from "../process/socket.ts";

export const OWNED_KEYS = ["owned:1", "owned:2", "owned:3"] as const;

/** By id: given once, in the order in which users are made. */
export type UsersThen = ReadonlyMap<number, { readonly name: string; readonly user: ModelUser }>;

/** Operation codes, as docs have them. */
const SET = 1;
const DELETE = 3;
const GROUP = 14;
const DELETE_GROUP = 15;
const TRANSACTION = 16;
const CHANGE_USER = 18;
const DELETE_USER = 19;
const BY_USER = 20;

/** Whose a command is, and what it is called; null: nobody's. */
type Who = { readonly id: number; readonly command: string } | null;

interface Then {
  readonly index: number;
  readonly users: UsersThen;
}

/** Whether an entry, as its bytes are in the log, changes users: a command of its own, or a user's. */
export function changesUsers(data: Uint8Array): boolean {
  if (data[0] !== EntryKind.commands) return false;
  for (let at = ENVELOPE_BYTES; at < data.length; at += readU32(data, at)) {
    const op = data[at + 4] === BY_USER ? data[at + 14 + 4] : data[at + 4];
    if (op === CHANGE_USER || op === DELETE_USER) return true;
  }
  return false;
}

export class UserLedger {
  #users = new Map<number, { name: string; user: ModelUser }>();
  #madeUsers = 0;
  readonly #values = new Map<string, string>();
  /** By index: what the keys hold after that entry. */
  readonly #valuesAt: string[] = [""];
  /** Who there is from each index on. */
  readonly #history: Then[] = [{ index: 0, users: new Map() }];
  /** How many commands were decided, and how many of them refused. */
  decided = 0;
  refused = 0;

  /** The last entry that it has read. */
  get index(): number {
    return this.#valuesAt.length - 1;
  }

  valuesAt(index: number): string {
    return this.#valuesAt[index]!;
  }

  usersAt(index: number): UsersThen {
    return this.#history.findLast((one) => one.index <= index)!.users;
  }

  /** Who there was at some time between two indexes, both included. */
  between(from: number, to: number): UsersThen[] {
    const first = this.#history.findLastIndex((one) => one.index <= from);
    return this.#history.slice(first).filter((one) => one.index <= to).map(({ users }) => users);
  }

  /** The next entry that is committed, as its bytes are in the log. */
  add(data: Uint8Array): void {
    const index = this.#valuesAt.length;
    const before = this.#users;
    if (data[0] === EntryKind.commands) {
      for (let at = ENVELOPE_BYTES; at < data.length; at += readU32(data, at)) {
        this.#command(data, at, null);
      }
    }
    this.#valuesAt.push(valuesText((key) => this.#values.get(key)));
    if (this.#users !== before) this.#history.push({ index, users: this.#users });
  }

  #command(data: Uint8Array, at: number, who: Who): void {
    const op = data[at + 4];
    const end = at + readU32(data, at);
    if (op === BY_USER) {
      const command = commandNumbered((data[at + 12]! << 8) | data[at + 13]!)!.name;
      return this.#command(data, at + 14, { id: readU32(data, at + 8), command });
    }
    switch (op) {
      case SET:
        if (this.#may(who, "write", [keyIn(data, at, 17)])) this.#put(data, at);
        return;
      case DELETE:
        if (this.#may(who, "write", [keyIn(data, at, 8)])) this.#values.delete(keyIn(data, at, 8));
        return;
      case GROUP:
      case DELETE_GROUP: {
        const inner = partsOf(data, at + 13, end, 0);
        const keyAt = op === GROUP ? 17 : 8;
        if (!this.#may(who, "write", inner.map((one) => keyIn(data, one, keyAt)))) return;
        for (const one of inner) {
          if (op === GROUP) this.#put(data, one);
          else this.#values.delete(keyIn(data, one, keyAt));
        }
        return;
      }
      case TRANSACTION:
        // Those of users watch nothing; others' are nobody's, and don't touch these keys.
        if (readU32(data, at + 8) > 0 || !this.#may(who, "none", [])) return;
        for (const one of partsOf(data, at + 16, end, 1)) this.#command(data, one, null);
        return;
      case CHANGE_USER:
        if (who === null ? this.#users.size > 0 : !this.#may(who, "none", [])) return;
        return this.#change(data, at, end);
      case DELETE_USER:
        if (this.#may(who, "none", [])) this.#delete(data, at);
    }
  }

  #may(who: Who, need: Need, keys: readonly string[]): boolean {
    this.decided++;
    const may = mayIn(this.#users, who, need, keys);
    if (!may) this.refused++;
    return may;
  }

  #put(data: Uint8Array, at: number): void {
    const key = keyIn(data, at, 17);
    if (!key.startsWith("owned:")) return;
    this.#values.set(key, fromBytes(data.subarray(at + 17 + key.length, at + readU32(data, at))));
  }

  #change(data: Uint8Array, at: number, end: number): void {
    const name = keyIn(data, at, 9);
    const known = [...this.#users].find(([, one]) => one.name === name);
    const user = known?.[1].user.copy() ?? new ModelUser();
    for (let from = at + 9 + name.length; from < end;) {
      const text = fromBytes(data.subarray(from + 3, from + 3 + lengthAt(data, from + 1)));
      const sign = ["", "", ">", "<"][data[from]!]!;
      if (!user.follow(sign + text)) return;
      from += 3 + text.length;
    }
    const after = new Map(this.#users);
    after.set(known?.[0] ?? this.#madeUsers + 1, { name, user });
    if (!this.#becomes(after)) return;
    if (known === undefined) this.#madeUsers++;
  }

  #delete(data: Uint8Array, at: number): void {
    const after = new Map(this.#users);
    let from = at + 10;
    for (let left = lengthAt(data, at + 8); left > 0; left--) {
      const name = fromBytes(data.subarray(from + 1, from + 1 + data[from]!));
      const [id] = [...after].find(([, one]) => one.name === name) ?? [0];
      after.delete(id);
      from += 1 + name.length;
    }
    if (after.size < this.#users.size) this.#becomes(after);
  }

  #becomes(after: Map<number, { name: string; user: ModelUser }>): boolean {
    if (![...after.values()].some(({ user }) => user.administers)) return false;
    this.#users = after;
    return true;
  }
}

/** Whether a command may be done by whom it says, where there are these users. */
export function mayIn(users: UsersThen, who: Who, need: Need, keys: readonly string[]): boolean {
  if (who === null) return users.size === 0;
  const user = users.get(who.id)?.user;
  return user !== undefined && user.isOn && user.allowsCommand(who.command) &&
    keys.every((key) => user.allowsKey(need, key));
}

/** What the keys hold, as text. */
export function valuesText(valueOf: (key: string) => string | undefined): string {
  return OWNED_KEYS.map((key) => `${key}=${valueOf(key) ?? "-"}`).join(" ");
}

function partsOf(data: Uint8Array, from: number, end: number, tagBytes: number): number[] {
  const found: number[] = [];
  for (let at = from + tagBytes; at < end; at += tagBytes + readU32(data, at)) found.push(at);
  return found;
}

function keyIn(data: Uint8Array, at: number, keyAt: number): string {
  return fromBytes(data.subarray(at + keyAt, at + keyAt + lengthAt(data, at + 6)));
}

function lengthAt(data: Uint8Array, at: number): number {
  return (data[at]! << 8) | data[at + 1]!;
}
