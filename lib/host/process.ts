/**
 * The process as its command line sees it: arguments, environment, standard streams, signals, exit.
 * An interface, so that the tests of lib/cli start no process.
 */
import { reasonOf } from "./system_errors.ts";

/** The environment variables that are read; the compiled program is permitted these and no others. */
export const ENVIRONMENT = [
  "RAFTKV_ID",
  "RAFTKV_CONFIG",
  "RAFTKV_DATA",
  "RAFTKV_LOG",
  "RAFTKV_LOG_LEVEL",
  "RAFTKV_SERVERS",
  "RAFTKV_TIMEOUT",
  "RAFTKV_OUTPUT",
  "RAFTKV_USER",
  "RAFTKV_PASSWORD",
  "RAFTKV_PASSWORD_FILE",
  "RAFTKV_JOIN",
  "RAFTKV_HOSTNAME",
  "RAFTKV_CLIENT_PORT",
  "RAFTKV_LOG_PORT",
  "RAFTKV_ADMIN_PORT",
  "RAFTKV_FORWARD_PORT",
  "RAFTKV_CLIENT_LISTEN",
  "RAFTKV_LOG_LISTEN",
  "RAFTKV_CLUSTER_SECRET",
  "RAFTKV_CLUSTER_SECRET_FILE",
  "RAFTKV_ADMIN_TOKEN",
  "RAFTKV_TLS_CA",
  "RAFTKV_TLS_CERT",
  "RAFTKV_TLS_KEY",
  "RAFTKV_TLS_SERVER_NAME",
  "RAFTKV_INSECURE",
] as const;
export type EnvironmentName = typeof ENVIRONMENT[number];

/** Signals that mean something to a server. */
export type Signal = "SIGTERM" | "SIGINT" | "SIGHUP" | "SIGUSR1" | "SIGUSR2";

export interface HostProcess {
  readonly args: readonly string[];
  /** Undefined where it is not set, or empty. */
  environment(name: EnvironmentName): string | undefined;
  /** False where whoever read it has left. @throws {Error} in words, where it can't be written. */
  writeOut(text: string): boolean;
  writeError(text: string): void;
  readonly errorIsTerminal: boolean;
  /** The file's text; null where there is none. Throws, in words, where it can't be read. */
  readTextFile(path: string): string | null;
  /** From now on these signals do nothing but call `run`. */
  onSignal(signals: readonly Signal[], run: (signal: Signal) => void): void;
  /** Errors that nobody caught, from promises too. */
  onUncaughtError(run: (error: unknown) => void): void;
  exit(code: number): never;
}

const encoder = new TextEncoder();

function writeAll(stream: { writeSync(bytes: Uint8Array): number }, text: string): void {
  const bytes = encoder.encode(text);
  let written = 0;
  while (written < bytes.length) written += stream.writeSync(bytes.subarray(written));
}

/** Nobody reads the stream any more (EPIPE), or the terminal is gone (EIO): that is no error of ours. */
function writeOut(text: string): boolean {
  try {
    writeAll(Deno.stdout, text);
    return true;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : "";
    if (error instanceof Deno.errors.BrokenPipe || code === "EIO") return false;
    const reason = reasonOf("standard output", error);
    throw new Error(`Cannot write to standard output: ${reason}`, { cause: error });
  }
}

function writeError(text: string): void {
  try {
    writeAll(Deno.stderr, text);
  } catch {
    // Nowhere to report it to.
  }
}

export const denoProcess: HostProcess = {
  args: Deno.args,
  environment: (name) => Deno.env.get(name) || undefined,
  writeOut,
  writeError,
  errorIsTerminal: Deno.stderr.isTerminal(),
  readTextFile(path) {
    try {
      return Deno.readTextFileSync(path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return null;
      throw new Error(reasonOf(path, error), { cause: error });
    }
  },
  onSignal(signals, run) {
    for (const signal of signals) {
      // Windows knows no such signals, and refuses their names.
      if (signal.startsWith("SIGUSR") && Deno.build.os === "windows") continue;
      Deno.addSignalListener(signal, () => run(signal));
    }
  },
  onUncaughtError(run) {
    globalThis.addEventListener("unhandledrejection", (event) => {
      event.preventDefault();
      run(event.reason);
    });
    globalThis.addEventListener("error", (event) => {
      event.preventDefault();
      run(event.error ?? event.message);
    });
  },
  exit: (code) => Deno.exit(code),
};
