/**
 * The store: the state that the log's entries make. Deterministic: servers that applied the same
 * entries hold the same records and have the same digest, whatever the sizes of their tables.
 *
 * Time is the highest stamp applied. A key whose deadline is not later is due: absent to every command, but
 * held, counted and part of the digest until an entry sweeps it: so many, in the order of deadline and key.
 *
 * Versions never repeat for a key: the floor is the highest version that any deleted or expired key
 * ever had, and a new key starts above it.
 */
import { assert, broken } from "../util/assert.ts";
import {
  CAS_KEY_OFFSET,
  commandLength,
  FIRST_READ_OP,
  innerOf,
  keyLength,
  Op,
  SET_KEY_OFFSET,
} from "./commands/command.ts";
import { readU64 } from "../util/bytes.ts";
import { CLUSTER_VERSION_FIRST } from "./cluster_version.ts";
import { Contents } from "./memory/contents.ts";
import { type Digest, DigestHistory } from "./memory/digest.ts";
import { causeOfSet, type ChangeSink, withoutSink, withSink } from "./commands/changes.ts";
import { Writes } from "./commands/writes.ts";
import { deadlineOf } from "./commands/expiry_time.ts";
import { Groups } from "./commands/groups.ts";
import { Keyspace } from "./commands/keyspace.ts";
import { LookAhead } from "./prefetch.ts";
import { Reads } from "./commands/reads.ts";
import { type Result, Status } from "./commands/result.ts";
import { LARGE_VALUE_BYTES } from "./commands/rewriting.ts";
import { type KeyVisitor, scanKeys } from "./commands/scan.ts";
import { type MemoryFigures, memoryFigures } from "./memory/memory_figures.ts";
import { LoadedScripts } from "./scripts/loaded_scripts.ts";
import { applyToScripts } from "./scripts/operations.ts";
import { ClientSessions } from "./sessions/client_sessions.ts";
import { SessionCommands } from "./sessions/session_commands.ts";
import { Snapshot, type SnapshotHead } from "./snapshot.ts";
import type { RestoredState, StoreOptions } from "./store_options.ts";
import { applyToUsers } from "./users/operations.ts";
import { Permissions } from "./users/permissions.ts";
import { Users } from "./users/users.ts";

const SWEEP_KEYS_MAX_DEFAULT = 100;

export type { KeyVisitor, RestoredState, StoreOptions };

export class Store {
  /** Who may do what; while there is nobody, everybody may do everything. Changed by entries alone. */
  readonly users: Users;
  /** Which writes of which client were done, so that none is done twice. */
  readonly clientSessions: ClientSessions;
  readonly loadedScripts: LoadedScripts;
  readonly #sessionCommands: SessionCommands;
  readonly #permissions: Permissions;
  readonly #hashSeed: number;
  readonly #keys: Keyspace;
  readonly #writes: Writes;
  readonly #groups: Groups;
  readonly #reads: Reads;
  readonly #ahead = new LookAhead();
  readonly #sweepKeysMax: number;
  readonly #digests = new DigestHistory();
  #isInEntry = false;
  #clusterVersion = CLUSTER_VERSION_FIRST;

