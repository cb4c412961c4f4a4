/** Files that hold a secret: small, and readable by their owner alone. */
import { reasonOf } from "./system_errors.ts";

const BYTES_MAX = 4_096;
/** What group and others may do. */
const NOT_OWNER = 0o077;

/**
 * The text of a secret's file.
 * @throws {Error} with a sentence that names the file, and nothing of what is in it.
 */
export function readSecretFile(path: string): string {
  try {
    // Before it is opened: a pipe that nobody writes to would never be.
    if (!Deno.statSync(path).isFile) throw new Error("it is no file");
    using file = Deno.openSync(path, { read: true });
    const { mode, size } = file.statSync();
    if (mode !== null && (mode & NOT_OWNER) !== 0) {
      const octal = (mode & 0o777).toString(8).padStart(4, "0");
      throw new Error(`others than its owner may use it (mode ${octal}): chmod 600 ${path}`);
    }
    if (size > BYTES_MAX) throw new Error(`it has more than ${BYTES_MAX} bytes`);
    const bytes = new Uint8Array(BYTES_MAX);
    let length = 0;
    while (length < BYTES_MAX) {
      const count = file.readSync(bytes.subarray(length));
      if (count === null) break;
      length += count;
    }
    return new TextDecoder().decode(bytes.subarray(0, length));
  } catch (error) {
    throw new Error(`Cannot use the secret in ${path}: ${reasonOf(path, error)}`, { cause: error });
  }
}
