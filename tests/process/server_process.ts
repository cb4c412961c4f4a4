/** One server as a process of its own, with its log lines kept. */
import { ENVIRONMENT } from "../../lib/host/process.ts";
import { KeptText } from "./kept_text.ts";
import { eventually, REPLY_DEADLINE_MS, within } from "./patience.ts";

export const PROJECT = new URL("../../", import.meta.url).pathname;

/** The permissions that the compiled program has. */
const PERMISSIONS = ["--allow-net", "--allow-read", "--allow-write", "--allow-env"];

/** Without what the person who runs the tests has set. */
export const BARE_ENVIRONMENT: Readonly<Record<string, string>> = {
  ...Object.fromEntries(ENVIRONMENT.map((name) => [name, ""])),
  NO_COLOR: "1",
};

export interface RunOptions {
  readonly args: readonly string[];
  /** The working directory. */
  readonly directory: string;
  /** Where another build's sources are, with a slash at the end; this build's own unless given. */
  readonly checkout?: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** A program that makes itself into the server, with its arguments: limits, rights. */
  readonly wrapper?: readonly string[];
}

/** One line of a server's log, parsed. */
export interface LogLine {
  readonly time: string;
  readonly level: string;
  readonly message: string;
  readonly [field: string]: unknown;
}

/** What a server says of the machine that it runs on: a busy one may earn that at any time. */
export const OF_THE_MACHINE = /^(Slow disk|This server stood still)/;

/** Processes that were started and have not ended: whatever happens, none outlives the tests. */
const running = new Set<Deno.ChildProcess>();

function killAll(): void {
  for (const child of running) {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
  }
}

globalThis.addEventListener("unload", killAll);
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
  Deno.addSignalListener(signal, () => {
    killAll();
    Deno.exit(1);
  });
}

/** What a process left behind. */
export interface Ended {
  readonly code: number;
  readonly signal: Deno.Signal | null;
  readonly out: string;
  readonly error: string;
}

export class ServerProcess {
  readonly #child: Deno.ChildProcess;
  readonly #ended: Promise<Ended>;
  readonly #out = new KeptText();
  readonly #error = new KeptText();
  hasEnded = false;

  constructor(options: RunOptions) {
    const program = [...options.wrapper ?? [], ...programCommand(options.checkout)];
    this.#child = new Deno.Command(program[0]!, {
      args: [...program.slice(1), ...options.args],
      cwd: options.directory,
      env: { ...BARE_ENVIRONMENT, ...options.environment },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    running.add(this.#child);
    this.#ended = this.#follow();
  }

  get pid(): number {
    return this.#child.pid;
  }

  get error(): string {
    return this.#error.text;
  }

  /** The log so far; lines that are no JSON, or not whole yet, are left out. */
  get log(): LogLine[] {
    const lines = this.#error.wholeLines().filter((line) => line.startsWith("{"));
    return lines.map((line) => JSON.parse(line));
  }

  /** The last lines on standard error, shortened. */
  logTail(lines: number, width: number): string {
    return this.#error.tail(lines, width);
  }

  signal(name: Deno.Signal): void {
    if (!this.hasEnded) this.#child.kill(name);
  }

  /** Waits for the end of a process that ends by itself, or was told to. */
  ended(deadlineMs = REPLY_DEADLINE_MS): Promise<Ended> {
    return within(deadlineMs, `the end of process ${this.pid}`, this.#ended);
  }

  async kill(): Promise<Ended> {
    this.signal("SIGKILL");
    return await this.ended();
  }

  /** Waits for a line on standard error that holds `text`; an end of the process fails it. */
  async logged(text: string, deadlineMs = REPLY_DEADLINE_MS): Promise<void> {
    await eventually(`${JSON.stringify(text)} in the log`, () => {
      if (this.error.includes(text)) return true;
      if (this.hasEnded) throw new Error(`Ended without ${JSON.stringify(text)}: ${this.error}`);
      return false;
    }, deadlineMs);
  }

  /** Bytes of memory that the process holds; null where the system does not tell. */
  residentBytes(): number | null {
    try {
      const status = Deno.readTextFileSync(`/proc/${this.pid}/status`);
      const kib = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
      return kib === undefined ? null : Number(kib) * 1024;
    } catch {
      return null;
    }
  }

  async #follow(): Promise<Ended> {
    const gather = async (stream: ReadableStream<Uint8Array>, add: (text: string) => void) => {
      const decoder = new TextDecoder();
      for await (const bytes of stream) add(decoder.decode(bytes, { stream: true }));
    };
    const [status] = await Promise.all([
      this.#child.status,
      gather(this.#child.stdout, (text) => this.#out.add(text)),
      gather(this.#child.stderr, (text) => this.#error.add(text)),
    ]);
    this.hasEnded = true;
    running.delete(this.#child);
    return { code: status.code, signal: status.signal, out: this.#out.text, error: this.error };
  }
}

/** What starts the program: the executable that is to be tested, or Deno on the sources. */
export function programCommand(checkout: string | undefined): string[] {
  const executable = Deno.env.get("RAFTKV_EXECUTABLE") ?? "";
  if (checkout === undefined && executable !== "") return [executable];
  const sources = checkout ?? PROJECT;
  const locked = [`--config=${sources}deno.json`, `--lock=${sources}deno.lock`, "--frozen"];
  const options = ["--no-prompt", ...locked, ...PERMISSIONS];
  return [Deno.execPath(), "run", "--quiet", ...options, `${sources}main.ts`];
}

/** `raftkv-run`, which is built beside the executable. */
export function wrapperCommand(): string[] {
  const executable = Deno.env.get("RAFTKV_EXECUTABLE") ?? "";
  if (executable !== "") return [`${executable}-run`];
  const locked = [`--config=${PROJECT}deno.json`, `--lock=${PROJECT}deno.lock`, "--frozen"];
  const options = ["--no-prompt", "--no-check", ...locked, "--allow-net", "--allow-run"];
  return [Deno.execPath(), "run", "--quiet", ...options, `${PROJECT}lib/cli/wrap/main.ts`];
}

/** Runs the program to its end. */
export async function runToEnd(options: RunOptions): Promise<Ended> {
  const process = new ServerProcess(options);
  try {
    return await process.ended();
  } finally {
    await process.kill();
  }
}
