/** `raftkv top`: its flags. What it does is in ../run/top.ts, loaded when it runs. */
import { buildCommand } from "@stricli/core";
import { SERVER_FLAGS, SERVERS_HELP } from "../connect/flags.ts";
import type { CliContext } from "../context.ts";
import type { TopFlags } from "../run/top.ts";
import { parseTimerMs } from "../output/units.ts";

export const topCommand = buildCommand<TopFlags, [], CliContext>({
  loader: async () => (await import("../run/top.ts")).runTop,
  parameters: {
    flags: {
      ...SERVER_FLAGS,
      interval: {
        kind: "parsed",
        parse: parseTimerMs,
        brief: "How often it asks, 1s unless given",
        placeholder: "DURATION",
        optional: true,
      },
    },
  },
  docs: {
    brief: "Show all servers live, with their rates",
    customUsage: ["[flags]"],
    fullDescription: [
      "Shows all servers on the terminal and draws anew every second, until Ctrl-C. Where",
      "standard output is no terminal it prints one picture and says so.",
      "",
      SERVERS_HELP,
    ].join("\n"),
  },
});
