/** `raftkv import`: its flags. What it does is in ../run/import.ts, loaded when it runs. */
import { buildCommand } from "@stricli/core";
import { CLIENT_FLAGS, SERVERS_HELP } from "../connect/flags.ts";
import type { CliContext } from "../context.ts";
import { CHECKS, type ImportFlags } from "../run/import_flags.ts";

export const importCommand = buildCommand<ImportFlags, [string], CliContext>({
  loader: async () => (await import("../run/import.ts")).runImport,
  parameters: {
    flags: {
      ...CLIENT_FLAGS,
      check: {
        kind: "enum",
        values: CHECKS,
        brief: "Compare afterwards: a sample of a thousand keys, all, or none",
        default: "sample",
      },
    },
    positional: {
      kind: "tuple",
      parameters: [{
        brief: "redis://[USER][:PASSWORD@]HOST[:PORT][/DATABASE]",
        parse: String,
        placeholder: "URL",
      }],
    },
  },
  docs: {
    brief: "Copy the strings of a live Redis, with their expiry",
    customUsage: ["[flags] redis://HOST:PORT"],
    fullDescription: [
      "Copies all strings of a Redis, with the moment at which each expires, and compares",
      "afterwards. Keys of other types are counted, by type, and not copied. What a key held in",
      "the cluster before is overwritten; keys that the source does not have stay. Interrupted, or",
      "while the source still changes, it can be given again.",
      "",
      SERVERS_HELP,
    ].join("\n"),
  },
});
