/** `raftkv backup`: its flags. What it does is in ../run/backup.ts, loaded when it runs. */
import { buildCommand } from "@stricli/core";
import { CLIENT_FLAGS, SERVERS_HELP } from "../connect/flags.ts";
import type { ClientFlags } from "../connect/flag_types.ts";
import type { CliContext } from "../context.ts";

export const backupCommand = buildCommand<ClientFlags, [string], CliContext>({
  loader: async () => (await import("../run/backup.ts")).runBackup,
  parameters: {
    flags: CLIENT_FLAGS,
    positional: {
      kind: "tuple",
      parameters: [{
        brief: "The new file; - is standard output",
        parse: String,
        placeholder: "FILE",
      }],
    },
  },
  docs: {
    brief: "Write all keys as they are at one moment into a file",
    customUsage: ["[flags] FILE | -"],
    fullDescription: [
      "Writes the contents of the cluster at one index of its log into a new file: keys, values,",
      "versions, times to live. It holds every write that was acknowledged before the command was",
      "given. It is taken from a follower where there is one, else from the leader; writes",
      "continue meanwhile. The file appears when it is whole and durable: what is interrupted",
      "leaves none. raftkv verify FILE checks all of it.",
      "",
      SERVERS_HELP,
    ].join("\n"),
  },
});
