/**
 * The file `user-reset` in a server's data directory: whoever could put it there may change one user,
 * though nobody can authenticate any more. Written by `raftkv user reset`, beside the server that runs.
 *
 * A line of text: the SHA-256 of the secret as 64 hexadecimal digits, a space, and until when it is good,
 * in ms since 1970. The secret itself is 32 random bytes, so that nothing slower than SHA-256 is needed.
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { UserResets } from "./ports.ts";
import { readSecretFile } from "./secret_file.ts";
import { reasonOf } from "./system_errors.ts";

export const USER_RESET_FILE = "user-reset";
export const RESET_MS = 900_000;
const SECRET_BYTES = 32;
const LINE = /^([0-9a-f]{64}) (\d{1,16})\n$/;

/**
 * Leaves a new secret in `directory`, in the place of one before, for the server whose directory it is;
 * `nowMs`: by the wall clock. @throws {Error} in words.
 */
export function writeUserReset(directory: string, nowMs: number): string {
  const path = `${directory}/${USER_RESET_FILE}`;
  const temporary = `${path}.new`;
  const secret = drawSecret();
  try {
    removeIfThere(temporary);
    {
      // Whoever follows the name finds a whole file. It is nothing that has to outlive a crash.
      using file = Deno.openSync(temporary, { write: true, createNew: true, mode: 0o600 });
      file.writeSync(new TextEncoder().encode(`${digest(secret)} ${nowMs + RESET_MS}\n`));
    }
    throwIfAnothers(directory, temporary);
    Deno.renameSync(temporary, path);
  } catch (error) {
    removeIfThere(temporary);
    throw new Error(`Cannot leave a secret in ${path}: ${reasonOf(path, error)}`, { cause: error });
  }
  return secret;
}

/** What nobody guesses, as a text. */
export function drawSecret(): string {
  return randomBytes(SECRET_BYTES).toString("hex");
}

/** Takes back a secret that was not used. @throws {Error} in words. */
export function removeUserReset(directory: string): void {
  const path = `${directory}/${USER_RESET_FILE}`;
  try {
    removeIfThere(path);
  } catch (error) {
    throw new Error(`Cannot remove ${path}: ${reasonOf(path, error)}`, { cause: error });
  }
}

/** Those of a server that runs. */
export class UserResetFile implements UserResets {
  readonly #directory: string;
  readonly #wallMs: () => number;

  constructor(directory: string, wallMs: () => number) {
    this.#directory = directory;
    this.#wallMs = wallMs;
  }

  problem(secret: string): string | null {
    const path = `${this.#directory}/${USER_RESET_FILE}`;
    try {
      if (!isThere(path)) return NONE;
      const [, hash, until] = LINE.exec(readSecretFile(path)) ?? [];
      if (hash === undefined) return `${path} holds no secret: run raftkv user reset again`;
      const leftMs = Number(until) - this.#wallMs();
      // The clock may have been set back: then it would be good for longer than it was meant to be.
      if (leftMs <= 0 || leftMs > RESET_MS) {
        return "the secret has expired: run raftkv user reset again";
      }
      return isSame(hash, digest(secret)) ? null : "this is not the secret that was left";
    } catch (error) {
      return (error as Error).message;
    }
  }

  take(secret: string): string | null {
    const problem = this.problem(secret);
    if (problem !== null) return problem;
    const path = `${this.#directory}/${USER_RESET_FILE}`;
    try {
      Deno.removeSync(path);
      // A crash must not bring it back.
      using directory = Deno.openSync(this.#directory);
      directory.syncSync();
      return null;
    } catch (error) {
      return `${path} can't be removed: ${reasonOf(path, error)}`;
    }
  }
}

const NONE = "none was left in its data directory, or it was used: run raftkv user reset there";

/**
 * The server could not read what belongs to somebody else. Giving it away would follow a symbolic link that
 * whoever has the directory puts there meanwhile.
 */
function throwIfAnothers(directory: string, path: string): void {
  const [{ uid }, own] = [Deno.statSync(directory), Deno.statSync(path)];
  if (uid === own.uid) return;
  throw new Error(
    `the directory belongs to user ${uid}, and the server could not read it: run this as ` +
      `that user (sudo -u '#${uid}' ...)`,
  );
}

function digest(secret: string): string {
  return createHash("sha256").update(secret, "latin1").digest("hex");
}

/** Both have 64 digits. */
function isSame(a: string, b: string): boolean {
  return timingSafeEqual(new TextEncoder().encode(a), new TextEncoder().encode(b));
}

function isThere(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw new Error(`Cannot read ${path}: ${reasonOf(path, error)}`, { cause: error });
  }
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
