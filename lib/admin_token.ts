/** The token that the admin port wants: given by a file, and again on SIGHUP, or by a variable. */
import type { AdminToken } from "./admin/guard.ts";
import { readSecretFile } from "./host/secret_file.ts";
import type { LogEvent } from "./node/api.ts";
import type { SecretSource } from "./secret_source.ts";

const CHARACTERS_MIN = 16;
const CHARACTERS_MAX = 1_024;

/** @throws {Error} with a sentence that names the file or the variable, and nothing of what is in it. */
function readAdminToken(source: SecretSource): string {
  const where = "file" in source ? source.file : source.variable;
  const text = ("file" in source ? readSecretFile(source.file) : source.text).trim();
  if (text.length >= CHARACTERS_MIN && text.length <= CHARACTERS_MAX && /^[!-~]+$/.test(text)) {
    return text;
  }
  throw new Error(
    `${where} has no token: ${CHARACTERS_MIN} to ${CHARACTERS_MAX} characters of ASCII without ` +
      "spaces, in one line: head -c 32 /dev/urandom | base64 makes one",
  );
}

export class GivenToken implements AdminToken {
  text: string;
  readonly #source: SecretSource;
  readonly #log: (event: LogEvent) => void;

  /** @throws {Error} where it can't be used, with a sentence. */
  constructor(source: SecretSource, log: (event: LogEvent) => void) {
    this.#source = source;
    this.#log = log;
    this.text = readAdminToken(source);
  }

  /** What was known before stays where the file can't be read. */
  reload(): void {
    try {
      this.text = readAdminToken(this.#source);
    } catch (error) {
      const message = "The admin port's token stays as it was: it can't be read again";
      this.#log({ level: "error", message, fields: { reason: (error as Error).message } });
    }
  }
}
