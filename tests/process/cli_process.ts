/** The command line as a process of its own, beside a cluster: bytes in, bytes out, exit code. */
import type { Cluster } from "./harness.ts";
import { within } from "./patience.ts";
import { BARE_ENVIRONMENT, programCommand } from "./server_process.ts";

export interface CliOptions {
  readonly input?: string | Uint8Array;
  readonly environment?: Readonly<Record<string, string>>;
  /** Where it runs: the cluster's directory, where cluster.json is, unless given. */
  readonly directory?: string;
}

export interface CliEnded {
  readonly code: number;
  readonly bytes: Uint8Array;
  readonly out: string;
  readonly error: string;
  readonly tookMs: number;
}

/** No command takes longer, whatever is down. */
const CLI_DEADLINE_MS = 60_000;

export async function cli(
  cluster: Cluster,
  args: readonly string[],
  options: CliOptions = {},
): Promise<CliEnded> {
  const [program, ...before] = programCommand(undefined);
  const startMs = performance.now();
  const child = new Deno.Command(program!, {
    args: [...before, ...args],
    cwd: options.directory ?? cluster.directory,
    env: { ...BARE_ENVIRONMENT, ...options.environment },
    stdin: options.input === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  if (options.input !== undefined) {
    const { input } = options;
    const writer = child.stdin.getWriter();
    // It may end without having read all.
    writer.write(typeof input === "string" ? new TextEncoder().encode(input) : input)
      .then(() => writer.close()).catch(() => {});
  }
  try {
    const ended = child.output();
    const { code, stdout, stderr } = await within(CLI_DEADLINE_MS, `raftkv ${args[0]}`, ended);
    const decoder = new TextDecoder();
    return {
      code,
      bytes: stdout,
      out: decoder.decode(stdout),
      error: decoder.decode(stderr),
      tookMs: performance.now() - startMs,
    };
  } finally {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
  }
}

/** A directory with an executable `raftkv` in it, for shells; `PATH` begins with it. */
export function shellDirectory(cluster: Cluster): string {
  const directory = `${cluster.directory}/bin`;
  Deno.mkdirSync(directory, { recursive: true });
  const words = programCommand(undefined).map((word) => `'${word.replaceAll("'", `'\\''`)}'`);
  Deno.writeTextFileSync(`${directory}/raftkv`, `#!/bin/sh\nexec ${words.join(" ")} "$@"\n`);
  Deno.chmodSync(`${directory}/raftkv`, 0o755);
  return directory;
}

/** Runs a program with that `raftkv` in its PATH. */
export async function shell(
  cluster: Cluster,
  command: readonly string[],
  options: CliOptions = {},
): Promise<CliEnded> {
  const [program, ...args] = command;
  const startMs = performance.now();
  const child = new Deno.Command(program!, {
    args,
    cwd: options.directory ?? cluster.directory,
    env: {
      ...BARE_ENVIRONMENT,
      PATH: `${shellDirectory(cluster)}:${Deno.env.get("PATH") ?? ""}`,
      TERM: "xterm",
      ...options.environment,
    },
    stdin: options.input === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  if (options.input !== undefined) {
    const { input } = options;
    const writer = child.stdin.getWriter();
    writer.write(typeof input === "string" ? new TextEncoder().encode(input) : input)
      .then(() => writer.close()).catch(() => {});
  }
  const { code, stdout, stderr } = await within(CLI_DEADLINE_MS, program!, child.output());
  const decoder = new TextDecoder();
  return {
    code,
    bytes: stdout,
    out: decoder.decode(stdout),
    error: decoder.decode(stderr),
    tookMs: performance.now() - startMs,
  };
}
