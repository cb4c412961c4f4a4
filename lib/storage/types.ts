/** What the storage hands to the node, and what it is asked to keep. */
import type {
  Configuration,
  EntriesRequest,
  Entry,
  HardState,
  Incarnation,
  PersistBatch,
  ServerId,
  SnapshotPosition,
} from "../raft/types.ts";
import type { SnapshotHead } from "../kv/snapshot.ts";
import type { DataDirectoryError } from "./errors.ts";

/** 16 bytes as 32 hexadecimal digits; all zeroes while unformed. */
export type ClusterId = string;
export type { Incarnation };

export const UNFORMED: ClusterId = "0".repeat(32);

export interface Identity {
  readonly serverId: ServerId;
  readonly incarnation: Incarnation;
}

export interface FoundingMember {
  readonly serverId: ServerId;
  readonly incarnation: Incarnation;
}

/**
 * How far a cluster's forming has come on this server. `prepared`: these are the incarnations that
 * it will form with, and no others, ever. `formed`: all of them are known to have prepared the same.
 */
export interface FormationRecord {
  readonly stage: "prepared" | "formed";
  readonly clusterId: ClusterId;
  /** Sorted by id. */
  readonly members: readonly FoundingMember[];
  /** This server was added later: it is none of the founders, though its id may be one's. */
  readonly joined?: true;
}

/** True for a record that server `serverId` with this data directory can have. */
export function isRecordOf(
  { members, joined }: FormationRecord,
  { serverId, incarnation }: Identity,
): boolean {
  const self = members.find((member) => member.serverId === serverId);
  return (self?.incarnation === incarnation) === (joined !== true);
}

/** Called from the event loop once it is durable, or with what went wrong. */
export type Done = (error: Error | null) => void;

/** Called from the event loop with the entries that were read, or null where they are in no file. */
export type EntriesRead = (
  error: DataDirectoryError | null,
  entries: readonly Entry[] | null,
) => void;

/** Which files are kept for followers that lag, besides those that this server itself needs. */
export interface FollowerNeeds {
  /** This entry and those after it; Infinity: none. */
  readonly fromIndex: number;
  /** But no more than so many bytes of files; the oldest go first. */
  readonly bytesMax: number;
}

/** What recovery found: the newest good snapshot, and the write-ahead log around it. */
export interface RecoveredLog {
  readonly hardState: HardState;
  /** The snapshot that was loaded; null where there is none: the contents begin empty. */
  readonly snapshot: RecoveredSnapshot | null;
  /**
   * Contiguous, from the first that is kept. That is at most the one after the snapshot's index. Entries up
   * to that index are in the snapshot already, and are kept for followers that lag.
   */
  readonly entries: readonly Entry[];
  /** Term of the entry before the first of `entries`. */
  readonly previousTerm: number;
  /** Bytes cut off the tail, for the log line; 0 mostly. */
  readonly cutBytes: number;
  /** What was put right without a loss, one sentence each, for the log; empty mostly. */
  readonly notes: readonly string[];
  /**
   * Set where entries that were durable once can't be read any more, until `finishRepair()`. Such a
   * server must not vote, campaign or serve before its log has been verified again, see
   * docs/data-directory.md. Always null unless `openLog` was told that the node can repair.
   */
  readonly damaged: DamagedLog | null;
}

export interface RecoveredSnapshot {
  readonly position: SnapshotPosition;
  /** The configuration that was in force at `position`. */
  readonly configuration: Configuration;
  readonly head: SnapshotHead;
}

/** What a repairing server knows about what it lost. */
export interface DamagedLog {
  /** Everything before it is sound; this entry and those after it may be lost. */
  readonly fromIndex: number;
  /** The highest index that was seen anywhere, after the damage too. */
  readonly lastIndexSeen: number;
  /** One sentence: which file, which bytes, what is wrong. */
  readonly reason: string;
}

export interface OpenLogOptions {
  /**
   * Loads a snapshot into a new store, by `nextSection()` until it is null. Called for the newest
   * one; where that one turns out damaged (`DataDirectoryError` or `ByteFormatError`), once more for
   * the one before it, from its beginning. Without it snapshots are only read and checked.
   */
  readonly load?: (file: SnapshotFile) => void;
  /**
   * The node can fetch again what is damaged: start with `damaged` set instead of refusing, unless this
   * server is the only voter (only_voter.ts).
   */
  readonly repair?: boolean;
}

/**
 * The snapshots of a data directory. Two are kept, so that damage to the newest is no loss. What is
 * written here never takes the log's reserve: the next snapshot has one of its own.
 */
