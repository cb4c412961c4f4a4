/** `raftkv verify`, once its arguments are parsed. */
import type { CliContext } from "./context.ts";
import { escapeUnseen } from "../util/unseen.ts";
import { readDirectory } from "./read_directory.ts";

/** Throws one sentence where anything is wrong, having printed what. */
export async function runVerify(
  this: CliContext,
  _flags: Record<never, never>,
  directory: string,
): Promise<void> {
  const { report, isServerRunning } = await readDirectory(directory);
  const out = (line: string) => this.process.stdout.write(`${escapeUnseen(line)}\n`);
  if (isServerRunning) out("A server is running here: what it writes now may look torn.");
  for (const note of report.notes) out(`note: ${note}`);
  for (const { path, offset, message } of report.problems) {
    out(`${path}${offset === null ? "" : `, byte ${offset}`}: ${message}`);
  }
  const count = report.problems.length;
  if (count > 0) {
    throw new Error(`${directory}: ${count} ${count === 1 ? "fault" : "faults"} found`);
  }
  const bytes = report.files.reduce((sum, file) => sum + file.bytes, 0);
  out(`${directory}: ${report.files.length} files, ${bytes} bytes, all checksums are right`);
}
