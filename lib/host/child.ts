/**
 * Another program as a child of this one, with this process's standard streams and environment. Loaded by
 * raftkv-run alone: a server may start nothing.
 */
import type { Signal } from "./process.ts";

export interface Child {
  /** The exit code, as shells have it: 128 and the signal's number where a signal ended it. */
  readonly ended: Promise<number>;
  /** Does nothing where it has ended. */
  signal(name: Signal | "SIGKILL"): void;
}

/** It could not be started. */
export class StartError extends Error {
  override readonly name = "StartError";
  readonly isMissing: boolean;

  constructor(message: string, isMissing: boolean) {
    super(message);
    this.isMissing = isMissing;
  }
}

/** What starts one. An interface, so that tests start nothing. */
export type StartChild = (
  command: readonly string[],
  environment: Readonly<Record<string, string>>,
) => Child;

/** @throws {StartError} in words, where it can't be started. */
export const startChild: StartChild = ([program, ...args], environment) => {
  let child: Deno.ChildProcess;
  try {
    const options = { args, env: { ...environment } };
    child = new Deno.Command(program!, {
      ...options,
      stdin: "inherit",
      stdout: "inherit",
      stderr: "inherit",
    })
      .spawn();
  } catch (error) {
    const isMissing = error instanceof Deno.errors.NotFound;
    const why = isMissing ? "there is no such program" : (error as Error).message;
    throw new StartError(`Cannot run ${program}: ${why}`, isMissing);
  }
  return {
    // Its code is 128 and the signal's number already, where a signal ended it.
    ended: child.status.then(({ code }) => code),
    signal(name) {
      try {
        child.kill(name);
      } catch {
        // It has ended.
      }
    },
  };
};

/** Whether standard input is a terminal: then its Ctrl-C reaches the child as well. */
export function inputIsTerminal(): boolean {
  return Deno.stdin.isTerminal();
}

/** The first line of standard input, without its end; what follows is left to the child. */
export function firstInputLine(): string {
  const bytes: number[] = [];
  const one = new Uint8Array(1);
  while (bytes.length < LINE_BYTES_MAX && Deno.stdin.readSync(one) !== null && one[0] !== LF) {
    bytes.push(one[0]!);
  }
  return new TextDecoder().decode(Uint8Array.from(bytes)).replace(/\r$/, "");
}

const LINE_BYTES_MAX = 65_536;
const LF = 0x0a;
