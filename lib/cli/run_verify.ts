/** `raftkv verify`, once its arguments are parsed. */
import type { CliContext } from "./context.ts";
import { escapeUnseen } from "../util/unseen.ts";
import { isFile, readDirectory } from "./read_directory.ts";

/** Throws one sentence where anything is wrong, having printed what. */
export async function runVerify(
  this: CliContext,
  _flags: Record<never, never>,
  path: string,
): Promise<void> {
  const out = (line: string) => this.process.stdout.write(`${escapeUnseen(line)}\n`);
  if (isFile(path)) return (await import("./verify_backup.ts")).verifyBackup(path, out);
  const { report, isServerRunning } = await readDirectory(path, { what: "file or directory" });
  if (isServerRunning) out("A server is running here: what it writes now may look torn.");
  for (const note of report.notes) out(`note: ${note}`);
  for (const { path: file, offset, message } of report.problems) {
    out(`${file}${offset === null ? "" : `, byte ${offset}`}: ${message}`);
  }
  const count = report.problems.length;
  if (count > 0) {
    throw new Error(`${path}: ${count} ${count === 1 ? "fault" : "faults"} found`);
  }
  const bytes = report.files.reduce((sum, file) => sum + file.bytes, 0);
  out(`${path}: ${report.files.length} files, ${bytes} bytes, all checksums are right`);
}
