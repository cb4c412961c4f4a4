/** `raftkv inspect`, once its flags are parsed. */
import type { CliContext } from "./context.ts";
import { inspectText } from "./inspect_text.ts";
import { readDirectory } from "./read_directory.ts";

export interface InspectFlags {
  readonly records: boolean;
  readonly json: boolean;
}

export async function runInspect(
  this: CliContext,
  flags: InspectFlags,
  directory: string,
): Promise<void> {
  const { report, isServerRunning } = await readDirectory(directory, { records: flags.records });
  const text = flags.json
    ? JSON.stringify({ ...report, isServerRunning }, null, 2)
    : inspectText(report, isServerRunning);
  this.process.stdout.write(`${text}\n`);
}
