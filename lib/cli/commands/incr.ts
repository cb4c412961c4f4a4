/** `raftkv incr`: its flags. What it does is in ../run/incr.ts, loaded when it runs. */
import { buildCommand } from "@stricli/core";
import { CLIENT_FLAGS, KEY_ARGUMENT, OUTPUT_FLAG, SERVERS_HELP } from "../connect/flags.ts";
import type { CliContext } from "../context.ts";
import type { IncrFlags } from "../run/incr.ts";
import { wholeNumberIn } from "../output/units.ts";

export const incrCommand = buildCommand<IncrFlags, [string, number?], CliContext>({
  loader: async () => (await import("../run/incr.ts")).runIncr,
  parameters: {
    flags: { ...CLIENT_FLAGS, ...OUTPUT_FLAG },
    positional: {
      kind: "tuple",
      parameters: [KEY_ARGUMENT, {
        brief: "How much to add, 1 unless given; may be negative",
        parse: wholeNumberIn(-Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
        placeholder: "BY",
        optional: true,
      }],
    },
  },
  docs: {
    brief: "Add to a counter",
    customUsage: ["[flags] KEY [BY]"],
    fullDescription: [
      "Adds to the number that the key holds (0 where there is no such key) and prints the sum.",
      "Where the outcome is unknown it is never sent again: read the counter first.",
      "",
      SERVERS_HELP,
    ].join("\n"),
  },
});
