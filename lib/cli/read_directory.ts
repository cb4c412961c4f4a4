/** What inspect and verify have in common: a data directory that is only looked at. */
import { DenoDisk } from "../host/deno_disk.ts";
import { type Disk, DiskError } from "../host/ports.ts";
import { LOCK_FILE } from "../storage/data_directory.ts";
import { type DirectoryReport, inspectDirectory } from "../storage/inspect.ts";

export interface ReadDirectory {
  readonly report: DirectoryReport;
  /** A server has this directory open now; null where that can't be told. */
  readonly isServerRunning: boolean | null;
}

/**
 * Inspects the directory at `directory`, relative to the working directory or absolute.
 * @throws {Error} where there is no such directory.
 */
export async function readDirectory(
  directory: string,
  options: { readonly records?: boolean } = {},
): Promise<ReadDirectory> {
  const isAbsolute = directory.startsWith("/");
  const disk = new DenoDisk(isAbsolute ? "/" : ".");
  const path = directory.replace(/^\/+|\/+$/g, "");
  if (path === "" || !disk.exists(path)) throw new Error(`There is no directory ${directory}`);
  const isServerRunning = await isLocked(disk, `${path}/${LOCK_FILE}`);
  const report = inspectDirectory(disk, path, options);
  return { report: isAbsolute ? absolute(report) : report, isServerRunning };
}

/** Tries the lock and gives it back at once. A directory without a lock file was never in use. */
async function isLocked(disk: DenoDisk, path: string): Promise<boolean | null> {
  if (!disk.exists(path)) return false;
  try {
    await disk.prepareLock(path);
    if (!(disk as Disk).lock(path)) return true;
    disk.unlock(path);
    return false;
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    return null;
  }
}

/** The paths in the report begin where the disk does: at the root. */
function absolute(report: DirectoryReport): DirectoryReport {
  const named = <T extends { readonly path: string }>(one: T): T => ({
    ...one,
    path: `/${one.path}`,
  });
  return {
    ...report,
    path: `/${report.path}`,
    files: report.files.map(named),
    segments: report.segments.map(named),
    snapshots: report.snapshots.map(named),
    problems: report.problems.map(named),
    ...(report.records === undefined ? {} : { records: report.records.map(named) }),
  };
}
