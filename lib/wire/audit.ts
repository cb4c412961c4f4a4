/** What an audit log is told of each command: who, from where, what, about which keys, what came of it. */

import type { ClientAccess } from "./client_access.ts";
import type { Codec } from "./codec.ts";

/** A command whose outcome is known. Nothing of a value, or of a password, is in it. */
export interface AuditEntry {
  /** Null: nobody was authenticated. Of AUTH: who was meant, where there is such a user. */
  readonly user: string | null;
  /** Address and port of the client. */
  readonly remote: string;
  /** As users' rules name it; "invalid" where what came is none. */
  readonly command: string;
  /** Whom a change of users or members is about. */
  readonly target?: string;
  /** Of how many keys it is. */
  readonly keys: number;
  /** How they begin: up to the first colon, or 16 bytes; each once, no more than some. */
  readonly prefixes: readonly string[];
  /** Done within a transaction. */
  readonly isQueued: boolean;
  /** `unknown`: it may be done, or be done yet; who sent it was not told, or not any more. */
  readonly outcome: "done" | "refused" | "unknown";
  /** The first word of the error that the client was sent. */
  readonly error?: string;
}

/** Where the entries go. */
export interface AuditTrail {
  /** Whether the command with this number (kv/users/command_numbers.ts; 0: invalid) is to be told. */
  wants(command: number): boolean;
  note(entry: AuditEntry): void;
}

/** What stands in the place of a connection's codec where an account is kept of what its client does. */
export type AuditCodec = (codec: Codec, access: ClientAccess, remote: string) => Codec;
