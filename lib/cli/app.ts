/**
 * The command line: `raftkv --id 1` is `raftkv serve --id 1`. One file a command; what a command
 * needs is loaded when it runs, and a server loads no other command at all.
 *
 * Exit codes are in exit_codes.ts.
 */
import { type Application, buildApplication, buildRouteMap, ExitCode, run } from "@stricli/core";
import metadata from "../../deno.json" with { type: "json" };
import type { Console } from "../host/console.ts";
import type { HostProcess } from "../host/process.ts";
import type { CliContext } from "./context.ts";
import { CliError, EXIT } from "./exit_codes.ts";
import { serveCommand } from "./serve.ts";
import { type CommandLine, texts } from "./texts.ts";
import { UsageError } from "./usage_error.ts";

/** The first argument of command lines that want no server, though it is a flag. */
const HELP_FLAGS = ["--help", "-h", "--helpAll", "--help-all"];

/** `raftkv`, `raftkv serve …` and `raftkv --id 1` run a server. */
function isServer(args: readonly string[]): boolean {
  const first = args[0];
  if (first === undefined || first === "serve") return true;
  return first.startsWith("-") && !HELP_FLAGS.includes(first);
}

/** `raftkv help`, `raftkv help set` and `raftkv version` as the flags that they mean. */
function asFlags(args: readonly string[]): readonly string[] {
  const [first, ...others] = args;
  if (first === "help") return [...others, "--help"];
  return first === "version" && others.length === 0 ? ["--version"] : args;
}

const serverRoutes = buildRouteMap<"serve", CliContext>({
  routes: { serve: serveCommand },
  defaultCommand: "serve",
  docs: { brief: "A replicated key-value store" },
});

/** The application that knows the command of `args`. */
async function applicationFor(args: readonly string[]): Promise<Application<CliContext>> {
  const routes = isServer(args) ? serverRoutes : (await import("./routes.ts")).allRoutes;
  const commands = new Map(
    routes.getAllEntries().map(({ name, target }) => {
      const inGroup = "getAllEntries" in target ? target.getAllEntries() : [];
      return [name.original, inGroup.map((one) => one.name.original)] as const;
    }),
  );
  const line: CommandLine = { args, commands };
  return buildApplication<CliContext>(routes, {
    name: "raftkv",
    versionInfo: { currentVersion: metadata.version },
    scanner: { caseStyle: "allow-kebab-for-camel", allowArgumentEscapeSequence: true },
    documentation: {
      disableAnsiColor: true,
      useAliasInUsageLine: false,
      onlyRequiredInUsageLine: true,
    },
    localization: { text: texts(line) },
    determineExitCode,
  });
}

function determineExitCode(error: unknown): number {
  if (error instanceof CliError) return error.exit;
  return error instanceof UsageError ? EXIT.usage : EXIT.refused;
}

/**
 * Runs the command line and returns the exit code, once the command is done. `console` is for tests: a
 * command takes the process's own streams where there is none.
 */
export async function runCommandLine(host: HostProcess, console?: Console): Promise<number> {
  let outFault: string | null = null;
  let isOutClosed = false;
  const process = {
    stdout: {
      write(text: string) {
        if (isOutClosed) return;
        try {
          isOutClosed = !host.writeOut(text);
        } catch (error) {
          outFault ??= (error as Error).message;
        }
      },
    },
    stderr: {
      write(text: string) {
        // An end that needs no sentence (Ctrl-C, a reader that has left) comes as an empty line.
        if (text.trim() !== "" && !isOutClosed) host.writeError(text);
      },
    },
    exitCode: undefined as number | undefined,
  };
  if (host.args[0] === "__complete") {
    const { complete } = await import("./completion/complete.ts");
    await complete({ process, host, console }, applicationFor);
    return EXIT.done;
  }
  const args = asFlags(host.args);
  await run(await applicationFor(args), args, { process, host, console });
  if (outFault !== null) {
    host.writeError(`raftkv: ${outFault}\n`);
    return EXIT.file;
  }
  if (isOutClosed) return EXIT.outputClosed;
  const code = process.exitCode ?? EXIT.done;
  if (code === ExitCode.InvalidArgument || code === ExitCode.UnknownCommand) return EXIT.usage;
  return code < 0 ? EXIT.refused : code;
}
