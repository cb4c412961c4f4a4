/** `raftkv keys`: its flags. What it does is in ../run/keys.ts, loaded when it runs. */
import { buildCommand } from "@stricli/core";
import { CLIENT_FLAGS, OUTPUT_FLAG, SERVERS_HELP } from "../connect/flags.ts";
import type { CliContext } from "../context.ts";
import type { KeysFlags } from "../run/keys.ts";
import { wholeNumberIn } from "../output/units.ts";

export const keysCommand = buildCommand<KeysFlags, [string?], CliContext>({
  loader: async () => (await import("../run/keys.ts")).runKeys,
  parameters: {
    flags: {
      ...CLIENT_FLAGS,
      ...OUTPUT_FLAG,
      limit: {
        kind: "parsed",
        parse: wholeNumberIn(1, Number.MAX_SAFE_INTEGER),
        brief: "Stop after so many keys",
        placeholder: "N",
        optional: true,
      },
    },
    positional: {
      kind: "tuple",
      parameters: [{
        brief: "A pattern as Redis has it: *, ?, [abc], [^a], \\*; all keys unless given",
        parse: String,
        placeholder: "PATTERN",
        optional: true,
      }],
    },
  },
  docs: {
    brief: "List keys",
    customUsage: ["[flags] [PATTERN]"],
    fullDescription: [
      "Prints the keys, one a line, in no particular order, with the guarantees of Redis's SCAN: a",
      "key that is there from beginning to end is printed, once or more; one that comes or goes",
      "meanwhile may be printed or not. It is no moment's picture. A key that holds a line end is",
      "told apart by --output json alone.",
      "",
      SERVERS_HELP,
    ].join("\n"),
  },
});