export interface SnapshotFiles {
  /** Durable snapshots, the newest first. */
  list(): readonly SnapshotPosition[];
  /** Bytes on disk, of temporary files and the reserve too. */
  bytes(): number;
  /**
   * Keeps room for the next snapshot, which may take `snapshotBytes`, off the event loop, a piece
   * with each call. Where there is none, `LogStorage.hasRoom()` is false. `nowMs`: the monotonic clock.
   */
  keepReserve(snapshotBytes: number, nowMs: number): void;
  /** When `keepReserve` has the next piece to make, by the monotonic clock; Infinity: none for now. */
  nextReserveMs(): number;
  /** True where a snapshot of so many bytes needs no room but what is reserved for it. */
  reserveHolds(snapshotBytes: number): boolean;
  /** True where snapshots of so many bytes would take much less than those that are kept. */
  wouldShrink(snapshotBytes: number): boolean;
  /**
   * Begins to write the snapshot at `position`, which is later than the newest one. Throws
   * `DiskFullError` or `DiskError`. One at a time.
   */
  begin(position: SnapshotPosition, configuration: Configuration): SnapshotWriter;
  /**
   * The same contents for readers alone (`SnapshotWriter.openBody`): nothing of it is synced, it is never in
   * `list()`, takes no reserve, and is gone with the last who has it open. Errors as above; not at the same
   * time as another writer.
   */
  beginSpool(position: SnapshotPosition, configuration: Configuration): SnapshotWriter;
  /** How long the file of one that `list()` has is. */
  bytesOf(position: SnapshotPosition): number;
  /** Opens one that `list()` has; throws `DataDirectoryError` where its head is damaged. */
  open(position: SnapshotPosition): SnapshotFile;
  /**
   * Receives the body of another server's snapshot; `bodyBytes` null: it is still being made there. A part of
   * the same position that `continuesWith` that length, and was left by a broken link, continues where it
   * ended; any other part is removed. One at a time.
   */
  receive(position: SnapshotPosition, bodyBytes: number | null): SnapshotPart;
  /** Removes one that can't be loaded; blocking. */
  remove(position: SnapshotPosition): void;
}

/**
 * Writes one snapshot: `head` once, `records` any number of times with a `flush` now and then,
 * `finish`. What is given waits in memory for the next flush. Where `done` gets an error, the writer
 * has aborted itself and its file is on its way out.
 */
export interface SnapshotWriter {
  readonly position: SnapshotPosition;
  /** It recycles the reserve, and needs no other room. */
  readonly isReserved: boolean;
  /** It is written for readers alone: where others are synced, this is only written. */
  readonly isSpool: boolean;
  head(head: SnapshotHead): void;
  /** Whole records, about 128 KiB each time (`SECTION_BYTES_MAX` at most); copied. */
  records(bytes: Uint8Array): void;
  /**
   * Writes and syncs what waits, off the event loop: little at a time, so that the log's syncs do
   * not wait for much. One at a time. `DiskFullError`: aborted; any other error: the process must end.
   */
  flush(done: Done): void;
  /** The same where somebody waits for it: what is written is synced every few megabytes only. */
  flushSome(done: Done): void;
  /**
   * Ends the file and makes it durable; then it is in `list()`, and those before the previous one
   * are on their way out. Errors as with `flush`.
   */
  finish(done: Done): void;
  /** Opens what was given by now; it outlives the writer. Null where it is about to be in `list()`. */
  openBody(): WrittenBody | null;
  /** Removes what was written. Allowed at any time; a `done` under way is not called any more. */
  abort(): void;
}

/** The body of a snapshot that is being written. */
export interface WrittenBody {
  /** How much of it can be read by now; it need not be in the file yet. */
  readonly bytes: number;
  /** How long it is; null before its last section was given. */
  readonly bodyBytes: number | null;
  /** All of it is: of a spool alone, as the others are in `SnapshotFiles.list()` then. */
  readonly isWhole: boolean;
  /** It was given up before it was whole: its file may become another one. */
  readonly isLost: boolean;
  /** As `SnapshotFile.readBody`, of those bytes. */
  readBody(offset: number, into: Uint8Array): number;
  close(): void;
}

/** One snapshot, open for reading. */
export interface SnapshotFile extends RecoveredSnapshot {
  /** The part that travels to other servers, byte for byte: everything after the file head. */
  readonly bodyBytes: number;
  /**
   * The records of the next section, checked, in a buffer that the next call uses again; null once
   * the end was reached and everything was as it was written. Throws `DataDirectoryError` that
   * names file and byte.
   */
  nextSection(): Uint8Array | null;
  /** Reads a piece of the body, unchecked: the receiver checks. Returns how many bytes there were. */
  readBody(offset: number, into: Uint8Array): number;
  close(): void;
}

