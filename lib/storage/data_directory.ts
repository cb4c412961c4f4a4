/**
 * One server's data directory (docs/data-directory.md has every file, byte and crash case).
 *
 *   identity    who this server is: made first, never changed
 *   formation   whom it forms its cluster with, then: formed
 *   wal/        the log; exists from just before `formed` on
 *   snapshot/   the two newest snapshots
 *   repairing   there while damaged entries are fetched again
 *   reserve     room for the log when the disk is full
 *   lock        empty; held while a server runs
 *
 * A part that is missing while a later one is there is refused: a server that lost a file is not a
 * server that never had it.
 */
import { NOBODY, type ServerId } from "../raft/types.ts";
import type { Disk } from "../host/ports.ts";
import { assert } from "../util/assert.ts";
import { type ClusterSize, clusterSizeOf, restoreAdvice } from "./advice.ts";
import { DataDirectoryError } from "./errors.ts";
import { FORMATION_FILE, readFormation, writeFormation } from "./files/formation_file.ts";
import { IDENTITY_FILE, readIdentity, writeIdentity } from "./files/identity_file.ts";
import { makeSegment, newSegmentHead, segmentLength } from "./segments/make_segment.ts";
import {
  LOCK_FILE,
  LOG_DIRECTORY,
  partWithoutFormation,
  partWithoutIdentity,
} from "./recovery/parts.ts";
import { recoverLog } from "./recovery/recover.ts";
import { readRepairRecord, removeAside, removeRepairRecord } from "./recovery/repair_record.ts";
import { Reserve } from "./reserves/reserve.ts";
import { Room } from "./reserves/room.ts";
import { listSegments } from "./recovery/scan_log.ts";
import type { LogOwner } from "./segments/segment_head.ts";
import { SnapshotDirectory } from "./snapshots/snapshot_directory.ts";
import { removeTemporaries } from "./files/small_file.ts";
import { SpareSegments } from "./segments/spare_segments.ts";
import {
  type ClusterId,
  type DamagedLog,
  type FormationRecord,
  type Identity,
  type Incarnation,
  isRecordOf,
  type LogStorage,
  type OpenLogOptions,
  type RecoveredLog,
  type SnapshotFiles,
  UNFORMED,
} from "./types.ts";

export { DataDirectoryError } from "./errors.ts";

/**
 * The first segment of a server that joins: all of it is looked through before the leader is answered, and a
 * snapshot takes its place as a rule.
 */
const JOINED_SEGMENT_BYTES = 1_048_576;

export interface DataDirectoryOptions {
  /** Relative to the disk's root, such as "1". */
  readonly path: string;
  readonly serverId: ServerId;
  /** Draws 8 random bytes, as hexadecimal; called for an empty directory only. */
  readonly makeIncarnation: () => Incarnation;
  readonly segmentBytesMax: number;
  readonly reserveBytes: number;
  /** How many servers the cluster file names, for advice where the formation record can't be read. */
  readonly servers?: number;
  /** Refuses a directory of any other cluster, where it is known beforehand. */
  readonly expectedClusterId?: ClusterId;
}

export class DataDirectory {
  readonly identity: Identity;
  #formation: FormationRecord | null;
  readonly #disk: Disk;
  readonly #options: DataDirectoryOptions;
  #log: LogStorage | null = null;
  #snapshots: SnapshotDirectory | null = null;
  #closed = false;

  private constructor(disk: Disk, options: DataDirectoryOptions) {
    this.#disk = disk;
    this.#options = options;
    this.identity = this.#readIdentity();
    const { path, serverId, servers } = options;
    this.#formation = readFormation(disk, path, serverId, servers ?? null);
    this.#checkParts();
  }

  /**
   * Opens the directory, making it where it is absent, and locks it; blocking. Throws
   * `DataDirectoryError` where it is in use, damaged, or another server's or cluster's.
   */
  static open(disk: Disk, options: DataDirectoryOptions): DataDirectory {
    const { path } = options;
    if (!disk.exists(path)) disk.makeDirectory(path);
    disk.syncDirectory(parentOf(path));
    const lock = `${path}/${LOCK_FILE}`;
    if (!disk.lock(lock)) {
      throw new DataDirectoryError(
        `${path} is in use by another server process. Stop that one first, or start this one ` +
          "with another id or path.",
      );
    }
    try {
      removeTemporaries(disk, path);
      // Names that can be read may not be durable yet: the last run may have died before its sync.
      disk.syncDirectory(path);
      return new DataDirectory(disk, options);
    } catch (error) {
      disk.unlock(lock);
      throw error;
    }
  }

