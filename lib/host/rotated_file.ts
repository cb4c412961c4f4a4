/**
 * A file that grows by whole pieces, and gives way to a new one when it is full: `name`, before it `name.1`,
 * `name.2`, … Nothing is synced: what was written survives the process, and not a loss of power.
 */
import { reasonOf } from "./system_errors.ts";

export interface RotatedFileOptions {
  readonly directory: string;
  readonly name: string;
  readonly bytesMax: number;
  /** So many files stay. */
  readonly keep: number;
}

const NEWLINE = new Uint8Array([0x0a]);

export class RotatedFile {
  readonly #options: RotatedFileOptions;
  readonly #path: string;
  #file: Deno.FsFile | null = null;
  #bytes = 0;
  /** A piece may be there in part: what follows it begins on a line of its own. */
  #isTorn = false;

  constructor(options: RotatedFileOptions) {
    this.#options = options;
    this.#path = `${options.directory}/${options.name}`;
  }

  /** Appends whole lines, or nothing. @throws {Error} in words; the next call tries it afresh. */
  async append(lines: Uint8Array): Promise<void> {
    try {
      const file = this.#fileFor(lines.length);
      if (this.#isTorn) await this.#write(file, NEWLINE);
      this.#isTorn = false;
      await this.#write(file, lines);
    } catch (error) {
      this.#takeBack();
      this.close();
      throw new Error(`Cannot write ${this.#path}: ${reasonOf(this.#path, error)}`, {
        cause: error,
      });
    }
  }

  close(): void {
    this.#file?.close();
    this.#file = null;
  }

  async #write(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
    for (let written = 0; written < bytes.length;) {
      written += await file.write(bytes.subarray(written));
    }
    this.#bytes += bytes.length;
  }

  /** Cuts off what was written of a piece; where that can't be done either, a line stays torn. */
  #takeBack(): void {
    if (this.#file === null) return;
    try {
      this.#file.truncateSync(this.#bytes);
    } catch {
      this.#isTorn = true;
    }
  }

  #fileFor(bytes: number): Deno.FsFile {
    this.#file ??= this.#open();
    if (this.#bytes > 0 && this.#bytes + bytes > this.#options.bytesMax) {
      this.#turn();
      this.#file = this.#open();
    }
    return this.#file;
  }

  #open(): Deno.FsFile {
    Deno.mkdirSync(this.#options.directory, { recursive: true, mode: 0o700 });
    const file = Deno.openSync(this.#path, { append: true, create: true, mode: 0o600 });
    this.#bytes = file.statSync().size;
    return file;
  }

  #turn(): void {
    this.close();
    for (let age = this.#options.keep - 1; age >= 1; age--) {
      rename(age === 1 ? this.#path : `${this.#path}.${age - 1}`, `${this.#path}.${age}`);
    }
    if (this.#options.keep === 1) Deno.removeSync(this.#path);
    this.#isTorn = false;
  }
}

function rename(from: string, to: string): void {
  try {
    Deno.renameSync(from, to);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
