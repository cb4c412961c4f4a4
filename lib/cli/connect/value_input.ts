/** The value of set and cas: the argument, a file, or standard input. */
import type { InputStream } from "../../host/console.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { interruptible, type Tool, withFile } from "../tool.ts";
import { UsageError } from "../usage_error.ts";

/** The most that any server can be configured to take, and a little: read no further. */
const VALUE_BYTES_MAX = 64 * 1024 * 1024;
const READ_BYTES = 64 * 1024;

/**
 * @throws {UsageError} where it is given twice.
 * @throws {CliError} where the file can't be read, or is larger than any value.
 */
export async function valueInput(
  tool: Tool,
  argument: string | undefined,
  file: string | undefined,
): Promise<Uint8Array> {
  if (file !== undefined) {
    if (argument !== undefined) throw new UsageError("give a value or --file, not both");
    return await withFile(async () => {
      const stream = tool.console.openFile(file);
      try {
        return await readAll(stream, file);
      } finally {
        stream.close();
      }
    });
  }
  if (argument !== undefined && argument !== "-") return new TextEncoder().encode(argument);
  if (argument === undefined && tool.console.inputIsTerminal) {
    throw new UsageError(
      "the value is missing: give it after the key, or - to type it (to Ctrl-D)",
    );
  }
  const input = interruptible(tool.console.input, tool.signal);
  return await withFile(() => readAll(input, "standard input"));
}

async function readAll(stream: InputStream, name: string): Promise<Uint8Array> {
  let bytes = new Uint8Array(READ_BYTES);
  let length = 0;
  while (true) {
    if (length === bytes.length) {
      const larger = new Uint8Array(2 * length);
      larger.set(bytes);
      bytes = larger;
    }
    const read = await stream.read(bytes.subarray(length));
    if (read === null) return bytes.slice(0, length);
    length += read;
    if (length > VALUE_BYTES_MAX) {
      throw new CliError(
        EXIT.file,
        `${name} holds more than any value may: ${VALUE_BYTES_MAX} bytes`,
      );
    }
  }
}
