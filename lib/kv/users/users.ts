/**
 * All users: a part of the replicated state, changed by entries of the log alone. Beside this file:
 *
 *   command_numbers.ts  the commands that permissions are about: `commandNamed`, `commandNumbered`, `Access`
 *   rules.ts            what a person types into one form: `parseRule`, `isUserName`
 *   user.ts             one user: `User` (never changed, only replaced), `Password`
 *   user_changes.ts     `Modification`, `UserProblem`, and both as bytes of the log
 *
 * While there was never one, everybody may do everything. Once there is one there is always one who gets in
 * and may change users: no change takes the last one away.
 *
 * As it stands in snapshots: u32 the next id, u64 the index of the last change, u32 how many, then each by
 * its id, with its length as u32 before it (user.ts).
 */
import { ByteFormatError, ByteReader, ByteWriter, readU32 } from "../../util/bytes.ts";
import { type Access, commandNamed } from "./command_numbers.ts";
import { decodeUser, newUserFields, User } from "./user.ts";
import { type Modification, modified, UserProblem } from "./user_changes.ts";
import { inOnePiece } from "../../util/pieces.ts";

export const USERS_MAX = 10_000;
/** Of all users, each as it stands in snapshots. */
const USERS_BYTES_MAX = 16_777_216;

const HEAD_BYTES = 16;
/** So much is decoded in one piece, and one user more: some milliseconds. */
const PIECE_BYTES = 32_768;
/** The most that `encode` comes to. */
export const USERS_ENCODED_BYTES_MAX = HEAD_BYTES + 4 * USERS_MAX + USERS_BYTES_MAX;
const ID_MAX = 0xffff_ffff;
/** Whoever may run it may give and take permissions. */
const ADMINISTRATION = commandNamed("acl|setuser")!.number;

/** What came of a change: the user's id, or what is wrong with which modification. */
export type UserChange =
  | { readonly id: number }
  | { readonly problem: UserProblem; readonly at: number };

/** How many users there are in what `Users.encode` has made. */
export function encodedUserCount(bytes: Uint8Array): number {
  return bytes.length < HEAD_BYTES ? 0 : readU32(bytes, HEAD_BYTES - 4);
}

export class Users {
  readonly #byId = new Map<number, User>();
  readonly #byName = new Map<string, User>();
  #nextId = 1;
  #revision = 0;
  /** Of all users together, without their lengths. */
  #bytes = 0;
  #administrators = 0;
  #digestLow = 0;
  #digestHigh = 0;

  /** How many there are; 0 only while there was never one. */
  get count(): number {
    return this.#byId.size;
  }

  /** What they take in a snapshot, about. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The index of the last change, 0 where there was none. */
  get revision(): number {
    return this.#revision;
  }

