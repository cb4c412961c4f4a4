/**
 * Takes in a snapshot from the leader, beside the state that this server has: chunk by chunk into a
 * file, then, once that is durable, section by section into a new store. Only a whole one is handed
 * over, by `takeReady()`; until then nothing of the old state has changed.
 */
import { ByteFormatError } from "../util/bytes.ts";
import { DiskFullError } from "../host/ports.ts";
import { SnapshotReader } from "../kv/snapshot_reader.ts";
import type { Store, StoreOptions } from "../kv/store.ts";
import type { Configuration, SnapshotChunk, SnapshotPosition } from "../raft/types.ts";
import { DataDirectoryError } from "../storage/errors.ts";
import type { SnapshotFile, SnapshotFiles, SnapshotPart } from "../storage/types.ts";
import type { NodeHost } from "./shells.ts";

/** Sections loaded in one tick: some 500 KiB, a few milliseconds. */
const SECTIONS_A_TICK = 2;

/** A snapshot that is durable and loaded. */
export interface ReceivedSnapshot {
  readonly position: SnapshotPosition;
  readonly configuration: Configuration;
  readonly store: Store;
}

export interface SnapshotReceiverOptions {
  readonly files: SnapshotFiles;
  readonly storeOptions: StoreOptions;
  readonly host: NodeHost;
  /** Tells the leader how much is held. */
  readonly answer: (chunk: SnapshotChunk, offset: number) => void;
}

interface Loading {
  readonly file: SnapshotFile;
  readonly reader: SnapshotReader;
}

export class SnapshotReceiver {
  readonly #options: SnapshotReceiverOptions;
  #part: SnapshotPart | null = null;
  #isFinishing = false;
  #loading: Loading | null = null;
  #ready: ReceivedSnapshot | null = null;

  constructor(options: SnapshotReceiverOptions) {
    this.#options = options;
  }

  /** A piece that is news to the core. */
  receive(chunk: SnapshotChunk): void {
    if (this.#isFinishing || this.#loading !== null || this.#ready !== null) {
      // All of it is here already; the core tells the leader once it is taken over.
      return this.#options.answer(chunk, chunk.totalBytes);
    }
    try {
      const part = this.#partFor(chunk);
      if (chunk.data.length > 0) part.write(chunk.offset, chunk.data);
      this.#options.answer(chunk, part.heldBytes);
      if (part.heldBytes === part.bodyBytes) this.#finish(part);
    } catch (error) {
      this.#part = null;
      this.#complain(error);
    }
  }

  /** Loads the next sections of what has come. */
  tick(): void {
    const loading = this.#loading;
    if (loading === null) return;
    const { files, storeOptions: _, host } = this.#options;
    const { file, reader } = loading;
    try {
      for (let i = 0; i < SECTIONS_A_TICK; i++) {
        const records = file.nextSection();
        if (records !== null) {
          reader.add(records);
          continue;
        }
        const { position, configuration } = file;
        this.#ready = { position, configuration, store: reader.finish() };
        this.#loading = null;
        file.close();
        const fields = { index: position.index, keys: this.#ready.store.keys };
        host.log({ level: "info", message: "Snapshot received from the leader", fields });
        return;
      }
    } catch (error) {
      this.#loading = null;
      file.close();
      files.remove(file.position);
      this.#complain(error);
    }
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

  #partFor({ index, snapshotTerm: term, totalBytes }: SnapshotChunk): SnapshotPart {
    const part = this.#part;
    const isSame = part !== null && part.position.index === index &&
      part.position.term === term && part.bodyBytes === totalBytes;
    if (isSame) return part;
    this.#part = null;
    part?.abort();
    return this.#part = this.#options.files.receive({ index, term }, totalBytes);
  }

  #finish(part: SnapshotPart): void {
    const { files, storeOptions, host } = this.#options;
    this.#part = null;
    this.#isFinishing = true;
    part.finish((error) => {
      this.#isFinishing = false;
      if (error !== null && !(error instanceof DiskFullError)) return host.fatal(error);
      try {
        if (error !== null) throw error;
        const file = files.open(part.position);
        this.#loading = { file, reader: new SnapshotReader(storeOptions, file.head) };
      } catch (error) {
        this.#complain(error);
      }
    });
  }

  /** What came was no snapshot, or found no room: it is dropped, and the leader begins anew. */
  #complain(error: unknown): void {
    const isExpected = error instanceof DiskFullError || error instanceof DataDirectoryError ||
      error instanceof ByteFormatError;
    if (!isExpected) throw error;
    const fields = { reason: error.message };
    this.#options.host.log({
      level: "warning",
      message: "A snapshot could not be taken in",
      fields,
    });
  }
}
