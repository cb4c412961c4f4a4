/**
 * Standard streams, files and the terminal as the commands use them that talk to a cluster: bytes, in
 * pieces, with backpressure. Loaded by those commands alone; an interface, so that their tests start no
 * process.
 */
import { reasonOf } from "./system_errors.ts";

/** Bytes of a file or of standard input, read from front to end. */
export interface InputStream {
  /** How long it is; null where that is not known before it ends. */
  readonly sizeBytes: number | null;
  /** Reads some bytes; null at the end. @throws {StreamError} in words, where it can't. */
  read(into: Uint8Array): Promise<number | null>;
  close(): void;
}

export interface OutputStream {
  /**
   * Writes all of `bytes`.
   * @throws {OutputClosedError} where nobody reads them any more.
   * @throws {StreamError} in words, where they can't be written.
   */
  write(bytes: Uint8Array): Promise<void>;
  close(): void;
}

export interface Console {
  readonly inputIsTerminal: boolean;
  readonly outIsTerminal: boolean;
  readonly errorIsTerminal: boolean;
  /** False where NO_COLOR is set; whether the stream is a terminal is another question. */
  readonly mayColor: boolean;
  /** Of the terminal; 80 and 24 where there is none. */
  size(): { readonly columns: number; readonly rows: number };
  readonly input: InputStream;
  readonly out: OutputStream;
  /** @throws {Error} in words, where there is no such file or it can't be read. */
  openFile(path: string): InputStream;
  /** Creates the file; one that is there is refused, so that nothing is lost. */
  createFile(path: string): OutputStream;
  /** The mount point of the file system that a path is on; null where there is no such path. */
  mountPoint(path: string): string | null;
}

/** Standard output's reader has left (`| head`). */
export class OutputClosedError extends Error {
  override readonly name = "OutputClosedError";
}

/** A file or a standard stream can't be read or written. */
export class StreamError extends Error {
  override readonly name = "StreamError";
}

interface Stream {
  read(into: Uint8Array): Promise<number | null>;
}

function inputOf(stream: Stream, name: string, sizeBytes: number | null, close: () => void) {
  return {
    sizeBytes,
    async read(into: Uint8Array): Promise<number | null> {
      try {
        return await stream.read(into);
      } catch (error) {
        throw new StreamError(`Cannot read ${name}: ${reasonOf(name, error)}`, { cause: error });
      }
    },
    close,
  };
}

function outputOf(
  stream: { write(bytes: Uint8Array): Promise<number> },
  name: string,
  close: () => void,
): OutputStream {
  return {
    async write(bytes) {
      try {
        let written = 0;
        while (written < bytes.length) written += await stream.write(bytes.subarray(written));
      } catch (error) {
        if (error instanceof Deno.errors.BrokenPipe) throw new OutputClosedError(name);
        throw new StreamError(`Cannot write to ${name}: ${reasonOf(name, error)}`, {
          cause: error,
        });
      }
    },
    close,
  };
}

function terminalSize(): { columns: number; rows: number } {
  try {
    const { columns, rows } = Deno.consoleSize();
    if (columns > 0 && rows > 0) return { columns, rows };
  } catch {
    // No terminal.
  }
  return { columns: 80, rows: 24 };
}

export const denoConsole: Console = {
  inputIsTerminal: Deno.stdin.isTerminal(),
  outIsTerminal: Deno.stdout.isTerminal(),
  errorIsTerminal: Deno.stderr.isTerminal(),
  mayColor: !Deno.noColor,
  size: terminalSize,
  input: inputOf(Deno.stdin, "standard input", null, () => {}),
  out: outputOf(Deno.stdout, "standard output", () => {}),
  openFile(path) {
    try {
      const file = Deno.openSync(path);
      const { size, isFile, isDirectory } = file.statSync();
      if (isDirectory) throw new Error("it is a directory");
      return inputOf(file, path, isFile ? size : null, () => file.close());
    } catch (error) {
      throw new Error(`Cannot read ${path}: ${reasonOf(path, error)}`, { cause: error });
    }
  },
  createFile(path) {
    try {
      const file = Deno.openSync(path, { write: true, createNew: true });
      return outputOf(file, path, () => file.close());
    } catch (error) {
      const reason = error instanceof Deno.errors.AlreadyExists
        ? "there is such a file already; name another, or remove it first"
        : reasonOf(path, error);
      throw new Error(`Cannot create ${path}: ${reason}`, { cause: error });
    }
  },
  mountPoint(path) {
    try {
      let point = Deno.realPathSync(path);
      const { dev } = Deno.statSync(point);
      while (point !== "/") {
        const above = point.slice(0, point.lastIndexOf("/")) || "/";
        if (Deno.statSync(above).dev !== dev) break;
        point = above;
      }
      return point;
    } catch {
      return null;
    }
  },
};
