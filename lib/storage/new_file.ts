/**
 * A large file on its way to its name: appended to under a temporary name, synced while the server
 * goes on, then renamed and its directory synced. Whatever fails, nothing of it is left but perhaps
 * the temporary file after a crash, which the next start removes.
 */
import { type Disk, DiskError, type DiskFile, DiskFullError } from "../host/ports.ts";
import { assert } from "../util/assert.ts";
import type { Done } from "./types.ts";

export class NewFile {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #temporary: string;
  readonly #onEnd: (durable: boolean) => void;
  readonly #file: DiskFile;
  #state: "open" | "syncing" | "ended" = "open";
  #length = 0;

  /** `onEnd` is called once: with true when the file is durable under `path`, else with false. */
  constructor(disk: Disk, path: string, suffix: string, onEnd: (durable: boolean) => void) {
    this.#disk = disk;
    this.#path = path;
    this.#temporary = path + suffix;
    this.#onEnd = onEnd;
    this.#file = disk.open(this.#temporary, { create: true });
    this.#guard(() => this.#file.truncate(0));
  }

  /** Bytes so far. */
  get length(): number {
    return this.#length;
  }

  /** False once the file is durable or aborted. */
  get isOpen(): boolean {
    return this.#state !== "ended";
  }

  /** Throws `DiskFullError` or `DiskError`, having aborted. */
  append(bytes: Uint8Array): void {
    assert(this.#state === "open", `${this.#temporary} was written to while ${this.#state}`);
    this.#guard(() => this.#file.write(this.#length, bytes));
    this.#length += bytes.length;
  }

  /** Syncs what is there; where that fails, the file has aborted. */
  flush(done: Done): void {
    assert(this.#state === "open", `${this.#temporary} was synced while ${this.#state}`);
    this.#state = "syncing";
    this.#file.sync((error) => {
      // Aborted meanwhile: a file can't be closed before its sync is over.
      if (this.#state === "ended") return this.#file.close();
      this.#state = "open";
      if (error !== null) this.abort();
      done(error);
    });
  }

  /** Writes the rest by `writeEnd`, makes all durable, and gives the file its name. */
  finish(done: Done, writeEnd: () => void): void {
    try {
      writeEnd();
    } catch (error) {
      if (!(error instanceof DiskFullError || error instanceof DiskError)) throw error;
      this.#disk.defer(() => done(error));
      return;
    }
    this.flush((error) => done(error ?? this.#giveName()));
  }

  /** Gives up, and removes what was written. */
  abort(): void {
    const state = this.#state;
    if (state === "ended") return;
    this.#state = "ended";
    if (state === "open") this.#file.close();
    this.#disk.remove(this.#temporary);
    this.#onEnd(false);
  }

  /** Returns what the disk threw. */
  #giveName(): Error | null {
    this.#state = "ended";
    this.#file.close();
    try {
      this.#disk.rename(this.#temporary, this.#path);
      this.#disk.syncDirectory(directoryOf(this.#path));
      this.#onEnd(true);
      return null;
    } catch (error) {
      if (!(error instanceof DiskFullError || error instanceof DiskError)) throw error;
      return error;
    }
  }

  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      if (error instanceof DiskFullError || error instanceof DiskError) this.abort();
      throw error;
    }
  }
}

function directoryOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}
