/**
 * Finds the snapshot and the log that startup can continue from, loading the one and replaying the other.
 * Changes nothing on the disk.
 *
 * The newest snapshot that can be loaded is taken. An older one will do only where the log goes back
 * to it; with neither, or with damage in the part of the log that is needed, the directory is
 * damaged. Damage before the newest snapshot costs nothing but the older snapshot.
 */
import { clusterVersionProblem } from "../../kv/cluster_version.ts";
import { ENVELOPE_BYTES, envelopeProblem } from "../../raft/envelope.ts";
import {
  type Configuration,
  type Entry,
  EntryKind,
  type SnapshotPosition,
} from "../../raft/types.ts";
import { ByteFormatError } from "../../util/bytes.ts";
import { DiskError } from "../../host/ports.ts";
import { DataDirectoryError, ForeignFileError } from "../errors.ts";
import { damageSentence, needlessDamageSentence } from "./damage.ts";
import { type KnownConfiguration, newestConfiguration } from "./only_voter.ts";
import {
  listSegments,
  type LogScan,
  readSegmentHead,
  scanLog,
  type ScanOptions,
} from "./scan_log.ts";
import type { LogPlace } from "../wal/closed_segments.ts";
import type { SnapshotDirectory } from "../snapshots/snapshot_directory.ts";
import { samePosition } from "../snapshots/snapshot_format.ts";
import type { RecoveredSnapshot, SnapshotFile } from "../types.ts";

/** Where a log is that is only read. */
export type ReadPlace = Pick<LogPlace, "disk" | "directory" | "owner">;

export interface RecoveryPlan {
  readonly scan: LogScan;
  /** What was loaded, or null. */
  readonly snapshot: RecoveredSnapshot | null;
  /** Snapshots that can't be loaded, the newest first. */
  readonly bad: readonly SnapshotPosition[];
  /** What was found and is harmless. */
  readonly notes: readonly string[];
  /** What is wrong if the log can't be continued; else null. */
  readonly damage: string | null;
  /** The newest that can be read anywhere, after damage too; null where there is none. */
  readonly configuration: Configuration | null;
}

const NONE: SnapshotPosition = { index: 0, term: 0 };

/** Throws `DataDirectoryError` for what neither startup nor a repair can deal with. */
export function examine(
  place: ReadPlace,
  snapshots: SnapshotDirectory,
  load: (file: SnapshotFile) => void,
): RecoveryPlan {
  const { disk, directory, owner } = place;
  const loader = new Loader(snapshots, load);
  const newest = snapshots.list()[0] ?? NONE;
  const notes: string[] = [];
  let options: ScanOptions = {};
  let scan = scanLog(disk, directory, owner, newest);
  if (scan.damage.length > 0 && newest !== NONE) {
    const fromSequence = lastNeeded(place, newest);
    const rest = scanLog(disk, directory, owner, newest, { fromSequence });
    if (rest.damage.length === 0 && loader.load(newest)) {
      notes.push(
        `Part of the log was damaged, and nothing is lost: snapshot ${newest.index} has all that ` +
          `was in it. ${needlessDamageSentence(scan.damage)}`,
      );
      scan = rest;
      options = { fromSequence };
    }
  }
  if (scan.damage.length > 0) {
    // A repair continues from what is sound, however old: all entries are needed, not only the newest.
    options = { ...options, keepFromIndex: 0 };
    scan = scanLog(disk, directory, owner, newest, options);
  }
  checkEnvelopes(scan, directory);
  const isDamaged = scan.damage.length > 0;
  for (const position of snapshots.list()) {
    const reaches = samePosition(position, newest) || scan.replay.firstIndex <= position.index + 1;
    if (!isDamaged && !reaches) break;
    if (loader.load(position)) break;
  }
  notes.push(...loader.problems);
  let damage = isDamaged ? damageSentence(scan.damage) : null;
  if (!isDamaged && loader.snapshot === null && scan.replay.firstIndex > 1) {
    damage = `${loader.problems.join(" ")} The log begins with entry ${scan.replay.firstIndex}, ` +
      "so no older state can be brought up to date.";
  }
  // A repair can begin with an older state than startup could continue from.
  if (damage !== null && loader.snapshot === null) snapshots.list().some((one) => loader.load(one));
  const { snapshot, bad } = loader;
  const keepFromIndex = (snapshot?.position.index ?? 0) + 1;
  if (scan.replay.entriesFrom > Math.max(keepFromIndex, scan.replay.firstIndex)) {
    // The state is older than the scan assumed: the entries after it are needed after all.
    scan = scanLog(disk, directory, owner, newest, { ...options, keepFromIndex });
    checkEnvelopes(scan, directory);
  }
  const configuration = newestConfiguration(scan.seen.configurations, loader.configurations);
  return { scan, snapshot, bad, notes, damage, configuration };
}

/** Loads snapshots until one is good; each is tried once. */
class Loader {
  readonly #snapshots: SnapshotDirectory;
  readonly #load: (file: SnapshotFile) => void;
  readonly bad: SnapshotPosition[] = [];
  readonly problems: string[] = [];
  /** Of all that were opened. */
  readonly configurations: KnownConfiguration[] = [];
  snapshot: RecoveredSnapshot | null = null;

  constructor(snapshots: SnapshotDirectory, load: (file: SnapshotFile) => void) {
    this.#snapshots = snapshots;
    this.#load = load;
  }

  load(position: SnapshotPosition): boolean {
    if (this.snapshot !== null) return samePosition(this.snapshot.position, position);
    if (this.bad.some((one) => samePosition(one, position))) return false;
    try {
      const file = this.#snapshots.open(position);
      const { configuration, head } = file;
      this.configurations.push({ index: position.index, configuration });
      try {
        this.#load(file);
        // The caller may stop reading early, but damage after the last record is damage too.
        while (file.nextSection() !== null);
      } finally {
        file.close();
      }
      this.snapshot = { position, configuration, head };
      return true;
    } catch (error) {
      if (!isDamage(error)) throw error;
      const where = error instanceof ByteFormatError ? `${this.#snapshots.pathOf(position)}: ` : "";
      this.bad.push(position);
      this.problems.push(where + error.message);
      return false;
    }
  }
}

/** A snapshot that can't be read, or whose contents make no sense; not another's, not our bug. */
function isDamage(error: unknown): error is Error {
  if (error instanceof ForeignFileError) return false;
  return error instanceof DataDirectoryError || error instanceof ByteFormatError ||
    error instanceof DiskError;
}

/** The last segment that the log after `position` may begin with. */
function lastNeeded({ disk, directory, owner }: ReadPlace, position: SnapshotPosition): number {
  for (const sequence of listSegments(disk, directory).reverse()) {
    const head = readSegmentHead(disk, directory, owner, sequence);
    if (typeof head !== "string" && head.firstIndex <= position.index + 1) return sequence;
  }
  return 1;
}

/** What this build does not know of an entry; commands in a log were checked before they came into it. */
function entryProblem({ data }: Entry): string | null {
  const problem = envelopeProblem(data);
  if (problem !== null || data[0] !== EntryKind.clusterVersion) return problem;
  return clusterVersionProblem(data, ENVELOPE_BYTES);
}

function checkEnvelopes(scan: LogScan, directory: string): void {
  for (const entry of scan.replay.entries) {
    const problem = entryProblem(entry);
    if (problem === null) continue;
    throw new DataDirectoryError(
      `Entry ${entry.index} of the log in ${directory} can't be applied: ${problem}. ` +
        "Run the build that wrote it, or a newer one.",
    );
  }
}
