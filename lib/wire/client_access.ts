/**
 * Who a client is, for its codec and its session. Commands that the store decides carry the user with
 * them and are judged there (kv/users/). What the codec answers by itself is judged here: as it comes, and
 * again in its turn, which may be long after.
 */
import { Result, Status } from "../kv/commands/result.ts";
import { Access, commandNumbered } from "../kv/users/command_numbers.ts";
import { Permissions } from "../kv/users/permissions.ts";
import { latin1Bytes } from "../util/latin1.ts";
import type { Users } from "../kv/users/users.ts";
import { ClientError } from "./command_batch.ts";

/** The users of this server. */
export interface AccessUsers {
  /** As this server has them now; null where it has no store yet. */
  readonly users: Users | null;
  /** While it has none: its log has some that are not applied yet. */
  readonly awaitsUsers: boolean;
  /** There are none, and none are known to come. */
  readonly areNone: boolean;
}

const NO_USERS: AccessUsers = { users: null, awaitsUsers: false, areNone: true };

export class ClientAccess {
  /** 0: nobody has been authenticated. Set by the session, and by RESET. */
  userId = 0;
  /** It connects from the machine that this server runs on. */
  readonly isLoopback: boolean;
  readonly #server: AccessUsers;

  constructor(server: AccessUsers = NO_USERS, isLoopback = false) {
    this.#server = server;
    this.isLoopback = isLoopback;
  }

  /** Null where there are none. */
  get users(): Users | null {
    const { users } = this.#server;
    return users === null || users.count === 0 ? null : users;
  }

  /** Nothing is answered but what gets one in, or out. */
  get isShut(): boolean {
    return this.userId === 0 && !this.#server.areNone;
  }

  mayRun(command: number): boolean {
    const { users } = this;
    if (users === null) return !this.#server.awaitsUsers;
    return this.userId !== 0 && users.mayRun(this.userId, command);
  }

  /** The user is gone, or off. */
  get isRevoked(): boolean {
    const { users } = this;
    return this.userId !== 0 && users !== null && users.byId(this.userId)?.isOn !== true;
  }

  /** Every key may be read, whatever there is. */
  get readsAllKeys(): boolean {
    const { users } = this;
    return users === null || users.mayTouchAll(this.userId, Access.read);
  }

  /** Whether the user may do this with the key `bytes[0, length)`. */
  mayTouch(access: Access, bytes: Uint8Array): boolean {
    return this.mayTouchAt(access, bytes, 0, bytes.length);
  }

  /** The same for the key `bytes[start, start + length)`. */
  mayTouchAt(access: Access, bytes: Uint8Array, start: number, length: number): boolean {
    const { users } = this;
    if (users === null) return !this.#server.awaitsUsers;
    const user = users.byId(this.userId);
    return user !== undefined && (user.mayAll || user.allowsKey(access, bytes, start, length));
  }

  /** The same for a key as a text, a letter for each byte. */
  mayTouchText(access: Access, key: string): boolean {
    const { users } = this;
    if (users === null) return !this.#server.awaitsUsers;
    return users.byId(this.userId)?.mayAll === true || this.mayTouch(access, latin1Bytes(key));
  }

  /** Why the command of this number may not be answered now; 0 where it may, or none is asked about. */
  denialOf(command: number): ClientError | 0 {
    if (commandNumbered(command)?.isFree !== false) return 0;
    if (this.isShut) return ClientError.notAuthenticated;
    return this.mayRun(command) ? 0 : ClientError.notPermitted;
  }

  /** Why the command at `bytes[at]`, with its user before it, may not be queued now; 0 where it may. */
  denial(bytes: Uint8Array, at: number): ClientError | 0 {
    const { users } = this;
    if (users === null) return this.#server.awaitsUsers ? ClientError.notAuthenticated : 0;
    const result = new Result();
    return new Permissions(users).allow(bytes, at, result) ? 0 : denialOf(result.status);
  }

  /** The user's name; "default" where nobody is authenticated, as Redis calls that. */
  get name(): string {
    return this.userId === 0 ? "default" : this.#server.users?.byId(this.userId)?.name ?? "default";
  }
}

/** What a client is told where the store did nothing as the user may not; 0 for any other result. */
export function denialOf(status: Status): ClientError | 0 {
  switch (status) {
    case Status.notPermittedCommand:
      return ClientError.notPermitted;
    case Status.notPermittedKey:
      return ClientError.notPermittedKey;
    case Status.notAuthenticated:
      return ClientError.notAuthenticated;
    default:
      return 0;
  }
}
