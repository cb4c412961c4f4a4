/**
 * The command line: `raftkv --id 1` is `raftkv serve --id 1`. One file a command; what a command
 * needs is loaded when it runs.
 *
 * Exit codes: 0 done, 1 refused or failed at run time (one sentence on standard error), 2 the
 * command line is wrong.
 */
import {
  buildApplication,
  buildRouteMap,
  ExitCode,
  run,
  text_en,
  UnexpectedPositionalError,
} from "@stricli/core";
import metadata from "../../deno.json" with { type: "json" };
import type { HostProcess } from "../host/process.ts";
import type { CliContext } from "./context.ts";
import { inspectCommand } from "./inspect.ts";
import { serveCommand } from "./serve.ts";
import { UsageError } from "./usage_error.ts";
import { verifyCommand } from "./verify.ts";

const FULL_DESCRIPTION = [
  "A replicated, strongly consistent key-value store. Each server is one process:",
  "",
  "  raftkv --id 1          starts server 1 (short for raftkv serve --id 1)",
  "  raftkv serve --help    shows the flags and the environment variables",
  "  raftkv inspect data/1  shows what is in server 1's data directory",
  "  raftkv verify data/1   checks every checksum in it",
  "",
  "Without --config and without a cluster.json here, the cluster is three servers on 127.0.0.1",
  "with the client ports 9000, 9002 and 9004.",
].join("\n");

const root = buildRouteMap({
  routes: { serve: serveCommand, inspect: inspectCommand, verify: verifyCommand },
  defaultCommand: "serve",
  docs: { brief: "A replicated key-value store", fullDescription: FULL_DESCRIPTION },
});

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

const app = buildApplication<CliContext>(root, {
  name: "raftkv",
  versionInfo: { currentVersion: metadata.version },
  scanner: { caseStyle: "allow-kebab-for-camel" },
  documentation: { disableAnsiColor: true, useAliasInUsageLine: false },
  localization: {
    text: {
      ...text_en,
      formatException: messageOf,
      exceptionWhileRunningCommand: (error) => `raftkv: ${messageOf(error)}`,
      exceptionWhileParsingArguments(error, ansiColor) {
        if (error instanceof UnexpectedPositionalError) {
          return `raftkv: unknown command ${error.input}: try raftkv --help`;
        }
        const what = text_en.exceptionWhileParsingArguments.call(this, error, ansiColor);
        return `raftkv: ${what}${what.endsWith("?") ? "" : "."} Try raftkv serve --help`;
      },
    },
  },
  determineExitCode: (error) => error instanceof UsageError ? 2 : 1,
});

/** Runs the command line and returns the exit code, once the command is done. */
export async function runCommandLine(host: HostProcess): Promise<number> {
  const process = {
    stdout: { write: (text: string) => host.writeOut(text) },
    stderr: { write: (text: string) => host.writeError(text) },
    exitCode: undefined as number | undefined,
  };
  await run(app, host.args, { process, host });
  const code = process.exitCode ?? 0;
  if (code === ExitCode.InvalidArgument || code === ExitCode.UnknownCommand) return 2;
  return code < 0 ? 1 : code;
}