/** A snapshot on its way here. Every byte is checked while it comes. */
export interface SnapshotPart {
  readonly position: SnapshotPosition;
  /** How long the body is; null while that is not known. */
  readonly bodyBytes: number | null;
  /** Bytes held without a gap: the next chunk begins here. */
  readonly heldBytes: number;
  /** False where a body of this length is another one; where its length was not known, it is now. */
  continuesWith(bodyBytes: number | null): boolean;
  /**
   * Checks and takes a chunk that begins at `heldBytes`; any other is dropped, and so is one for
   * which too much waits for a `flush`. Returns `heldBytes`. Throws `DataDirectoryError` where the
   * bytes are no such snapshot (the part is removed then: begin again).
   */
  write(offset: number, bytes: Uint8Array): number;
  /** See `SnapshotWriter.flushSome`: what waits for the disk is bounded, and `finish` makes it durable. */
  flushSome(done: Done): void;
  /** Opens it for reading what came by now, while more comes; it outlives the part. */
  openRecords(): ComingRecords;
  /**
   * Makes the whole snapshot durable; then it is in `list()`. Only then may what was loaded of it take the
   * place of anything; then `LogStorage.restart`; and only once that is done may anybody be told that it is
   * here. Where it can't be loaded: `SnapshotFiles.remove`. Errors as with `SnapshotWriter.finish`.
   */
  finish(done: Done): void;
  abort(): void;
}

/** The records of a snapshot that is being received. */
export interface ComingRecords {
  /** What stands before the records; null while that is not there. */
  head(): SnapshotHead | null;
  /** True while `next` has more by now. */
  readonly hasNext: boolean;
  /** All of them were read. */
  readonly isAtEnd: boolean;
  /**
   * The records of the next section, checked again, in a buffer that the next call uses again; empty at the
   * end. Only while there are some. Throws `DataDirectoryError` where they are not
   * what came.
   */
  next(): Uint8Array;
  close(): void;
}

/** The entries that are in the log's files. */
export interface EntriesReader {
  /**
   * Reads entries that are durable and committed, off the event loop, and checks them. The error is a
   * `DataDirectoryError`, with the file, where a record is damaged or the disk does not give it: up to there
   * nothing is read any more.
   */
  read(request: EntriesRequest, done: EntriesRead): void;
  /** True where `read` finds all that follows `index`, and its term. */
  reaches(index: number): boolean;
  /** Bytes of the log after `index`, about. */
  bytesAfter(index: number): number;
  /** Bytes of all entries that were ever there, as counted since the start: only grows. */
  readonly writtenBytes: number;
}

/** The write-ahead log, as the node uses it. */
export interface LogStorage {
  /**
   * Writes the batch and syncs it; `done` is called later, once it is durable. Never called while
   * another is under way. A `DiskFullError` comes with the file restored to what it held before the
   * call, and nothing of the batch kept; any other error means that this disk can't be trusted any
   * more: the process must end. A batch may take several syncs, where a new file has to be made for
   * it: `onSync` is called after each but the last.
   */
  persist(
    batch: PersistBatch,
    done: Done,
    onSync?: () => void,
    onWrite?: (isOver: boolean) => void,
  ): void;
  /** Called when nothing was persisted for some milliseconds: marks the log's end as synced. */
  markSynced(done: Done): void;
  /**
   * Removes files all of whose entries come before `keepFromIndex`, off the event loop; at any time. What
   * the previous snapshot needs after it is kept whatever is asked; what followers need, unless the disk is
   * full.
   */
  compact(keepFromIndex: number, needs?: FollowerNeeds): void;
  /** Reads what is in the files. */
  readonly reader: EntriesReader;
  /**
   * After a snapshot from another server was made durable and loaded: drops all entries; the log
   * continues after `position`, which is in `SnapshotFiles.list()`. Older snapshots are removed.
   * Called like `persist`, and answered like it: with a `DiskFullError` nothing has changed.
   */
  restart(position: SnapshotPosition, done: Done): void;
  /**
   * The log was repaired (`RecoveredLog.damaged`): the next startup is an ordinary one, and what was
   * set aside is removed. Blocking, at any time. The caller has made sure that the log is durable
   * and equal to a leader's, see docs/data-directory.md.
   */
  finishRepair(): void;
  /** False while only reserves are left: sets are refused, deletes and the log's own end continue. */
  hasRoom(): boolean;
  /**
   * Looks for room, off the event loop, where there was none: call it now and then. `nowMs`: the
   * monotonic clock. Room counts once it has been there for some seconds, see room.ts.
   */
  seekRoom(nowMs: number): void;
  /**
   * Bytes that the log can take whatever becomes of the disk: what is left of the segment that is
   * written to, of spare segments and the reserve. Infinity while the disk takes sets.
   */
  roomBytes(): number;
  /** Bytes on disk, snapshots not counted. */
  bytes(): number;
  /** Of these, what snapshots would free sooner or later: segments that are not written to any more. */
  earlierBytes(): number;
  /** Marks the end as synced and closes the files; blocking. */
  close(): void;
}
