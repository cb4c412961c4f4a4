/**
 * Reports what is in a data directory, and what is wrong there. Reads every byte, changes none, and takes
 * no lock: a server that runs meanwhile is not disturbed, and what it is writing may look torn.
 */
import type { HardState, SnapshotPosition } from "../../raft/types.ts";
import { type Disk, DiskError } from "../../host/ports.ts";
import { ByteFormatError, readU64 } from "../../util/bytes.ts";
import { LOG_DIRECTORY, partWithoutFormation, partWithoutIdentity } from "../recovery/parts.ts";
import { FORMATION_FILE, readFormation } from "../files/formation_file.ts";
import { DataDirectoryError } from "../errors.ts";
import { FILE_HEAD_BYTES, isFileHeadIntact } from "../files/file_head.ts";
import { IDENTITY_FILE, readIdentity } from "../files/identity_file.ts";
import { inspectRecords, type RecordReport } from "./inspect_records.ts";
import { inspectSnapshot, type Problem, type SnapshotReport } from "./inspect_snapshot.ts";
import { ASIDE_PREFIX, readRepairRecord } from "../recovery/repair_record.ts";
import { oneDamageSentence } from "../recovery/damage.ts";
import { type LogScan, scanLog } from "../recovery/scan_log.ts";
import type { LogOwner } from "../segments/segment_head.ts";
import { SNAPSHOT_RESERVE_FILES } from "../reserves/snapshot_reserves.ts";
import { keepsUnused, SPARE_SUFFIX } from "../segments/spare_segments.ts";
import { readSmallFile, sizeOf, TEMPORARY_SUFFIX } from "../files/small_file.ts";
import { listSnapshots, SNAPSHOT_DIRECTORY } from "../snapshots/snapshot_directory.ts";
import { type DamagedLog, type FormationRecord, type Identity, isRecordOf } from "../types.ts";

export interface SegmentReport {
  readonly path: string;
  readonly sequence: number;
  /** Of the entries appended since it began; the second is one less than the first where none were. */
  readonly firstIndex: number;
  readonly lastIndex: number;
  /** Term of the entry before it, and of the hard state when it was made. */
  readonly previousTerm: number;
  readonly term: number;
  readonly usedBytes: number;
  readonly bytes: number;
  /** The next segment exists. */
  readonly closed: boolean;
  /** The log restarts here: segments before this one do not count. */
  readonly restarts: boolean;
}

export interface LogReport {
  /** The entries that startup would find; the last is one less than the first if there are none. */
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly lastTerm: number;
  readonly hardState: HardState;
  /** Bytes after the last record that startup would cut off. */
  readonly tornBytes: number;
}

export interface DirectoryReport {
  readonly path: string;
  identity: Identity | null;
  formation: FormationRecord | null;
  repairing: DamagedLog | null;
  snapshots: SnapshotReport[];
  segments: SegmentReport[];
  log: LogReport | null;
  /** Asked for by `records` only. */
  records?: RecordReport[];
  /** All files, with their sizes. */
  files: { readonly path: string; readonly bytes: number }[];
  /** Worth knowing, and no damage. */
  notes: string[];
  /** What is damaged or missing; empty where all is well. */
  problems: Problem[];
}

/** Inspects the data directory at `path`; `records` adds the log record by record. */
export function inspectDirectory(
  disk: Disk,
  path: string,
  options: { readonly records?: boolean } = {},
): DirectoryReport {
  const report: DirectoryReport = {
    path,
    identity: null,
    formation: null,
    repairing: null,
    snapshots: [],
    segments: [],
    log: null,
    files: [],
    notes: [],
    problems: [],
  };
  listFiles(disk, path, report);
  noteLeftovers(report);
  readNames(disk, path, report);
  const { identity, formation } = report;
  if (identity === null || formation === null) return report;
  const { clusterId } = formation;
  const owner: LogOwner = { ...identity, clusterId };
  checked(report, `${path}/repairing`, () => {
    report.repairing = readRepairRecord(disk, path, owner, formation.members.length);
  });
  const newest = inspectSnapshots(disk, path, owner, report);
  const directory = `${path}/${LOG_DIRECTORY}`;
  checked(report, directory, () => inspectLog(disk, directory, owner, newest, report));
  if (options.records === true) {
    checked(report, directory, () => {
      report.records = inspectRecords(disk, directory, owner);
    });
  }
  return report;
}

