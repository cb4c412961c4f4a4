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

export function cli(
  cluster: Cluster,
  args: readonly string[],
  options: CliOptions = {},
): Promise<CliEnded> {
  const command = [...programCommand(undefined), ...args];
  return ended(cluster, `raftkv ${args[0]}`, command, {}, options);
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
export function shell(
  cluster: Cluster,
  command: readonly string[],
  options: CliOptions = {},
): Promise<CliEnded> {
  const path = `${shellDirectory(cluster)}:${Deno.env.get("PATH") ?? ""}`;
  return ended(cluster, command[0]!, command, { PATH: path, TERM: "xterm" }, options);
}

async function ended(
  cluster: Cluster,
  name: string,
  [program, ...args]: readonly string[],
  environment: Readonly<Record<string, string>>,
  options: CliOptions,
): Promise<CliEnded> {
  const startMs = performance.now();
  const child = new Deno.Command(program!, {
    args,
    cwd: options.directory ?? cluster.directory,
    env: { ...BARE_ENVIRONMENT, ...environment, ...options.environment },
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
    const { code, stdout, stderr } = await within(CLI_DEADLINE_MS, name, child.output());
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
