/** A process and a console in memory, for command lines that are run without starting a process. */
import { runCommandLine } from "../../lib/cli/app.ts";
import {
  type Console,
  type InputStream,
  OutputClosedError,
  StreamError,
} from "../../lib/host/console.ts";
import type { HostProcess } from "../../lib/host/process.ts";

export interface CommandOptions {
  readonly environment?: Readonly<Record<string, string>>;
  readonly files?: Readonly<Record<string, string>>;
  readonly input?: Uint8Array;
  readonly isTerminal?: boolean;
  readonly columns?: number;
  /** Standard output takes nothing, as /dev/full. */
  readonly isOutFull?: boolean;
  /** Whoever read standard output has left. */
  readonly isOutClosed?: boolean;
}

export interface Said {
  code: number;
  out: string;
  error: string;
}

const FULL = "Cannot write to standard output: No space left on device";

/** Bytes as a stream that gives at most `pieceBytes` at a time. */
export function streamOf(bytes: Uint8Array, pieceBytes = Infinity): InputStream {
  let at = 0;
  return {
    sizeBytes: bytes.length,
    read(into) {
      if (at === bytes.length) return Promise.resolve(null);
      const piece = bytes.subarray(at, at + Math.min(pieceBytes, into.length));
      into.set(piece);
      at += piece.length;
      return Promise.resolve(piece.length);
    },
    close() {},
  };
}

/** Runs a command line; gives exit code and both outputs. */
export async function command(
  args: readonly string[],
  options: CommandOptions = {},
): Promise<Said> {
  const said = { code: 0, out: "", error: "" };
  const { environment = {}, files = {}, isTerminal = false, columns = 80 } = options;
  const decoder = new TextDecoder();
  const host: HostProcess = {
    args,
    environment: (name) => environment[name] || undefined,
    writeOut(text) {
      if (options.isOutFull) throw new Error(FULL);
      if (options.isOutClosed) return false;
      said.out += text;
      return true;
    },
    writeError: (text) => void (said.error += text),
    errorIsTerminal: isTerminal,
    readTextFile: (path) => files[path] ?? null,
    onSignal() {},
    onUncaughtError() {},
    exit(code) {
      throw new Error(`exit ${code}`);
    },
  };
  const console: Console = {
    inputIsTerminal: isTerminal,
    outIsTerminal: isTerminal,
    errorIsTerminal: isTerminal,
    mayColor: false,
    size: () => ({ columns, rows: 24 }),
    input: streamOf(options.input ?? new Uint8Array()),
    out: {
      write(bytes) {
        if (options.isOutFull) return Promise.reject(new StreamError(FULL));
        if (options.isOutClosed) return Promise.reject(new OutputClosedError("standard output"));
        said.out += decoder.decode(bytes);
        return Promise.resolve();
      },
      close() {},
    },
    openFile(path) {
      const text = files[path];
      if (text === undefined) throw new Error(`Cannot read ${path}: there is no such file`);
      return streamOf(new TextEncoder().encode(text));
    },
    createFile() {
      throw new Error("no file is created here");
    },
    mountPoint: () => null,
  };
  said.code = await runCommandLine(host, console);
  return said;
}