function listFiles(disk: Disk, path: string, report: DirectoryReport): void {
  for (const directory of [path, `${path}/${SNAPSHOT_DIRECTORY}`, `${path}/${LOG_DIRECTORY}`]) {
    for (const name of disk.list(directory)) {
      const file = `${directory}/${name}`;
      if (file === `${path}/${SNAPSHOT_DIRECTORY}` || file === `${path}/${LOG_DIRECTORY}`) continue;
      const size = () => report.files.push({ path: file, bytes: sizeOf(disk, file) });
      if (isOurs(name)) checked(report, file, size);
      else report.notes.push(`${file} is not one of a server's files; startup leaves it alone.`);
    }
  }
}

/** By the kinds of names in docs/data-directory.md; a volume of its own has `lost+found`, say. */
function isOurs(name: string): boolean {
  return /^(lock|identity|formation|repairing|reserve.*|.*\.(new|part|snap|damaged|spare|log))$/
    .test(name);
}

function noteLeftovers(report: DirectoryReport): void {
  for (const { path, bytes } of report.files) {
    const name = path.slice(path.lastIndexOf("/") + 1);
    if (SNAPSHOT_RESERVE_FILES.includes(name)) {
      report.notes.push(`${path} (${bytes} bytes) is room for the next snapshot.`);
    } else if (name.endsWith(TEMPORARY_SUFFIX) || name.endsWith(".part")) {
      report.notes.push(`${path} (${bytes} bytes) was not finished; the next startup removes it.`);
    } else if (name.endsWith(SPARE_SUFFIX)) {
      report.notes.push(
        `${path} (${bytes} bytes) is a spare, kept to be recycled; it is not part of the log.`,
      );
    } else if (name.startsWith(ASIDE_PREFIX) || name.endsWith(".damaged")) {
      report.notes.push(`${path} (${bytes} bytes) was damaged, and set aside.`);
    }
  }
}

/** Who the server is and whom it forms its cluster with. */
function readNames(disk: Disk, path: string, report: DirectoryReport): void {
  const identityPath = `${path}/${IDENTITY_FILE}`;
  checked(report, identityPath, () => {
    const bytes = readSmallFile(disk, identityPath, 4096);
    if (bytes === null) return;
    const known = bytes.length >= FILE_HEAD_BYTES && isFileHeadIntact(bytes);
    report.identity = readIdentity(disk, path, known ? readU64(bytes, 28) : 0, null);
  });
  const { identity } = report;
  if (identity === null) {
    if (report.problems.length > 0) return;
    // As startup decides: a file that never got its name was never there.
    const part = partWithoutIdentity(disk, path);
    if (part === undefined) report.notes.push("No server has been started here yet.");
    else problem(report, identityPath, `the file is missing, and ${part} is there`);
    return;
  }
  const formationPath = `${path}/${FORMATION_FILE}`;
  checked(report, formationPath, () => {
    report.formation = readFormation(disk, path, identity.serverId, null);
  });
  if (report.formation !== null) return checkMember(report, identity, report.formation);
  if (report.problems.length > 0) return;
  const later = partWithoutFormation(disk, path);
  if (later !== undefined) {
    problem(report, formationPath, `the file is missing, and ${later} is there`);
  } else report.notes.push("The server has formed no cluster yet.");
}

/** Two files of two lives of one server; startup refuses them. */
function checkMember(
  report: DirectoryReport,
  identity: Identity,
  formation: FormationRecord,
): void {
  const { serverId, incarnation } = identity;
  if (isRecordOf(formation, identity)) return;
  const self = formation.members.find((member) => member.serverId === serverId);
  const listed = self === undefined ? "does not list it" : `has ${self.incarnation}`;
  problem(
    report,
    `${report.path}/${FORMATION_FILE}`,
    `the identity has incarnation ${incarnation}, and this ${listed}`,
  );
}

