/**
 * What the pure parts may ask of the world. The real ones are in this folder; the simulator has its
 * own. Nothing here is a promise but the network: completions come back as calls, so that the node
 * loop, the storage and the sessions run unmodified in simulated time.
 */

/** Time. Safety never depends on it. */
export interface Clock {
  /** Milliseconds since some moment; never goes back. */
  monotonicMs(): number;
  /** Milliseconds since 1970; may jump. Only key expiry looks at it. */
  wallMs(): number;
}

/** Unsigned 32-bit random numbers; seeded from the system in production. */
export interface Rng {
  u32(): number;
}

/** What scrypt takes (RFC 7914): cost, block size, parallelization. */
export interface ScryptParameters {
  readonly N: number;
  readonly r: number;
  readonly p: number;
}

/** What passwords need of the system. */
export interface Passwords {
  /**
   * The scrypt hash of a password, 32 bytes, or null where the system can't make it. Runs off the event
   * loop; `done` is called from the event loop, never from within the call.
   */
  hashPassword(
    password: Uint8Array,
    salt: Uint8Array,
    parameters: ScryptParameters,
    done: (hash: Uint8Array | null) => void,
  ): void;
  /** A digest of `bytes` as a text, under a key that was drawn for this process and never leaves it. */
  keyedDigest(bytes: Uint8Array): string;
}

/** Secrets for those who lost every administrator's password: proof of access to the data directory. */
export interface UserResets {
  /** Why `secret` (a byte a letter) is not good for a change of a user, half a sentence; null: it is. */
  problem(secret: string): string | null;
  /** As `problem`; where it is null the secret is used up by now, whatever happens next. Blocking. */
  take(secret: string): string | null;
}

/** What a process has used since it started. */
export interface ProcessUse {
  /** Time of the processor, over all threads. */
  readonly cpuMs: number;
  /** Time in calls to the disk that hold up the event loop. */
  readonly diskMs: number;
  /** The longest of those calls since the last question: verb, path and time; empty where none was long. */
  readonly longestDiskCall: string;
}

/** A write found no room. What was written of it has to be cut off again by the caller. */
export class DiskFullError extends Error {
  override readonly name = "DiskFullError";
}

/** Any other failure of the disk: an input/output error, no permission, a missing file. */
export class DiskError extends Error {
  override readonly name = "DiskError";
}

/** True for what a disk throws. */
export function isDiskProblem(error: unknown): error is DiskFullError | DiskError {
  return error instanceof DiskFullError || error instanceof DiskError;
}

/** How an operation of the disk ended. Called from the event loop, never from within the call. */
export type DiskDone = (error: Error | null) => void;

/**
 * One open file. Reads and writes go to the page cache; only `sync` makes bytes survive a crash, and
 * a failed sync must never be retried (the pages may be marked clean).
 *
 * Calls that end in `Later`, and `sync`, run off the event loop; the others block it, a write
 * too: for milliseconds where the file is being synced, or where much is on its way to the disk.
 */
export interface DiskFile {
  readonly path: string;
  size(): number;
  /** Reads up to `into.length` bytes from `offset`; returns how many there were. */
  read(offset: number, into: Uint8Array): number;
  /**
   * The same off the event loop: fills `into`; an end of the file before that is a `DiskError`. Until `done`
   * the file must not be used.
   */
  readLater(offset: number, into: Uint8Array, done: DiskDone): void;
  /** Writes all of `bytes` at `offset`, or throws `DiskFullError` or `DiskError`. */
  write(offset: number, bytes: Uint8Array): void;
  /**
   * The same off the event loop. Until `done` the bytes have to stay as they are, and the file
   * must not be used; a crash in between may leave any part of them.
   */
  writeLater(offset: number, bytes: Uint8Array, done: DiskDone): void;
  truncate(size: number): void;
  /** The same off the event loop; until `done` the file must not be used. */
  truncateLater(size: number, done: DiskDone): void;
  /**
   * Makes contents and size durable; until `done` the file must not be used. `mayBlockSync`: little is
   * written and there is nothing else to do meanwhile, so it may block if the disk has been quick.
   */
  sync(done: DiskDone, mayBlockSync?: boolean): void;
  /** The same, blocking: for start-up and for rotating segments. Throws where it fails. */
  syncNow(): void;
  close(): void;
}

/** A file system. Paths are relative to a root that the disk was made with. */
export interface Disk {
  /** Names in a directory, sorted; an absent directory has none. */
  list(directory: string): string[];
  exists(path: string): boolean;
  makeDirectory(path: string): void;
  /** Opens for reading and writing; creates an empty file where `create` is set and none is there. */
  open(path: string, options?: { create?: boolean; readOnly?: boolean }): DiskFile;
  /** Replaces `to` where it exists. Durable only once the directory is synced. */
  rename(from: string, to: string): void;
  remove(path: string): void;
  /** Makes created, renamed and removed names in `directory` durable. */
  syncDirectory(directory: string): void;
  /**
   * The same three off the event loop. In one directory they take place one after another, in the
   * order in which they were asked for, and each at once: a crash comes before it or after it. A file
   * that is renamed to another directory leaves its old one in that order; sync the new one first. A name
   * that is gone already is as good as removed.
   */
  renameLater(from: string, to: string, done: DiskDone): void;
  removeLater(path: string, done: DiskDone): void;
  syncDirectoryLater(directory: string, done: DiskDone): void;
  /**
   * Takes an exclusive lock for the life of the process (a crash releases it); false where somebody
   * has it already, this process included. The real disk needs an awaited step before: see
   * `DenoDisk.prepareLock`.
   */
  lock(path: string): boolean;
  /**
   * Gives a lock back, once everything that runs off the event loop has ended: the next owner of the lock
   * must not find operations of this one still under way.
   */
  unlock(path: string): void;
  /** Calls `run` later, never from within this call: for completions that need no input or output. */
  defer(run: () => void): void;
}

/** A byte stream to a client or another server. */
export interface Connection {
  /** A name for logs: the other end's address. */
  readonly remote: string;
  /** And this end's; absent where it is unknown. */
  readonly local?: string;
  /**
   * The DNS names of the other end's certificate, in lower case, where one was asked for and is of the CA.
   * Absent: nothing is known of who is there.
   */
  readonly peerNames?: readonly string[] | undefined;
  /** Reads some bytes; null at the end of the stream. May reject once `close()` was called. */
  read(into: Uint8Array): Promise<number | null>;
  /** Writes some of `bytes`, as a rule all; returns how many. */
  write(bytes: Uint8Array): Promise<number>;
  /** Ends the stream of what is written; reading continues. */
  closeWrite(): Promise<void>;
  close(): void;
}

/** A listening socket: an async iterator of connections that survives running out of descriptors. */
export interface Listener extends AsyncIterable<Connection> {
  readonly port: number;
  /** Address and port, for logs. */
  readonly address: string;
  /**
   * Asked once for each accepted connection: false where it takes a descriptor that files and other
   * connections may need (`spareDescriptors` below). Absent where descriptors don't run out.
   */
  hasRoom?(): boolean;
  close(): void;
}

/** The network, for the shells in net/ alone. */
export interface Transport {
  /**
   * A listener for each address that `hostname` stands for, at least one. `spareDescriptors`: how many
   * have to stay free when a connection is kept; 0 unless given.
   */
  listen(hostname: string, port: number, spareDescriptors?: number): Promise<Listener[]>;
  /** Rejects where there is no connection within `timeoutMs`, and once `signal` is aborted. */
  connect(
    hostname: string,
    port: number,
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<Connection>;
}
