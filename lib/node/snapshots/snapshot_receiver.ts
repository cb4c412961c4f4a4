/**
 * Receives a snapshot from the leader while this server keeps its own state: chunk by chunk into a file and,
 * section by section while more comes and before it is in the file, into a new store. Only a whole snapshot
 * that is durable is handed over, by `takeReady()`; until then nothing of the old state has changed.
 */
import { ByteFormatError } from "../../util/bytes.ts";
import { type Clock, DiskFullError } from "../../host/ports.ts";
import { SnapshotReader } from "../../kv/snapshot_reader.ts";
import type { Store, StoreOptions } from "../../kv/store.ts";
import type { RaftState } from "../../raft/state.ts";
import type { Configuration, SnapshotChunk, SnapshotPosition } from "../../raft/types.ts";
import { DataDirectoryError } from "../../storage/errors.ts";
import type {
  ComingRecords,
  SnapshotFile,
  SnapshotFiles,
  SnapshotPart,
} from "../../storage/types.ts";
import type { NodeHost } from "../api.ts";

/** How long sections are loaded at a time; checked between two of them. */
const LOAD_SLICE_MS = 4;
/** With each chunk that comes, so many times its length is loaded: so loading keeps up. */
const LOADED_WITH_CHUNK = 2;

/** After so long without a piece a snapshot is not being sent any more: senders try each second. */
const SILENCE_MS = 10_000;

/** A snapshot that is durable and loaded. */
export interface ReceivedSnapshot {
  readonly position: SnapshotPosition;
  readonly configuration: Configuration;
  readonly store: Store;
}

export interface SnapshotReceiverOptions {
  readonly files: SnapshotFiles;
  readonly storeOptions: StoreOptions;
  readonly clock: Clock;
  readonly host: NodeHost;
  readonly answers: ChunkAnswers;
}

export interface ChunkAnswers {
  /** Tells the server that sent a chunk up to which offset the snapshot is held. */
  answerChunk(chunk: ChunkOrigin, offset: number): void;
}

/** Which server a chunk came from, and which snapshot it is of. */
export type ChunkOrigin = Pick<SnapshotChunk, "from" | "index" | "snapshotTerm">;

/** A byte of users takes about as long as so many bytes of records: rules are read again, and compiled. */
const HEAD_WEIGHT = 32;

/** What is loaded of a snapshot, and from where. */
class Loading {
  readonly records: ComingRecords;
  /** Null before its head is there. */
  #reader: SnapshotReader | null = null;
  readonly #options: StoreOptions;

  constructor(part: SnapshotPart, options: StoreOptions) {
    this.records = part.openRecords();
    this.#options = options;
  }

  /**
   * Loads a piece of the users and client sessions, and once all are there the next section, where it is in
   * the file; how long its records are (of users, how long records would be that take as long), or null where
   * it is not. Throws what is wrong with it.
   */
  next(): number | null {
    const { records } = this;
    if (this.#reader === null) {
      const head = records.head();
      if (head === null) return null;
      this.#reader = new SnapshotReader({ ...this.#options, capacityHint: head.keys }, head);
    }
    const headBytes = this.#reader.addHead();
    if (headBytes > 0) return HEAD_WEIGHT * headBytes;
    if (!records.hasNext) return null;
    const section = records.next();
    this.#reader.add(section);
    return section.length;
  }

  /** The store, once all is loaded. Throws where records are missing or differ. */
  finish(): Store {
    return this.#reader!.finish();
  }
}

export class SnapshotReceiver {
  readonly #options: SnapshotReceiverOptions;
  #part: SnapshotPart | null = null;
  /** Of its last piece: whoever sends the rest has to know how much is held. */
  #origin: ChunkOrigin | null = null;
  /** When the last piece of it came, by the monotonic clock. */
  #heardMs = 0;
  /** What was received is being written. */
  #isStoring = false;
  #isFinishing = false;
  /** Of the part, or of a snapshot that is durable. */
  #loading: Loading | null = null;
  /** Durable, and not all loaded; it has the configuration. */
  #whole: SnapshotFile | null = null;
  #ready: ReceivedSnapshot | null = null;

  constructor(options: SnapshotReceiverOptions) {
    this.#options = options;
  }

