/** `raftkv check`: its flags. What it does is in ../run/check.ts, loaded when it runs. */
import { buildCommand } from "@stricli/core";
import { OUTPUT_FLAG, SERVER_FLAGS, SERVERS_HELP } from "../connect/flags.ts";
import type { CliContext } from "../context.ts";
import type { CheckFlags } from "../run/check.ts";

export const checkCommand = buildCommand<CheckFlags, [], CliContext>({
  loader: async () => (await import("../run/check.ts")).runCheck,
  parameters: { flags: { ...SERVER_FLAGS, ...OUTPUT_FLAG } },
  docs: {
    brief: "Look for what is wrong with the cluster, and say what to do",
    customUsage: ["[flags]"],
    fullDescription: [
      "Looks at what somebody who is asked for help would look at: whether all servers answer and",
      "agree on a leader, clocks, the speed of the disks, file systems, room, descriptors,",
      "elections, lag, versions that differ, the cluster file. Each line says what was found, and",
      "what to do about it. What only a server's own machine can tell is looked at where its data",
      "directory is here. Exit code 5 where something is wrong.",
      "",
      SERVERS_HELP,
    ].join("\n"),
  },
});
