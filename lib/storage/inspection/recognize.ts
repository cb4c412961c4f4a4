/** Tells a server's data directory from any other: what is looked at has to be one to be called sound. */
import type { Disk } from "../../host/ports.ts";
import { IDENTITY_FILE } from "../files/identity_file.ts";
import { TEMPORARY_SUFFIX } from "../files/small_file.ts";
import { LOCK_FILE, partWithoutIdentity } from "../recovery/parts.ts";

/** Names of directories that are proposed, at most. */
const MEANT_MAX = 5;

/**
 * Null where a server has been started in `path`, or a start was cut off there before `identity` had its
 * name; else one sentence, with the data directories that were probably meant.
 */
export function whyNoDataDirectory(disk: Disk, path: string): string | null {
  const traces = [IDENTITY_FILE, `${IDENTITY_FILE}${TEMPORARY_SUFFIX}`];
  if (traces.some((name) => disk.exists(`${path}/${name}`))) return null;
  if (partWithoutIdentity(disk, path) !== undefined) return null;
  // A start makes the lock first.
  if (isUnused(disk, path) && disk.exists(`${path}/${LOCK_FILE}`)) return null;
  const meant = meantBy(disk, path);
  const question = meant.length === 0 ? "" : `: did you mean ${meant.join(", ")}?`;
  return `${path}: this is no server's data directory${question}`;
}

/**
 * The server's data directory that `path` is, or would be, in: that one, or one above it, as far as the
 * path names them; a relative one is below the working directory too. Null where there is none.
 */
export function serverDirectoryAround(disk: Disk, path: string): string | null {
  const parts = path.split("/");
  const above = parts.map((_, at) => parts.slice(0, at + 1).join("/")).filter((one) => one !== "");
  const all = path.startsWith("/") ? above : [".", ...above];
  return all.find((one) => hasIdentity(disk, one)) ?? null;
}

/** Nothing is in `path` but what a fresh file system or a start that ended at once leaves. */
export function isUnused(disk: Disk, path: string): boolean {
  return disk.list(path).every((name) => name === "lost+found" || name === LOCK_FILE);
}

/** The data directories in `path`, else the one that it is a part of. */
function meantBy(disk: Disk, path: string): string[] {
  const inside: string[] = [];
  for (const name of disk.list(path)) {
    if (hasIdentity(disk, `${path}/${name}`)) inside.push(`${path}/${name}`);
    if (inside.length > MEANT_MAX) return [...inside.slice(0, MEANT_MAX), "…"];
  }
  const above = path.slice(0, Math.max(0, path.lastIndexOf("/")));
  if (inside.length === 0 && above !== "" && hasIdentity(disk, above)) return [above];
  return inside;
}

/** False too where it may not be looked into. */
function hasIdentity(disk: Disk, path: string): boolean {
  try {
    return disk.exists(`${path}/${IDENTITY_FILE}`);
  } catch {
    return false;
  }
}