  /** A piece of a snapshot that the core wants. */
  receive(chunk: SnapshotChunk): void {
    if (this.#isFinishing || this.#whole !== null || this.#ready !== null) {
      // All of it is here already; the core tells the leader once it is restored from it. A piece is of
      // another one.
      const { totalBytes } = chunk;
      return totalBytes === null ? undefined : this.#options.answers.answerChunk(chunk, totalBytes);
    }
    this.#heardMs = this.#options.clock.monotonicMs();
    try {
      const part = this.#partFor(chunk);
      const held = part.heldBytes;
      const { from, index, snapshotTerm } = chunk;
      this.#origin = { from, index, snapshotTerm };
      // New bytes are acknowledged once they are stored: that bounds what waits for the disk.
      const isNews = part.write(chunk.offset, chunk.data) > held;
      if (!isNews && held !== part.bodyBytes) this.#options.answers.answerChunk(chunk, held);
      else if (!this.#isStoring) this.#store(part);
    } catch (error) {
      this.#drop();
      return this.#warn(error);
    }
    this.#loadWithChunk(chunk.data.length);
  }

  /** True while there is nothing to wait for but that what came is loaded, section by section. */
  get isLoading(): boolean {
    return this.#whole !== null;
  }

  /**
   * Loads the next sections of what was received. By time, not by turns: turns that each ask for the
   * next keep the runtime from its sockets, and a server that loads would be taken for dead.
   */
  elapse(): void {
    const whole = this.#whole;
    const loading = this.#loading;
    if (whole === null || loading === null) return;
    const { files, clock } = this.#options;
    const untilMs = clock.monotonicMs() + LOAD_SLICE_MS;
    try {
      while (!loading.records.isAtEnd) {
        if (loading.next() === null) throw new DataDirectoryError("It can't be read whole");
        if (!loading.records.isAtEnd && clock.monotonicMs() >= untilMs) return;
      }
      this.#loaded(whole, loading);
    } catch (error) {
      this.#stopLoading();
      this.#whole = null;
      whole.close();
      files.remove(whole.position);
      this.#warn(error);
    }
  }

  /** Loads a little while more comes: most of the time is the network's and the disk's. */
  #loadWithChunk(chunkBytes: number): void {
    const part = this.#part;
    if (part === null) return;
    try {
      this.#loading ??= new Loading(part, this.#options.storeOptions);
      for (let left = LOADED_WITH_CHUNK * chunkBytes; left > 0;) {
        const bytes = this.#loading.next();
        if (bytes === null) break;
        left -= bytes;
      }
    } catch (error) {
      this.#drop();
      part.abort();
      this.#warn(error);
    }
  }

  /**
   * Gives up a part whose rest is not needed or not sent any more: its sender is gone, or continued with
   * appends. While the part stays, this server takes no snapshots of its own, and as a leader it could
   * not serve a follower that needs one. `nowMs`: the monotonic clock.
   */
  giveUpStale(nowMs: number, { role, commitIndex }: RaftState): void {
    const part = this.#part;
    if (part === null) return;
    const isWanted = role.kind !== "leader" && part.position.index > commitIndex;
    if (isWanted && nowMs - this.#heardMs < SILENCE_MS) return;
    this.#drop();
    part.abort();
  }

  /** The snapshot that is whole, once. */
  takeReady(): ReceivedSnapshot | null {
    const ready = this.#ready;
    this.#ready = null;
    return ready;
  }

  /** True while a snapshot comes in or is being loaded. */
  get isReceiving(): boolean {
    return this.#part !== null || this.#isFinishing || this.#whole !== null;
  }

  get isReady(): boolean {
    return this.#ready !== null;
  }

  #loaded(file: SnapshotFile, loading: Loading): void {
    const { position, configuration } = file;
    this.#ready = { position, configuration, store: loading.finish() };
    this.#stopLoading();
    this.#whole = null;
    file.close();
    const fields = { index: position.index, keys: this.#ready.store.keys };
    const message = "Snapshot received from the leader";
    this.#options.host.log({ level: "info", message, fields });
  }

  #partFor({ index, snapshotTerm: term, totalBytes }: SnapshotChunk): SnapshotPart {
    const part = this.#part;
    const isSame = part !== null && part.position.index === index &&
      part.position.term === term && part.continuesWith(totalBytes);
    if (isSame) return part;
    this.#drop();
    part?.abort();
    return this.#part = this.#options.files.receive({ index, term }, totalBytes);
  }

  /** The part is not received any further, and nothing of it is needed. */
  #drop(): void {
    this.#part = null;
    this.#isStoring = false;
    this.#stopLoading();
  }

  #stopLoading(): void {
    this.#loading?.records.close();
    this.#loading = null;
  }

  /** Writes what was received, and acknowledges it; then what came meanwhile. */
  #store(part: SnapshotPart): void {
    const { host } = this.#options;
    const held = part.heldBytes;
    if (held === part.bodyBytes) return this.#finish(part);
    this.#isStoring = true;
    part.flushSome((error) => {
      this.#isStoring = false;
      if (error !== null) {
        this.#drop();
        return error instanceof DiskFullError ? this.#warn(error) : host.fatal(error);
      }
      this.#answer(held);
      if (part.heldBytes > held || part.heldBytes === part.bodyBytes) this.#store(part);
    });
  }

  #finish(part: SnapshotPart): void {
    const { files, storeOptions, host } = this.#options;
    this.#part = null;
    this.#isStoring = false;
    this.#isFinishing = true;
    // While it has the name that it is open by.
    this.#loading ??= new Loading(part, storeOptions);
    part.finish((error) => {
      this.#isFinishing = false;
      if (error !== null && !(error instanceof DiskFullError)) return host.fatal(error);
      try {
        if (error !== null) throw error;
        this.#whole = files.open(part.position);
        this.#answer(part.heldBytes);
      } catch (error) {
        this.#stopLoading();
        this.#warn(error);
      }
    });
  }

  /** Tells the server that sends the snapshot now, which may be another leader than before. */
  #answer(heldBytes: number): void {
    this.#options.answers.answerChunk(this.#origin!, heldBytes);
  }

  /** What came was no snapshot, or found no room: it is dropped, and the leader begins again. */
  #warn(error: unknown): void {
    const isExpected = error instanceof DiskFullError || error instanceof DataDirectoryError ||
      error instanceof ByteFormatError;
    if (!isExpected) throw error;
    const fields = { reason: error.message };
    this.#options.host.log({
      level: "warning",
      message: "A received snapshot could not be stored or read",
      fields,
    });
  }
}
