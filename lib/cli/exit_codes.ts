/**
 * The exit codes of every command; docs/cli.md has them as a table. They are etcdctl's where those fit:
 * a wrong command line is 2 here, as it always was (and as shells have it), so that connections have 3.
 */

export const EXIT = {
  done: 0,
  /** The servers, or the data, say no: no such key, another version, no room, damage. Nothing was changed. */
  refused: 1,
  /** The command line, or an environment variable that stands for a flag, is wrong. */
  usage: 2,
  /** No server, or no leader, was reached in time. Nothing was changed. */
  connection: 3,
  /** The command was sent and no answer came: it may have been done, or be done yet. */
  unknown: 4,
  /** Something of the cluster is not as it should be (status, check), or a lock was lost. */
  unhealthy: 5,
  /** A file or a standard stream can't be read or written, or holds something else than it should. */
  file: 6,
  /** Ctrl-C. */
  interrupted: 130,
  /** Whoever read standard output has left, as for a program that SIGPIPE ends. */
  outputClosed: 141,
} as const;

export type Exit = typeof EXIT[keyof typeof EXIT];

/** Ends a command with one sentence on standard error; without a sentence, silently. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly exit: Exit;

  constructor(exit: Exit, message = "", options?: ErrorOptions) {
    super(message, options);
    this.exit = exit;
  }
}
