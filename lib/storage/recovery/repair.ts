/**
 * Prepares a directory whose log or snapshots are damaged for a repairing server: one that keeps what is
 * sound, knows that it lost something, and fetches it again. docs/data-directory.md says why that is
 * safe. The steps are in this order so that the next startup notices a crash at any of them:
 *
 *  1. `repairing` is durable: from now on no startup takes what is there for a whole log;
 *  2. a segment that restarts the log holds the sound entries and the hard state;
 *  3. the segments before it are set aside, and so are the snapshots that can't be loaded.
 */
import { type Entry, type HardState, NOBODY } from "../../raft/types.ts";
import type { RecoveryPlan } from "./examine.ts";
import { makeSegment, newSegmentHead } from "../segments/make_segment.ts";
import { entriesBytes, MARKER_BYTES, RecordWriter } from "../segments/records.ts";
import { setSegmentsAside, writeRepairRecord } from "./repair_record.ts";
import { listSegments, scanLog } from "./scan_log.ts";
import {
  headChecksum,
  SEGMENT_HEAD_BYTES,
  SEGMENT_LENGTH_MAX,
  segmentGeneration,
  segmentName,
} from "../segments/segment_head.ts";
import type { LogPlace } from "../wal/closed_segments.ts";
import type { SnapshotDirectory } from "../snapshots/snapshot_directory.ts";
import type { DamagedLog } from "../types.ts";

/** Sound entries beyond this are fetched again as well; they have to fit into one segment. */
const KEPT_BYTES_MAX = SEGMENT_LENGTH_MAX / 4;

export interface RepairOptions {
  readonly place: LogPlace;
  /** The data directory. */
  readonly parent: string;
  readonly snapshots: SnapshotDirectory;
  /** From an earlier startup that found damage; usually null. */
  readonly repairing: DamagedLog | null;
}

/** Blocking. Returns what startup continues from. Throws what the disk throws. */
export function beginRepair(
  options: RepairOptions,
  found: RecoveryPlan,
): { found: RecoveryPlan; repairing: DamagedLog } {
  const { place, parent, snapshots } = options;
  const { disk, directory, owner } = place;
  const kept = soundEntries(found);
  const repairing = merge(options, found, kept);
  writeRepairRecord(disk, parent, owner, repairing);
  const before = listSegments(disk, directory);
  writeSound(place, before.at(-1)! + 1, found, kept, promises(options, found));
  setSegmentsAside(
    disk,
    directory,
    before.map((sequence) => `${directory}/${segmentName(sequence)}`),
  );
  for (const position of found.bad) snapshots.setAside(position);
  const position = found.snapshot?.position ?? { index: 0, term: 0 };
  const scan = scanLog(disk, directory, owner, position);
  return { found: { ...found, scan, bad: [], damage: null }, repairing };
}

/** The entries that continue the snapshot and come before all damage. */
function soundEntries({ scan, snapshot }: RecoveryPlan): Entry[] {
  const { replay } = scan;
  const index = snapshot?.position.index ?? 0;
  const term = snapshot?.position.term ?? 0;
  if (replay.entries.length === 0 || replay.termAt(index) !== term) return [];
  const entries: Entry[] = [];
  let bytes = 0;
  for (let at = index + 1; at < replay.nextIndex; at++) {
    const entry = replay.entries[at - replay.entriesFrom]!;
    bytes += entry.data.length;
    if (bytes > KEPT_BYTES_MAX) break;
    entries.push(entry);
  }
  return entries;
}

/** What is known to be lost, including what an earlier, unfinished repair knew. */
function merge(
  { repairing, snapshots }: RepairOptions,
  { scan, snapshot, damage }: RecoveryPlan,
  kept: readonly Entry[],
): DamagedLog {
  const index = snapshot?.position.index ?? 0;
  const fromIndex = index + kept.length + 1;
  const lastIndexSeen = Math.max(
    fromIndex - 1,
    scan.seen.lastIndex,
    snapshots.list()[0]?.index ?? 0,
  );
  if (repairing === null) return { fromIndex, lastIndexSeen, reason: damage! };
  return {
    fromIndex: Math.min(fromIndex, repairing.fromIndex),
    lastIndexSeen: Math.max(lastIndexSeen, repairing.lastIndexSeen),
    reason: damage!,
  };
}

/**
 * The least that this server may have promised: the highest term that is found anywhere, and its
 * vote there. Where no vote was found in that term it may have been in what is damaged; a vote for
 * itself keeps the server from voting for anybody else in it.
 */
function promises(
  { place, snapshots }: RepairOptions,
  { scan, snapshot }: RecoveryPlan,
): HardState {
  const { seen } = scan;
  const terms = snapshots.list().map((position) => position.term);
  const term = Math.max(seen.term, snapshot?.position.term ?? 0, ...terms);
  if (term === 0) return { term, votedFor: NOBODY, suspect: true };
  const known = term === seen.term ? seen.votedFor : NOBODY;
  return { term, votedFor: known === NOBODY ? place.owner.serverId : known, suspect: true };
}

function writeSound(
  place: LogPlace,
  sequence: number,
  { snapshot }: RecoveryPlan,
  kept: readonly Entry[],
  hardState: HardState,
): void {
  const { disk, directory, owner, segmentBytesMax } = place;
  const size = (kept.length === 0 ? 0 : entriesBytes(kept)) + MARKER_BYTES;
  const head = newSegmentHead({
    sequence,
    firstIndex: (snapshot?.position.index ?? 0) + 1,
    previousTerm: snapshot?.position.term ?? 0,
    hardState,
    segmentBytesMax,
    batchBytes: size,
    restarts: true,
  });
  const writer = new RecordWriter();
  writer.begin(headChecksum(owner, head));
  if (kept.length > 0) writer.entries(kept);
  const generation = segmentGeneration(owner, sequence);
  // It says that what is before it is synced: true once this segment has its name.
  writer.marker(generation, SEGMENT_HEAD_BYTES + writer.length, false);
  makeSegment(disk, directory, owner, head, writer.view());
}
