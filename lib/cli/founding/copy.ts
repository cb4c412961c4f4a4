/** What is left of a server: its data directory, or a copy of it, read and not changed. */
import type { DenoDisk } from "../../host/deno_disk.ts";
import { type Disk, DiskError } from "../../host/ports.ts";
import { allVoters } from "../../raft/configuration.ts";
import { ByteFormatError } from "../../util/bytes.ts";
import { DataDirectoryError } from "../../storage/errors.ts";
import { inspectDirectory } from "../../storage/inspection/inspect.ts";
import type { Problem } from "../../storage/inspection/inspect_snapshot.ts";
import { whyNoDataDirectory } from "../../storage/inspection/recognize.ts";
import { LOCK_FILE } from "../../storage/recovery/parts.ts";
import { type HeldState, readState } from "../../storage/recovery/read_state.ts";
import {
  type DamagedLog,
  type FormationRecord,
  type Identity,
  isRecordOf,
  type SnapshotFile,
} from "../../storage/types.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { openRoot } from "../read_directory.ts";

export interface Copy {
  /** As it was given. */
  readonly directory: string;
  readonly identity: Identity;
  readonly formation: FormationRecord;
  /** Those that vote by the newest configuration that is here, sorted. */
  readonly voters: readonly number[];
  /** Set where a repair was begun and has not ended. */
  readonly repairing: DamagedLog | null;
  readonly state: HeldState;
  /** Of the last entry that can be read before all damage. */
  readonly last: { readonly index: number; readonly term: number };
}

/** A directory that no server can be started in while it is held. */
export interface HeldDirectory {
  readonly disk: Disk;
  readonly path: string;
  release(): void;
}

/**
 * Holds the lock of the server's directory at `directory`.
 * @throws {CliError} where there is no such directory, where it is no server's, or where one runs there.
 */
export async function holdDirectory(directory: string): Promise<HeldDirectory> {
  const { disk, path } = openRoot(directory);
  const refuse = (why: string) => new CliError(EXIT.refused, why);
  if (path === "" || !disk.exists(path)) {
    throw new CliError(EXIT.file, `There is no directory ${directory}`);
  }
  if (disk.isFile(path)) {
    throw refuse(
      `${directory} is a file, and no server's data directory; a backup is for raftkv restore`,
    );
  }
  const why = whyNoDataDirectory(disk, path);
  if (why !== null) throw refuse(why);
  const lock = `${path}/${LOCK_FILE}`;
  // One without a lock file was never in use, or is a copy; nothing is made in it.
  if (!disk.exists(lock)) return { disk, path, release() {} };
  const isHeld = await isLockTaken(disk, lock, path);
  if (!isHeld) {
    throw refuse(
      `${directory}: a server is running here, or another command has it. Stop it first: this is ` +
        "for what is left of servers that don't run. Where a majority runs, nothing has to be " +
        "recovered.",
    );
  }
  return { disk, path, release: () => disk.unlock(lock) };
}

async function isLockTaken(disk: DenoDisk, lock: string, path: string): Promise<boolean> {
  try {
    await disk.prepareLock(lock);
    return disk.lock(lock);
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    throw new CliError(
      EXIT.refused,
      `${path}: whether a server runs here can't be told: ${error.message}. Copy the directory ` +
        "to where this user may write, and give the copy's name.",
      { cause: error },
    );
  }
}

/**
 * Reads what is there; `load` gets the newest snapshot that is sound.
 * @throws {CliError} where nothing can be made of it, whatever is damaged.
 */
export function readCopy(
  { disk, path }: HeldDirectory,
  load: (file: SnapshotFile, formation: FormationRecord) => void,
): Copy {
  const { identity, formation, repairing, problems } = inspectDirectory(disk, path);
  if (identity === null || formation === null) {
    throw new CliError(EXIT.refused, `${path}: ${whyNameless(problems[0])}`);
  }
  if (formation.stage !== "formed") {
    throw new CliError(
      EXIT.refused,
      `${path}: server ${identity.serverId} has not formed its cluster yet, so it holds nothing`,
    );
  }
  if (!isRecordOf(formation, identity)) {
    throw new CliError(EXIT.refused, `${path} mixes files of two lives of a server`);
  }
  const owner = { ...identity, clusterId: formation.clusterId };
  try {
    const state = readState(disk, path, owner, (file) => load(file, formation));
    const { position } = state.snapshot ?? { position: { index: 0, term: 0 } };
    const { index, term } = state.entries.at(-1) ?? position;
    const last = { index, term };
    const voters = votersOf(state, formation);
    return { directory: path, identity, formation, voters, repairing, state, last };
  } catch (error) {
    const isKnown = error instanceof DataDirectoryError || error instanceof ByteFormatError;
    if (!isKnown) throw error;
    throw new CliError(EXIT.refused, error.message, { cause: error });
  }
}

/** The newest configuration in the log is in effect, committed or not (thesis §4.1). */
function votersOf({ configuration }: HeldState, { members }: FormationRecord): number[] {
  if (configuration === null) return members.map(({ serverId }) => serverId);
  return [...allVoters(configuration)].sort((a, b) => a - b);
}

function whyNameless(problem: Problem | undefined): string {
  if (problem === undefined) {
    return "no server has formed its cluster here yet, so it holds nothing";
  }
  const { path, message } = problem;
  // What is said of what is in a file names it.
  const what = message.startsWith(path) ? message : `${path}: ${message}`;
  return `it can't be told whose directory this is: ${what}`;
}

/** What can't be read of a copy, or is still being fetched again; null where it is sound. */
export function damageOf({ state, repairing }: Copy): string | null {
  if (state.damage !== null) return state.damage;
  if (repairing === null) return null;
  const { fromIndex, lastIndexSeen, reason } = repairing;
  return `It is being repaired: from entry ${fromIndex} on, up to ${lastIndexSeen} at least, ` +
    `entries may be missing. ${reason}`;
}

/** The highest index that is known to have been there. */
export function lastSeen({ state, repairing, last }: Copy): number {
  return Math.max(last.index, state.seen.lastIndex, repairing?.lastIndexSeen ?? 0);
}