/** Returns the newest snapshot that can be used. */
function inspectSnapshots(
  disk: Disk,
  path: string,
  owner: LogOwner,
  report: DirectoryReport,
): SnapshotPosition {
  const directory = `${path}/${SNAPSHOT_DIRECTORY}`;
  let newest: SnapshotPosition = { index: 0, term: 0 };
  for (const position of listSnapshots(disk, directory)) {
    const snapshot = inspectSnapshot(disk, directory, owner, position);
    report.snapshots.push(snapshot);
    if (snapshot.problem !== null) report.problems.push(snapshot.problem);
    else if (newest.index === 0) newest = position;
  }
  return newest;
}

function inspectLog(
  disk: Disk,
  directory: string,
  owner: LogOwner,
  newest: SnapshotPosition,
  report: DirectoryReport,
): void {
  const isFormed = report.formation?.stage === "formed";
  const hasLog = report.files.some(({ path }) => /\/wal\/\d{16}\.log$/.test(path));
  if (!hasLog) {
    if (isFormed) problem(report, directory, "the log has no segments, and the cluster is formed");
    return;
  }
  const scan = scanLog(disk, directory, owner, newest);
  for (const damage of scan.damage) {
    const offset = damage.end > damage.offset ? damage.offset : null;
    report.problems.push({ path: damage.path, offset, message: oneDamageSentence(damage) });
  }
  report.segments = scan.segments.map(segmentReport);
  report.log = logReport(scan);
  const older = report.snapshots.filter(({ problem }) => problem === null)[1]?.position.index ?? 0;
  if (scan.damage.length === 0 && scan.replay.firstIndex > older + 1) {
    report.notes.push(
      `The log begins with entry ${scan.replay.firstIndex}: only snapshot ${newest.index} has ` +
        "what is before it, until the next one is taken.",
    );
  }
  for (const path of scan.leftovers) {
    report.notes.push(`${path} is from before the log was restarted; the next startup removes it.`);
  }
  if (scan.unused !== null) {
    const { path, head } = scan.unused;
    const isKept = keepsUnused(disk, directory, head.recycled, report.repairing !== null);
    const fate = isKept ? "keeps it as a spare" : "removes it";
    report.notes.push(`${path} was made and never used: the next startup ${fate}.`);
  }
  const last = scan.segments.at(-1);
  if (last?.tail.verdict === "torn" && scan.damage.length === 0) {
    report.notes.push(
      `${last.path} ends with ${report.log.tornBytes} bytes at ${last.end} that are no record: a ` +
        "write that a crash tore. The next startup cuts them off, and the server is suspect.",
    );
  }
}

function segmentReport({ path, head, lastIndex, end, closed }: LogScan["segments"][number]) {
  const { sequence, firstIndex, previousTerm, length, hardState, restarts } = head;
  return {
    path,
    sequence,
    firstIndex,
    lastIndex,
    previousTerm,
    term: hardState.term,
    usedBytes: end,
    bytes: length,
    closed,
    restarts,
  };
}

function logReport({ replay, segments, damage }: LogScan): LogReport {
  const tail = segments.at(-1);
  const { firstIndex, nextIndex, lastTerm, hardState } = replay;
  const tornBytes = tail === undefined || damage.length > 0 ? 0 : tail.usedEnd - tail.end;
  return { firstIndex, lastIndex: nextIndex - 1, lastTerm, hardState, tornBytes };
}

function problem(report: DirectoryReport, path: string, message: string): void {
  report.problems.push({ path, offset: null, message });
}

/** Runs `read`, and notes what it refuses as a problem of the file at `path`. */
function checked(report: DirectoryReport, path: string, read: () => void): void {
  try {
    read();
  } catch (error) {
    const isProblem = error instanceof DataDirectoryError || error instanceof DiskError ||
      error instanceof ByteFormatError;
    if (!isProblem) throw error;
    problem(report, path, error.message);
  }
}
