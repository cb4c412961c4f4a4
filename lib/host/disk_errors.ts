/** What Deno throws, as the errors of the Disk port. */
import { DiskError, DiskFullError } from "./ports.ts";
import { timed } from "./process_use.ts";
import { reasonOf } from "./system_errors.ts";

/** Runs `operation`, which blocks, and turns what it throws into the port's errors. */
export function attempt<T>(verb: string, path: string, operation: () => T): T {
  try {
    return timed(verb, path, operation);
  } catch (cause) {
    throw portError(verb, path, cause);
  }
}

/** `cause` as the port's error: `DiskFullError` where there was no room. */
export function portError(verb: string, path: string, cause: unknown): DiskFullError | DiskError {
  if (!isFull(cause)) return diskError(verb, path, cause);
  return new DiskFullError(`No space left on the disk: could not ${verb} ${path}`, { cause });
}

/** As `portError`, but never a full disk: a sync that fails so is a failed sync. */
export function diskError(verb: string, path: string, cause: unknown): DiskError {
  return new DiskError(`Could not ${verb} ${path}: ${reasonOf(path, cause)}`, { cause });
}

/** ENOSPC and EDQUOT. */
function isFull(cause: unknown): boolean {
  if (!(cause instanceof Error)) return false;
  const code = "code" in cause ? cause.code : undefined;
  return code === "ENOSPC" || code === "EDQUOT" ||
    /\(os error (?:28|122)\)/.test(cause.message);
}
