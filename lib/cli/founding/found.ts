/**
 * Founding a cluster from contents that are there already: the one place for `recover` and `restore`.
 *
 * Nothing of the old cluster may be taken for the new one's, and no number may be given twice:
 *
 * - **The cluster id** comes of the founders' incarnations, which are new. So whoever belongs to the old
 *   cluster is refused, and refuses.
 * - **Revisions** (indexes of entries) continue after a gap, and so do versions: of keys that are there,
 *   and of keys to come, by the floor. What the old cluster gave out after these contents were made lies
 *   within the gap.
 * - **The term** is one above all that was seen.
 */
import type { Disk } from "../../host/ports.ts";
import { RaisedRecords } from "../../kv/raised_records.ts";
import { LoadedScripts } from "../../kv/scripts/loaded_scripts.ts";
import { ClientSessions } from "../../kv/sessions/client_sessions.ts";
import { Users } from "../../kv/users/users.ts";
import { clusterIdOf, hashSeedOf } from "../../node/peers/cluster_id.ts";
import { DEFAULT_STORAGE_LIMITS } from "../../node/limits.ts";
import type { SnapshotPosition } from "../../raft/types.ts";
import { DataDirectoryError } from "../../storage/errors.ts";
import { NewDirectory, refuseTaken } from "../../storage/founding/new_directory.ts";
import type { ClusterId, FoundingMember, Identity } from "../../storage/types.ts";
import { countText } from "../output/units.ts";
import type { Contents } from "./contents.ts";

/** How far revisions and versions jump, unless another gap is given. */
export const GAP_DEFAULT = 1_000_000_000;
/**
 * No revision or version may begin above this: as many again are left then, at a million a second for 142
 * years. A server that runs out of them can't be started any more.
 */
const RAISED_MAX = 2 ** 52;
/** Bytes after which a signal, or a progress line, gets its turn. */
const TURN_BYTES = 8_388_608;

export interface FoundingOptions {
  readonly disk: Disk;
  /** Awaited before the file is locked: see `DenoDisk.prepareLock`. */
  readonly prepareLock: (path: string) => Promise<void>;
  /** The new directory: nothing is there yet. */
  readonly path: string;
  readonly identity: Identity;
  /** Sorted by id; this server among them. */
  readonly members: readonly FoundingMember[];
  readonly gap: number;
  /** The server's vote counts only with all others' until it has caught up with them. */
  readonly isSuspect: boolean;
  /** So much of the work is done, 0 to 1; what it throws ends it. */
  readonly show: (fraction: number) => void;
}

export interface Founded {
  readonly clusterId: ClusterId;
  /** The last entry that counts as being in the new log: the next is one later. */
  readonly position: SnapshotPosition;
  readonly floor: number;
  readonly keys: number;
}

/**
 * Where the new log begins, after a gap.
 * @throws {DataDirectoryError} in words, where too few numbers would be left.
 */
export function foundingPosition(
  { position: { index, term }, floor }: Contents,
  gap: number,
): { position: SnapshotPosition; floor: number } {
  return {
    position: {
      index: raised(index, gap, "The last revision"),
      term: raised(term, 1, "The last term"),
    },
    floor: raised(floor, gap, "The highest version of a key that is gone"),
  };
}

/**
 * Makes the directory of one founder.
 * @throws {DataDirectoryError} in words, where the path is taken or a number would not fit.
 */
export async function foundServer(options: FoundingOptions, contents: Contents): Promise<Founded> {
  const { disk, path, identity, members, gap, isSuspect, show } = options;
  const clusterId = clusterIdOf(members);
  refuseTaken(disk, path);
  const { position, floor } = foundingPosition(contents, gap);
  const hashSeed = hashSeedOf(members);
  const { clockMs, clusterVersion, keys, users, loadedScripts } = contents;
  const { segmentBytesMax } = DEFAULT_STORAGE_LIMITS;
  const place = { path, identity, clusterId, members, position, isSuspect, segmentBytesMax };
  await options.prepareLock(NewDirectory.lockFile(path));
  const directory = NewDirectory.begin(disk, place);
  let syncing = Promise.resolve();
  try {
    const sessions = ClientSessions.decode(contents.clientSessions);
    if (!sessions.areUnused) sessions.raise(gap);
    const inHead = { clockMs, floor, keys, clusterVersion, users, loadedScripts };
    directory.head({ index: position.index, ...inHead, clientSessions: sessions.encode() });
    const records = new RaisedRecords(hashSeed, gap, RAISED_MAX);
    let bytesInTurn = 0;
    for (const piece of contents.walk()) {
      raise(records, piece, gap);
      directory.records(piece);
      bytesInTurn += piece.length;
      if (bytesInTurn < TURN_BYTES) continue;
      bytesInTurn = 0;
      show(records.keys / Math.max(1, keys));
      await syncing;
      syncing = synced(directory);
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    if (records.keys !== keys) {
      throw new DataDirectoryError(
        `The contents have ${countText(records.keys)} keys, and they name ${countText(keys)}: ` +
          "nothing was founded.",
      );
    }
    await syncing;
    const scripts = LoadedScripts.decode(loadedScripts, position.index);
    directory.finish(records.digestWith(Users.decode(users, position.index), sessions, scripts));
  } finally {
    await syncing.catch(() => {});
    directory.abort();
  }
  return { clusterId, position, floor, keys };
}

/** What is written by now is durable. Whoever awaits it hears of a failure. */
function synced(directory: NewDirectory): Promise<void> {
  const syncing = new Promise<void>((resolve, reject) => {
    directory.sync((error) => error === null ? resolve() : reject(error));
  });
  syncing.catch(() => {});
  return syncing;
}

function raise(records: RaisedRecords, piece: Uint8Array, gap: number): void {
  try {
    records.raise(piece);
  } catch (error) {
    if (error instanceof RangeError) throw tooFar("The version of a key", null, gap);
    throw error;
  }
}

function raised(value: number, gap: number, what: string): number {
  const sum = value + gap;
  if (sum > RAISED_MAX) throw tooFar(what, value, gap);
  return sum;
}

function tooFar(what: string, value: number | null, gap: number): DataDirectoryError {
  const is = value === null ? "" : ` is ${countText(value)}: it`;
  return new DataDirectoryError(
    `${what}${is} would be above 2^52 with a gap of ${countText(gap)}, and too few would be left ` +
      "after it. Give a smaller one by --gap. Nothing was founded.",
  );
}
