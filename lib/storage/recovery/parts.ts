/** Which parts of a data directory can be there without which others: asked by starts and by inspection. */
import type { Disk } from "../../host/ports.ts";
import { FORMATION_FILE } from "../files/formation_file.ts";
import { REPAIR_FILE } from "./repair_record.ts";
import { RESERVE_FILE } from "../reserves/reserve.ts";
import { SNAPSHOT_DIRECTORY } from "../snapshots/snapshot_directory.ts";

/** Empty; held while a server runs, and made before everything else. */
export const LOCK_FILE = "lock";
export const LOG_DIRECTORY = "wal";

/** What can't be there without a formation record, which is written before the first of them is made. */
const LATER_PARTS = [LOG_DIRECTORY, RESERVE_FILE, SNAPSHOT_DIRECTORY, REPAIR_FILE];
/** What can't be there without an identity. */
const PARTS = [FORMATION_FILE, ...LATER_PARTS];

/** The first part in `path` that needs an identity; undefined where there is none. */
export function partWithoutIdentity(disk: Disk, path: string): string | undefined {
  return PARTS.find((name) => disk.exists(`${path}/${name}`));
}

/** The first part in `path` that needs a formation record; undefined where there is none. */
export function partWithoutFormation(disk: Disk, path: string): string | undefined {
  return LATER_PARTS.find((name) => disk.exists(`${path}/${name}`));
}
