/** What every command runs with: the process that the command line was typed into. */
import type { CommandContext } from "@stricli/core";
import type { HostProcess } from "../host/process.ts";

export interface CliContext extends CommandContext {
  readonly host: HostProcess;
}
