/**
 * Receives a snapshot from the leader while this server keeps its own state: chunk by chunk into a file,
 * then, once that is durable, section by section into a new store. Only a whole snapshot is handed over,
 * by `takeReady()`; until then nothing of the old state has changed.
 */
import { ByteFormatError } from "../../util/bytes.ts";
import { type Clock, DiskFullError } from "../../host/ports.ts";
import { SnapshotReader } from "../../kv/snapshot_reader.ts";
import type { Store, StoreOptions } from "../../kv/store.ts";
import type { RaftState } from "../../raft/state.ts";
import type { Configuration, SnapshotChunk, SnapshotPosition } from "../../raft/types.ts";
import { DataDirectoryError } from "../../storage/errors.ts";
import type { SnapshotFile, SnapshotFiles, SnapshotPart } from "../../storage/types.ts";
import type { NodeHost } from "../api.ts";

/** How long sections are loaded at a time; checked between two of them. */
const LOAD_SLICE_MS = 4;

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

interface Loading {
  readonly file: SnapshotFile;
  readonly reader: SnapshotReader;
}

export class SnapshotReceiver {
  readonly #options: SnapshotReceiverOptions;
  #part: SnapshotPart | null = null;
  /** Of its last piece: whoever sends the rest has to know how much is held. */
  #origin: ChunkOrigin | null = null;
  /** When the last piece of it came, by the monotonic clock. */
  #heardMs = 0;
  /** What was received is being made durable. */
  #isStoring = false;
  #isFinishing = false;
  #loading: Loading | null = null;
  #ready: ReceivedSnapshot | null = null;

  constructor(options: SnapshotReceiverOptions) {
    this.#options = options;
  }

  /** A piece of a snapshot that the core wants. */
  receive(chunk: SnapshotChunk): void {
    if (this.#isFinishing || this.#loading !== null || this.#ready !== null) {
      // All of it is here already; the core tells the leader once it is restored from it.
      return this.#options.answers.answerChunk(chunk, chunk.totalBytes);
    }
    this.#heardMs = this.#options.clock.monotonicMs();
    try {
      const part = this.#partFor(chunk);
      const held = part.heldBytes;
      const { from, index, snapshotTerm } = chunk;
      this.#origin = { from, index, snapshotTerm };
      // New bytes are acknowledged once they are stored: that bounds what waits for the disk.
      if (part.write(chunk.offset, chunk.data) === held) {
        this.#options.answers.answerChunk(chunk, held);
      } else if (!this.#isStoring) this.#store(part);
    } catch (error) {
      this.#drop();
      this.#warn(error);
    }
  }

  /** True while what came is loaded, section by section. */
  get isLoading(): boolean {
    return this.#loading !== null;
  }

  /**
   * Loads the next sections of what was received. By time, not by turns: turns that each ask for the
   * next keep the runtime from its sockets, and a server that loads would be taken for dead.
   */
  elapse(): void {
    const loading = this.#loading;
    if (loading === null) return;
    const { files, clock } = this.#options;
    const { file, reader } = loading;
    const untilMs = clock.monotonicMs() + LOAD_SLICE_MS;
    try {
      do {
        const records = file.nextSection();
        if (records === null) return this.#loaded(file, reader);
        reader.add(records);
      } while (clock.monotonicMs() < untilMs);
    } catch (error) {
      this.#loading = null;
      file.close();
      files.remove(file.position);
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
    return this.#part !== null || this.#isFinishing || this.#loading !== null;
  }

  get isReady(): boolean {
    return this.#ready !== null;
  }

  #loaded(file: SnapshotFile, reader: SnapshotReader): void {
    const { position, configuration } = file;
    this.#ready = { position, configuration, store: reader.finish() };
    this.#loading = null;
    file.close();
    const fields = { index: position.index, keys: this.#ready.store.keys };
    const message = "Snapshot received from the leader";
    this.#options.host.log({ level: "info", message, fields });
  }

  #partFor({ index, snapshotTerm: term, totalBytes }: SnapshotChunk): SnapshotPart {
    const part = this.#part;
    const isSame = part !== null && part.position.index === index &&
      part.position.term === term && part.bodyBytes === totalBytes;
    if (isSame) return part;
    this.#drop();
    part?.abort();
    return this.#part = this.#options.files.receive({ index, term }, totalBytes);
  }

  #drop(): void {
    this.#part = null;
    this.#isStoring = false;
  }

  /** Makes durable what was received, and acknowledges it; then what came meanwhile. */
  #store(part: SnapshotPart): void {
    const { host } = this.#options;
    const held = part.heldBytes;
    if (held === part.bodyBytes) return this.#finish(part);
    this.#isStoring = true;
    part.flush((error) => {
      this.#isStoring = false;
      if (error !== null) {
        this.#drop();
        return error instanceof DiskFullError ? this.#warn(error) : host.fatal(error);
      }
      this.#answer(held);
      if (part.heldBytes > held) this.#store(part);
    });
  }

  #finish(part: SnapshotPart): void {
    const { files, storeOptions, host } = this.#options;
    this.#drop();
    this.#isFinishing = true;
    part.finish((error) => {
      this.#isFinishing = false;
      if (error !== null && !(error instanceof DiskFullError)) return host.fatal(error);
      try {
        if (error !== null) throw error;
        const file = files.open(part.position);
        const options = { ...storeOptions, capacityHint: file.head.keys };
        this.#loading = { file, reader: new SnapshotReader(options, file.head) };
        this.#answer(part.bodyBytes);
      } catch (error) {
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
