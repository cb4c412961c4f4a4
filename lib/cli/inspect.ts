/** `raftkv inspect`: its flags. What it does is in run_inspect.ts, loaded when it runs. */
import { buildCommand } from "@stricli/core";
import type { CliContext } from "./context.ts";
import type { InspectFlags } from "./run_inspect.ts";

export const inspectCommand = buildCommand<InspectFlags, [string], CliContext>({
  loader: async () => (await import("./run_inspect.ts")).runInspect,
  parameters: {
    flags: {
      records: {
        kind: "boolean",
        brief: "Also list the log record by record",
        default: false,
        withNegated: false,
      },
      json: {
        kind: "boolean",
        brief: "Print one JSON document instead of text",
        default: false,
        withNegated: false,
      },
    },
    positional: {
      kind: "tuple",
      parameters: [{
        brief: "The server's data directory, such as data/1",
        parse: String,
        placeholder: "directory",
      }],
    },
  },
  docs: {
    brief: "Show what is in a data directory",
    fullDescription: [
      "Shows what is in a server's data directory: who the server is, its cluster, snapshots, log",
      "segments, hard state, leftovers and damage. It changes nothing, and can be used while the",
      "server runs; what is being written at that moment may look torn then.",
    ].join("\n"),
  },
});