  /**
   * Both halves of a sum over all users, of the next id and of the last change, as signed 32-bit numbers; 0
   * while there was never a user.
   */
  get digestLow(): number {
    return (this.#digestLow + Math.imul(this.#revision, 0x9e3779b1)) | 0;
  }

  get digestHigh(): number {
    return (this.#digestHigh + Math.imul(this.#nextId - 1, 0x85ebca77)) | 0;
  }

  /** The id of the user of this name, 0 where there is none. */
  idOf(name: string): number {
    return this.#byName.get(name)?.id ?? 0;
  }

  byId(id: number): User | undefined {
    return this.#byId.get(id);
  }

  byName(name: string): User | undefined {
    return this.#byName.get(name);
  }

  /** All of them, in no order. */
  all(): IterableIterator<User> {
    return this.#byId.values();
  }

  /** All of them, in the order of their names. */
  list(): User[] {
    return [...this.#byId.values()].sort((a, b) => a.name < b.name ? -1 : 1);
  }

  /** Whether the user is there, is on and may run the command of this number (command_numbers.ts). */
  mayRun(userId: number, command: number): boolean {
    const user = this.#byId.get(userId);
    return user !== undefined && user.isOn && user.allowsCommand(command);
  }

  /** Whether the user is there and may do `access` with the key `bytes[start, start + length)`. */
  mayTouch(
    userId: number,
    access: Access,
    bytes: Uint8Array,
    start: number,
    length: number,
  ): boolean {
    const user = this.#byId.get(userId);
    return user !== undefined && user.allowsKey(access, bytes, start, length);
  }

  /** Whether the user is there and may do `access` with every key, whatever there is. */
  mayTouchAll(userId: number, access: Access): boolean {
    return this.#byId.get(userId)?.allowsAllKeys(access) ?? false;
  }

  /** Changes the user of this name, or makes it, at log index `index`; all modifications or none. */
  change(index: number, name: string, modifications: readonly Modification[]): UserChange {
    const before = this.#byName.get(name);
    if (before === undefined && (this.count >= USERS_MAX || this.#nextId > ID_MAX)) {
      return { problem: UserProblem.tooManyUsers, at: 0 };
    }
    const changed = modified(before ?? newUserFields(this.#nextId, name), modifications);
    if ("problem" in changed) return changed;
    const after = new User(changed.fields);
    const at = Math.max(0, modifications.length - 1);
    if (this.#bytes - (before?.encoded.length ?? 0) + after.encoded.length > USERS_BYTES_MAX) {
      return { problem: UserProblem.noRoom, at };
    }
    if (!isAdministrator(after) && this.#administratorsWithout(before) === 0) {
      return { problem: UserProblem.noAdministrator, at };
    }
    if (before === undefined) this.#nextId++;
    else this.#take(before);
    this.#put(after);
    this.#revision = index;
    return { id: after.id };
  }

  /**
   * Deletes users at log index `index`: returns how many there were of these names, each counted once; or
   * why none is deleted. Their ids are never given again.
   */
  delete(index: number, names: readonly string[]): { count: number } | { problem: UserProblem } {
    const found = new Set<User>();
    for (const name of names) {
      const user = this.#byName.get(name);
      if (user !== undefined) found.add(user);
    }
    if (found.size === 0) return { count: 0 };
    let left = this.#administrators;
    for (const user of found) if (isAdministrator(user)) left--;
    if (left === 0) return { problem: UserProblem.noAdministrator };
    for (const user of found) this.#take(user);
    this.#revision = index;
    return { count: found.size };
  }

  /** What stands in a snapshot; null while there was never a user. */
  encode(): Uint8Array | null {
    if (this.count === 0) return null;
    const out = new ByteWriter(HEAD_BYTES + 4 * this.count + this.#bytes);
    out.u32(this.#nextId);
    out.u64(this.#revision);
    out.u32(this.count);
    const byId = [...this.#byId.values()].sort((a, b) => a.id - b.id);
    for (const { encoded } of byId) {
      out.u32(encoded.length);
      out.raw(encoded);
    }
    return out.copy();
  }

  /**
   * From what stands in a snapshot of log index `index`; none for null. Throws `ByteFormatError` where the
   * bytes are no users.
   */
  static decode(bytes: Uint8Array | null, index: number): Users {
    return inOnePiece(Users.decodeInPieces(bytes, index));
  }

  /** The same a piece at a time, as all of them may take a second: yields how many bytes each piece had. */
  static *decodeInPieces(bytes: Uint8Array | null, index: number): Generator<number, Users, void> {
    const users = new Users();
    if (bytes === null) return users;
    const reader = new ByteReader(bytes);
    users.#nextId = reader.u32();
    users.#revision = reader.u64();
    const count = reader.u32();
    if (count < 1 || count > USERS_MAX) throw new ByteFormatError(`there are ${count} users`);
    let lastId = 0;
    let pieceAt = 0;
    for (let i = 0; i < count; i++) {
      if (reader.offset - pieceAt >= PIECE_BYTES) {
        yield reader.offset - pieceAt;
        pieceAt = reader.offset;
      }
      const inner = new ByteReader(reader.view(reader.u32()));
      const user = decodeUser(inner);
      inner.finish();
      if (user.id <= lastId || users.#byName.has(user.name)) {
        throw new ByteFormatError("users are out of their order, or one is there twice");
      }
      lastId = user.id;
      users.#put(user);
    }
    reader.finish();
    const isSound = lastId < users.#nextId && users.#revision >= 1 && users.#revision <= index &&
      users.#administrators > 0 && users.#bytes <= USERS_BYTES_MAX;
    if (!isSound) throw new ByteFormatError("users are not as any changes could have made them");
    return users;
  }

  #administratorsWithout(user: User | undefined): number {
    return this.#administrators - (user !== undefined && isAdministrator(user) ? 1 : 0);
  }

  #put(user: User): void {
    this.#byId.set(user.id, user);
    this.#byName.set(user.name, user);
    this.#bytes += user.encoded.length;
    this.#digestLow = (this.#digestLow + user.digestLow) | 0;
    this.#digestHigh = (this.#digestHigh + user.digestHigh) | 0;
    if (isAdministrator(user)) this.#administrators++;
  }

  #take(user: User): void {
    this.#byId.delete(user.id);
    this.#byName.delete(user.name);
    this.#bytes -= user.encoded.length;
    this.#digestLow = (this.#digestLow - user.digestLow) | 0;
    this.#digestHigh = (this.#digestHigh - user.digestHigh) | 0;
    if (isAdministrator(user)) this.#administrators--;
  }
}

function isAdministrator(user: User): boolean {
  return user.letsIn && user.allowsCommand(ADMINISTRATION);
}
