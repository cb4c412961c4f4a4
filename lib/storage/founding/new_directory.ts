/**
 * Makes the data directory of a server that begins with contents from elsewhere: of a copy of another
 * server's directory, or of a backup. Nothing is at its path before all of it is durable and was read
 * back: it is made as `<path>.founding` and then renamed. A crash leaves the one or the other; what it
 * leaves of the first is removed by the next attempt. To whoever starts it, it is the directory of a
 * server that formed its cluster, took a snapshot and let its log begin after it:
 *
 *   identity, formation   who it is, and with whom it formed its cluster
 *   snapshot/….snap       all contents
 *   wal/…1.log            empty; the first entry will be the one after the snapshot
 *   lock                  held meanwhile, so that no two attempts meet
 *
 * All calls but `sync` block. They throw what the disk throws, and `DataDirectoryError` in words.
 */
import type { Disk, DiskFile } from "../../host/ports.ts";
import type { SnapshotHead } from "../../kv/snapshot.ts";
import { makeConfiguration } from "../../raft/configuration.ts";
import { NOBODY, type SnapshotPosition } from "../../raft/types.ts";
import { assert } from "../../util/assert.ts";
import { ByteWriter, writeU32 } from "../../util/bytes.ts";
import { DataDirectoryError } from "../errors.ts";
import { FILE_HEAD_BYTES, writeFileHead } from "../files/file_head.ts";
import { FORMATION_FILE, writeFormation } from "../files/formation_file.ts";
import { IDENTITY_FILE, writeIdentity } from "../files/identity_file.ts";
import { TEMPORARY_SUFFIX } from "../files/small_file.ts";
import { inspectDirectory } from "../inspection/inspect.ts";
import { LOCK_FILE, LOG_DIRECTORY } from "../recovery/parts.ts";
import { makeSegment, newSegmentHead } from "../segments/make_segment.ts";
import { type LogOwner, segmentSequence } from "../segments/segment_head.ts";
import { SectionSums } from "../snapshots/section_sums.ts";
import { SNAPSHOT_DIRECTORY } from "../snapshots/snapshot_directory.ts";
import {
  encodeConfiguration,
  encodePosition,
  encodeStoreHead,
  SECTION_HEAD_BYTES,
  SectionOrder,
  SectionTag,
  snapshotFileVersion,
  snapshotName,
  snapshotPosition,
  writeSectionHead,
} from "../snapshots/snapshot_format.ts";
import type { ClusterId, Done, FoundingMember, Identity } from "../types.ts";

/** What the directory is called until it is whole. */
const FOUNDING_SUFFIX = ".founding";
/** Bytes that are written at once. */
const WRITE_BYTES = 1_048_576;
/** Stands for the digest of the contents until it is known; as long. */
const NO_DIGEST = "0".repeat(16);

export interface NewDirectoryOptions {
  /** Where it will be, relative to the disk's root; what is above it is there. */
  readonly path: string;
  readonly identity: Identity;
  readonly clusterId: ClusterId;
  /** Those that found the cluster, this server among them; sorted by id. All of them vote. */
  readonly members: readonly FoundingMember[];
  /** What the snapshot stands for in the new log. */
  readonly position: SnapshotPosition;
  /** A suspect server's vote counts only with all others': see docs/data-directory.md. */
  readonly isSuspect: boolean;
  readonly segmentBytesMax: number;
}

/** What the snapshot begins with, but for what is known only once all records came. */
export type NewDirectoryHead = Omit<SnapshotHead, "digest">;

export class NewDirectory {
  /** Where it is made. */
  readonly workPath: string;
  readonly #disk: Disk;
  readonly #options: NewDirectoryOptions;
  readonly #owner: LogOwner;
  readonly #order = new SectionOrder();
  readonly #sectionHead = new Uint8Array(SECTION_HEAD_BYTES);
  readonly #waiting = new ByteWriter(WRITE_BYTES);
  readonly #file: DiskFile;
  /** The same, to sync it while more is written. */
  readonly #syncer: DiskFile;
  #chain = 0;
  #head: NewDirectoryHead | null = null;
  /** Where the head's section is, and the checksum that it continues. */
  #headAt = 0;
  #headSeed = 0;
  /** Of that section, and of all after it. */
  readonly #sums = new SectionSums();
  #offset = 0;
  #isFileClosed = false;
  #isEnded = false;

