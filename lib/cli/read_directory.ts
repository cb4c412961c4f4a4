/** What inspect and verify have in common: a data directory that is only looked at. */
import { DenoDisk } from "../host/deno_disk.ts";
import { type Disk, DiskError } from "../host/ports.ts";
import { LOCK_FILE } from "../storage/recovery/parts.ts";
import { type DirectoryReport, inspectDirectory } from "../storage/inspection/inspect.ts";
import { isUnused, whyNoDataDirectory } from "../storage/inspection/recognize.ts";
import { CliError, EXIT } from "./exit_codes.ts";

export interface ReadDirectory {
  readonly report: DirectoryReport;
  /** A server has this directory open now; null where that can't be told. */
  readonly isServerRunning: boolean | null;
}

/**
 * Inspects the directory at `directory`, relative to the working directory or absolute. `what`: what it
 * may be, where that is more than a directory.
 * @throws {CliError} where there is no such directory, or it is no server's.
 */
export async function readDirectory(
  directory: string,
  options: { readonly records?: boolean; readonly what?: string } = {},
): Promise<ReadDirectory> {
  const { disk, path } = openRoot(directory);
  if (path === "" || !disk.exists(path)) {
    throw new CliError(EXIT.file, `There is no ${options.what ?? "directory"} ${directory}`);
  }
  const why = whyNoDataDirectory(disk, path);
  if (why !== null) throw new CliError(EXIT.refused, why);
  const isServerRunning = await isLocked(disk, `${path}/${LOCK_FILE}`);
  return { report: inspectDirectory(disk, path, options), isServerRunning };
}

/** There is something at `path` that is no directory. */
export function isFile(path: string): boolean {
  const root = openRoot(path);
  return root.path !== "" && root.disk.isFile(root.path);
}

/** No server has been started in `directory` yet, as it is not there or has nothing in it. */
export function isUnusedDirectory(directory: string): boolean {
  const { disk, path } = openRoot(directory);
  return path !== "" && isUnused(disk, path);
}

/** The disk on which `directory` is, and its name there: as it was given, but for slashes at its end. */
export function openRoot(directory: string): { readonly disk: DenoDisk; readonly path: string } {
  const disk = new DenoDisk(directory.startsWith("/") ? "/" : ".");
  // As it was given, so that every path in the report can be copied into the next command.
  return { disk, path: directory.replace(/(?<=.)\/+$/, "") };
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
