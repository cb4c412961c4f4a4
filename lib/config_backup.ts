/** `backup` in the cluster file: backups that servers take by themselves. */
import * as v from "valibot";
import { BACKUP_EVERY_RANGE_MS } from "./config_ranges.ts";
import { pathOf, wholeNumber } from "./config_sections.ts";
import { parseSomeDurationMs } from "./util/duration.ts";

/** scheduled_backups.ts. */
export interface BackupSchedule {
  readonly everyMs: number;
  /** The directory of the files. Relative to the working directory. */
  readonly path: string;
  /** So many files of this cluster stay in it. */
  readonly keep: number;
}

/** As it stands in the file. */
export type FileBackup = Omit<BackupSchedule, "everyMs"> & { readonly every: string };

const EVERY = 'is no time between backups (a text such as "90m", "6h" or "1d", from 1s to 366d)';
const KEPT = 7;

function isEvery(text: string): boolean {
  try {
    const ms = parseSomeDurationMs(text);
    return ms >= BACKUP_EVERY_RANGE_MS[0] && ms <= BACKUP_EVERY_RANGE_MS[1];
  } catch {
    return false;
  }
}

export const BACKUP_KEYS = {
  every: v.pipe(v.string(EVERY), v.check(isEvery, EVERY)),
  path: pathOf("is no directory (a name of 1 to 4096 characters)"),
  keep: v.optional(wholeNumber(1, 10_000, "number of backups to keep"), KEPT),
};

export function scheduleOf({ every, path, keep }: FileBackup): BackupSchedule {
  return { everyMs: parseSomeDurationMs(every), path, keep };
}
