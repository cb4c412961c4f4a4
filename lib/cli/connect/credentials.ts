/** Who the command line is to a cluster that has users. A password is never an argument: others see those. */
import { isContents } from "../../util/file_names.ts";
import type { HostProcess } from "../../host/process.ts";
import { UsageError } from "../usage_error.ts";

export interface Credentials {
  readonly user?: string;
  readonly password?: string;
}

/**
 * `--user`, else RAFTKV_USER; the password is in RAFTKV_PASSWORD, or in the file that RAFTKV_PASSWORD_FILE
 * names, without the line end at its end. Empty where nothing of it is given.
 * @throws {UsageError} where a part of it is missing, given twice, or can't be read.
 */
export function credentialsOf(flag: string | undefined, host: HostProcess): Credentials {
  const user = flag ?? host.environment("RAFTKV_USER");
  const file = host.environment("RAFTKV_PASSWORD_FILE");
  const given = host.environment("RAFTKV_PASSWORD");
  if (file !== undefined && given !== undefined) {
    throw new UsageError("RAFTKV_PASSWORD and RAFTKV_PASSWORD_FILE are both set: set one of them");
  }
  const password = file === undefined ? given : readPassword(file, host);
  if (password === undefined) {
    if (user === undefined) return {};
    throw new UsageError(
      `the password of ${user} is missing: set RAFTKV_PASSWORD_FILE, or RAFTKV_PASSWORD`,
    );
  }
  return user === undefined ? { password } : { user, password };
}

function readPassword(file: string, host: HostProcess): string {
  if (isContents(file)) throw new UsageError("RAFTKV_PASSWORD_FILE names a file");
  let text: string | null;
  try {
    text = host.readTextFile(file);
  } catch (error) {
    throw new UsageError(`RAFTKV_PASSWORD_FILE: ${(error as Error).message}`);
  }
  if (text === null) throw new UsageError(`RAFTKV_PASSWORD_FILE: there is no file ${file}`);
  return text.replace(/\r?\n$/, "");
}
