/** What every command runs with: the process that the command line was typed into. */
import type { CommandContext } from "@stricli/core";
import type { Console } from "../host/console.ts";
import type { HostProcess } from "../host/process.ts";

export interface CliContext extends CommandContext {
  readonly host: HostProcess;
  /** In place of the process's own streams and terminal; they are loaded by those who use them. */
  readonly console?: Console | undefined;
}