  private constructor(disk: Disk, options: NewDirectoryOptions) {
    this.#disk = disk;
    this.#options = options;
    this.workPath = options.path + FOUNDING_SUFFIX;
    this.#owner = { ...options.identity, clusterId: options.clusterId };
    const directory = `${this.workPath}/${SNAPSHOT_DIRECTORY}`;
    for (const made of [directory, `${this.workPath}/${LOG_DIRECTORY}`]) disk.makeDirectory(made);
    disk.syncDirectory(this.workPath);
    const path = `${directory}/${snapshotName(options.position)}`;
    this.#file = disk.open(path, { create: true });
    this.#syncer = disk.open(path);
  }

  /**
   * The file that has to be locked before `begin`: see `DenoDisk.prepareLock`, which makes the directory
   * as well.
   */
  static lockFile(path: string): string {
    return `${path}${FOUNDING_SUFFIX}/${LOCK_FILE}`;
  }

  /**
   * Begins it, over whatever an attempt that was cut off has left.
   * @throws {DataDirectoryError} where `path` is taken, or another attempt is under way.
   */
  static begin(disk: Disk, options: NewDirectoryOptions): NewDirectory {
    const { path, identity, members } = options;
    const self = members.find(({ serverId }) => serverId === identity.serverId);
    assert(self?.incarnation === identity.incarnation, "The founders do not list this server");
    refuseTaken(disk, path);
    const work = path + FOUNDING_SUFFIX;
    if (!disk.exists(work)) disk.makeDirectory(work);
    const lock = NewDirectory.lockFile(path);
    if (!disk.lock(lock)) {
      throw new DataDirectoryError(
        `${work} is in use: another command is making ${path}. Wait for that one to end.`,
      );
    }
    try {
      removeRemains(disk, work);
      return new NewDirectory(disk, options);
    } catch (error) {
      disk.unlock(lock);
      throw error;
    }
  }

