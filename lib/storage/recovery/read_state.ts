/**
 * Reads what a server's directory holds, for whoever founds a new cluster with it: the newest snapshot
 * that can be loaded, and the entries after it. Changes nothing on the disk.
 */
import type { Configuration, Entry, HardState } from "../../raft/types.ts";
import type { Disk } from "../../host/ports.ts";
import type { LogOwner } from "../segments/segment_head.ts";
import { SnapshotDirectory } from "../snapshots/snapshot_directory.ts";
import type { OpenLogOptions, RecoveredSnapshot } from "../types.ts";
import { examine } from "./examine.ts";
import { LOG_DIRECTORY } from "./parts.ts";

export interface HeldState {
  /** What was loaded; null where there is no snapshot: the contents begin empty. */
  readonly snapshot: RecoveredSnapshot | null;
  /** Those that follow the snapshot, without a gap, up to the end or the first damage. */
  readonly entries: readonly Entry[];
  /** The last that is readable before all damage. */
  readonly hardState: HardState;
  /** The highest index and term that were seen anywhere, after damage too. */
  readonly seen: { readonly lastIndex: number; readonly term: number };
  /** Bytes at the log's end that a crash tore; 0 mostly. */
  readonly tornBytes: number;
  /** What can't be read and would have to be repaired; null where all is sound. */
  readonly damage: string | null;
  /** The newest that can be read anywhere, after damage too; null where the founders are the members. */
  readonly configuration: Configuration | null;
  /** What was found and is harmless. */
  readonly notes: readonly string[];
}

/**
 * Reads the directory at `path`, which `owner` has formed its cluster with. `load` gets the snapshot, as
 * in `OpenLogOptions`. Throws `DataDirectoryError` for files that no scan can pass.
 */
export function readState(
  disk: Disk,
  path: string,
  owner: LogOwner,
  load: NonNullable<OpenLogOptions["load"]>,
): HeldState {
  const snapshots = new SnapshotDirectory(disk, path, owner, 0, () => false);
  snapshots.find();
  const place = { disk, directory: `${path}/${LOG_DIRECTORY}`, owner };
  const { scan, snapshot, damage, notes, bad, configuration } = examine(place, snapshots, load);
  const { replay, seen } = scan;
  const { index, term } = snapshot?.position ?? { index: 0, term: 0 };
  // Entries that don't follow the snapshot are of a log that it replaced.
  const follows = index === 0 ? replay.firstIndex === 1 : replay.termAt(index) === term;
  const tail = scan.segments.at(-1);
  const terms = snapshots.list().map((position) => position.term);
  return {
    snapshot,
    entries: follows ? replay.entries.filter((entry) => entry.index > index) : [],
    hardState: replay.hardState,
    seen: {
      lastIndex: Math.max(seen.lastIndex, snapshots.list()[0]?.index ?? 0),
      term: Math.max(seen.term, ...terms),
    },
    tornBytes: damage === null && tail !== undefined ? tail.usedEnd - tail.end : 0,
    damage: damage ?? damagedSnapshot(bad[0]?.index ?? 0, replay.nextIndex),
    configuration,
    notes,
  };
}

/** A snapshot that can't be read, and that went further than the log, had entries that are nowhere else. */
function damagedSnapshot(index: number, nextIndex: number): string | null {
  if (index < nextIndex) return null;
  return `Snapshot ${index} is damaged, and the log ends with entry ${nextIndex - 1}.`;
}
