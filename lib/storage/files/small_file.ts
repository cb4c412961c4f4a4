/**
 * Whole files, replaced at once: written under a temporary name, synced, renamed over the old one,
 * and the directory synced. A crash leaves the old contents or the new, and at most a leftover with
 * `TEMPORARY_SUFFIX`, which the next startup removes.
 */
import type { Disk } from "../../host/ports.ts";
import { DataDirectoryError } from "../errors.ts";

export const TEMPORARY_SUFFIX = ".new";

/** Makes `bytes` the durable contents of `directory/name`; blocking. Throws what the disk throws. */
export function replaceFile(disk: Disk, directory: string, name: string, bytes: Uint8Array): void {
  const path = `${directory}/${name}`;
  const temporary = path + TEMPORARY_SUFFIX;
  const file = disk.open(temporary, { create: true });
  try {
    file.truncate(0);
    file.write(0, bytes);
    file.syncNow();
  } finally {
    file.close();
  }
  disk.rename(temporary, path);
  disk.syncDirectory(directory);
}

/** The whole file, or null where there is none. Refuses one above `sizeMax` before reading it. */
export function readSmallFile(disk: Disk, path: string, sizeMax: number): Uint8Array | null {
  if (!disk.exists(path)) return null;
  const file = disk.open(path, { readOnly: true });
  try {
    const size = file.size();
    if (size > sizeMax) {
      throw new DataDirectoryError(
        `${path} is ${size} bytes long, and at most ${sizeMax} make sense. Restore it from a copy.`,
      );
    }
    const bytes = new Uint8Array(size);
    const count = file.read(0, bytes);
    return bytes.subarray(0, count);
  } finally {
    file.close();
  }
}

/** The length of the file at `path`; throws what the disk throws. */
export function sizeOf(disk: Disk, path: string): number {
  const file = disk.open(path, { readOnly: true });
  try {
    return file.size();
  } finally {
    file.close();
  }
}

/** Removes what replacing left, all but `kept`; true where anything was removed. */
export function removeTemporaries(
  disk: Disk,
  directory: string,
  kept: readonly string[] = [],
): boolean {
  const leftovers = disk.list(directory)
    .filter((name) => name.endsWith(TEMPORARY_SUFFIX) && !kept.includes(name));
  for (const name of leftovers) disk.remove(`${directory}/${name}`);
  return leftovers.length > 0;
}