  /** `restored`: contents and position to begin with, from `SnapshotReader`. */
  constructor(options: StoreOptions, restored?: RestoredState) {
    this.users = restored?.users ?? new Users();
    this.clientSessions = restored?.clientSessions ?? new ClientSessions();
    this.loadedScripts = restored?.loadedScripts ?? new LoadedScripts();
    this.#permissions = new Permissions(this.users);
    this.#sweepKeysMax = options.sweepKeysMax ?? SWEEP_KEYS_MAX_DEFAULT;
    this.#hashSeed = options.hashSeed;
    const contents = restored?.contents ??
      new Contents(options.hashSeed, options.capacityHint ?? 0);
    const keys = this.#keys = new Keyspace(contents);
    this.#writes = new Writes(keys);
    const run = (bytes: Uint8Array, at: number, result: Result) =>
      this.#apply(bytes, at, innerOf(bytes, at), result);
    this.#sessionCommands = new SessionCommands(this.clientSessions, keys, run);
    this.#groups = new Groups(keys, {
      inGroup: (bytes, offset, result) => this.#run(bytes, offset, result),
      inTransaction: (bytes, offset, result) => {
        this.#judgeAndRun(bytes, offset, innerOf(bytes, offset), result);
      },
    });
    this.#reads = new Reads(keys, (cursor, max, visit) => scanKeys(keys, cursor, max, visit));
    if (restored === undefined) return;
    keys.index = restored.head.index;
    keys.clockMs = restored.head.clockMs;
    keys.floor = restored.head.floor;
    this.#clusterVersion = restored.head.clusterVersion;
    this.#digests.remember(keys.index, this.#digestNow());
  }

  /** The last entry applied. */
  get appliedIndex(): number {
    return this.#keys.index;
  }

  /** The highest stamp applied, ms since 1970. */
  get clockMs(): number {
    return this.#keys.clockMs;
  }

  /** The highest version that any deleted or expired key ever had. */
  get floor(): number {
    return this.#keys.floor;
  }

  /** What may be in the log after the last entry applied, see cluster_version.ts. */
  get clusterVersion(): number {
    return this.#clusterVersion;
  }

  /** Keys held, due ones that are not swept yet included. */
  get keys(): number {
    return this.#keys.contents.table.length;
  }

  /** Of these, keys that expire. */
  get expiringKeys(): number {
    return this.#keys.contents.expiry.length;
  }

  /** Bytes of the keys, values, users, replies and scripts held. */
  get bytes(): number {
    const { users, clientSessions, loadedScripts } = this;
    return this.#keys.contents.bytes + users.bytes + clientSessions.bytes + loadedScripts.bytes;
  }

  /** Has `sink` told of every change from now on, besides those that are told already. */
  tellChanges(sink: ChangeSink): void {
    this.#keys.changes = withSink(this.#keys.changes, sink);
  }

  tellNoMore(sink: ChangeSink): void {
    this.#keys.changes = withoutSink(this.#keys.changes, sink);
  }

  /** The hash of a key. */
  hashOf(bytes: Uint8Array, start: number, length: number): number {
    return this.#keys.contents.hash(bytes, start, length);
  }

  /** How long the value of a key is, due or not; 0 where there is none. */
  lengthOf(bytes: Uint8Array, start: number, length: number): number {
    if (this.#keys.contents.longestValueBytes < LARGE_VALUE_BYTES) return 0;
    this.#keys.find(bytes, start, length);
    return this.#keys.isHeld ? this.#keys.head.valueLength : 0;
  }

  /** As `Keyspace.look`: whoever asks, and whatever users there are. */
  look(bytes: Uint8Array, start: number, length: number, result: Result): boolean {
    return this.#keys.look(bytes, start, length, result);
  }

  /** Begins the entry after the last one applied. Every entry of the log has to pass here. */
  beginEntry(index: number, stampMs: number): void {
    if (this.#isInEntry) broken(`Cannot begin entry ${index}: another one is not ended`);
    if (index !== this.#keys.index + 1) {
      broken(`Cannot apply entry ${index}: the last one applied is ${this.#keys.index}`);
    }
    this.#isInEntry = true;
    this.#keys.index = index;
    if (stampMs > this.#keys.clockMs) this.#keys.clockMs = stampMs;
  }

  /**
   * Looks ahead at the next commands of an entry, some of `bytes[offset, end)`; returns the offset
   * after them. Changes nothing but the time that applying them takes.
   */
  lookAhead(bytes: Uint8Array, offset: number, end: number): number {
    return this.#ahead.look(this.#keys.contents, bytes, offset, end);
  }

  /** Applies the write at `bytes[offset]`, which `commandsProblem` has passed. */
  applyCommand(bytes: Uint8Array, offset: number, result: Result): void {
    assert(this.#isInEntry, "Cannot apply a command outside an entry: call beginEntry first");
    const inner = innerOf(bytes, offset);
    const op = bytes[inner + 4]!;
    if (op >= FIRST_READ_OP) broken(`Cannot apply operation ${op}: reads are not in the log`);
    if (bytes[offset + 4] !== Op.inSession) this.#apply(bytes, offset, inner, result);
    else this.#sessionCommands.runOnce(bytes, offset, result);
  }

  #apply(bytes: Uint8Array, offset: number, inner: number, result: Result): void {
    if (bytes[inner + 4] !== Op.transaction) return this.#judgeAndRun(bytes, offset, inner, result);
    if (!this.#permissions.allow(bytes, offset, result)) return;
    this.#reads.beginTransaction(this.#keys.index);
    this.#groups.transact(bytes, inner, result);
    this.#reads.endTransaction();
  }

  /** The entry begun raises the cluster version; one that names no higher one changes nothing. */
  raiseClusterVersion(version: number): void {
    assert(this.#isInEntry, "Cannot raise the cluster version outside an entry");
    this.#clusterVersion = Math.max(this.#clusterVersion, version);
  }

  /** Sweeps due keys, at most so many, and remembers the digest. */
  endEntry(): void {
    assert(this.#isInEntry, "Cannot end an entry: none was begun");
    this.#sessionCommands.endDue();
    this.#keys.sweep(this.#sweepKeysMax);
    this.#digests.remember(this.#keys.index, this.#digestNow());
    this.#isInEntry = false;
  }

  /** Answers the read at `bytes[offset]`, which may be in a byUser, from the present state. */
  read(bytes: Uint8Array, offset: number, result: Result): void {
    result.deadlineMs = 0;
    if (!this.#permissions.allowRead(bytes, offset, result)) return;
    const at = innerOf(bytes, offset);
    if (bytes[at + 4] !== Op.pingSession) {
      this.#reads.read(bytes, at, result, this.#permissions.user);
    } else this.#sessionCommands.ping(bytes, at, this.#permissions.user, result);
  }

  /** What reads have taken so far, in steps of about a nanosecond: the difference of two counts. */
  get readWork(): number {
    return this.#reads.work + this.#permissions.readWork;
  }

  /**
   * The earliest deadline of a key or client session later than the clock, or Infinity. It may be a lower
   * bound of that: while hundreds of due keys wait to be swept, and where sessions were used since.
   */
  nextDeadlineMs(): number {
    const { clockMs, contents } = this.#keys;
    const { earliestMs } = this.clientSessions;
    const keysMs = contents.expiry.nextDeadlineMs(clockMs);
    return earliestMs > clockMs ? Math.min(keysMs, earliestMs) : keysMs;
  }

  /** True while keys are due but not swept, or sessions not ended: that takes more entries. */
  hasDueKeys(): boolean {
    return this.clientSessions.earliestMs <= this.#keys.clockMs || this.#keys.hasDue;
  }

  /** The digest of the contents, users, client sessions and scripts: 16 hexadecimal digits. */
  digest(): string {
    return this.#digestNow().toString();
  }

  /** The digest after entry `index`; null where that is not among the last hundreds. */
  digestAt(index: number): string | null {
    return this.#digests.at(index);
  }

  /** As `scanKeys`. Cursors mean the same on all servers with the same hash seed. */
  scan(cursor: number, keysMax: number, visit: KeyVisitor): number {
    return scanKeys(this.#keys, cursor, keysMax, visit);
  }

  /** A snapshot of what there is now, between entries: close it before the next. Writes may continue. */
  beginSnapshot(): Snapshot {
    assert(!this.#isInEntry, "Cannot begin a snapshot within an entry");
    const head: SnapshotHead = {
      index: this.#keys.index,
      clockMs: this.#keys.clockMs,
      floor: this.#keys.floor,
      keys: this.keys,
      digest: this.digest(),
      clusterVersion: this.#clusterVersion,
      users: this.users.encode(),
      clientSessions: this.clientSessions.encode(),
      loadedScripts: this.loadedScripts.encode(),
    };
    return new Snapshot(this.#keys.contents, head);
  }

  memory(): MemoryFigures {
    return memoryFigures(this.#keys.contents);
  }

  /** Any command but a transaction, if its user may do it. */
  #judgeAndRun(bytes: Uint8Array, offset: number, inner: number, result: Result): void {
    if (!this.#permissions.allow(bytes, offset, result)) return;
    this.#run(bytes, inner, result);
  }

  /** Any command but a transaction, of whoever was just judged. */
  #run(bytes: Uint8Array, offset: number, result: Result): void {
    switch (bytes[offset + 4]) {
      case Op.set:
        return this.#set(bytes, offset, offset + SET_KEY_OFFSET, result);
      case Op.cas:
        return this.#set(bytes, offset, offset + CAS_KEY_OFFSET, result);
      case Op.group:
      case Op.deleteGroup:
      case Op.setAll:
        return this.#groups.apply(bytes, offset, result);
      case Op.flush:
        return this.#flush(result);
      case Op.changeUser:
      case Op.deleteUser: {
        const isByUser = this.#permissions.user !== null;
        return applyToUsers(this.users, this.#keys.index, bytes, offset, isByUser, result);
      }
      case Op.openSession:
      case Op.closeSession:
      case Op.keepSessions:
        return this.#sessionCommands.apply(bytes, offset, this.#permissions.user, result);
      case Op.loadScript:
      case Op.flushScripts:
        return applyToScripts(this.loadedScripts, this.#keys.index, bytes, offset, result);
      default:
        if (bytes[offset + 4]! < FIRST_READ_OP) return this.#writes.apply(bytes, offset, result);
        this.#reads.read(bytes, offset, result, this.#permissions.user);
    }
  }

  #digestNow(): Digest {
    const { users, clientSessions, loadedScripts } = this;
    return this.#digests.sum(this.#keys.contents.digest, users, clientSessions, loadedScripts);
  }

  /** A set, or a cas: they differ in what has to be there before. */
  #set(bytes: Uint8Array, offset: number, keyStart: number, result: Result): void {
    const keys = this.#keys;
    const length = keyLength(bytes, offset);
    const isPresent = keys.find(bytes, keyStart, length);
    if (bytes[offset + 4] === Op.cas) {
      const wanted = readU64(bytes, offset + SET_KEY_OFFSET);
      if (!isPresent && wanted !== 0) {
        result.status = Status.notFound;
        return;
      }
      if (isPresent && wanted !== keys.head.version) {
        result.status = Status.versionDiffers;
        return;
      }
    }
    const end = offset + commandLength(bytes, offset);
    const dueMs = deadlineOf(bytes, offset + 8, keys.clockMs);
    result.version = keys.put(bytes, keyStart, length, end, dueMs, causeOfSet(dueMs));
    result.status = Status.stored;
  }

  /** Removes every key at once, whatever there is. */
  #flush(result: Result): void {
    // What holds nothing is as good as new, and thousands of these may come in one command.
    if (this.keys > 0) this.#keys.clear(new Contents(this.#hashSeed, 0));
    result.status = Status.deleted;
  }
}