  /** What the snapshot begins with; once, and before the records. */
  head(head: NewDirectoryHead): void {
    assert(this.#head === null, "A snapshot has one head");
    const { clusterId, members, position } = this.#options;
    assert(head.index === position.index, "The head is of another position");
    const fileHead = new Uint8Array(FILE_HEAD_BYTES);
    writeFileHead(fileHead, "SN", this.#owner, snapshotFileVersion(head));
    this.#waiting.raw(fileHead);
    const configuration = makeConfiguration(members.map(({ serverId }) => serverId));
    this.#section(SectionTag.position, encodePosition(clusterId, position));
    this.#section(SectionTag.configuration, encodeConfiguration(configuration));
    this.#head = head;
    this.#headAt = this.#offset + this.#waiting.length;
    this.#headSeed = this.#chain;
    this.#section(SectionTag.store, encodeStoreHead({ ...head, digest: NO_DIGEST }));
  }

  /** Whole records; copied. */
  records(bytes: Uint8Array): void {
    assert(this.#head !== null, "A snapshot's records come after its head");
    if (bytes.length > 0) this.#section(SectionTag.records, bytes);
  }

  /**
   * Makes what is written durable, off the event loop, while more may come: so little is left for the end.
   * One at a time; `done` comes before `finish` or `abort`.
   */
  sync(done: Done): void {
    this.#syncer.sync(done);
  }

  /** Makes all of it durable, reads it back, and gives it its name. `digest`: of records and users. */
  finish(digest: string): void {
    const disk = this.#disk;
    const { path, identity, clusterId, members } = this.#options;
    const work = this.workPath;
    this.#section(SectionTag.end, this.#order.encodeEnd());
    this.#write();
    this.#putDigest(digest);
    this.#file.syncNow();
    this.#closeFile();
    disk.syncDirectory(`${work}/${SNAPSHOT_DIRECTORY}`);
    this.#makeLog();
    writeIdentity(disk, work, identity);
    writeFormation(disk, work, identity.serverId, { stage: "formed", clusterId, members });
    disk.syncDirectory(work);
    const { problems } = inspectDirectory(disk, work);
    const first = problems[0];
    if (first !== undefined) {
      throw new DataDirectoryError(
        `${first.path}: what was just written reads back wrong: ${first.message}. The disk or ` +
          "the memory is at fault: choose another disk.",
      );
    }
    refuseTaken(disk, path);
    disk.rename(work, path);
    disk.syncDirectory(parentOf(path));
    this.#end();
  }

  /** Gives up, unless it is finished, and removes what is there of it: the room may be needed. */
  abort(): void {
    if (this.#isEnded) return;
    this.#closeFile();
    const disk = this.#disk;
    const work = this.workPath;
    removeRemains(disk, work);
    for (const name of [LOG_DIRECTORY, SNAPSHOT_DIRECTORY, LOCK_FILE]) {
      disk.remove(`${work}/${name}`);
    }
    disk.remove(work);
    disk.syncDirectory(parentOf(work));
    this.#end();
  }

  #closeFile(): void {
    if (!this.#isFileClosed) {
      this.#file.close();
      this.#syncer.close();
    }
    this.#isFileClosed = true;
  }

  #end(): void {
    this.#isEnded = true;
    this.#disk.unlock(NewDirectory.lockFile(this.#options.path));
  }

  #makeLog(): void {
    const { position, isSuspect, segmentBytesMax } = this.#options;
    const head = newSegmentHead({
      sequence: 1,
      firstIndex: position.index + 1,
      previousTerm: position.term,
      hardState: { term: position.term, votedFor: NOBODY, suspect: isSuspect },
      segmentBytesMax,
    });
    makeSegment(this.#disk, `${this.workPath}/${LOG_DIRECTORY}`, this.#owner, head);
  }

  #section(tag: number, content: Uint8Array): void {
    this.#chain = writeSectionHead(this.#sectionHead, tag, content, this.#chain);
    if (this.#head !== null) {
      this.#sums.add(this.#offset + this.#waiting.length, content.length, this.#chain);
    }
    this.#waiting.raw(this.#sectionHead);
    this.#waiting.raw(content);
    this.#order.end(tag, content);
    if (this.#waiting.length >= WRITE_BYTES) this.#write();
  }

  #write(): void {
    this.#file.write(this.#offset, this.#waiting.view());
    this.#offset += this.#waiting.length;
    this.#waiting.clear();
  }

  /** Completes the head in the file, and with it the checksums of all sections after it. */
  #putDigest(digest: string): void {
    assert(digest.length === NO_DIGEST.length, `A digest of ${digest.length} letters does not fit`);
    const content = encodeStoreHead({ ...this.#head!, digest });
    const sum = writeSectionHead(this.#sectionHead, SectionTag.store, content, this.#headSeed);
    this.#file.write(this.#headAt, this.#sectionHead);
    this.#file.write(this.#headAt + SECTION_HEAD_BYTES, content);
    const bytes = new Uint8Array(4);
    this.#sums.replaceFirst(sum, (offset, sum) => {
      writeU32(bytes, 0, sum);
      this.#file.write(offset, bytes);
    });
  }
}

/** A directory that has anything in it is somebody's. @throws {DataDirectoryError} for one. */
export function refuseTaken(disk: Disk, path: string): void {
  const [first] = disk.list(path);
  if (first === undefined) return;
  throw new DataDirectoryError(
    `${path} is taken: ${first} is in it. Nothing is written over: choose another --data, or ` +
      "move that directory away.",
  );
}

/** Removes what an attempt that was cut off left; refuses what no attempt makes. */
function removeRemains(disk: Disk, work: string): void {
  const known: Readonly<Record<string, (name: string) => boolean>> = {
    [work]: (name) =>
      [LOCK_FILE, SNAPSHOT_DIRECTORY, LOG_DIRECTORY, IDENTITY_FILE, FORMATION_FILE].includes(name),
    [`${work}/${SNAPSHOT_DIRECTORY}`]: (name) => snapshotPosition(name) !== null,
    [`${work}/${LOG_DIRECTORY}`]: (name) => segmentSequence(name) !== null,
  };
  const remains: string[] = [];
  for (const [directory, isKnown] of Object.entries(known)) {
    for (const name of disk.list(directory)) {
      if (!isKnown(withoutSuffix(name))) {
        throw new DataDirectoryError(
          `${directory}/${name} is no file of an attempt that was cut off: look at ${work}, and ` +
            "move it away.",
        );
      }
      const isKept = directory === work &&
        [LOCK_FILE, SNAPSHOT_DIRECTORY, LOG_DIRECTORY].includes(name);
      if (!isKept) remains.push(`${directory}/${name}`);
    }
  }
  for (const path of remains) disk.remove(path);
  for (const directory of Object.keys(known)) {
    if (disk.exists(directory)) disk.syncDirectory(directory);
  }
}

function withoutSuffix(name: string): string {
  return name.endsWith(TEMPORARY_SUFFIX) ? name.slice(0, -TEMPORARY_SUFFIX.length) : name;
}

function parentOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash === -1 ? "." : path.slice(0, slash);
}
