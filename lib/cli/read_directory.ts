/** What inspect and verify have in common: a data directory that is only looked at. */
import { DenoDisk } from "../host/deno_disk.ts";
import { type Disk, DiskError } from "../host/ports.ts";
import { LOCK_FILE } from "../storage/data_directory.ts";
import { type DirectoryReport, inspectDirectory } from "../storage/inspection/inspect.ts";

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
  const disk = new DenoDisk(directory.startsWith("/") ? "/" : ".");
  // As it was given, so that every path in the report can be copied into the next command.
  const path = directory.replace(/(?<=.)\/+$/, "");
  if (path === "" || !disk.exists(path)) throw new Error(`There is no directory ${directory}`);
  const isServerRunning = await isLocked(disk, `${path}/${LOCK_FILE}`);
  return { report: inspectDirectory(disk, path, options), isServerRunning };
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