  /** How far forming has come; null before it begins. */
  get formation(): FormationRecord | null {
    return this.#formation;
  }

  /**
   * Makes `record` durable; blocking. It only goes forward: from nothing to prepared to formed, with
   * the same cluster id and members. Saving what is there already changes nothing.
   */
  saveFormation(record: FormationRecord): void {
    assert(!this.#closed, "The data directory was used after it was closed");
    this.#checkForward(record);
    const { path, serverId } = this.#options;
    if (record.stage === this.#formation?.stage) return;
    // The log comes before the word that it exists: `formed` without a log is a lost log.
    if (record.stage === "formed") this.#makeLog(record);
    writeFormation(this.#disk, path, serverId, record);
    this.#formation = record;
  }

  /**
   * Recovers snapshot and log; blocking, and only once formed. Throws `DataDirectoryError` where
   * they are damaged (unless `repair` is set). The log is closed with the directory, or before.
   */
  openLog(options: OpenLogOptions = {}): { log: LogStorage; recovered: RecoveredLog } {
    assert(!this.#closed, "The data directory was used after it was closed");
    assert(this.#log === null, "The log is open already");
    const formation = this.#formation;
    assert(formation?.stage === "formed", "The log was opened before the cluster was formed");
    const disk = this.#disk;
    const { path, segmentBytesMax, reserveBytes } = this.#options;
    const owner = this.#owner(formation.clusterId);
    const directory = `${path}/${LOG_DIRECTORY}`;
    if (disk.exists(directory)) disk.syncDirectory(directory);
    const repairing = readRepairRecord(disk, path, owner, clusterSizeOf(formation));
    if (repairing !== null && options.repair !== true) refuseRepair(path, repairing);
    const reserve = new Reserve(disk, path, owner, reserveBytes);
    const spares = new SpareSegments(disk, directory, segmentLength(segmentBytesMax, 0));
    // Without its reserve the log itself needs them.
    const makeRoom = () => reserve.held && spares.giveUpOne();
    const snapshots = new SnapshotDirectory(disk, path, owner, reserveBytes, makeRoom);
    snapshots.start();
    const snapshotReserves = snapshots.reserves;
    const room = new Room({ disk, directory: path, reserve, spares, snapshotReserves });
    const place = { disk, directory, owner, segmentBytesMax, spares };
    const opened = recoverLog({
      ...options,
      place,
      parent: path,
      founders: formation.members,
      room,
      snapshots,
      repairing,
      surroundings: {
        fallbackIndex: () => snapshots.fallbackIndex,
        restarted: (position) => snapshots.keepOnlyLater(position),
        finishRepair() {
          removeRepairRecord(disk, path);
          removeAside(disk, directory);
        },
      },
    });
    this.#log = opened.log;
    this.#snapshots = snapshots;
    return opened;
  }

  /** The snapshots; once the log is open. */
  get snapshots(): SnapshotFiles {
    assert(this.#snapshots !== null, "The snapshots were used before the log was opened");
    return this.#snapshots;
  }

  /** Closes the log too, and gives the lock back. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#snapshots?.reserves.close();
    try {
      this.#log?.close();
    } finally {
      this.#disk.unlock(`${this.#options.path}/${LOCK_FILE}`);
    }
  }

  #owner(clusterId: ClusterId): LogOwner {
    const { serverId, incarnation } = this.identity;
    return { clusterId, serverId, incarnation };
  }

  #readIdentity(): Identity {
    const disk = this.#disk;
    const { path, serverId, makeIncarnation } = this.#options;
    const size = clusterSize(disk, this.#options);
    const found = readIdentity(disk, path, serverId, size);
    if (found !== null) return found;
    const part = partWithoutIdentity(disk, path);
    if (part !== undefined) {
      throw new DataDirectoryError(
        `${path} has lost its file ${IDENTITY_FILE}: ${part} is there and it is not, and without ` +
          `it this server can't prove who it is. ${restoreAdvice(size)}`,
      );
    }
    const identity = { serverId, incarnation: makeIncarnation() };
    assert(/^[0-9a-f]{16}$/.test(identity.incarnation), "An incarnation is 16 hexadecimal digits");
    writeIdentity(disk, path, identity);
    return identity;
  }

  #checkParts(): void {
    const { path, expectedClusterId } = this.#options;
    const formation = this.#formation;
    if (formation === null) {
      const later = partWithoutFormation(this.#disk, path);
      if (later === undefined) return;
      throw new DataDirectoryError(
        `${path} has lost its file ${FORMATION_FILE}: ${later} is there and no record of the ` +
          `cluster that it belongs to. ${restoreAdvice(this.#options.servers ?? null)}`,
      );
    }
    const hasLog = listSegments(this.#disk, `${path}/${LOG_DIRECTORY}`).length > 0;
    if (formation.stage === "formed" && !hasLog) {
      throw new DataDirectoryError(
        `${path} has lost its log: the server took part in cluster ${formation.clusterId}, and ` +
          `${path}/${LOG_DIRECTORY} has no segments. It must not vote as if it were new. ` +
          restoreAdvice(
            clusterSizeOf(formation),
            "the log, as it was when this server last stopped,",
          ),
      );
    }
    if (expectedClusterId !== undefined && formation.clusterId !== expectedClusterId) {
      throw new DataDirectoryError(
        `${path} belongs to cluster ${formation.clusterId}, but cluster ${expectedClusterId} was ` +
          "expected. Point the server at the data directory of its own cluster.",
      );
    }
    const { serverId, incarnation } = this.identity;
    if (!isRecordOf(formation, this.identity)) {
      const self = formation.members.find((member) => member.serverId === serverId);
      throw new DataDirectoryError(
        `${path} mixes files of two lives of server ${serverId}: its identity has incarnation ` +
          `${incarnation}, its formation record ${self?.incarnation ?? "does not list it"}. ` +
          "Restore both files from the same copy.",
      );
    }
  }

  #checkForward(record: FormationRecord): void {
    assert(/^[0-9a-f]{32}$/.test(record.clusterId), "A cluster id is 32 hexadecimal digits");
    assert(record.clusterId !== UNFORMED, "A formation record needs a cluster id");
    const ids = record.members.map((member) => member.serverId);
    assert(ids.every((id, i) => i === 0 || id > ids[i - 1]!), "Members are not sorted by id");
    assert(isRecordOf(record, this.identity), "A formation record does not list this server");
    const before = this.#formation;
    if (before === null) return;
    const same = before.clusterId === record.clusterId && before.joined === record.joined &&
      before.members.length === record.members.length &&
      before.members.every((member, i) =>
        member.serverId === record.members[i]!.serverId &&
        member.incarnation === record.members[i]!.incarnation
      );
    if (!same || (before.stage === "formed" && record.stage === "prepared")) {
      throw new DataDirectoryError(
        `${this.#options.path} is ${before.stage} to form cluster ${before.clusterId}, and ` +
          `can't become ${record.stage} with cluster ${record.clusterId} or other members. ` +
          "Servers that were started for another cluster need empty directories of their own.",
      );
    }
  }

  /** Makes the log's first segment; one that is there was left by a crash on the way to `formed`. */
  #makeLog({ clusterId, joined }: FormationRecord): void {
    const disk = this.#disk;
    const { path } = this.#options;
    const segmentBytesMax = joined === true
      ? Math.min(this.#options.segmentBytesMax, JOINED_SEGMENT_BYTES)
      : this.#options.segmentBytesMax;
    const directory = `${path}/${LOG_DIRECTORY}`;
    if (!disk.exists(directory)) disk.makeDirectory(directory);
    disk.syncDirectory(path);
    removeTemporaries(disk, directory);
    if (listSegments(disk, directory).length > 0) {
      disk.syncDirectory(directory);
      return;
    }
    const head = newSegmentHead({
      sequence: 1,
      firstIndex: 1,
      previousTerm: 0,
      hardState: { term: 0, votedFor: NOBODY, suspect: false },
      segmentBytesMax,
    });
    makeSegment(disk, directory, this.#owner(clusterId), head);
  }
}

/** What the formation record says, where it can be read, else the cluster file; for advice alone. */
function clusterSize(
  disk: Disk,
  options: DataDirectoryOptions,
): ClusterSize {
  const { path, serverId } = options;
  const servers = options.servers ?? null;
  try {
    const record = readFormation(disk, path, serverId, servers);
    return record === null ? servers : clusterSizeOf(record);
  } catch (error) {
    if (!(error instanceof DataDirectoryError)) throw error;
    return servers;
  }
}

function refuseRepair(path: string, { reason }: DamagedLog): never {
  throw new DataDirectoryError(
    `${path} is being repaired: ${reason} This build can't continue that. Run the build that ` +
      "began the repair, or a newer one.",
  );
}

function parentOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash === -1 ? "." : path.slice(0, slash);
}
