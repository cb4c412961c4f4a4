/**
 * What the commands share that talk to a cluster or print much: streams, Ctrl-C, and what becomes of the
 * errors that are nobody's fault, such as a reader that has left.
 */
import { type Console, type InputStream, OutputClosedError, StreamError } from "../host/console.ts";
import type { HostProcess } from "../host/process.ts";
import { escapeUnseen } from "../util/unseen.ts";
import type { CliContext } from "./context.ts";
import { CliError, EXIT } from "./exit_codes.ts";
import { UsageError } from "./usage_error.ts";

/** How long a command may take to give up what it does once Ctrl-C was pressed. */
const INTERRUPTED_MS = 1_000;

export const OUTPUT_FORMS = ["table", "json", "raw"] as const;
export type OutputForm = typeof OUTPUT_FORMS[number];

export interface Tool {
  readonly host: HostProcess;
  readonly console: Console;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  /** Data, to standard output; `done` is what was done already, to be said where it can't be printed. */
  print(data: string | Uint8Array, done?: string): Promise<void>;
  /** One sentence for the person, to standard error. */
  say(sentence: string): void;
}

const encoder = new TextEncoder();

/** Runs a command with Ctrl-C in hand. @throws {CliError} with the exit code, for all that it maps. */
export async function runTool(
  context: CliContext,
  run: (tool: Tool) => Promise<void>,
): Promise<void> {
  const { host } = context;
  const console = context.console ?? (await import("../host/console.ts")).denoConsole;
  const interrupt = new AbortController();
  host.onSignal(["SIGINT"], () => {
    if (interrupt.signal.aborted) host.exit(EXIT.interrupted);
    interrupt.abort(new CliError(EXIT.interrupted));
    // Whatever hangs is left behind: nothing of it is needed any more.
    setTimeout(() => host.exit(EXIT.interrupted), INTERRUPTED_MS);
  });
  const tool: Tool = {
    host,
    console,
    signal: interrupt.signal,
    async print(data, done) {
      try {
        await console.out.write(typeof data === "string" ? encoder.encode(data) : data);
      } catch (error) {
        if (!(error instanceof StreamError) || done === undefined) throw error;
        throw new CliError(EXIT.file, `${error.message}; ${done}`, { cause: error });
      }
    },
    say: (sentence) => host.writeError(`raftkv: ${escapeUnseen(sentence)}\n`),
  };
  try {
    await run(tool);
  } catch (error) {
    throw meaningOf(error, interrupt.signal.aborted);
  }
}

function meaningOf(error: unknown, isInterrupted: boolean): unknown {
  if (error instanceof OutputClosedError) return new CliError(EXIT.outputClosed);
  if (!isInterrupted) {
    if (!(error instanceof StreamError)) return error;
    return new CliError(EXIT.file, error.message, { cause: error });
  }
  if (error instanceof CliError && error.exit === EXIT.interrupted) return error;
  // What a write says of its outcome is worth a line even now.
  const message = error instanceof CliError && error.exit === EXIT.unknown ? error.message : "";
  return new CliError(EXIT.interrupted, message, { cause: error });
}

/** `--output`, else RAFTKV_OUTPUT, else `otherwise`. @throws {UsageError} where the variable is wrong. */
export function outputForm<T extends OutputForm | undefined>(
  flag: OutputForm | undefined,
  host: HostProcess,
  otherwise: T,
): OutputForm | T {
  if (flag !== undefined) return flag;
  const named = host.environment("RAFTKV_OUTPUT");
  if (named === undefined) return otherwise;
  const form = OUTPUT_FORMS.find((one) => one === named);
  if (form !== undefined) return form;
  throw new UsageError(
    `RAFTKV_OUTPUT: ${JSON.stringify(named)} is none of ${OUTPUT_FORMS.join(", ")}`,
  );
}

/** The same stream, whose reads end at once when `signal` is aborted: a terminal may never say more. */
export function interruptible(stream: InputStream, signal: AbortSignal): InputStream {
  return {
    sizeBytes: stream.sizeBytes,
    close: () => stream.close(),
    read(into) {
      return new Promise((resolve, reject) => {
        const onAbort = () => reject(signal.reason);
        if (signal.aborted) return onAbort();
        signal.addEventListener("abort", onAbort, { once: true });
        stream.read(into).then(resolve, reject)
          .finally(() => signal.removeEventListener("abort", onAbort));
      });
    },
  };
}

/** Reads a file or a stream; what goes wrong there has an exit code of its own. */
export async function withFile<T>(run: () => T | Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof CliError || error instanceof OutputClosedError) throw error;
    throw new CliError(EXIT.file, (error as Error).message, { cause: error });
  }
}
