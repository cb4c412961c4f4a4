/**
 * The command line of `raftkv-run`: holds a lock while a command runs. It may use the network and start
 * programs, and nothing else: it reads no file and no environment variable, so all it is told are flags.
 */
import {
  buildApplication,
  buildCommand,
  ExitCode,
  run,
  text_en,
  UnsatisfiedPositionalError,
} from "@stricli/core";
import metadata from "../../../deno.json" with { type: "json" };
import type { StartChild } from "../../host/child.ts";
import type { HostProcess } from "../../host/process.ts";
import { escapeUnseen } from "../../util/unseen.ts";
import { parseServers } from "../client_ports.ts";
import { LOCK_FLAGS } from "../connect/lock_flags.ts";
import { parseTimerMs } from "../output/units.ts";
import { argumentFault, onlyFirst } from "../texts.ts";
import { holdAndRun, RUN_EXIT, type RunFlags, type Surroundings } from "./hold_and_run.ts";

const HELP = [
  "Takes the lock, runs the command with RAFTKV_LOCK (the name) and RAFTKV_TOKEN in its",
  "environment, and lets go when it ends. Where the lock is lost meanwhile the command is ended:",
  "SIGTERM, and SIGKILL after --grace. SIGTERM, SIGHUP, SIGUSR1 and SIGUSR2 are passed on to it,",
  "and so is SIGINT where standard input is no terminal. What is protected has to refuse tokens",
  "smaller than one that it has seen: docs/locks.md.",
  "",
  "Exit codes: the command's, 128 and the number of the signal that ended it; else",
  "  123  the lock was not to be had within --wait: the command was not run",
  "  124  the lock was lost, and the command ended for that",
  "  125  the command line is wrong, or no server answered: the command was not run",
  "  126  the command can't be run; 127: there is no such command",
].join("\n");

const command = buildCommand<RunFlags, string[], Surroundings>({
  func: holdAndRun,
  parameters: {
    flags: {
      servers: {
        kind: "parsed",
        parse: parseServers,
        brief: "Client ports of servers, a part of them will do; 127.0.0.1 with 9000, 9002, 9004",
        placeholder: "HOST:PORT,…",
        optional: true,
      },
      ...LOCK_FLAGS,
      grace: {
        kind: "parsed",
        parse: parseTimerMs,
        brief: "How long the command may take to end once the lock is lost; 5s",
        placeholder: "DURATION",
        optional: true,
      },
      timeout: {
        kind: "parsed",
        parse: parseTimerMs,
        brief: "How long a request to the cluster may take; 5s",
        placeholder: "DURATION",
        optional: true,
      },
      tls: {
        kind: "boolean",
        brief: "TLS, with the CAs that the runtime trusts, the file's too that DENO_CERT names",
        withNegated: false,
        optional: true,
      },
      tlsServerName: {
        kind: "parsed",
        parse: String,
        brief: "The name in the servers' certificates, where it is not what is connected to",
        placeholder: "NAME",
        optional: true,
      },
      user: {
        kind: "parsed",
        parse: String,
        brief: "Who asks, where the cluster has users; with --password-stdin",
        placeholder: "NAME",
        optional: true,
      },
      passwordStdin: {
        kind: "boolean",
        brief: "The password is the first line of standard input; the command gets what follows it",
        withNegated: false,
        optional: true,
      },
    },
    positional: {
      kind: "array",
      parameter: { brief: "The lock's name, then the command", parse: String, placeholder: "NAME" },
      minimum: 2,
    },
  },
  docs: {
    brief: "Hold a lock while a command runs",
    customUsage: ["[flags] NAME -- COMMAND [ARGUMENT]..."],
    fullDescription: HELP,
  },
});

/** Runs the command line and returns the exit code, once the command has ended. */
export async function runWrapper(
  host: HostProcess,
  start: StartChild,
  input: Surroundings["input"],
): Promise<number> {
  const streams = {
    stdout: { write: (text: string) => void host.writeOut(text) },
    stderr: { write: (text: string) => void (text.trim() !== "" && host.writeError(text)) },
  };
  const process = { ...streams, exitCode: undefined as number | undefined };
  const said = (error: unknown) => {
    const message = error instanceof Error ? error.message : String(error);
    return `raftkv-run: ${escapeUnseen(message)}`;
  };
  const isFirst = onlyFirst();
  const application = buildApplication<Surroundings>(command, {
    name: "raftkv-run",
    versionInfo: { currentVersion: metadata.version },
    scanner: { caseStyle: "allow-kebab-for-camel", allowArgumentEscapeSequence: true },
    documentation: { disableAnsiColor: true, useAliasInUsageLine: false },
    localization: {
      text: {
        ...text_en,
        exceptionWhileRunningCommand: said,
        commandErrorResult: said,
        exceptionWhileParsingArguments(error, ansiColor) {
          if (!isFirst()) return "";
          const what = error instanceof UnsatisfiedPositionalError
            ? "it takes a lock's name and a command: NAME -- COMMAND"
            : argumentFault(error, host.args) ??
              text_en.exceptionWhileParsingArguments.call(this, error, ansiColor);
          return `raftkv-run: ${escapeUnseen(what)}${
            /[?.]$/.test(what) ? "" : "."
          } Try raftkv-run --help`;
        },
      },
    },
    determineExitCode: () => RUN_EXIT.failed,
  });
  await run(application, host.args, { process, host, start, input });
  const code = process.exitCode ?? 0;
  return code < 0 || code === ExitCode.InvalidArgument ? RUN_EXIT.failed : code;
}
