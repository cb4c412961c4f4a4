/** Who the client is to the servers, where there are users. */
import { wrongKind } from "./arguments.ts";

export interface CredentialOptions {
  /** The user's name, where the cluster has users; "default" where a password is given alone. */
  readonly user?: string;
  /** Its password. It is sent as it is: over a network that others read, use TLS. */
  readonly password?: string;
}

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

/**
 * Null where none are given.
 * @throws {TypeError} where one of them is no text, or a user has no password.
 */
export function toCredentials({ user, password }: CredentialOptions): Credentials | null {
  if (user !== undefined && typeof user !== "string") throw wrongKind("user", "a text", user, "");
  if (password !== undefined && typeof password !== "string") {
    // What it is is not repeated.
    throw new TypeError("password is no text");
  }
  if (password === undefined) {
    if (user === undefined) return null;
    throw new TypeError("password is missing: a user's name alone lets nobody in");
  }
  return { user: user ?? "default", password };
}

/** Those alone, as options of something else. */
export function credentialsIn({ user, password }: CredentialOptions): CredentialOptions {
  return { ...(user !== undefined && { user }), ...(password !== undefined && { password }) };
}

/** The first request of a connection: version 3 of the protocol, and who the client is. */
export function greetingOf(credentials: Credentials | null): readonly string[] {
  if (credentials === null) return ["HELLO", "3"];
  return ["HELLO", "3", "AUTH", credentials.user, credentials.password];
}
