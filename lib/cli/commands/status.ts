/** `raftkv status`: its flags. What it does is in ../run/status.ts, loaded when it runs. */
import { buildCommand } from "@stricli/core";
import { OUTPUT_FLAG, SERVER_FLAGS, SERVERS_HELP } from "../connect/flags.ts";
import type { CliContext } from "../context.ts";
import type { StatusFlags } from "../run/status.ts";

export const statusCommand = buildCommand<StatusFlags, [], CliContext>({
  loader: async () => (await import("../run/status.ts")).runStatus,
  parameters: { flags: { ...SERVER_FLAGS, ...OUTPUT_FLAG } },
  docs: {
    brief: "Show all servers, as a table",
    customUsage: ["[flags]"],
    fullDescription: [
      "Asks all servers at the same time and prints within 1.5 s what they say, whatever is down:",
      "a server that does not answer is shown with what the others last heard of it, marked with",
      "its age. Servers that were not named are found through those that were. The table can be",
      "pasted into a report as it is. Exit code 5 where something is wrong, 3 where no server",
      "answers.",
      "",
      SERVERS_HELP,
    ].join("\n"),
  },
});
